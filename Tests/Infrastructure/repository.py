"""What the checks read: the tree, the generated settings, and tools of this machine."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INFRASTRUCTURE = ROOT / "infrastructure"
PROGRAMS = ("eclusa-control", "eclusa-gateway", "eclusa-stand-in")


def tool(name, package):
    """The path of a program; skips the test, loudly, on a machine without it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"SKIPPED LOUDLY: no {name} on this machine ({package})")
    return path


def checkov():
    return Path(sys.executable).parent / "checkov"


def run(*words, cwd=ROOT, **more):
    return subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=300, **more)


def settings():
    """By program: its flags, each with its variables and default, from the generated page."""
    found, program = {}, None
    for line in (ROOT / "docs/settings.md").read_text().splitlines():
        if heading := re.match(r"# Settings of `([\w-]+)`", line):
            program = found.setdefault(heading[1], {})
        elif row := re.match(r"\| `--(?:\[no-\])?([\w-]+)[^`]*` \| ([^|]*) \| ([^|]*) \|", line):
            program["--" + row[1]] = (re.findall(r"`(\w+)`", row[2]), row[3].strip(" `"))
    assert set(PROGRAMS) <= set(found)
    return found


def variables(program):
    """The environment variables a program reads."""
    return {name for names, _ in settings()[program].values() for name in names}


def default(program, flag):
    return settings()[program][flag][1]


def seconds(text):
    """`90s`, `5m`, `1h`."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]


def exported_metrics():
    """Name → type of every metric in docs/operating/metrics.md, which another test holds to what programs export."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (ROOT / "docs/operating/metrics.md").read_text(), re.M)
    assert len(rows) > 40
    return dict(rows)
