"""The root folders that container images are made of, and the systemd units, as they are deployed."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from harness import PROGRAMS, ROOT

ASSEMBLE = ROOT / "infrastructure/containers/assemble-root"
UNITS = sorted((ROOT / "infrastructure/systemd").glob("*.service"))
IMAGES = {"control": "eclusa-control", "gateway": "eclusa-gateway", "tools": "eclusa", "stand-in": "eclusa-stand-in"}


@pytest.fixture(params=IMAGES, scope="module")
def image(request, tmp_path_factory):
    root = tmp_path_factory.mktemp(request.param) / "root"
    subprocess.run([ASSEMBLE, root, PROGRAMS / IMAGES[request.param]], check=True)
    yield root, IMAGES[request.param]
    shutil.rmtree(root)


def test_an_image_holds_its_program_and_nothing_to_break_in_with(image):
    root, program = image
    programs = {path.name for path in (root / "usr/bin").iterdir()}
    makes_backups = program in ("eclusa", "eclusa-control")
    assert programs == ({program, "setpriv"} if makes_backups else {program})
    assert {path.name for path in root.glob("usr/lib/postgresql/*/bin/*")} == ({"pg_dump", "pg_restore"} if makes_backups else set())
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            assert not mode & (stat.S_ISUID | stat.S_ISGID), f"{path} runs as somebody else"
        if not stat.S_ISLNK(mode) and path not in (root / "tmp", root / "var/lib/eclusa"):
            assert not mode & stat.S_IWOTH, f"anybody may write {path}"
    for missing in ("bin/sh", "usr/bin/env", "sbin/apk", "usr/bin/dpkg"):
        assert not (root / missing).exists()


def test_the_list_of_parts_names_every_library_in_the_image(image):
    root, program = image
    parts = json.loads((root / "usr/share/eclusa.spdx.json").read_text())
    names = {part["name"] for part in parts["packages"]}
    assert {program, "libc6", "tzdata"} <= names
    if program in ("eclusa", "eclusa-control"):
        assert {"postgresql-client-15", "util-linux"} <= names
    for library in (root / "usr/lib").rglob("*.so*"):
        if library.is_symlink():
            continue
        owner = subprocess.run(["dpkg-query", "-S", f"*/{library.name}"], capture_output=True, text=True, check=True)
        assert any(line.split(":")[0] in names for line in owner.stdout.splitlines()), f"{library.name} is in no part"


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED LOUDLY: only root can change its root folder")
def test_the_program_runs_in_its_image_alone_as_an_unprivileged_user(image):
    root, program = image
    # The Swift runtime reads its arguments from /proc, which every container has.
    inside = f'mount -t proc proc "{root}/proc" && exec chroot --userspec=65532:65532 "{root}" /usr/bin/{program} --version'
    answer = subprocess.run(["unshare", "--mount", "bash", "-c", inside], capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(program)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_valid_and_hardened(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("SKIPPED LOUDLY: no systemd-analyze on this machine")
    text = unit.read_text()
    copy = tmp_path / unit.name
    copy.write_text(text.replace("/usr/bin/", f"{PROGRAMS}/"))
    verified = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, timeout=60)
    complaints = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert verified.returncode == 0 and not complaints, verified.stderr
    exposure = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    rated = subprocess.run(exposure, capture_output=True, text=True, timeout=60)
    assert rated.returncode == 0, rated.stdout[-300:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_leaves_time_to_drain(unit):
    """With the settings it comes with; whoever raises --drain-time raises the unit's limit too (single-machine.md)."""
    part = (ROOT / "docs/settings.md").read_text().split(f"# Settings of `{unit.stem}`")[1].split("\n# ")[0]
    drain = sum(int(re.search(rf"`--{flag} [^|]*\| [^|]* \| `(\d+)s`", part)[1]) for flag in ("drain-time", "drain-delay"))
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.M)[1]) >= drain + 10


def test_every_setting_a_unit_gives_exists():
    settings = (ROOT / "docs/settings.md").read_text()
    for file in [*UNITS, *(ROOT / "infrastructure/systemd").glob("*.env")]:
        for line in file.read_text().splitlines():
            name = line.removeprefix("Environment=").split("=")[0]
            if name.startswith("ECLUSA_"):
                assert f"`{name}`" in settings, f"{Path(file).name} sets {name}, which is no setting"
