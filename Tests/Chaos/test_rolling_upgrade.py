"""Three gateways and two control planes behind HAProxy, as shipped, replaced one after the other under load: nothing breaks.

From one release to the next and back is played with one program and an expand migration of a made-up next release: the running
programs meet the newer schema, are replaced on it, and are replaced again.
    ECLUSA_ROLLING_STREAMS=1000 ECLUSA_ROLLING_CALLS=500     the load; fewer on a small machine
"""

import asyncio
import os
import secrets
import shutil
import threading
import uuid

import httpx
import pytest
from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, ROOT, Admin, Postgres, Process, free_port, wait_until
from load import Load, percentile

STREAMS = int(os.environ.get("ECLUSA_ROLLING_STREAMS", "1000"))
CALLS = int(os.environ.get("ECLUSA_ROLLING_CALLS", "500"))
# Two seconds: shorter than the drain.
MODEL = "stand-in-chunks-40-gap-50ms"
DRAIN = ["--drain-delay", "2s", "--drain-time", "30s"]


class Site:
    """HAProxy, two control planes, three gateways, Postgres, the stand-in provider."""

    def __init__(self, folder):
        self.folder, self.parts = folder, []
        port = free_port
        self.ports = {name: port() for name in (
            "calls", "admin", "nodes", "stand-in", "control-1", "control-2", "control-1-nodes", "control-2-nodes",
            *(f"gateway-{n}{suffix}" for n in (1, 2, 3) for suffix in ("", "-ops")))}
        self.postgres = Postgres(folder)
        (folder / "master.key").write_text(secrets.token_urlsafe(32))
        (folder / "master.key").chmod(0o600)
        self.start("stand-in", "eclusa-stand-in", ["--listen-address", self.at("stand-in")])
        self.balancer = self.start_balancer()
        self.controls = [self.start_control(number) for number in (1, 2)]
        for number in (1, 2):
            self.ready(f"control-{number}")
        self.admin = Admin(f"http://{self.at('admin')}")
        wait_until(lambda: httpx.get(f"http://{self.at('admin')}/health/ready").status_code == 200, 30, "the balancer")
        self.admin.login()
        self.seed()
        self.gateways = [self.start_gateway(number) for number in (1, 2, 3)]
        for number in (1, 2, 3):
            self.ready(f"gateway-{number}-ops")
        wait_until(self.all_know_the_routes, 30, "the routes on every node")

    def at(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def start(self, name, program, arguments, environment=None):
        process = Process(name, [PROGRAMS / program, *arguments], self.folder, environment)
        self.parts.append(process)
        return process

    def start_balancer(self):
        haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin")
        environment = {"CALLS_ADDRESS": self.at("calls"), "ADMIN_ADDRESS": self.at("admin"), "NODES_ADDRESS": self.at("nodes")}
        for n in (1, 2, 3):
            environment |= {f"GATEWAY_{n}": self.at(f"gateway-{n}"), f"GATEWAY_{n}_OPERATIONS": str(self.ports[f"gateway-{n}-ops"])}
        for n in (1, 2):
            environment |= {
                f"CONTROL_{n}": self.at(f"control-{n}"), f"CONTROL_{n}_NODES": self.at(f"control-{n}-nodes"),
                f"CONTROL_{n}_ADMIN_PORT": str(self.ports[f"control-{n}"])}
        process = Process("haproxy", [haproxy, "-db", "-f", ROOT / "infrastructure/haproxy/eclusa.cfg"], self.folder, environment)
        self.parts.append(process)
        return process

    def start_control(self, number):
        name = f"control-{number}"
        return self.start(
            name, "eclusa-control",
            ["--admin-listen-address", self.at(name), "--node-listen-address", self.at(name + "-nodes"),
             "--node-public-url", "https://" + self.at("nodes"), "--master-key-file", self.folder / "master.key",
             "--allow-egress", self.at("stand-in"), "--address-rate", "0", "--user-rate", "0", *DRAIN],
            {"ECLUSA_DATABASE_URL": self.postgres.url, "ECLUSA_BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
             "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD})

    def start_gateway(self, number):
        name = f"gateway-{number}"
        (self.folder / name).mkdir(mode=0o700)
        return self.start(
            name, "eclusa-gateway",
            ["--listen-address", self.at(name), "--operations-listen-address", self.at(name + "-ops"), "--data-directory",
             self.folder / name, "--allow-egress", self.at("stand-in"), "--loops", "1", *DRAIN],
            {"ECLUSA_JOIN": self.admin.post("/join-tokens", {"node_name": name})["bundle"]})

    def ready(self, name):
        wait_until(lambda: httpx.get(f"http://{self.at(name)}/health/ready", timeout=2).status_code == 200, 60, f"{name} ready")

    def seed(self):
        self.tenant = self.admin.post("/tenants", {"slug": "acme", "name": "Acme"})["id"]
        under = f"/tenants/{self.tenant}"
        workspace = self.admin.post(under + "/workspaces", {"slug": "default", "name": "Default"})["id"]
        provider = self.admin.post(
            under + "/providers",
            {"name": "stand-in", "kind": "openai", "base_url": f"http://{self.at('stand-in')}/v1", "credential": "sk-stand-in-0001"})["id"]
        for model, route in (("stand-in", "chat"), (MODEL, MODEL)):
            made = self.admin.post(under + "/models", {"provider": provider, "name": model})["id"]
            self.admin.post(under + f"/models/{made}/prices", {"input": "2.50", "output": "10.00"})
            self.admin.post(under + "/routes", {"name": route, "targets": [{"model": made}]})
        self.key = self.admin.post(under + "/keys", {"name": "load", "workspace": workspace})["secret"]

    def all_know_the_routes(self):
        for number in (1, 2, 3):
            answer = httpx.get(
                f"http://{self.at(f'gateway-{number}')}/v1/models", headers={"authorization": f"Bearer {self.key}"}, timeout=5)
            if answer.status_code != 200 or {"chat", MODEL} - {model["id"] for model in answer.json()["data"]}:
                return False
        return True

    def replace(self, process, name):
        """As a supervisor does it: asked to stop, ended by itself, started again, ready."""
        assert process.stop(60) == 0, process.tail()
        process.start()
        self.ready(name)

    def replace_all(self):
        for number, process in enumerate(self.controls, 1):
            self.replace(process, f"control-{number}")
        for number, process in enumerate(self.gateways, 1):
            self.replace(process, f"gateway-{number}-ops")

    def close(self):
        for process in reversed(self.parts):
            process.stop()
        self.postgres.remove()


class Administration:
    """Writes and reads through the balancer, each write under a key of its own; what fails is kept."""

    def __init__(self, site):
        self.site, self.done, self.failures = site, 0, []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        token = self.site.admin.http.headers["authorization"]
        while not self.stopping.wait(0.1):
            # A connection each: as many clients do it, and as balancers meet it.
            with httpx.Client(base_url=f"http://{self.site.at('admin')}/api/v1", timeout=20, headers={"authorization": token}) as http:
                try:
                    name = f"w-{uuid.uuid4().hex[:12]}"
                    under = f"/tenants/{self.site.tenant}/workspaces"
                    made = http.post(under, json={"slug": name, "name": name}, headers={"idempotency-key": name})
                    seen = http.get(f"{under}/{made.json().get('id')}")
                    if (made.status_code, seen.status_code) == (201, 200):
                        self.done += 1
                    else:
                        self.failures.append((made.status_code, seen.status_code, made.text[:200]))
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))

    def stop(self):
        self.stopping.set()
        self.thread.join(30)


@pytest.fixture
def site(tmp_path):
    if not shutil.which("haproxy", path="/usr/sbin:/usr/bin"):
        pytest.skip("SKIPPED LOUDLY: no haproxy on this machine (Debian's package haproxy)")
    installation = Site(tmp_path)
    yield installation
    installation.close()


# A next release's expand migration: what is new is added, nothing that runs is changed.
EXPAND = """
    alter table keys add column next_release_note text;
    create table next_release (id uuid primary key);
"""


def test_a_rolling_upgrade_and_the_way_back_break_nothing(site):
    load = Load("127.0.0.1", site.ports["calls"], site.key, STREAMS, CALLS, MODEL)
    runner = threading.Thread(target=lambda: asyncio.run(load.run(600)), daemon=True)
    runner.start()
    administration = Administration(site)
    try:
        wait_until(lambda: load.streams_done >= STREAMS, 120, "the load to be there")
        assert site.postgres.sql("eclusa", EXPAND) is not None
        site.replace_all()
        site.replace_all()
    finally:
        administration.stop()
        load.stop()
        runner.join(120)
    waits = [seconds for _, seconds in load.latencies]
    print(f"\n{load.streams_done} streams, {load.calls_done} calls (p50 {percentile(waits, 0.5) * 1000:.0f} ms, "
          f"p99 {percentile(waits, 0.99) * 1000:.0f} ms), {administration.done} admin requests; "
          f"broken: {len(load.failures)}, {len(administration.failures)}")
    assert not load.failures, load.failures[:5]
    assert not administration.failures, administration.failures[:5]
    assert load.streams_done >= 2 * STREAMS and load.calls_done >= 100 and administration.done >= 20
    answered = load.streams_done + load.calls_done
    wait_until(
        lambda: site.admin.get(f"/tenants/{site.tenant}/usage")["total"]["calls"] == answered, 60,
        f"every one of {answered} calls in the report, once")
