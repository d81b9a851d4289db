"""Providers that are not well: what clients of every dialect get, what it costs in attempts, and what the books say."""

import json

import httpx
import pytest
from harness import wait_until

# What the stand-in does, and the status a client gets when there is nobody else to ask.
MODES = {
    "429": ("-error-429", 429), "500": ("-error-500", 500), "hang": ("-hang", 504), "slow": ("-delay-250ms", 200),
    "cut": ("-chunks-10-cut", 502), "malformed": ("-chunks-10-malformed", 502), "lying length": ("-lying-length", 502),
}
# As streams these break after their first byte, where nobody else can be asked any more.
BREAKS_LATER = {"cut", "malformed"}
# A stream has no length to lie about.
WHOLE_AS_STREAM = {"slow", "lying length"}
KINDS = {"openai": "/v1", "anthropic": ""}


class Client:
    """One dialect over plain HTTP: the bytes count here, not what an SDK makes of them."""

    def __init__(self, url, key):
        self.http = httpx.Client(base_url=url, timeout=20, headers={"authorization": f"Bearer {key}"})

    def call(self, route, stream):
        """Status, fields, text, and whether the answer came to the end of its framing."""
        path, body = self.request(route, stream)
        with self.http.stream("POST", path, json=body) as answer:
            text, is_whole = b"", True
            try:
                for part in answer.iter_raw():
                    text += part
            except httpx.RemoteProtocolError:
                is_whole = False
            return answer.status_code, answer.headers, text.decode(), is_whole

    def is_good(self, text, stream):
        return self.looks_finished(text) if stream else bool(self.said(json.loads(text)))


class OpenAI(Client):
    def request(self, route, stream):
        return "/v1/chat/completions", {"model": route, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}

    def said(self, answer):
        return answer["choices"][0]["message"]["content"]

    def error(self, answer):
        return answer["error"]["message"] and answer["error"]["type"]

    def looks_finished(self, text):
        return "data: [DONE]" in text

    def event_error(self, text):
        return self.error(json.loads(text.strip().rsplit("data: ", 1)[1]))


class Anthropic(Client):
    def request(self, route, stream):
        return "/v1/messages", {
            "model": route, "stream": stream, "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}

    def said(self, answer):
        return answer["content"][0]["text"]

    def error(self, answer):
        return answer["type"] == "error" and answer["error"]["type"] and answer["error"]["message"]

    def looks_finished(self, text):
        return "message_stop" in text

    def event_error(self, text):
        return "event: error" in text and self.error(json.loads(text.strip().rsplit("data: ", 1)[1]))


class Gemini(Client):
    def request(self, route, stream):
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{route}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}

    def said(self, answer):
        return answer["candidates"][0]["content"]["parts"][0]["text"]

    def error(self, answer):
        return answer["error"]["code"] and answer["error"]["message"] and answer["error"]["status"]

    def looks_finished(self, text):
        return '"finishReason"' in text

    def event_error(self, text):
        return self.error(json.loads(text.strip().rsplit("data: ", 1)[1]))


class Ollama(Client):
    def request(self, route, stream):
        return "/api/chat", {"model": route, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}

    def said(self, answer):
        return answer["message"]["content"]

    def error(self, answer):
        return answer["error"]

    def looks_finished(self, text):
        return '"done":true' in text

    def event_error(self, text):
        return self.error(json.loads(text.strip().rsplit("\n", 1)[-1]))


CLIENTS = [OpenAI, Anthropic, Gemini, Ollama]


def route(kind, mode, fallback):
    return f"ill-{kind}-{mode.replace(' ', '-')}" + ("-fallback" if fallback else "")


@pytest.fixture(scope="module")
def ill(eclusa):
    """A provider of two kinds at the stand-in, a route to each of its illnesses, alone and in front of a healthy one."""
    under = f"/tenants/{eclusa.tenant}"
    for kind, path in KINDS.items():
        provider = eclusa.admin.post(under + "/providers", {
            "name": f"ill-{kind}", "kind": kind, "base_url": eclusa.url("stand_in") + path,
            "credential": "sk-stand-in-0001", "timeouts": {"first_byte_ms": 600, "between_chunks_ms": 600}})["id"]
        for mode, (behaviour, _) in MODES.items():
            model = eclusa.admin.post(under + "/models", {"provider": provider, "name": "stand-in" + behaviour})["id"]
            eclusa.admin.post(under + "/routes", {"name": route(kind, mode, False), "targets": [{"model": model}]})
            eclusa.admin.post(under + "/routes", {
                "name": route(kind, mode, True),
                "targets": [{"model": model}, {"model": eclusa.models["stand-in"], "priority": 1}]})
    eclusa.wait_route(route(kind, mode, True))
    return eclusa


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__.lower())
def client(request, ill):
    return request.param(ill.url("gateway"), ill.key)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("mode", MODES)
def test_a_client_gets_its_dialects_error_or_a_good_answer(client, kind, mode, stream):
    expected = MODES[mode][1]
    for fallback in (False, True):
        status, fields, text, is_whole = client.call(route(kind, mode, fallback), stream)
        what = f"fallback {fallback}: {status} {text[-300:]}"
        if stream and mode in BREAKS_LATER and not (fallback and is_whole):
            assert status == 200 and not is_whole, what
            assert not client.looks_finished(text) and client.event_error(text), what
        elif fallback or expected == 200 or (stream and mode in WHOLE_AS_STREAM):
            assert status == 200 and is_whole and client.is_good(text, stream), what
        else:
            assert status == expected and is_whole and client.error(json.loads(text)), what
            assert fields["x-eclusa-error-code"], what
            assert ("retry-after" in fields) == (status == 429), what


def test_extra_attempts_stay_few_and_the_books_are_the_providers(ill):
    key, key_id = ill.new_key("brown-out")
    ill.wait_key(key)
    clients = [kind(ill.url("gateway"), key) for kind in (OpenAI, Anthropic)]
    # Streams that break are billed by estimates, since nobody says what they cost; all others by what was said.
    modes = [mode for mode in MODES if mode not in BREAKS_LATER]
    before, calls, good, attempts = ill.provider_totals(), 0, 0, 0
    for _ in range(4):
        for mode in modes:
            for stream in (False, True):
                for client in clients:
                    for _ in range(4):
                        status, fields, text, _ = client.call(route("openai", mode, True), stream)
                        calls += 1
                        attempts += int(fields.get("x-eclusa-attempts", "1"))
                        if status == 200:
                            assert client.is_good(text, stream)
                            good += 1
                        else:
                            # The budget of further attempts was spent: the error of the one that was made.
                            assert status == MODES[mode][1] and client.error(json.loads(text))
    after = ill.provider_totals()
    print(f"\n{calls} calls, {good} good answers, {attempts - calls} extra attempts ({(attempts - calls) / calls:.1%})")
    assert attempts - calls <= calls * 0.2
    assert good >= calls * 0.95

    def row():
        rows = ill.admin.get(f"/tenants/{ill.tenant}/usage", group_by="key")["data"]
        return next((row for row in rows if row["key"] == key_id and row["calls"] == calls), None)

    found = wait_until(row, 10, f"{calls} calls in the report")
    for ours, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
        assert found[ours] == after[theirs] - before[theirs], ours


def test_a_provider_that_is_well_does_not_feel_one_that_hangs(ill):
    client, times = OpenAI(ill.url("gateway"), ill.key), {}
    for name in ("chat", route("openai", "hang", True)):
        for _ in range(30):
            status, fields, text, _ = client.call(name, False)
            assert status == 200 and client.is_good(text, False)
            times.setdefault(name, []).append(int(fields["x-eclusa-attempts"]))
    # While the breaker is open the one that hangs is not asked; a probe now and then is.
    assert sum(times["chat"]) == 30
    assert sum(times[route("openai", "hang", True)]) - 30 <= 10
