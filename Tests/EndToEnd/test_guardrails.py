"""Guardrails at a real node: those that ask a webhook, which is a process of its own, and what an SDK makes of it."""

import contextlib
import json
import secrets
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import httpx
import openai
import pytest
from standardwebhooks.webhooks import Webhook

from harness import wait_until


class Judge:
    """The process that decides, and what it was asked."""

    def __init__(self, eclusa):
        self.url = eclusa.url("judge")
        self.process = subprocess.Popen([sys.executable, Path(__file__).with_name("judge.py"), str(eclusa.ports["judge"])])
        wait_until(self.answers, 30, "the judge to answer")

    def answers(self):
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self.url, timeout=5).status_code == 200
        return False

    def asked(self, guardrail):
        found = httpx.get(self.url, timeout=10).json()["questions"]
        return [one for one in found if json.loads(one["body"])["data"]["guardrail"] == guardrail]

    def end(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def judge(eclusa):
    started = Judge(eclusa)
    yield started
    started.end()


class Guarded:
    """A key whose calls one guardrail looks at."""

    def __init__(self, eclusa, url, **members):
        self.eclusa, self.under = eclusa, f"/tenants/{eclusa.tenant}/guardrails"
        key, key_id = eclusa.new_key("guarded " + secrets.token_hex(4))
        self.secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
        webhook = {"url": url + "/judge", "timeout_ms": 10_000, **members.pop("webhook", {})}
        self.id = self.write("POST", "", {
            "name": "judge " + secrets.token_hex(4), "kind": "webhook", "action": "redact", "subject": {"key": key_id},
            "webhook": webhook, "webhook_secret": self.secret, **members}).json()["id"]
        eclusa.wait_key(key)
        self.client = openai.OpenAI(base_url=eclusa.base_url, api_key=key, max_retries=0, timeout=60)

    def write(self, method, path, body=None):
        """Writes and waits until the node runs it."""
        http = self.eclusa.admin.http
        answer = http.request(method, "/api/v1" + self.under + path, json=body)
        assert answer.status_code in (200, 201), answer.text
        change = answer.headers["eclusa-change"]
        wait_until(lambda: http.get(f"/api/v1/changes/{change}", params={"wait": "5s"}).json()["complete"], 60, "the node to follow")
        return answer

    def say(self, text, stream=False):
        answer = self.client.chat.completions.create(model="chat", messages=[{"role": "user", "content": text}], stream=stream)
        if not stream:
            return answer.choices[0].message.content
        return "".join(part.choices[0].delta.content or "" for part in answer if part.choices)

    def marks(self):
        """What guardrails did in this key's last call, by its usage event."""
        events = self.eclusa.admin.get(f"/tenants/{self.eclusa.tenant}/usage-events")["data"]
        return [[one["effect"] for one in event["guardrails"]] for event in events
                if any(one["guardrail"] == self.id for one in event["guardrails"])]


@pytest.fixture
def guarded(eclusa, judge):
    made = []

    def make(**members):
        made.append(Guarded(eclusa, members.pop("url", judge.url), **members))
        return made[-1]

    yield make
    for one in made:
        one.write("DELETE", f"/{one.id}")


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_is_let_through_changed_or_kept_back(guarded, judge, stream):
    call = guarded(sides=["input"])
    assert call.say("hello you", stream).startswith("You said: hello you")
    assert call.say("hello Ada", stream).startswith("You said: hello [name]")
    wait_until(lambda: ["redacted"] in call.marks(), 30, "the usage event to say so")
    with pytest.raises(openai.BadRequestError) as refused:
        call.say("something forbidden", stream)
    assert refused.value.response.headers["x-eclusa-error-code"] == "guardrail_blocked"
    assert "it is forbidden" not in refused.value.response.text
    questions = judge.asked(call.id)
    assert [json.loads(one["body"])["type"] for one in questions] == ["guardrail.input"] * 3
    for one in questions:
        said = Webhook(call.secret).verify(one["body"], one["headers"])
        assert said["data"]["model"] == "chat" and said["data"]["request"].startswith("req_")
    assert len({one["headers"]["webhook-id"] for one in questions}) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_changed_or_kept_back(guarded, judge, stream):
    call = guarded(sides=["output"])
    assert call.say("hello Ada", stream).startswith("You said: hello [name]")
    with pytest.raises(openai.BadRequestError):
        call.say("something forbidden", stream)
    wait_until(lambda: ["blocked"] in call.marks() and ["redacted"] in call.marks(), 30, "the usage events to say so")
    kind = "guardrail.output_piece" if stream else "guardrail.output"
    assert {json.loads(one["body"])["type"] for one in judge.asked(call.id)} == {kind}


@pytest.mark.parametrize("words", ["a snail", "nonsense", "broken"])
def test_without_an_answer_closed_keeps_back_and_open_lets_through(guarded, words):
    # Only who is waited for in vain may take little.
    wait = {"timeout_ms": 300} if words == "a snail" else {}
    closed = guarded(sides=["input"], webhook={"on_failure": "block", **wait})
    with pytest.raises(openai.InternalServerError) as refused:
        closed.say(words)
    assert refused.value.status_code == 503 and refused.value.response.headers["retry-after"]
    assert refused.value.response.headers["x-eclusa-error-code"] == "guardrail_unavailable"
    open_ = guarded(sides=["input"], webhook={"on_failure": "allow", **wait})
    assert open_.say(words).startswith(f"You said: {words}")
    wait_until(lambda: ["unanswered"] in open_.marks(), 30, "the usage event to say so")


def test_nobody_there_is_no_answer_and_one_who_comes_back_is_asked_again(guarded, eclusa):
    call = guarded(sides=["input"], url=eclusa.url("raw"))
    with pytest.raises(openai.InternalServerError):
        call.say("hello")
    call.write("PATCH", f"/{call.id}", {"webhook": {"url": eclusa.url("judge"), "timeout_ms": 10_000}})
    assert call.say("hello").startswith("You said: hello")


def test_one_that_observes_holds_nothing_up_and_counts(guarded, eclusa, judge):
    call = guarded(sides=["input"], mode="observe")
    assert call.say("something forbidden by a snail").startswith("You said: something forbidden")
    line = 'eclusa_guardrail_effects_total{kind="webhook",effect="observed"}'
    wait_until(lambda: line in httpx.get(eclusa.url("operations") + "/metrics", timeout=5).text, 60, "what it said to be counted")
    assert len(judge.asked(call.id)) == 1


def test_two_secrets_sign_for_a_day_and_none_is_ever_shown(guarded, judge):
    call = guarded(sides=["input"])
    new = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    changed = call.write("PATCH", f"/{call.id}", {"webhook_secret": new})
    assert changed.json()["secret_overlap_until"] and "whsec_" not in changed.text
    call.say("hello")
    question = judge.asked(call.id)[-1]
    for secret in (new, call.secret):
        Webhook(secret).verify(question["body"], question["headers"])


def test_a_webhook_stays_where_the_operator_allows(eclusa):
    for url in ("http://judge.example", "https://127.0.0.1:9/", "https://169.254.169.254/latest", "https://10.1.2.3/"):
        answer = eclusa.admin.http.post(f"/api/v1/tenants/{eclusa.tenant}/guardrails", json={
            "name": "inside", "kind": "webhook", "webhook": {"url": url}, "webhook_secret": "whsec_" + b64encode(bytes(32)).decode()})
        assert answer.status_code == 400, url
        assert [one["pointer"] for one in answer.json()["errors"]] == ["/webhook/url"], url
