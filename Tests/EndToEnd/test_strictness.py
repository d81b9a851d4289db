"""Bytes on the wire, as clients and providers of every kind send them, at the real listeners."""

import json
import re
import socket
import threading
import time

import httpx
import pytest
from strictness import read


def talk(port, pieces):
    """Sends pieces, a moment apart, ends the sending side, and reads all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(0.002)
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was refused before it was sent whole
        received = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return received
            received += part


def answers(received, requests):
    """The answers in these bytes as (status, fields, content); `requests` says which were HEAD."""
    found = []
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, f"half an answer: {received[:80]!r}"
        first, *lines = head.split(b"\r\n")
        assert first.startswith(b"HTTP/1.1 "), f"no answer: {first!r}"
        status = int(first.split()[1])
        fields = {name.strip().lower().decode(): value.strip().decode("latin-1")
                  for name, _, value in (line.partition(b":") for line in lines)}
        if status == 100:
            received = rest
            continue
        is_head = len(found) < len(requests) and requests[len(found)].startswith("HEAD")
        length = 0 if is_head or status in (204, 304) else int(fields["content-length"])
        assert len(rest) >= length, "an answer is cut"
        found.append((status, fields, rest[:length]))
        received = rest[length:]
    return found


def check(port, case, pieces):
    outcomes = [outcome for outcome in case.outcomes if outcome != "waits"]
    said = answers(talk(port, pieces), outcomes)
    expected = [outcome for outcome in outcomes if outcome != "close"]
    what = f"{case}: {[status for status, _, _ in said]} for {expected}"
    assert len(said) <= len(expected), what
    # Who does not want a content, and cannot know how long it is, ends the connection behind its answer.
    assert len(said) == len(expected) or said[-1][1].get("connection") == "close", what
    for (status, fields, _), outcome in zip(said, expected):
        # Content is each listener's own to take: without a key, or at an unknown path, it is not read.
        fault = outcome.split()[0]
        if fault.isdigit() and outcome not in ("413", "400 bodyCut") and "hunk" not in outcome \
                and "railer" not in outcome and "framing" not in outcome:
            assert status == int(fault), f"{case}: {status} for {outcome}"
            assert fields.get("connection") == "close", f"{case}: stays open"
        else:
            assert status < 500 and status != 417, f"{case}: {status} for {outcome}"


@pytest.mark.parametrize("listener", ["gateway", "admin"])
def test_what_clients_send_is_taken_or_refused_as_the_table_says(eclusa, listener):
    port = eclusa.ports[listener]
    cases = read("requests.txt")
    assert len(cases) >= 500
    for case in cases:
        data = case.bytes()
        check(port, case, [data])
        check(port, case, [data[:len(data) // 2], data[len(data) // 2:]])
    assert httpx.get(eclusa.url(listener) + "/", timeout=5).status_code < 500


def bodies():
    """JSON that is none, or not strict, or hostile (RFC 8259, and more than we take)."""
    good = '{"model":"chat","messages":[{"role":"user","content":"hi"}]%s}'
    yield "nothing", b""
    yield "a byte order mark", b"\xef\xbb\xbf" + (good % "").encode()
    yield "UTF-16", (good % "").encode("utf-16")
    yield "no UTF-8", (good % ',"x":"').encode()[:-1] + b'\xff"}'
    yield "an overlong character", (good % ',"x":"').encode()[:-1] + b'\xc0\xaf"}'
    yield "a coded surrogate", (good % ',"x":"').encode()[:-1] + b'\xed\xa0\x80"}'
    for name, more in {
        "a lone high surrogate": r',"x":"\ud800"', "a lone low surrogate": r',"x":"\udc00"',
        "surrogates the wrong way round": r',"x":"\udc00\ud800"', "half an escape": r',"x":"\u12"',
        "an unknown escape": r',"x":"\x41"', "a control": ',"x":"\x01"', "a line end in a text": ',"x":"\n"',
        "a leading zero": ',"x":01', "a plus": ',"x":+1', "a bare dot": ',"x":.5', "a dot at the end": ',"x":5.',
        "an empty exponent": ',"x":1e', "hexadecimal": ',"x":0x10', "NaN": ',"x":NaN', "infinity": ',"x":Infinity',
        "minus alone": ',"x":-', "True": ',"x":True', "single quotes": ",\"x\":'a'", "a bare name": ",x:1",
        "a trailing comma": ",", "two commas": ',,"x":1', "no colon": ',"x" 1', "a comment": ',/* */"x":1',
        "a line comment": ',"x":1 //', "a missing value": ',"x":', "an array's trailing comma": ',"x":[1,]',
        "an open array": ',"x":[1', "an open text": ',"x":"a', "a stray bracket": ',"x":]',
        "too deep": ',"x":' + "[" * 129 + "]" * 129, "too deep in objects": ',"x":' + '{"a":' * 129 + "1" + "}" * 129,
    }.items():
        yield name, (good % more).encode(errors="surrogatepass")
    yield "two values", (good % "").encode() + b" 1"
    yield "NUL behind", (good % "").encode() + b"\0"
    yield "brackets to no end", b"[" * 100_000
    yield "objects to no end", b'{"a":' * 100_000
    yield "a model twice", (good % ',"model":"chat"').encode()
    yield "a model twice, once escaped", (good % r',"mode\u006c":"chat"').encode()


@pytest.mark.parametrize("listener", ["gateway", "admin"])
def test_json_that_is_not_strict_is_refused_at_once(eclusa, listener):
    path = {"gateway": "/v1/chat/completions", "admin": "/api/v1/sessions"}[listener]
    headers = {"content-type": "application/json"}
    if listener == "gateway":
        headers["authorization"] = f"Bearer {eclusa.key}"
    with httpx.Client(base_url=eclusa.url(listener), timeout=10) as client:
        for name, body in bodies():
            start = time.monotonic()
            answer = client.post(path, headers=headers, content=body)
            assert answer.status_code == 400, f"{name}: {answer.status_code} {answer.text[:200]}"
            assert time.monotonic() - start < 2, name


class RawProvider:
    """Answers each request with bytes as they are, whatever they mean."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.data, self.ended = b"", True
        # Answers when it has the head, and reads no more.
        self.is_hasty = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection:
            try:
                received = b""
                while True:
                    while b"\r\n\r\n" not in received:
                        received += self.more(connection)
                    head, _, received = received.partition(b"\r\n\r\n")
                    if self.is_hasty:
                        connection.sendall(self.data)
                        time.sleep(20)
                    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                                  if line.startswith(b"content-length"))
                    while len(received) < length:
                        received += self.more(connection)
                    received = received[length:]
                    connection.sendall(self.data)
                    if self.ended:
                        connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    @staticmethod
    def more(connection):
        part = connection.recv(65536)
        if not part:
            raise ConnectionResetError
        return part


CHAT = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "raw",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "whole"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}).encode()
EVENTS = b"".join(
    b"data: " + json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "raw", **more}).encode() + b"\n\n"
    for more in [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "whole"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}]) + b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def raw(eclusa):
    """A route to a provider that says what it is told to, and is not waited for long."""
    provider = RawProvider(eclusa.ports["raw"])
    under = f"/tenants/{eclusa.tenant}"
    made = eclusa.admin.post(under + "/providers", {
        "name": "raw", "kind": "openai", "base_url": eclusa.url("raw") + "/v1", "credential": "sk-raw-00000001",
        "timeouts": {"first_byte_ms": 400, "between_chunks_ms": 400}})
    model = eclusa.admin.post(under + "/models", {"provider": made["id"], "name": "raw"})
    eclusa.admin.post(under + "/routes", {"name": "raw", "targets": [{"model": model["id"]}]})
    eclusa.wait_route("raw")
    yield provider
    provider.listener.close()


def ask(client, stream):
    """Status, text and whether the answer came to the end of its framing."""
    body = {"model": "raw", "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    with client.stream("POST", "/chat/completions", json=body) as answer:
        text = b""
        try:
            for part in answer.iter_raw():
                text += part
        except httpx.RemoteProtocolError:
            return answer.status_code, text.decode(errors="replace"), False
        return answer.status_code, text.decode(errors="replace"), True


def test_what_providers_answer_is_passed_on_or_told_broken(eclusa, raw):
    cases = [case for case in read("answers.txt") if case.method == "POST"]
    assert len(cases) >= 200
    headers = {"authorization": f"Bearer {eclusa.key}"}
    with httpx.Client(base_url=eclusa.base_url, timeout=10, headers=headers) as client:
        for case in cases:
            outcome = case.outcomes[0]
            for stream in (False, True):
                raw.data, raw.ended = case.bytes(EVENTS if stream else CHAT), case.ended
                if stream:
                    # The first success is the final answer.
                    raw.data = re.sub(rb"(?s)(.*?HTTP/1\.[01] 200 [^\r\n]*\r\n)", rb"\1content-type: text/event-stream\r\n",
                                      raw.data, count=1)
                status, text, is_whole = ask(client, stream)
                what = f"{case}, stream {stream}: {status} {text[-200:]}"
                assert "sk-raw" not in text, what
                if outcome in ("200 kept", "200 closed"):
                    assert status == 200 and is_whole and "whole" in text, what
                    assert not stream or text.endswith("data: [DONE]\n\n"), what
                elif outcome.startswith("200 "):
                    # Well framed, but another content than a chat's: what that is worth is not the wire's to say.
                    assert status in (200, 502), what
                elif status == 200 and is_whole:
                    # All events came, the last one too: what is broken behind it is nobody's loss.
                    assert stream and EVENTS in raw.data and text.endswith("data: [DONE]\n\n"), what
                elif status == 200:
                    # It broke after its head went to the client: the stream says so, and does not end well.
                    assert stream and "[DONE]" not in text and '"error"' in text, what
                else:
                    assert status in (502, 504) or outcome.startswith(f"{status} "), what
                    assert is_whole and json.loads(text)["error"]["message"], what


def test_a_provider_that_refuses_a_large_request_early_is_heard_at_once(eclusa, raw):
    raw.data, raw.is_hasty = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\n{}", True
    try:
        start = time.monotonic()
        answer = httpx.post(
            eclusa.base_url + "/chat/completions", timeout=30, headers={"authorization": f"Bearer {eclusa.key}"},
            json={"model": "raw", "messages": [{"role": "user", "content": "x" * (24 << 20)}]})
        assert answer.status_code == 413 and answer.json()["error"]["message"], answer.text
        assert time.monotonic() - start < 10
    finally:
        raw.is_hasty = False


@pytest.mark.parametrize("listener", ["gateway", "admin"])
def test_a_head_that_takes_too_long_is_told_so_however_often_bytes_come(eclusa, listener):
    with socket.create_connection(("127.0.0.1", eclusa.ports[listener]), timeout=2) as connection:
        start, received = time.monotonic(), b""
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while not received and time.monotonic() - start < 20:
            connection.sendall(b"X: y\r\n")
            try:
                received = connection.recv(65536)
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408 "), received[:80]
        assert b"connection: close" in received and 8 < time.monotonic() - start < 16
