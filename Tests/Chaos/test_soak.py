"""A long run with mixed load and faults: memory, file descriptors and latency must not drift.

    make soak                    30 minutes; ECLUSA_SOAK_MINUTES=5 for a shorter one. Without the variable the test is skipped.
"""

import asyncio
import os
import statistics
import threading
import time

import httpx
import pytest
from load import Load, percentile

MINUTES = float(os.environ.get("ECLUSA_SOAK_MINUTES", "0"))
STREAMS = int(os.environ.get("ECLUSA_SOAK_STREAMS", "40"))
CALLS = int(os.environ.get("ECLUSA_SOAK_CALLS", "60"))
MODEL = "stand-in-chunks-40-gap-50ms"
# The first part fills pools and caches.
WARM_UP = 0.2
# A page of allocations a minute is noise; a leak of a byte a call is not.
SLOPE_KIB_A_MINUTE = 64
FD_DRIFT = 20
P99_DRIFT = 0.25


class Meter:
    """Samples of every process, read from the kernel."""

    def __init__(self, processes):
        self.processes = processes
        self.rows = {name: [] for name in processes}

    def sample(self, at):
        for name, process in self.processes.items():
            identity = process.process.pid
            try:
                pages = int(open(f"/proc/{identity}/statm").read().split()[1])
                descriptors = len(os.listdir(f"/proc/{identity}/fd"))
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.rows[name].append((at, identity, pages * 4, descriptors))


def slope(points):
    """Least squares, in units of y for one of x."""
    if len(points) < 3:
        return 0.0
    x, y = [point[0] for point in points], [point[1] for point in points]
    return statistics.linear_regression(x, y).slope


class Besides:
    """What goes on beside the load, on threads of its own: how often, and what stopped it before its time."""

    def __init__(self, stopping):
        self.stopping, self.turns, self.problems, self.threads = stopping, {}, [], []

    def begin(self, name, period, turn):
        """`turn(number)` every so many seconds until the end."""
        self.turns[name] = 0

        def run():
            try:
                while not self.stopping.wait(period):
                    turn(self.turns[name])
                    self.turns[name] += 1
            except Exception as error:  # a thread that dies silently would make a quiet run of it
                self.problems.append(f"{name} ended after {self.turns[name]} turns: {error!r}")

        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()

    def end(self):
        for thread in self.threads:
            thread.join(60)


def refused(fleet):
    """What an unlucky world sends besides: unknown keys, unknown routes, no JSON, clients that hang up."""
    for node in fleet.all:
        url = node.url + "/chat/completions"
        try:
            httpx.post(url, headers={"authorization": "Bearer ek_unknown"}, json={}, timeout=5)
            httpx.post(url, headers={"authorization": f"Bearer {fleet.key}"}, content=b"{", timeout=5)
            httpx.post(url, headers={"authorization": f"Bearer {fleet.key}"}, json={"model": "none", "messages": []}, timeout=5)
            with httpx.stream(
                    "POST", url, headers={"authorization": f"Bearer {fleet.key}"},
                    json={"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "x"}]}, timeout=5) as answer:
                next(answer.iter_bytes())
        except (httpx.HTTPError, StopIteration):
            pass


def fault(fleet, turn):
    """One at a time, in turn: Postgres, the way between, the control plane; the node under load is never touched."""
    if turn % 3 == 0:
        fleet.postgres.stop()
        time.sleep(2)
        fleet.postgres.start()
    elif turn % 3 == 1:
        fleet.proxy.set("cut")
        time.sleep(3)
        fleet.proxy.set("pass")
    else:
        fleet.control.kill()
        fleet.control.start()
        fleet.back()


@pytest.mark.skipif(not MINUTES, reason="runs by `make soak` alone")
def test_nothing_drifts(fleet):
    fleet.route(MODEL)
    node = fleet.all[0]
    load = Load("127.0.0.1", fleet.ports["gateway"], fleet.key, STREAMS, CALLS, MODEL)
    seconds = MINUTES * 60
    runner = threading.Thread(target=lambda: asyncio.run(load.run(seconds)), daemon=True)
    stopping = threading.Event()
    besides = Besides(stopping)
    meter = Meter({"gateway": node.process, "control": fleet.control, "second node": fleet.nodes[0].process})
    begun = time.monotonic()
    runner.start()
    besides.begin("rounds of refused and left calls", 0.1, lambda _: refused(fleet))
    besides.begin("faults", max(15, seconds / 20), lambda turn: fault(fleet, turn))
    try:
        while time.monotonic() < begun + seconds:
            time.sleep(min(5, seconds / 60))
            meter.sample((time.monotonic() - begun) / 60)
    finally:
        stopping.set()
        load.stop()
        runner.join(90)
        besides.end()
    table, problems = report(meter, load, begun, seconds)
    print("\n" + table + "\n" + ", ".join(f"{count:,} {name}" for name, count in besides.turns.items()) + ".")
    assert not besides.problems and all(besides.turns.values()), besides.problems or besides.turns
    assert not load.failures, load.failures[:5]
    assert not problems, problems


def report(meter, load, begun, seconds):
    lines = ["| process | RSS first, KiB | RSS last, KiB | slope, KiB/min | fds first | fds last |", "|---|---|---|---|---|---|"]
    problems = []
    for name, rows in meter.rows.items():
        # A process that was killed begins anew: only its last life counts.
        rows = [row for row in rows if row[1] == rows[-1][1]]
        warm = rows[int(len(rows) * WARM_UP):]
        growth = slope([(row[0], row[2]) for row in warm])
        lines.append(f"| {name} | {warm[0][2]:,} | {warm[-1][2]:,} | {growth:.1f} | {warm[0][3]} | {warm[-1][3]} |")
        # The control plane is killed on purpose: its lives are too short for a slope. So are runs of some minutes.
        if name != "control" and seconds >= 1200 and growth > SLOPE_KIB_A_MINUTE:
            problems.append(f"{name} grows by {growth:.0f} KiB a minute")
        middle = [row[3] for row in warm]
        if name != "control" and statistics.median(middle[-10:]) - statistics.median(middle[:10]) > FD_DRIFT:
            problems.append(f"{name} keeps file descriptors")
    waits = sorted(load.latencies)
    quarters = [
        [wait for at, wait in waits if low <= (at - begun) / seconds < high]
        for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 1.0))]
    worst = [percentile(quarter, 0.99) for quarter in quarters]
    middle = [percentile(quarter, 0.5) for quarter in quarters]
    lines += ["", "| calls | 20–40 % | 40–60 % | 60–80 % | 80–100 % |", "|---|---|---|---|---|",
              "| p50, ms | " + " | ".join(f"{wait * 1000:.1f}" for wait in middle) + " |",
              "| p99, ms | " + " | ".join(f"{wait * 1000:.1f}" for wait in worst) + " |", "",
              f"{load.streams_done:,} streams, {load.calls_done:,} calls, {len(load.failures)} of them broken."]
    # Against the median of the quarters: one noisy neighbour is no drift.
    if worst[-1] > (1 + P99_DRIFT) * statistics.median(worst[:-1]) and seconds >= 1200:
        problems.append(f"p99 drifts: {[round(wait * 1000, 1) for wait in worst]} ms")
    return "\n".join(lines), problems


class Recorded:
    """A load that was."""

    def __init__(self, latencies):
        self.latencies, self.failures, self.streams_done, self.calls_done = latencies, [], 0, len(latencies)


@pytest.mark.parametrize("leak, kept, slower, found", [
    (0, 0, 1, []), (100, 0, 1, ["gateway grows by 100 KiB a minute"]), (0, 40, 1, ["gateway keeps file descriptors"]), (0, 0, 2, ["p99 drifts"])])
def test_the_report_tells_what_drifts(leak, kept, slower, found):
    """Thirty minutes as numbers: steady, with a leak, with descriptors that stay, with calls that slow down at the end."""
    meter = Meter({"gateway": None, "control": None})
    for minute in range(30):
        meter.rows["gateway"].append((minute, 1, 40_000 + leak * minute, 100 + kept * (minute > 15)))
        meter.rows["control"].append((minute, 2 + minute // 10, 40_000 + 1_000 * (minute % 10), 30))
    load = Recorded([(second, 0.010 * (slower if second > 1_500 else 1)) for second in range(1_800)])
    table, problems = report(meter, load, 0, 1_800)
    assert len(problems) == len(found) and all(text in problem for text, problem in zip(found, problems)), problems
    assert f"| gateway | {40_000 + 6 * leak:,} | {40_000 + 29 * leak:,} | {leak}.0 |" in table
