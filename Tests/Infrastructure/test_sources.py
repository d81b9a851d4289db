"""Linters for what is not Swift: shell, Python, YAML, the Dockerfile, SQL's neighbours."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import INFRASTRUCTURE, ROOT, checkov, run, tool

BESIDE = Path(sys.executable).parent


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("SKIPPED LOUDLY: this is no clone, so nothing says which files belong to it")
    return [ROOT / name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def first_line(path):
    with open(path, "rb") as file:
        return file.readline(200)


def test_shell_scripts():
    shellcheck = tool("shellcheck", "Debian's package shellcheck")
    scripts = [path for path in tracked() if first_line(path).startswith(b"#!") and b"sh\n" in first_line(path)]
    assert len(scripts) >= 12
    done = run(shellcheck, "--severity=warning", *scripts)
    assert done.returncode == 0, done.stdout
    for script in scripts:
        assert "pipefail" in script.read_text(), f"{script} takes a failed pipe for success"


def test_python():
    files = [path for path in tracked() if path.suffix == ".py" or b"python" in first_line(path)[:40]]
    assert len(files) >= 20
    done = run(BESIDE / "ruff", "check", "--isolated", "--no-cache", "--select", "E9,F,PLE", *files)
    assert done.returncode == 0, done.stdout


def test_yaml():
    files = [path for path in tracked() if path.suffix in (".yaml", ".yml")]
    rules = "{extends: relaxed, rules: {line-length: disable, truthy: disable, commas: disable, indentation: disable}}"
    done = run(BESIDE / "yamllint", "--strict", "--config-data", rules, *files)
    assert done.returncode == 0, done.stdout


def test_the_dockerfile():
    # Orchestrators ask health themselves (the images hold no shell or client); the build stage's base is an argument to pin.
    accepted = {"CKV_DOCKER_2", "CKV_DOCKER_7"}
    done = run(checkov(), "--framework", "dockerfile", "--file", INFRASTRUCTURE / "containers/Dockerfile", "--output", "json", "--quiet", "--compact")
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 20
    assert {failed["check_id"] for failed in report["results"]["failed_checks"]} <= accepted


def test_the_image_is_built_from_all_that_is_embedded():
    """What sources take in with #embed, and what the image's tools need, is copied, and nothing keeps it out of the context."""
    text = (INFRASTRUCTURE / "containers/Dockerfile").read_text().split("\nFROM ")[1]
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) <= sent
    wanted = []
    for path in tracked():
        if path.suffix in (".c", ".h"):
            for name in re.findall(r'^#embed "([^"]+)"', path.read_text(), re.M):
                wanted.append((path.parent / name).resolve().relative_to(ROOT))
    wanted += [Path("ControlPlane/Console"), Path("infrastructure/containers/assemble-root")]
    assert len(wanted) > 20
    for path in wanted:
        assert any(str(path) == name or str(path).startswith(name + "/") for name in copied), f"the image is built without {path}"


def test_json():
    for path in tracked():
        if path.suffix == ".json":
            json.loads(path.read_text())
