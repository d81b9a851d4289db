"""Guardrails and refused calls in the console, in a real Chromium against a real node."""

import re

import httpx
import pytest

from browser import Browser
from harness import wait_until
from test_guardrails import Judge


@pytest.fixture
def browser(eclusa):
    opened = Browser(eclusa.url("admin"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def judge(eclusa):
    started = Judge(eclusa)
    yield started
    started.end()


@pytest.fixture
def made(eclusa):
    """Guardrails bind every call of the tests that come."""
    under = f"/tenants/{eclusa.tenant}/guardrails"
    before = {one["id"] for one in eclusa.admin.get(under)["data"]}
    yield
    eclusa.admin.login()
    for one in eclusa.admin.get(under)["data"]:
        if one["id"] not in before:
            eclusa.admin.http.delete(f"/api/v1{under}/{one['id']}").raise_for_status()


def ask(eclusa, key, text):
    return httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=30,
                      json={"model": "chat", "messages": [{"role": "user", "content": text}]})


def test_a_guardrail_is_made_refuses_and_the_refusals_are_shown(eclusa, browser, made):
    key, _ = eclusa.new_key("secretive")
    eclusa.wait_key(key)
    at = f"/tenants/{eclusa.tenant}"
    browser.enter(at + "/guardrails/new")
    browser.type("name", "No codenames")
    browser.choose("subject_kind", "Key")
    browser.choose("subject_id", "secretive")
    browser.choose("kind", "Words")
    browser.type("words", "bluebird")
    assert browser.run("return document.querySelector('[name=patterns]').checkVisibility()") is False
    browser.press("New guardrail", "main")
    browser.sees("No codenames")
    browser.sees("bluebird")
    assert browser.findings() == []
    browser.shoot("flow-guardrail")
    wait_until(lambda: ask(eclusa, key, "tell me of Bluebird").status_code == 400, 30, "the guardrail to refuse")
    assert ask(eclusa, key, "tell me of birds").status_code == 200
    assert ask(eclusa, eclusa.key, "tell me of Bluebird").status_code == 200, "another key's calls are not looked at"
    wait_until(lambda: eclusa.admin.get(at + "/refusals", code="guardrail_blocked")["total"] > 0, 60, "the node to report it")
    browser.press("Refused calls", "nav.side")
    browser.sees("guardrail_blocked")
    browser.sees("secretive")
    assert browser.findings() == []
    browser.type("code", "outbox_full\n")
    browser.sees("Nothing was refused")
    browser.open(at + "/refusals?code=guardrail_blocked&span=1h")
    browser.sees("Some of them")
    assert re.search(r"req_\w+", browser.text())
    browser.shoot("flow-refusals")
    # Letting it only count lets the calls through again, and the log of calls says what it saw.
    browser.press("Guardrails", "nav.side")
    browser.press("No codenames", "main")
    browser.press("Edit", "main")
    browser.choose("mode", "only counts")
    browser.press("Save")
    browser.sees("Saved.")
    wait_until(lambda: ask(eclusa, key, "of Bluebird").status_code == 200, 30, "the guardrail to only count")
    assert browser.complaints() == []


def test_a_webhook_is_set_with_a_secret_made_here(eclusa, browser, judge, made):
    at = f"/tenants/{eclusa.tenant}"
    key, _ = eclusa.new_key("judged")
    eclusa.wait_key(key)
    browser.enter(at + "/guardrails/new")
    browser.type("name", "Judge")
    browser.choose("subject_kind", "Key")
    browser.choose("subject_id", "judged")
    browser.choose("kind", "A webhook decides")
    browser.type("url", "http://judge.example")
    browser.press("Make one", "main")
    secret = browser.find("[name=webhook_secret]").get_attribute("value")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", secret)
    browser.press("New guardrail", "main")
    browser.sees("cannot be reached")
    assert browser.find("[name=webhook_secret]").get_attribute("value") == secret
    browser.type("url", eclusa.url("judge") + "/judge")
    browser.type("timeout_ms", "10000")
    browser.press("New guardrail", "main")
    browser.sees("without an answer: kept back")
    assert secret not in browser.driver.page_source
    assert browser.findings() == []
    wait_until(lambda: ask(eclusa, key, "something forbidden").status_code == 400, 30, "the webhook to refuse")
    assert ask(eclusa, key, "hello").status_code == 200
    browser.shoot("flow-guardrail-webhook")
    assert browser.complaints() == []
