"""The worst day: a backup is made under load, the site with Postgres and the control plane is lost, and the backup is restored into
another server, while three nodes serve on (docs/operating/disaster-recovery.md)."""

import base64
import json
import secrets
import threading
import time

import pytest
from fleet import Callers
from harness import PROGRAMS, Postgres, Process, command, wait_until
from test_limit_faults import Patient, cent_calls, limit, state, statuses, tally

# What must be the same after the restore as it was when the backup was made.
TABLES = (
    "tenants", "workspaces", "users", "members", "roles", "bindings", "providers", "models", "prices", "routes", "keys", "limits", "nodes")


@pytest.fixture
def elsewhere(tmp_path_factory):
    """Another Postgres with an empty database."""
    server = Postgres(tmp_path_factory.mktemp("elsewhere"))
    wait_until(server.has_database, 30, "the other Postgres")
    yield server
    server.remove()


def counts(postgres):
    return {table: postgres.sql("eclusa", f"select count(*) from {table}") for table in TABLES}


def calls_in(postgres):
    """The IDs of all calls that were taken in."""
    return postgres.sql("eclusa", "select id from usage_events").splitlines()


def eclusa(*words, database):
    code, out, errors = command(PROGRAMS / "eclusa", *words, environment={"ECLUSA_DATABASE_URL": database}, timeout=120)
    assert code == 0, out + errors
    return out


class Spenders:
    """Callers of a route whose calls cost one cent, against a budget; each answer is money spent."""

    def __init__(self, fleet, body):
        self.fleet, self.body, self.answered = fleet, body, 0
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(node,), daemon=True) for node in fleet.all]
        for thread in self.threads:
            thread.start()

    def run(self, node):
        while not self.stopping.wait(0.4):
            answer = node.call(timeout=20, **self.body)
            assert answer.status_code in (200, 402, 429), answer.text
            with self.lock:
                self.answered += answer.status_code == 200

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(40)
        return self.answered


def test_a_backup_under_load_is_restored_elsewhere(fleet, elsewhere, tmp_path):
    key, file = tmp_path / "backup.key", tmp_path / "one.backup"
    key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    body = cent_calls(fleet)
    budget = limit(fleet, name="three-dollars", metric="cost", amount="3.00", period="lifetime", match={"routes": route_ids(fleet, "cent")})
    callers, spenders = Callers(fleet, count=4), Spenders(fleet, body)
    wait_until(lambda: callers.answered > 100 and spenders.answered > 5, 60, "calls under way")

    before = counts(fleet.postgres)
    began = time.monotonic()
    eclusa("backup", "--output", file, "--key-file", key, "--master-key-file", fleet.folder / "master.key", database=fleet.postgres.url)
    backed_up = time.monotonic() - began
    answered = callers.answered
    late, _ = fleet.new_key("after-the-backup")
    wait_until(lambda: callers.answered > answered + 50, 60, "calls after the backup")
    wait_until(lambda: all(not node.refuses(late) for node in fleet.all), 60, "the late key")

    # The site is lost, with what was handed in since the backup.
    fleet.control.kill()
    handed_in = calls_in(fleet.postgres)
    fleet.postgres.kill()
    lost = time.monotonic()
    seen = callers.answered
    wait_until(lambda: callers.answered > seen + 50, 60, "calls while there is no control plane")

    out = json.loads(eclusa("backup", "verify", file, "--key-file", key, "--json", database=elsewhere.url).splitlines()[0])
    assert out["master_key"] == "in it"
    began = time.monotonic()
    eclusa("restore", file, "--key-file", key, "--write-master-key", tmp_path / "restored-master.key", database=elsewhere.url)
    restored = time.monotonic() - began
    kept = calls_in(elsewhere)
    assert counts(elsewhere) == before, "all data of the moment of the backup, and nothing else"

    words = fleet.control.words[fleet.control.words.index("--admin-listen-address"):]
    words[words.index("--master-key-file") + 1] = str(tmp_path / "restored-master.key")
    control = Process("control-elsewhere", [PROGRAMS / "eclusa-control", *words], fleet.folder, {"ECLUSA_DATABASE_URL": elsewhere.url})
    fleet.parts.callback(control.stop)
    fleet.wait_ready("admin", control, 60)
    fleet.admin.login()
    epoch = str(fleet.admin.get("/rollout")["version"]).split(".")[0]
    wait_until(lambda: all(follows(fleet, epoch)), 90, f"three nodes to run epoch {epoch}: {fleet.admin.get('/nodes')['data']}")
    administered = time.monotonic() - lost
    wait_until(lambda: all(node.refuses(late) for node in fleet.all), 60, "the key that the backup does not know to be refused")
    wait_until(lambda: fleet.control_metric("eclusa_lending_frozen") == 0, 60, "the nodes to have shown what they hold")

    seen = callers.answered
    wait_until(lambda: callers.answered > seen + 50, 60, "calls under the new epoch")
    total = callers.stop()
    assert not callers.failures, callers.failures[:3]
    spent = spenders.stop()

    # Usage: each answer is one event, in the lost database, in this one, or (from before the backup) in both.
    answers = total + spent
    wait_until(lambda: len({*handed_in, *calls_in(elsewhere)}) >= answers, 90, f"{answers} calls\n{control.tail()}")
    taken = calls_in(elsewhere)
    assert len(taken) == len(set(taken)), "a call was counted twice"
    assert len({*handed_in, *taken}) == answers, f"{len({*handed_in, *taken})} calls for {answers} answers"
    assert set(kept) <= set(taken)
    lost_calls = len(set(handed_in) - set(taken))
    sums = [elsewhere.sql("eclusa", f"select coalesce(sum(calls), 0), coalesce(sum(cost_nanos), 0) from usage_{name}")
            for name in ("minutes", "hours", "days")]
    assert sums == [elsewhere.sql("eclusa", "select count(*), coalesce(sum(cost_nanos), 0) from usage_events")] * 3

    # Budgets: to the end of the money, and not one cent beyond it over both lives of the control plane.
    found = statuses([Patient(fleet.all[number % 3], body, 60) for number in range(330)])
    everything = spent + found.count(200)
    print(f"backup {backed_up:.1f} s under load, restore {restored:.1f} s, nodes in the new epoch {administered:.1f} s after the loss; "
          f"{answers} calls, {lost_calls} of them handed in to the lost database alone, none counted twice; a budget of 300 calls: "
          f"{spent} answered before, then {tally(found)}, settled {state(fleet, budget)['settled']}")
    assert everything <= 300, f"{everything} calls of a budget for 300"


def route_ids(fleet, name):
    return [route["id"] for route in fleet.admin.get(f"/tenants/{fleet.tenant}/routes")["data"] if route["name"] == name]


def follows(fleet, epoch):
    for node in fleet.admin.get("/nodes")["data"]:
        yield node["connected"] and str(node["running_version"]).split(".")[0] == epoch
