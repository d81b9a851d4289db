"""The command blocks of the documents: which are run, which are marked as not run, and a shell that runs them.

A block is what stands between ```sh and ```. One that nobody can run on this machine has a line `*Not run here: why.*` above it. Every
other is run as it stands, by the test that plays its page; only names of an example are exchanged for those of the test.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"\*Not run here: (.+)\.\*")
# Which tests run the blocks of a page that are not marked. Blocks of `make` alone are left to CI, which runs the targets.
PLAYED = {
    "README.md": "test_guides.py",
    "docs/operating/alerts.md": "test_guides.py",
    "docs/operating/backup.md": "test_guides.py test_single_machine.py",
    "docs/operating/billing.md": "test_guides.py",
    "docs/operating/command-line.md": "test_guides.py",
    "docs/operating/containers.md": "test_guides.py",
    "docs/operating/content-log.md": "test_guides.py",
    "docs/operating/disaster-recovery.md": "test_guides.py",
    "docs/operating/key-rotation.md": "test_guides.py",
    "docs/operating/kubernetes.md": "test_guides.py",
    "docs/operating/limits.md": "test_guides.py",
    "docs/operating/single-machine.md": "test_single_machine.py",
    "docs/operating/upgrades.md": "test_guides.py",
}


@dataclass(frozen=True)
class Block:
    page: str
    section: str
    line: int
    language: str
    text: str
    """Why nobody runs it here; None: it is run."""
    reason: str | None

    @property
    def is_make(self):
        return all(re.match(r"(make [a-z-]+)?\s*(#.*)?$", line) for line in self.text.splitlines())


def pages():
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(str(path.relative_to(ROOT)) for path in found if path.name != "CHANGELOG.md")


def blocks(page):
    """Every fenced block of a page, its indentation taken off."""
    found, section, above, opened = [], "", "", None
    for number, line in enumerate((ROOT / page).read_text().splitlines(), start=1):
        fence = re.match(r"( *)```(\w*)", line)
        if fence and opened is None:
            opened = (number, len(fence[1]), fence[2], [])
        elif fence:
            start, indentation, language, text = opened
            mark = MARK.fullmatch(above)
            found.append(Block(page, section, start, language, "\n".join(text) + "\n", mark[1] if mark else None))
            above, opened = "", None
        elif opened is not None:
            opened[3].append(line[opened[1]:])
        elif line.strip():
            above = line.strip()
            section = above.lstrip("# ") if above.startswith("#") else section
    assert opened is None, f"{page}:{opened[0]}: a block without an end"
    return found


def commands(page, sections=None):
    """The blocks of a page that are run; of the named sections alone, if any are named."""
    return [
        block for block in blocks(page)
        if block.language == "sh" and block.reason is None and not block.is_make and (sections is None or block.section in sections)]


class Shell:
    """Runs blocks one after the other in bash; what they export and where they go to stays, as for somebody who types them."""

    def __init__(self, folder, programs, environment=None, replace=None):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)
        binaries = self.folder / "bin"
        binaries.mkdir()
        for program in ("eclusa", "eclusa-control", "eclusa-gateway"):
            (binaries / program).symlink_to(Path(programs) / program)
        home = self.folder / "home"
        home.mkdir()
        self.environment = {
            "PATH": f"{binaries}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC", **(environment or {})}
        self.cwd = self.folder
        self.replace = dict(replace or {})
        self.replaced = set()

    def text(self, block):
        text = block.text
        for word, value in self.replace.items():
            if word in text:
                self.replaced.add(word)
                text = text.replace(word, str(value))
        return text

    def run(self, block, stdin=""):
        """What the block prints; fails with all of it when one of its commands does."""
        kept = self.folder / "environment"
        script = f"{self.text(block)}\nenv -0 > '{kept}'\npwd > '{kept}.cwd'\n"
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script], cwd=self.cwd, env=self.environment, input=stdin, capture_output=True, text=True,
            timeout=180)
        assert done.returncode == 0, f"{block.page}:{block.line} ended with {done.returncode}:\n{done.stderr}\n{done.stdout}"
        self.environment = dict(entry.split("=", 1) for entry in kept.read_text().split("\0") if entry)
        self.cwd = Path(Path(f"{kept}.cwd").read_text().strip())
        return done.stdout + done.stderr

    def play(self, page, sections=None, stdin=""):
        """Every block of a page, or of some sections of it, that is run. Answers what all of them printed."""
        printed = [self.run(block, stdin) for block in commands(page, sections)]
        assert printed, f"{page} has no commands"
        unused = set(self.replace) - self.replaced
        assert not unused, f"{page} has no {unused} any more: take them out of its test"
        return "\n".join(printed)

