"""What the control plane's own faults do to whoever writes (docs/operating/reliability.md)."""

import os
import random
import signal
import threading
import time
import uuid

import httpx
from fleet import Callers
from harness import wait_until

SECONDS = int(os.environ.get("ECLUSA_CHAOS_SECONDS", "20"))
KILLS = max(10, SECONDS // 3)


def test_kill_9_of_the_control_plane_at_each_step_of_a_write_or_a_publish(fleet):
    """A write that is repeated with its key has one effect, and no version is used twice."""
    dice = random.Random(7)
    path = f"/api/v1/tenants/{fleet.tenant}/keys"
    body = {"workspace": fleet.workspace}
    made = {}

    def make(name, key):
        """One try; None: nobody answered, or not with an answer to keep."""
        try:
            answer = fleet.admin.http.post(path, json={**body, "name": name}, headers={"idempotency-key": key}, timeout=10)
        except httpx.HTTPError:
            return None
        return answer.json()["key"]["id"] if answer.status_code == 201 else None

    for turn in range(KILLS):
        name, key, found = f"killed-{turn}", str(uuid.uuid4()), []
        writer = threading.Thread(target=lambda: found.append(make(name, key)))
        writer.start()
        time.sleep(dice.uniform(0, 0.06))  # the moment of the kill is what is varied
        fleet.control.kill()
        writer.join(20)
        fleet.control.start()
        fleet.back()
        again = make(name, key)
        assert again is not None, f"the repetition was not answered: {name}"
        assert found[0] in (None, again), f"two keys for one write: {name}"
        made[name] = again
    listed = fleet.admin.get(f"/tenants/{fleet.tenant}/keys", limit=200)["data"]
    named = [one["id"] for one in listed if one["name"].startswith("killed-")]
    assert sorted(named) == sorted(made.values()), "each write has one effect"
    # Nodes end with the newest version, and none was used for two contents: they would refuse it as conflicting.
    assert fleet.sql("select count(*) = count(distinct (epoch, counter)) from snapshot_versions") == "t"
    newest = fleet.new_key("the-last")[0]
    wait_until(lambda: all(not node.refuses(newest) for node in fleet.all), 30, "the newest snapshot on every node")
    # A fetch that a kill cut off is one; a snapshot that does not stand would be another.
    refused = [line for node in fleet.all for line in node.metrics_text().splitlines()
               if line.startswith("eclusa_snapshot_rejections_total{") and 'stage="fetched"' not in line and not line.endswith(" 0")]
    assert not refused, refused


def test_postgres_killed_restarted_and_unreachable(fleet):
    """The admin API says 503 in time and comes back by itself; applications notice nothing."""
    callers = Callers(fleet, count=2)
    slowest = {"killed": 0, "frozen": 0}
    for kind in ("killed", "frozen"):
        if kind == "killed":
            fleet.postgres.kill()
        else:
            os.kill(fleet.postgres.process.pid, signal.SIGSTOP)
            children = fleet.postgres_children()
            for child in children:
                os.kill(child, signal.SIGSTOP)
        try:
            for _ in range(3):
                begun = time.monotonic()
                answer = fleet.admin.http.get(f"/api/v1/tenants/{fleet.tenant}", timeout=30)
                slowest[kind] = max(slowest[kind], time.monotonic() - begun)
                # 504 when the request's own time was over first.
                assert answer.status_code in (503, 504), f"{kind}: {answer.status_code} {answer.text}"
                assert answer.status_code == 504 or int(answer.headers["retry-after"]) >= 1
        finally:
            if kind == "killed":
                fleet.postgres.start()
            else:
                for child in [*children, fleet.postgres.process.pid]:
                    os.kill(child, signal.SIGCONT)
        wait_until(fleet.postgres.has_database, 20, "Postgres")
        wait_until(
            lambda: fleet.admin.http.get(f"/api/v1/tenants/{fleet.tenant}").status_code == 200, 20,
            f"the admin API after Postgres was {kind}")
    answered = callers.stop()
    print(f"without Postgres the admin API answered within {slowest} s; {answered} calls meanwhile")
    assert not callers.failures, f"the data plane noticed: {callers.failures[:3]}"
    # A server that is there and says nothing is given up when a statement's time and the grace are over.
    assert slowest["killed"] < 5
    assert slowest["frozen"] < 17
    fleet.assert_usage_is_exact(answered)


def test_bad_messages_of_nodes_are_refused_counted_and_change_nothing(fleet):
    """A bad join token, a foreign one, no certificate, too large and malformed bodies, over the real listener."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    nodes = httpx.Client(base_url=f"https://127.0.0.1:{fleet.ports['node']}", verify=context, timeout=10)
    before = [fleet.usage()["calls"], len(fleet.admin.get("/nodes")["data"])]
    cases = [
        ("POST", "/node/v1/join", b"{}", 400), ("POST", "/node/v1/join", b"\x00" * 10, 400),
        ("POST", "/node/v1/join", b"x" * (70 << 10), 413), ("POST", "/node/v1/renew", b"[]", 400),
        ("POST", "/node/v1/usage", b"x", 401), ("POST", "/node/v1/grants", b"x", 401),
        ("POST", "/node/v1/status", b"{}", 401), ("GET", "/node/v1/stream", b"", 401),
        ("GET", "/node/v1/objects/" + "0" * 64, b"", 401), ("GET", "/node/v1/nothing", b"", 404),
    ]
    for method, path, body, status in cases:
        answer = nodes.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.json()["code"], path
    counted = fleet.control_metric("eclusa_node_requests_total", 'status="40')
    assert counted >= 8, "refused requests of nodes are counted"
    assert [fleet.usage()["calls"], len(fleet.admin.get("/nodes")["data"])] == before
