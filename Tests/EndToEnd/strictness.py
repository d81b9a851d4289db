"""The tables of Tests/Strictness, read as its README.md says; the same reading as in Tests/Support/WireTable.swift."""

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "Strictness"
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "s": b" ", "0": b"\0"}


@dataclass
class Case:
    section: str
    name: str
    method: str
    text: str
    ended: bool
    outcome: str

    def __str__(self):
        return f"{self.section}: {self.name}"

    def bytes(self, body=b"{}"):
        return expand(self.text, body)

    @property
    def outcomes(self):
        words = expand(self.outcome, b"").decode(errors="replace")
        return words.split("; ") if words else []


@dataclass
class Section:
    name: str
    template: str = "{}"
    expect: str = ""
    method: str = "POST"
    ended: bool = False
    cases: list = field(default_factory=list)


def read(table):
    cases, section = [], None
    for line in (FOLDER / table).read_text(encoding="utf-8").split("\n"):
        if not line or line.startswith("# "):
            continue
        word, _, value = line.partition(" ")
        if word == "##":
            section = Section(value.strip())
        elif "|" not in line and word in ("template", "expect", "method"):
            setattr(section, word, value.strip())
        elif line == "then close":
            section.ended = True
        else:
            columns = [column.strip() for column in line.split("|")]
            text = section.template.replace("{}", columns[1], 1)
            outcome = columns[2] if len(columns) > 2 else section.expect
            cases.append(Case(section.name, columns[0], section.method, text, section.ended, outcome))
    return cases


def expand(text, body):
    out, place = bytearray(), 0
    while place < len(text):
        mark = text[place]
        if mark == "\\":
            if text[place + 1] == "x":
                out.append(int(text[place + 2:place + 4], 16))
                place += 4
            else:
                out += ESCAPES.get(text[place + 1], text[place + 1].encode())
                place += 2
            continue
        if mark == "{":
            end = closing(text, place)
            meaning = None if end is None else meant(text[place + 1:end], body)
            if meaning is not None:
                out += meaning
                place = end + 1
                continue
        out += mark.encode()
        place += 1
    return bytes(out)


def closing(text, start):
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return None


def meant(text, body):
    repeated = re.fullmatch(r"(\d+)\*(.*)", text, re.S)
    if repeated:
        return expand(repeated[2], body) * int(repeated[1])
    known = re.fullmatch(r"(body|length|hex)([+-]\d+)?", text)
    if known is None:
        return None
    change = int(known[2] or 0)
    if known[1] == "body":
        return body[:len(body) + change]
    return (b"%d" if known[1] == "length" else b"%x") % (len(body) + change)
