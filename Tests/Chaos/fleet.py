"""An installation with several nodes whose way to the control plane goes through a fault proxy."""

import base64
import json
import random
import subprocess
import threading

import httpx
from harness import Eclusa, free_port, wait_until
from proxy import FaultProxy, Proxies

HELLO = {"model": "chat", "messages": [{"role": "user", "content": "Is anybody there?"}]}


def through(port, bundle):
    """A join bundle whose node finds its control plane at another port."""
    prefix, _, content = bundle.partition(":")
    fields = json.loads(base64.urlsafe_b64decode(content + "=" * (-len(content) % 4)))
    fields["url"] = f"https://127.0.0.1:{port}"
    return prefix + ":" + base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


class Node:
    """One more gateway of an installation, with a proxy of its own between it and the control plane."""

    def __init__(self, fleet, name, join):
        self.fleet, self.name = fleet, name
        port = free_port()
        self.proxy = fleet.proxy.add(FaultProxy(port, fleet.ports["node"]))
        fleet.parts.callback(self.proxy.close)
        join = through(port, join)
        self.data = fleet.folder / name
        self.data.mkdir(mode=0o700, exist_ok=True)
        fleet.ports[name], fleet.ports[name + "-ops"] = free_port(), free_port()
        self.process = fleet.part(
            name, "eclusa-gateway",
            ["--listen-address", fleet.address(name), "--operations-listen-address", fleet.address(name + "-ops"),
             "--data-directory", self.data, "--allow-egress", fleet.address("stand_in"), "--loops", "1"],
            {"ECLUSA_JOIN": join})
        self.wait_ready()

    def wait_ready(self, seconds=30):
        self.fleet.wait_ready(self.name + "-ops", self.process, seconds)

    def restart(self, kill=True):
        self.process.kill() if kill else self.process.stop(60)
        self.process.start()
        self.wait_ready()

    @property
    def url(self):
        return self.fleet.url(self.name) + "/v1"

    def call(self, key=None, timeout=10, **body):
        return httpx.post(
            self.url + "/chat/completions", headers={"authorization": f"Bearer {key or self.fleet.key}"},
            json={**HELLO, **body}, timeout=timeout)

    @property
    def http(self):
        """A client that keeps its connection, one a thread: what is measured is the node."""
        if not hasattr(self, "clients"):
            self.clients = threading.local()
        if not hasattr(self.clients, "one"):
            self.clients.one = httpx.Client(base_url=self.fleet.url_of(self), timeout=20)
        return self.clients.one

    def refuses(self, key):
        answer = self.http.get("/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=5)
        return answer.status_code in (401, 403)

    def metrics_text(self):
        return httpx.get(self.fleet.url(self.name + "-ops") + "/metrics", timeout=5).text

    def metric(self, name):
        lines = self.metrics_text().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))


class Fleet(Eclusa):
    def __init__(self, folder, nodes=3):
        self.proxy_port = free_port()
        self.nodes = []
        super().__init__(folder)
        self.first = First(self)
        for number in range(1, nodes):
            join = self.admin.post("/join-tokens", {"node_name": f"node-{number}"})["bundle"]
            self.nodes.append(Node(self, f"node-{number}", join))

    def part(self, name, program, arguments, environment=None):
        if name == "control":
            # Nodes are told to go through the proxy, whose certificate is the listener's own.
            self.first_proxy = FaultProxy(self.proxy_port, self.ports["node"])
            self.proxy = Proxies(self.first_proxy)
            self.parts.callback(self.first_proxy.close)
            place = arguments.index("--node-public-url") + 1
            arguments = [*arguments[:place], f"https://127.0.0.1:{self.proxy_port}", *arguments[place + 1:]]
        return super().part(name, program, arguments, environment)

    @property
    def all(self):
        return [self.first, *self.nodes]

    def url_of(self, node):
        return self.url(node.name)

    def sql(self, text):
        return self.postgres.sql("eclusa", text)

    def route(self, model):
        """A route of the name of a model of the stand-in, on all nodes."""
        under = f"/tenants/{self.tenant}"
        made = self.admin.post(under + "/models", {"provider": self.provider, "name": model})
        self.admin.post(under + f"/models/{made['id']}/prices", {"input": "2.50", "output": "10.00"})
        self.admin.post(under + "/routes", {"name": model, "targets": [{"model": made["id"]}]})

        def known(node):
            answer = httpx.get(node.url + "/models", headers={"authorization": f"Bearer {self.key}"}, timeout=5)
            return any(one["id"] == model for one in answer.json()["data"])

        wait_until(lambda: all(known(node) for node in self.all), 30, f"the route {model} on every node")

    def revoke(self, key_id):
        return self.admin.http.post(f"/api/v1/tenants/{self.tenant}/keys/{key_id}/revoke").raise_for_status()

    def control_metric(self, name, label=""):
        """The sum of a metric of the control plane, over the series whose labels begin so."""
        lines = httpx.get(self.url("admin") + "/metrics", timeout=5).text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith((name + " ", name + "{")) and label in line)

    def postgres_children(self):
        identity = self.postgres.process.pid
        return [int(word) for word in open(f"/proc/{identity}/task/{identity}/children").read().split()]

    def back(self):
        """The control plane answers again."""
        self.wait_ready("admin", self.control)

    def assert_usage_is_exact(self, answered, seconds=60, extra=0):
        """Every complete answer was counted once; at most `extra` calls more (cut ones, settled as estimated)."""
        def exact():
            total = self.usage()
            whole = total["calls"] - total["failed_calls"]
            assert whole <= answered + extra, f"{whole} calls for {answered} answers: counted twice"
            return whole >= answered

        wait_until(exact, seconds, f"{answered} answers in the report, which has {self.usage()}\n{self.control.tail()}")
        assert self.proof() == []

    def proof(self):
        """Minutes, hours, days and events must say the same."""
        sums = [self.sql(f"select coalesce(sum(calls), 0), coalesce(sum(cost_nanos), 0) from usage_{table}")
                for table in ("minutes", "hours", "days")]
        events = self.sql("select count(*), coalesce(sum(cost_nanos), 0) from usage_events")
        return [one for one in sums if one != events]


class First(Node):
    """The node every installation has, under the same roof."""

    def __init__(self, fleet):
        self.fleet, self.name, self.process, self.data = fleet, "gateway", fleet.gateway, fleet.folder / "node"
        self.proxy = fleet.first_proxy

    def wait_ready(self, seconds=30):
        self.fleet.wait_ready("operations", self.process, seconds)

    def metrics_text(self):
        return httpx.get(self.fleet.url("operations") + "/metrics", timeout=5).text


class Callers:
    """Threads that call nodes at random and count the answers they saw to the end; each keeps its connections."""

    def __init__(self, fleet, count=4, **body):
        self.fleet, self.body = fleet, {**HELLO, **body}
        self.headers = {"authorization": f"Bearer {fleet.key}"}
        self.answered, self.started, self.failures = 0, 0, []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(seed,), daemon=True) for seed in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        dice = random.Random(seed)
        while not self.stopping.is_set():
            node = dice.choice(self.fleet.all)
            with self.lock:
                self.started += 1
            try:
                answer = node.http.post("/v1/chat/completions", headers=self.headers, json=self.body)
                if answer.status_code == 200 and answer.json()["choices"][0]["message"]["content"]:
                    with self.lock:
                        self.answered += 1
                else:
                    self.failures.append(f"{node.name}: {answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                self.failures.append(f"{node.name}: {type(error).__name__}")
                self.stopping.wait(0.05)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        return self.answered


def damage(path, dice):
    """Flips a bit or cuts the end off; answers what it did."""
    content = bytearray(path.read_bytes())
    if not content:
        return "empty"
    if dice.random() < 0.5:
        place = dice.randrange(len(content))
        content[place] ^= 1 << dice.randrange(8)
        path.write_bytes(content)
        return f"flipped byte {place} of {len(content)}"
    length = dice.randrange(len(content))
    path.write_bytes(content[:length])
    return f"cut to {length} of {len(content)}"


def mount_small(path, size="8m"):
    """A small file system at a folder; False where mounting is not permitted."""
    return subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path], capture_output=True).returncode == 0


def unmount(path):
    subprocess.run(["umount", "-l", path], capture_output=True)
