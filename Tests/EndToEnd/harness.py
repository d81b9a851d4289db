"""Eclusa's programs as real processes on loopback: a private Postgres, the control plane, gateway nodes, the stand-in provider."""

import contextlib
import fcntl
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("ECLUSA_PROGRAMS", ROOT / ".build" / "release"))
ADMIN_EMAIL = "admin@example.com"
PASSWORD = "end-to-end-" + secrets.token_hex(8)


CLAIMS = {}


def free_port():
    """Below the range the kernel takes for connections: one of those would have it by the time the program listens. No other test
    run gets it before this one ends."""
    folder = Path(tempfile.gettempdir(), f"eclusa-test-ports-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    while True:
        port = random.SystemRandom().randrange(12_000, 30_000)
        if port in CLAIMS:
            continue
        claim = (folder / str(port)).open("w")
        with socket.socket() as probe, contextlib.suppress(OSError):
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            probe.bind(("127.0.0.1", port))
            CLAIMS[port] = claim
            return port
        claim.close()


def wait_until(condition, seconds, what):
    """Polls a condition of another process, which has no signal to wait for; bounded."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = condition()
            if answer:
                return answer
        except (httpx.HTTPError, ConnectionError, KeyError):
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Process:
    """One program with its log; ends with this test run, also when the run is killed."""

    def __init__(self, name, arguments, folder, environment=None, user=None, stop_signal="TERM"):
        self.name = name
        self.log = folder / f"{name}.log"
        words = ["setpriv", "--pdeathsig", stop_signal]
        if user is not None:
            words += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
        base = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        self.words, self.environment = words + ["--", *map(str, arguments)], {**base, **(environment or {})}
        self.stop_signal = getattr(signal, "SIG" + stop_signal)
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/")

    def stop(self, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        self.process.kill()
        self.process.wait()

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


class Postgres(Process):
    """A private cluster on a Unix socket; run as another user when the tests run as root."""

    def __init__(self, folder):
        places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self.binaries = places[0] if places else Path(shutil.which("initdb")).parent
        # Root's folders may be closed to the Postgres user, and a socket's path is short: a folder of its own in /tmp.
        self.home = Path(tempfile.mkdtemp(prefix="eclusa-pg-", dir="/tmp"))
        user = None
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.home, user.pw_uid, user.pw_gid)
        prefix = ["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups", "--"] if user else []
        subprocess.run(
            [*prefix, self.binaries / "initdb", "-D", self.home / "data", "-U", "eclusa", "--auth-local", "trust",
             "--auth-host", "reject", "-E", "UTF8", "--no-locale", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd="/")
        super().__init__(
            "postgres",
            [self.binaries / "postgres", "-D", self.home / "data", "-k", self.home, "-c", "listen_addresses=",
             "-c", "fsync=off", "-c", "shared_buffers=32MB"],
            folder, user=user, stop_signal="INT")
        self.url = f"postgresql://eclusa@{str(self.home).replace('/', '%2F')}/eclusa"
        wait_until(lambda: self.sql("postgres", "create database eclusa") or self.has_database(), 30, "Postgres")

    def sql(self, database, text):
        done = subprocess.run(
            [self.binaries / "psql", "-h", self.home, "-U", "eclusa", "-d", database, "-qtA", "-v", "ON_ERROR_STOP=1",
             "-c", text], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    def has_database(self):
        return self.sql("eclusa", "select 1") == "1"

    def remove(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Admin(httpx.Auth):
    """The REST API as an administrator, whose session is renewed when a long run outlives its token."""

    requires_response_body = True

    def __init__(self, base):
        self.http = httpx.Client(base_url=base, timeout=10, auth=self)

    def auth_flow(self, request):
        answer = yield request
        own = request.headers.get("authorization") == self.http.headers.get("authorization")
        if own and answer.status_code == 401 and answer.json().get("code") == "token_expired":
            self.login()
            request.headers["authorization"] = self.http.headers["authorization"]
            yield request

    def sign_in(self):
        """The access token of a new session; waits when this minute's sign-ins are used up."""
        for _ in range(10):
            answer = self.http.post("/api/v1/sessions", json={"email": ADMIN_EMAIL, "password": PASSWORD})
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers["retry-after"]))
        answer.raise_for_status()
        return answer.json()["access_token"]

    def login(self):
        self.http.headers["authorization"] = "Bearer " + self.sign_in()

    def post(self, path, body=None, status=None):
        answer = self.http.post("/api/v1" + path, json=body if body is not None else {})
        assert answer.status_code == (status or answer.status_code) and answer.status_code < 300, answer.text
        return answer.json()

    def patch(self, path, body):
        answer = self.http.patch("/api/v1" + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path, **query):
        answer = self.http.get("/api/v1" + path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Eclusa:
    """A whole installation: every part can be killed and started again by itself."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ports = {name: free_port() for name in (
            "admin", "node", "gateway", "operations", "stand_in", "webhook", "grafana", "raw", "judge")}
        self.parts = contextlib.ExitStack()
        self.postgres = Postgres(self.folder)
        self.parts.callback(self.postgres.remove)
        (self.folder / "master.key").write_text(secrets.token_urlsafe(32))
        (self.folder / "master.key").chmod(0o600)
        self.stand_in = self.part("stand-in", "eclusa-stand-in", ["--listen-address", self.address("stand_in")])
        self.control = self.part(
            "control", "eclusa-control",
            ["--admin-listen-address", self.address("admin"), "--node-listen-address", self.address("node"),
             "--node-public-url", "https://" + self.address("node"), "--master-key-file", self.folder / "master.key",
             "--allow-egress", self.egress + "," + self.address("webhook"), "--address-rate", "0", "--user-rate", "0",
             "--console-folder", ROOT / "ControlPlane" / "Console", "--gateway-url", self.url("gateway"),
             "--grafana-url", self.url("grafana"),
             *(["--api-docs-folder", ROOT / ".api-docs"] if (ROOT / ".api-docs").is_dir() else [])],
            {"ECLUSA_DATABASE_URL": self.postgres.url, "ECLUSA_BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
             "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD})
        self.admin = Admin(self.url("admin"))
        self.wait_ready("admin", self.control)
        self.admin.login()
        self.seed()
        join = self.admin.post("/join-tokens", {"node_name": "end-to-end"})["bundle"]
        (self.folder / "node").mkdir(mode=0o700)
        self.gateway = self.part(
            "gateway", "eclusa-gateway",
            ["--listen-address", self.address("gateway"), "--operations-listen-address", self.address("operations"),
             "--data-directory", self.folder / "node", "--allow-egress", self.egress, "--loops", "2",
             "--cors-origins", self.url("admin")],
            {"ECLUSA_JOIN": join})
        self.wait_ready("operations", self.gateway)
        self.wait_key(self.key)

    def part(self, name, program, arguments, environment=None):
        process = Process(name, [PROGRAMS / program, *arguments], self.folder, environment)
        self.parts.callback(process.stop)
        return process

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def url(self, name):
        return "http://" + self.address(name)

    @property
    def egress(self):
        """The stand-in, whatever a test puts in a provider's place, and who answers guardrails."""
        return ",".join(self.address(name) for name in ("stand_in", "raw", "judge"))

    @property
    def base_url(self):
        return self.url("gateway") + "/v1"

    def wait_ready(self, name, process, seconds=30):
        def ready():
            assert process.process.poll() is None, f"{process.name} ended:\n{process.tail()}"
            return httpx.get(self.url(name) + "/health/ready", timeout=2).status_code == 200

        wait_until(ready, seconds, f"{process.name} ready\n{process.tail()}")

    def seed(self):
        tenant = self.admin.post("/tenants", {"slug": "acme", "name": "Acme"})
        self.tenant = tenant["id"]
        under = f"/tenants/{self.tenant}"
        self.workspace = self.admin.post(under + "/workspaces", {"slug": "default", "name": "Default"})["id"]
        provider = self.admin.post(
            under + "/providers",
            {"name": "stand-in", "kind": "openai", "base_url": self.url("stand_in") + "/v1", "credential": "sk-stand-in-0001"})
        self.provider = provider["id"]
        self.models = {}
        for name in ["stand-in", "stand-in-error-429", "stand-in-error-500", "stand-in-error-401", "stand-in-cut",
                     "stand-in-delay-250ms", "stand-in-chunks-50"]:
            model = self.admin.post(under + "/models", {"provider": self.provider, "name": name})
            self.models[name] = model["id"]
            self.admin.post(
                under + f"/models/{model['id']}/prices",
                {"input": "2.50", "output": "10.00"})
            route = "chat" if name == "stand-in" else name
            self.admin.post(under + "/routes", {"name": route, "targets": [{"model": model["id"]}]})
        self.key, self.key_id = self.new_key("first")

    def new_key(self, name):
        answer = self.admin.post(f"/tenants/{self.tenant}/keys", {"name": name, "workspace": self.workspace})
        return answer["secret"], answer["key"]["id"]

    def wait_key(self, key, seconds=10):
        wait_until(lambda: self.models_status(key) == 200, seconds, "the key to reach the node")

    def wait_route(self, name, seconds=10):
        """Until the node offers a route under this name."""
        def is_there():
            answer = httpx.get(self.base_url + "/models", headers={"authorization": f"Bearer {self.key}"}, timeout=5)
            return name in [model["id"] for model in answer.json()["data"]]

        wait_until(is_there, seconds, f"the route {name} to reach the node")

    def models_status(self, key):
        return httpx.get(self.base_url + "/models", headers={"authorization": f"Bearer {key}"}, timeout=5).status_code

    def usage(self):
        """Calls and tokens of the tenant as the report has them."""
        return self.admin.get(f"/tenants/{self.tenant}/usage")["total"]

    def provider_totals(self):
        return httpx.get(self.url("stand_in") + "/stand-in/totals", timeout=5).json()

    def close(self):
        self.parts.close()


def command(*words, environment=None, timeout=20):
    """Runs a program to its end: (exit code, standard output, standard error)."""
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(environment or {})})
    return done.returncode, done.stdout, done.stderr


def as_json(text):
    return json.loads(text)
