"""Alerts from a real control plane to a real receiver, whose messages the reference library of Standard Webhooks verifies."""

import http.server
import json
import threading
import time

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from harness import wait_until


class Receiver:
    """Takes webhooks on a port that can be closed and opened again."""

    def __init__(self, port):
        self.port, self.taken, self.server = port, [], None
        self.open()

    def open(self):
        taken = self.taken

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                taken.append((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def about(self, ids):
        """Messages about these rules or channels; other tests' channels lead here too."""
        return [(headers, body) for headers, body in self.taken
                if {json.loads(body)["data"].get("rule"), json.loads(body)["data"].get("channel")} & set(ids)]


def verified(messages, secret):
    """Each message held against its signature."""
    return [Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()}) for headers, body in messages]


@pytest.fixture
def receiver(eclusa):
    opened = Receiver(eclusa.ports["webhook"])
    yield opened
    opened.close()


def channel(eclusa, name):
    made = eclusa.admin.post(f"/tenants/{eclusa.tenant}/alert-channels", {
        "name": name, "kind": "webhook", "url": eclusa.url("webhook") + "/hook"})
    return made["channel"]["id"], made["secret"]


def deliveries(eclusa, channel_id, **query):
    return eclusa.admin.get(f"/tenants/{eclusa.tenant}/alert-deliveries", channel=channel_id, **query)["data"]


def test_a_test_arrives_signed_and_what_is_no_address_is_refused(eclusa, receiver):
    channel_id, secret = channel(eclusa, "tested")
    under = f"/tenants/{eclusa.tenant}/alert-channels"
    eclusa.admin.post(f"{under}/{channel_id}/test")
    wait_until(lambda: receiver.about([channel_id]), 15, "the test to arrive")
    assert [message["type"] for message in verified(receiver.about([channel_id]), secret)] == ["alert.test"]
    wait_until(lambda: deliveries(eclusa, channel_id, status="sent"), 5, "the message to be noted as sent")
    # Not where the operator does not allow it.
    answer = eclusa.admin.http.post("/api/v1" + under, json={
        "name": "inside", "kind": "webhook", "url": "http://169.254.169.254/latest"})
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == "/url"


def outage(eclusa, receiver, seconds, count):
    """A receiver that is away while messages come up; what it has when it is back."""
    channel_id, secret = channel(eclusa, f"down for {seconds} s")
    receiver.close()
    rules = []
    began = time.monotonic()
    for number in range(count):
        # Every rule finds the same calls: one message each, in this order.
        rules.append(eclusa.admin.post(f"/tenants/{eclusa.tenant}/alert-rules", {
            "name": f"rule {number:02} of {seconds}", "kind": "latency", "threshold": 1, "minimum_calls": 1, "window_minutes": 1440,
            "channels": [channel_id]})["id"])
        wait_until(lambda number=number: len(deliveries(eclusa, channel_id)) > number, 60, "the rule to find the calls")
    wait_until(lambda: time.monotonic() - began >= seconds, seconds + 5, "the outage to last")
    assert len(deliveries(eclusa, channel_id, status="waiting")) == count
    receiver.open()
    wait_until(lambda: len(receiver.about(rules)) >= count, 620, "everything to arrive")
    messages = receiver.about(rules)
    assert [message["data"]["rule"] for message in verified(messages, secret)] == rules
    assert len({headers["webhook-id"] for headers, _ in messages}) == count


def call(eclusa):
    httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {eclusa.key}"}, timeout=20,
               json={"model": "stand-in-delay-250ms", "messages": [{"role": "user", "content": "Hello"}]})
    wait_until(lambda: eclusa.usage()["calls"] > 0, 15, "the call to be counted")


@pytest.mark.slow
def test_a_receiver_that_was_down_for_a_minute_misses_nothing(eclusa, receiver):
    call(eclusa)
    outage(eclusa, receiver, 60, 3)
