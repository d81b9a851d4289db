"""Disks that fail and clocks that are wrong, by a library that is preloaded into one program (faults.c)."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from fleet import Callers, mount_small, unmount
from harness import wait_until

SECONDS = int(os.environ.get("ECLUSA_CHAOS_SECONDS", "20"))


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("faults") / "faults.so"
    compiler = shutil.which("cc") or shutil.which("clang")
    assert compiler, "a C compiler is needed for the faults: clang comes with Swift"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", built, Path(__file__).parent / "faults.c", "-ldl"], check=True)
    return built


class Faulty:
    """A program that runs with the library; `set` says what is wrong from now on."""

    def __init__(self, process, library, folder):
        self.process, self.file = process, folder / f"{process.name}.faults"
        self.set("")
        process.environment.update({"LD_PRELOAD": str(library), "FAULTS_FILE": str(self.file)})

    def set(self, words):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(words + "\n")
        fresh.rename(self.file)


def with_faults(node, library):
    faulty = Faulty(node.process, library, node.fleet.folder)
    node.restart()
    return faulty


def test_outbox_fsync_error_and_disk_full_at_the_nth_write(fleet, library):
    """What was answered is booked, whichever write or fsync fails; what cannot be recorded is refused."""
    node = fleet.nodes[0]
    node.process.words += ["--outbox-synchronous", "full"]
    faulty = with_faults(node, library)
    answered, refused = 0, 0
    for fault in ["fsync", *(f"write={number}" for number in (1, 2, 3, 5, 8, 13))]:
        assert node.call().status_code == 200, f"before {fault}"
        answered += 1
        faulty.set(fault)
        for _ in range(30):
            status = node.call().status_code
            answered += status == 200
            if status == 503:
                break
        assert status == 503, f"{fault}: {status}, though nothing can be recorded"
        refused += 1
        faulty.set("")
        wait_until(lambda: node.call().status_code == 200, 20, f"calls after {fault}")
        answered += 1
    # A kill in the middle of it loses no answer either.
    faulty.set("fsync")
    status = node.call().status_code
    node.process.kill()
    faulty.set("")
    node.process.start()
    node.wait_ready()
    answered += status == 200
    # The calls that were refused had been answered by their provider: they are kept in memory and booked.
    fleet.assert_usage_is_exact(answered, extra=refused + 8)


def test_cache_deleted_while_open_and_read_only(fleet):
    """The node serves from memory, and has everything again after a restart."""
    node = fleet.nodes[0]
    for name in ("cache.db", "cache.db-wal", "cache.db-shm"):
        (node.data / name).unlink(missing_ok=True)
    key, key_id = fleet.new_key("after-the-cache-went")
    wait_until(lambda: not node.refuses(key), 20, "a key without a cache file")
    node.restart()
    assert not node.refuses(key)
    node.process.stop()
    kept = fleet.folder / "kept"
    shutil.copytree(node.data, kept)
    if not mount_small(node.data, "16m"):
        pytest.skip("mounting is not permitted here")
    try:
        shutil.copytree(kept, node.data, dirs_exist_ok=True)
        node.process.start()
        node.wait_ready()
        # The outbox's file is open for writing, so the file system stays writable: the cache alone is closed.
        subprocess.run(["chattr", "+i", node.data / "cache.db"], capture_output=True)
        fleet.revoke(key_id)
        wait_until(lambda: node.refuses(key), 20, "a revocation with a cache that cannot be written")
        assert node.call().status_code == 200
    finally:
        subprocess.run(["chattr", "-i", node.data / "cache.db"], capture_output=True)
        node.process.stop()
        unmount(node.data)


@pytest.mark.parametrize("hours", [1, -1])
def test_node_with_its_clock_an_hour_off(fleet, library, hours):
    """It joins in, serves, hears of revocations, hands its usage in and says what it was lent."""
    node = fleet.nodes[0]
    faulty = with_faults(node, library)
    faulty.set(f"clock={hours * 3600}")
    assert node.call().status_code == 200, "the clock jumps while it runs"
    node.restart()
    key, key_id = fleet.new_key("by-another-clock")
    wait_until(lambda: not node.refuses(key), 20, "a key by another clock")
    assert node.call(key).status_code == 200
    fleet.revoke(key_id)
    wait_until(lambda: node.refuses(key), 20, "a revocation by another clock")
    assert node.metric("eclusa_feed_connected") == 1
    assert node.metric("eclusa_snapshot_rejections_total") == 0
    fleet.assert_usage_is_exact(2)


def test_node_with_its_clock_frozen_and_running_backwards(fleet, library):
    """Timers are the monotonic clock's: calls, streams, usage and the stream of the control plane go on."""
    node = fleet.nodes[0]
    faulty = with_faults(node, library)
    began = int(time.time())
    callers = Callers(fleet, count=2)
    for words in (f"frozen={began}", "clock=-60", "clock=-3600", ""):
        faulty.set(words)
        answered = callers.answered
        wait_until(lambda: callers.answered > answered + 20, 20, f"calls with the clock {words or 'right again'}")
        assert node.call().status_code == 200
        key, _ = fleet.new_key(f"made-at-{words or 'the end'}")
        wait_until(lambda: not node.refuses(key), 20, f"news with the clock {words or 'right again'}")
    answered = callers.stop() + 4
    assert not callers.failures, callers.failures[:3]
    fleet.assert_usage_is_exact(answered)


def test_control_plane_with_its_clock_an_hour_off(fleet, library):
    """Nobody is signed out by a clock that goes back, and nodes believe what it states."""
    faulty = Faulty(fleet.control, library, fleet.folder)
    fleet.control.stop()
    fleet.control.start()
    fleet.back()
    fleet.admin.login()
    for words in ("clock=-3600", "", "clock=300", ""):
        faulty.set(words)
        assert fleet.admin.get(f"/tenants/{fleet.tenant}")["id"] == fleet.tenant, f"signed out by {words or 'the end'}"
        key, key_id = fleet.new_key(f"made-with-{words or 'the right time'}-{time.monotonic_ns()}")
        wait_until(lambda: all(not node.refuses(key) for node in fleet.all), 20, f"a key with the clock {words}")
        fleet.revoke(key_id)
        wait_until(lambda: all(node.refuses(key) for node in fleet.all), 20, f"a revocation with the clock {words}")
    assert sum(node.metric("eclusa_snapshot_rejections_total") for node in fleet.all) == 0
    assert all(node.call().status_code == 200 for node in fleet.all)
