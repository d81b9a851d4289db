"""The compose files: what they set, mount and wait for exists. No container engine is needed, and none ran them here."""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml
from repository import INFRASTRUCTURE, ROOT, run, seconds, settings, variables

COMPOSE = INFRASTRUCTURE / "compose"
STAGING = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
DEVELOPMENT = yaml.safe_load((COMPOSE / "compose.development.yaml").read_text())
OURS = {"control": "eclusa-control", "gateway": "eclusa-gateway", "stand-in": "eclusa-stand-in", "tools": None}


def services(file=STAGING):
    return file["services"].items()


def program(service):
    return OURS[service["build"]["target"]] if "build" in service else None


def test_targets_of_the_dockerfile_exist():
    targets = set(re.findall(r"^FROM \S+ AS ([\w-]+)", (INFRASTRUCTURE / "containers/Dockerfile").read_text(), re.M))
    built = {service["build"]["target"] for file in (STAGING, DEVELOPMENT) for _, service in services(file) if "build" in service}
    assert built <= targets and {"control", "gateway", "tools", "stand-in"} <= built


@pytest.mark.parametrize("file", [STAGING, DEVELOPMENT], ids=["staging", "development"])
def test_every_setting_and_flag_exists(file):
    for name, service in services(file):
        known = program(service) or program(STAGING["services"].get(name, {}))
        if known:
            for variable in service.get("environment", {}):
                assert variable in variables(known), f"{name}: {variable}"
            for word in service.get("command", []):
                assert not word.startswith("--") or word in settings()[known], f"{name}: {word}"


def test_whoever_mounts_a_volume_owns_the_folder_it_is_made_from():
    """An engine gives a new volume the owner that its folder has in the image of the first container that mounts it."""
    stages = (INFRASTRUCTURE / "containers/Dockerfile").read_text().split("\nFROM ")
    for name, service in services():
        if "build" in service and any(volume.endswith(":/var/lib/eclusa") for volume in service.get("volumes", [])):
            stage, = [text for text in stages if text.split("\n")[0].endswith(f" AS {service['build']['target']}")]
            root, state = stage.index("/roots/"), stage.index("COPY --from=build --chown=65532:65532 /state /var/lib/eclusa")
            assert root < state < stage.index("USER 65532:65532"), name
    assert "rmdir /roots/*/var/lib/eclusa" in stages[1]


def test_services_wait_for_what_is_there_and_use_what_is_declared():
    for name, service in services():
        assert set(service.get("depends_on", {})) <= set(STAGING["services"]), name
        assert set(service.get("secrets", [])) <= set(STAGING["secrets"]), name
        assert set(service["networks"]) <= set(STAGING["networks"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in STAGING["volumes"] or (COMPOSE / source).exists(), f"{name}: {source}"
        for variable, value in service.get("environment", {}).items():
            for secret in re.findall(r"/run/secrets/([\w-]+)", str(value)):
                assert secret in service["secrets"], f"{name}: {variable}"


def test_what_runs_is_hardened_and_only_the_balancer_is_reached():
    for name, service in services():
        assert "no-new-privileges:true" in service["security_opt"] and service["mem_limit"] and service["pids_limit"], name
        if "build" in service:
            assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["user"] == "65532:65532", name
        assert name == "balancer" or "ports" not in service, f"{name} is open"
        assert not any("PASSWORD" in variable and not re.search(r"/run/secrets/", str(value))
                       for variable, value in service.get("environment", {}).items()), name
    for port in STAGING["services"]["balancer"]["ports"]:
        assert port.startswith("127.0.0.1:")
    assert STAGING["services"]["postgres"]["networks"] == ["inside"] and STAGING["networks"]["inside"]["internal"]


def test_whoever_stands_behind_the_balancer_takes_its_word_about_the_caller():
    for name, service in services():
        if program(service) and service.get("command") is None:
            assert service["environment"]["ECLUSA_TRUSTED_PROXIES"], name


def test_images_of_others_can_be_pinned_without_a_change_of_the_file():
    for name, service in services():
        assert service["image"].startswith("${"), name


def test_programs_have_time_to_drain():
    for name, service in services():
        if program(service) and service.get("command") is None:
            values = service["environment"]
            needed = seconds(values["ECLUSA_DRAIN_DELAY"]) + seconds(values["ECLUSA_DRAIN_TIME"])
            assert seconds(service["stop_grace_period"]) >= needed + 5, name


def test_the_balancer_gets_every_name_its_configuration_asks_for():
    asked = set(re.findall(r"\$\{(\w+)\}", (INFRASTRUCTURE / "haproxy/eclusa.cfg").read_text().split("defaults")[1]))
    assert asked == set(STAGING["services"]["balancer"]["environment"])


@pytest.mark.parametrize("host", ["127.0.0.1", "not-started-yet.invalid"])
def test_the_balancers_configuration_is_valid_also_before_the_gateways_are_there(host):
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if haproxy is None:
        pytest.skip("SKIPPED LOUDLY: no haproxy on this machine (Debian's package haproxy)")
    environment = {name: str(value) for name, value in STAGING["services"]["balancer"]["environment"].items()}
    # Names of the compose network mean nothing here.
    environment = {
        name: re.sub(r"^[a-z][\w-]*:", f"{host if name.startswith('GATEWAY') else '127.0.0.1'}:", value) for name, value in environment.items()}
    done = run(haproxy, "-c", "-f", INFRASTRUCTURE / "haproxy/eclusa.cfg", env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr


ECHO = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        text = ",".join(self.headers.get_all("x-forwarded-for", [])).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_the_balancer_says_who_called_whatever_the_caller_said():
    """What the programs believe (--trusted-proxies) nobody else may have written."""
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if haproxy is None:
        pytest.skip("SKIPPED LOUDLY: no haproxy on this machine (Debian's package haproxy)")
    calls, admin = free_port(), free_port()
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True) as echo:
        port = echo.stdout.readline().strip()
        given = {
            name: port if name.endswith(("_OPERATIONS", "_ADMIN_PORT")) else f"127.0.0.1:{port}"
            for name in STAGING["services"]["balancer"]["environment"]}
        given |= {"CALLS_ADDRESS": f"127.0.0.1:{calls}", "ADMIN_ADDRESS": f"127.0.0.1:{admin}", "NODES_ADDRESS": f"127.0.0.1:{free_port()}"}
        with subprocess.Popen([haproxy, "-db", "-f", INFRASTRUCTURE / "haproxy/eclusa.cfg"], env={**os.environ, **given}) as balancer:
            try:
                for there in (calls, admin):
                    request = urllib.request.Request(f"http://127.0.0.1:{there}/", headers={"X-Forwarded-For": "203.0.113.9"})
                    assert answered(request) == "127.0.0.1"
            finally:
                balancer.terminate()
                echo.terminate()


def answered(request, tries=100):
    """The answer, once somebody listens."""
    for left in reversed(range(tries)):
        try:
            return urllib.request.urlopen(request, timeout=5).read().decode()
        except OSError:
            if not left:
                raise
            time.sleep(0.1)


def test_prepare_makes_secrets_once_and_for_nobody_else(tmp_path):
    folder = tmp_path / "compose"
    shutil.copytree(COMPOSE, folder, ignore=shutil.ignore_patterns("secrets", ".env"))
    for _ in range(2):
        done = run(folder / "prepare")
        assert done.returncode == 0, done.stderr
        made = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
        assert set(made) == set(STAGING["secrets"]) and len(made["master-key"]) == 44
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    before = made
    assert run(folder / "prepare").returncode == 0
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} == before


def test_the_guide_names_the_steps():
    guide = (ROOT / "docs/operating/containers.md").read_text()
    for step in ("./prepare", "docker compose up", "enrollment-token", "compose.development.yaml"):
        assert step in guide
