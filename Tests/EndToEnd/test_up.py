"""`eclusa up` as a new user runs it: the printed curl works, a second run finds its data, Ctrl-C stops everything."""

import random
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from harness import PROGRAMS, command, wait_until


BASES = (7070, 7071, 8080, 8081, 9100)


def free_offset():
    """An offset at which every port of `eclusa up` is free."""
    while True:
        offset = random.randrange(3_000, 20_000)
        probes = []
        try:
            for base in BASES:
                probes.append(socket.create_server(("127.0.0.1", base + offset)))
            return offset
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()


class Up:
    def __init__(self, state):
        self.offset = free_offset()
        self.state = state

    def start(self):
        self.process = subprocess.Popen(
            # Ends with the test run, also when a test fails halfway.
            ["setpriv", "--pdeathsig", "INT", "--", PROGRAMS / "eclusa", "up", "--state-directory", self.state,
             "--port-offset", str(self.offset)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        self.printed = ""
        while "Ctrl-C" not in self.printed:
            line = self.process.stdout.readline()
            assert line, self.printed + self.process.stderr.read()
            self.printed += line

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    def curl(self):
        return re.search(r"^\s*(curl (?:.*\\\n)*.*)$", self.printed, re.MULTILINE).group(1)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("up") / "state"


def shell(text):
    return subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=20)


def test_up_prints_commands_that_work_and_resumes_its_data(state, tmp_path):
    up = Up(state)
    up.start()
    assert re.search(r"password", up.printed)
    password, kept = re.search(r"password   (\S+) .*kept in (\S+)\)", up.printed).groups()
    assert Path(kept).read_text().strip() == password
    login, usage_line = re.findall(r"^  (\S*eclusa (?:login .*|usage))$", up.printed, re.MULTILINE)
    typed = subprocess.run(
        ["bash", "-c", f"{login} && {usage_line}"], cwd=tmp_path, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60)
    assert typed.returncode == 0 and "total" in typed.stdout, typed.stderr
    first = up.curl()
    done = shell(first)
    assert '"content"' in done.stdout, done.stderr + done.stdout
    streamed = shell(first.replace('"messages"', '"stream":true,"messages"'))
    assert streamed.stdout.rstrip().endswith("data: [DONE]"), streamed.stdout

    eclusa = [PROGRAMS / "eclusa"]
    environment = {"ECLUSA_STATE_DIRECTORY": str(state)}

    def usage():
        code, out, error = command(*eclusa, "usage", "--json", environment=environment)
        assert code == 0, error
        return '"calls":2' in out.replace(" ", "")

    wait_until(usage, 3, "two calls in `eclusa usage`")
    code, out, error = command(*eclusa, "keys", environment=environment)
    assert code == 0 and "demo" in out, error
    code, out, error = command(*eclusa, "nodes", environment=environment)
    assert code == 0 and "NAME" in out, error
    assert up.stop() == 0

    began = time.monotonic()
    up.start()
    assert time.monotonic() - began < 15
    assert "content" in shell(up.curl()).stdout
    assert up.curl().split("Bearer ")[1][:20] == first.split("Bearer ")[1][:20]

    code, _, error = command(*eclusa, "up", "--state-directory", state, "--port-offset", str(up.offset))
    assert code == 73 and "running" in error
    code, out, error = command(*eclusa, "down", "--state-directory", state, timeout=40)
    assert code == 0, error
    up.process.wait(20)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{8080 + up.offset}/v1/models")


def test_up_names_a_port_in_use(tmp_path):
    offset = free_offset()
    with socket.create_server(("127.0.0.1", 8080 + offset)):
        code, _, error = command(
            PROGRAMS / "eclusa", "up", "--state-directory", tmp_path / "s", "--port-offset", str(offset))
    assert code == 73 and "the gateway" in error and str(8080 + offset) in error


def test_reset_deletes_the_data_only_when_told_to(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "keep").write_text("x")
    code, _, error = command(PROGRAMS / "eclusa", "reset", "--state-directory", tmp_path / "s")
    assert code == 64 and "--yes" in error and (tmp_path / "s" / "keep").exists()
