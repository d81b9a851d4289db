"""Memory and descriptors of a gateway stay where they are, however many calls were made and streams were left."""

import json
import os
import socket
import threading

import pytest
from harness import wait_until

BODY = {"model": "chat", "messages": [{"role": "user", "content": "How deep is the lock?"}]}


def request(key, body):
    content = json.dumps(body).encode()
    return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n").encode() + content


def call(port, data, count):
    """So many calls over one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for _ in range(count):
            connection.sendall(data)
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            head, _, content = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(content) < length:
                content += connection.recv(65536)


def leave(port, data, count):
    """So many streams, each left when its first bytes are there."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(data)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def spread(work, port, data, count, threads=8):
    failures = []

    def run(share):
        try:
            work(port, data, share)
        except Exception as failure:
            failures.append(failure)

    workers = [threading.Thread(target=run, args=(count // threads,)) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]


class Gauge:
    def __init__(self, pid):
        self.pid = pid

    def resident(self):
        with open(f"/proc/{self.pid}/statm") as figures:
            return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@pytest.mark.parametrize("calls, streams", [
    pytest.param(20_000, 2_000, id="short"),
    pytest.param(1_000_000, 100_000, id="long", marks=pytest.mark.slow)])
def test_memory_and_descriptors_are_flat(eclusa, calls, streams):
    port, gauge = eclusa.ports["gateway"], Gauge(eclusa.gateway.process.pid)
    plain = request(eclusa.key, BODY)
    endless = request(eclusa.key, {**BODY, "model": "stand-in-chunks-50", "stream": True})
    # Pools and tables fill up once: that is no growth.
    spread(call, port, plain, 4_000)
    spread(leave, port, endless, 400)
    looks = []
    for _ in range(5):
        spread(call, port, plain, calls // 5)
        spread(leave, port, endless, streams // 5)
        wait_until(lambda: gauge.descriptors() <= (looks[0][1] if looks else 1 << 20), 20, "streams to be noticed as left")
        looks.append((gauge.resident(), gauge.descriptors()))
    middle = sum(resident for resident, _ in looks) / 5
    slope = sum((step - 2) * (resident - middle) for step, (resident, _) in enumerate(looks)) / 10
    per_million = slope / (calls / 5) * 1e6 / (1 << 20)
    print(f"\n{calls} calls, {streams} streams left: RSS {[round(r / (1 << 20), 1) for r, _ in looks]} MiB, "
          f"{per_million:+.1f} MiB a million calls; descriptors {[d for _, d in looks]}")
    assert looks[-1][1] <= looks[0][1]
    # Noise of a short run is some megabytes; a leak of one small object a call would be far more.
    assert looks[-1][0] - looks[0][0] < 4 << 20
