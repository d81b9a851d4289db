"""Calls from web pages: the gateway lets the named origins' pages call, and no others."""

import httpx
import pytest


def ask(eclusa, method, path, origin, **more):
    headers = {"origin": origin, **more.pop("headers", {})}
    return httpx.request(method, eclusa.base_url + path, headers=headers, timeout=20, **more)


def test_a_preflight_of_a_named_origin_is_answered_and_no_other(eclusa):
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    allowed = ask(eclusa, "OPTIONS", "/chat/completions", eclusa.url("admin"), headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == eclusa.url("admin")
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    for origin in ("https://evil.example.com", "null", eclusa.url("admin") + ".evil.example.com"):
        refused = ask(eclusa, "OPTIONS", "/chat/completions", origin, headers=asked)
        assert refused.status_code >= 400
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("stream", [False, True])
def test_answers_streams_and_errors_can_be_read_by_such_a_page(eclusa, stream):
    body = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    key = {"authorization": f"Bearer {eclusa.key}"}
    for headers, model, status in [(key, "chat", 200), (key, "no-such-route", 404), ({}, "chat", 401)]:
        answer = ask(eclusa, "POST", "/chat/completions", eclusa.url("admin"), headers=headers, json={**body, "model": model})
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == eclusa.url("admin")
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        other = ask(eclusa, "POST", "/chat/completions", "https://other.example.com", headers=headers, json={**body, "model": model})
        assert "access-control-allow-origin" not in other.headers
