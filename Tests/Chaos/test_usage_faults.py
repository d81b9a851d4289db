"""The fault table of usage, row by row (docs/operating/reliability.md)."""

import os
import random
import shutil
import threading
import time

import httpx
import pytest
from fleet import Callers, mount_small, unmount
from harness import wait_until
from test_snapshot_faults import fill

SECONDS = int(os.environ.get("ECLUSA_CHAOS_SECONDS", "20"))
# So many answers instead of so many seconds.
MOMENTS = max(12, SECONDS // 2)
CALLS = int(os.environ.get("ECLUSA_CHAOS_CALLS", "0"))


def bring_back(fleet):
    """Whatever of the control plane is down."""
    if fleet.postgres.process.poll() is not None:
        fleet.postgres.start()
    wait_until(fleet.postgres.has_database, 20, "Postgres")
    if fleet.control.process.poll() is not None:
        fleet.control.start()
    fleet.back()
    fleet.admin.login()


def test_kill_9_of_node_control_plane_and_postgres_under_calls(fleet):
    """Each at random every few seconds: nothing that a client saw complete is lost, nothing is counted twice."""
    seed = int(os.environ.get("ECLUSA_SEED", random.randrange(1 << 30)))
    dice = random.Random(seed)
    print(f"seed {seed}")
    callers = Callers(fleet, count=8)
    kills = {"node": 0, "control": 0, "postgres": 0}
    started = time.monotonic()
    back = []
    while (callers.answered < CALLS if CALLS else time.monotonic() - started < SECONDS):
        time.sleep(dice.uniform(0.5, 3))
        what = dice.choice(["node", "node", "control", "postgres"])
        kills[what] += 1
        match what:
            case "node":
                node, begun = dice.choice(fleet.all), time.monotonic()
                node.restart()
                back.append(time.monotonic() - begun)
            case "control":
                fleet.control.kill()
                time.sleep(dice.uniform(0, 1))
                fleet.control.start()
            case "postgres":
                fleet.postgres.kill()
                time.sleep(dice.uniform(0, 1))
                fleet.postgres.start()
                wait_until(fleet.postgres.has_database, 20, "Postgres")
                # It may have been what the control plane was started into.
                if fleet.control.process.poll() is not None:
                    fleet.control.start()
    answered = callers.stop()
    took = time.monotonic() - started
    bring_back(fleet)
    assert answered > SECONDS, f"only {answered} answers; failures: {callers.failures[-5:]}"
    # A call cut by a kill after its provider had answered may be counted too: the client saw none of it.
    fleet.assert_usage_is_exact(answered, seconds=120, extra=callers.started - answered)
    total, provider = fleet.usage(), fleet.provider_totals()
    print(f"{answered} answers of {callers.started} calls in {took:.0f} s through kills {kills}; a node was back after "
          f"{max(back, default=0):.2f} s at most; booked {total['calls']} calls of {total['output_tokens']} tokens, "
          f"the provider answered {provider['calls']}")
    assert total["calls"] <= provider["calls"]


def test_ack_lost_batch_resent(fleet):
    """Batches arrive, their answers do not: the same bytes come again and count once."""
    node, lost = fleet.first, 0
    for turn in range(10):
        assert node.call().status_code == 200
        node.proxy.set("deaf")
        assert node.call().status_code == 200
        # Whether the batch finds a connection that was open before is chance.
        deadline = time.monotonic() + 3
        while (taken := fleet.usage()["calls"]) <= 2 * turn and time.monotonic() < deadline:
            time.sleep(0.05)
        lost += taken > 2 * turn and node.metric("eclusa_outbox_events") > 0
        node.proxy.set("pass")
        node.proxy.drop()
        wait_until(lambda: node.metric("eclusa_outbox_events") == 0, 30, "all acknowledged")
    print(f"{lost} of 10 batches were taken and their acks lost")
    assert lost > 0
    fleet.assert_usage_is_exact(20)


def test_kill_9_of_the_node(fleet):
    node = fleet.nodes[0]
    answered = 0
    for _ in range(8):
        for _ in range(5):
            answered += node.call().status_code == 200
        begun = time.monotonic()
        node.restart()
        assert time.monotonic() - begun < 2, "a killed node is back in two seconds"
    fleet.assert_usage_is_exact(answered)


def test_kill_9_of_a_node_at_each_moment_of_a_call(fleet):
    """From before it is accepted to after its end, streamed: only what was in flight is lost, and it is settled."""
    model = "stand-in-delay-20ms-chunks-10-gap-5ms"
    fleet.route(model)
    node, whole, begun = fleet.nodes[0], 0, 0
    seen = []

    def stream():
        try:
            with node.http.stream(
                    "POST", "/v1/chat/completions", headers={"authorization": f"Bearer {fleet.key}"},
                    json={"model": model, "stream": True, "messages": [{"role": "user", "content": "Tell me"}]}) as answer:
                lines = [line for line in answer.iter_lines() if line]
            seen.append(answer.status_code == 200 and lines[-1] == "data: [DONE]")
        except httpx.HTTPError:
            seen.append(False)

    for step in range(MOMENTS):
        threads = [threading.Thread(target=stream) for _ in range(4)]
        begun += len(threads)
        for thread in threads:
            thread.start()
        time.sleep(0.4 * step / MOMENTS)  # the moment of the kill is what is varied
        node.restart()
        for thread in threads:
            thread.join(30)
    whole = sum(seen)
    print(f"{MOMENTS} kills: {whole} of {begun} streams were whole")
    assert len(seen) == begun
    fleet.assert_usage_is_exact(whole, extra=begun - whole)
    assert fleet.usage()["calls"] <= begun


def test_outbox_cloned_or_rolled_back(fleet):
    """Yesterday's outbox comes back: the control plane says so, a new epoch begins, nothing counts twice."""
    node = fleet.nodes[0]
    answered = sum(node.call().status_code == 200 for _ in range(5))
    node.process.stop()
    kept = {name: (node.data / name).read_bytes() for name in ("outbox.db", "outbox.db-wal") if (node.data / name).exists()}
    node.process.start()
    node.wait_ready()
    answered += sum(node.call().status_code == 200 for _ in range(7))
    fleet.assert_usage_is_exact(answered)
    node.process.kill()
    for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm"):
        (node.data / name).unlink(missing_ok=True)
    for name, content in kept.items():
        (node.data / name).write_bytes(content)
    node.process.start()
    node.wait_ready()
    answered += sum(node.call().status_code == 200 for _ in range(9))
    fleet.assert_usage_is_exact(answered)


def test_outbox_disk_full(fleet):
    """A call that cannot be recorded is refused, and nothing that was answered is lost."""
    node = fleet.nodes[0]
    node.process.stop()
    kept = fleet.folder / "kept"
    shutil.copytree(node.data, kept)
    if not mount_small(node.data, "4m"):
        pytest.skip("mounting is not permitted here")
    try:
        shutil.copytree(kept, node.data, dirs_exist_ok=True)
        node.process.start()
        node.wait_ready()
        fleet.proxy.set("cut")
        answered = sum(node.call().status_code == 200 for _ in range(3))
        fill(node.data)
        statuses = []
        for _ in range(400):
            statuses.append(node.call().status_code)
            if statuses[-1] == 503:
                break
        assert statuses[-1] == 503, f"still serving with a full disk: {statuses[-3:]}"
        answered += statuses.count(200)
        (node.data / "filler").unlink()
        wait_until(lambda: node.call().status_code == 200, 20, "calls after there is room again")
        fleet.proxy.set("pass")
        fleet.assert_usage_is_exact(answered + 1, extra=3)
    finally:
        node.process.stop()
        unmount(node.data)


def test_postgres_fails_over_during_ingest(fleet):
    callers = Callers(fleet, count=3)
    for turn in range(3):
        answered = callers.answered
        wait_until(lambda: callers.answered > answered + 20 and fleet.usage()["calls"] > 0, 20, "calls and batches")
        fleet.postgres.kill()
        fleet.postgres.start()
        wait_until(fleet.postgres.has_database, 20, "Postgres")
    answered = callers.stop()
    assert not callers.failures, f"the data plane noticed: {callers.failures[:3]}"
    fleet.assert_usage_is_exact(answered)


def test_rolling_update_of_three_nodes_under_streams(fleet):
    """Each node is asked to stop and started again while streams run through it: none breaks."""
    broken, finished = [], []

    def stream(node):
        words = 0
        try:
            with httpx.stream(
                    "POST", node.url + "/chat/completions", headers={"authorization": f"Bearer {fleet.key}"},
                    json={"model": "stand-in-chunks-50-gap-20ms", "stream": True,
                          "messages": [{"role": "user", "content": "Tell me"}]}, timeout=20) as answer:
                if answer.status_code != 200:
                    broken.append((node.name, answer.status_code))
                    return
                last = ""
                for line in answer.iter_lines():
                    words += line.startswith("data:")
                    last = line or last
                (finished if last == "data: [DONE]" else broken).append((node.name, words))
        except httpx.HTTPError as error:
            broken.append((node.name, words, repr(error)))

    fleet.route("stand-in-chunks-50-gap-20ms")
    for node in fleet.all:
        threads = [threading.Thread(target=stream, args=(node,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        wait_until(lambda: node.metric("eclusa_streams_open") == 20, 10, "all streams to run")
        node.restart(kill=False)
        for thread in threads:
            thread.join(30)
    assert not broken, broken[:5]
    assert len(finished) == 60
