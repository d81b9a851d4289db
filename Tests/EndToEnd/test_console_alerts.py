"""Limits and alerts in the console, in a real Chromium against a real node."""

import re

import httpx
import pytest

from browser import Browser
from harness import wait_until
from test_alerts import Receiver


@pytest.fixture
def browser(eclusa):
    opened = Browser(eclusa.url("admin"))
    yield opened
    opened.close()


@pytest.fixture
def receiver(eclusa):
    opened = Receiver(eclusa.ports["webhook"])
    yield opened
    opened.close()


def ask(eclusa, key, model="chat"):
    return httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=20,
                      json={"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50})


def test_a_budget_is_set_and_refuses(eclusa, browser):
    key, key_id = eclusa.new_key("spender")
    eclusa.wait_key(key)
    assert ask(eclusa, key).status_code == 200
    at = f"/tenants/{eclusa.tenant}/limits"
    browser.enter(at + "/new")
    browser.type("name", "pocket money")
    browser.choose("subject_kind", "Key")
    browser.choose("subject_id", "spender")
    browser.choose("metric", "US dollars")
    browser.type("amount", "0.0001")
    browser.choose("period", "a day")
    browser.press("New limit", "main")
    browser.sees("pocket money")
    assert browser.findings() == []
    wait_until(lambda: ask(eclusa, key).status_code == 402, 20, "the budget to refuse")
    assert ask(eclusa, key).json()["error"]["code"] == "budget_exceeded"
    assert ask(eclusa, eclusa.key).status_code == 200, "another key is not bound"
    browser.shoot("flow-budget")
    # Raised, it lets calls through again, and the page shows what they use, by itself.
    browser.press("Edit", "main")
    browser.type("amount", "5")
    browser.press("Save")
    browser.sees("Saved.")
    wait_until(lambda: ask(eclusa, key).status_code == 200, 20, "the raised budget to let calls through")
    browser.wait(lambda: re.search(r"\$0\.0\d*[1-9]\d* of \$5\.00", browser.text()), "what was used", 30)
    browser.shoot("flow-budget-raised")
    assert browser.complaints() == []


def test_a_channel_and_a_rule_are_made_and_an_alert_arrives_everywhere(eclusa, browser, receiver):
    at = f"/tenants/{eclusa.tenant}"
    browser.enter(at + "/alert-channels/new")
    browser.type("name", "Night watch")
    browser.choose("kind", "Webhook")
    browser.type("url", eclusa.url("webhook") + "/watch")
    browser.press("New alert channel", "main")
    secret = browser.find("dialog .copyable code").text
    assert secret.startswith("whsec_")
    browser.press("I have kept it", "dialog")
    browser.press("Send a test")
    browser.sees("The test is on its way.")
    channel_id = browser.driver.current_url.rsplit("/", 1)[1]
    wait_until(lambda: receiver.about([channel_id]), 15, "the test to arrive")
    browser.sees("sent")

    browser.open(at + "/alerts")
    browser.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["notifications"], "origin": eclusa.url("admin")})
    browser.run("""window.told = [];
        window.Notification = class { static permission = "granted"; static requestPermission = async () => "granted";
            constructor(title, { body }) { window.told.push(`${title}: ${body}`); } };""")
    browser.press("Notify me in this browser")
    browser.sees("Stop notifying me here")

    for _ in range(3):
        ask(eclusa, eclusa.key, "stand-in-error-500")
    made = eclusa.admin.post(at + "/alert-rules", {
        "name": "Too many errors", "kind": "error_rate", "threshold": 1, "minimum_calls": 1, "severity": "critical",
        "channels": [channel_id]})
    wait_until(lambda: receiver.about([made["id"]]), 60, "the alert to arrive")
    browser.wait(lambda: any("Too many errors" in told for told in browser.run("return window.told")), "a notification", 20)
    browser.sees("Too many errors")
    browser.shoot("flow-alert")

    browser.press("Alert messages", "nav.side")
    browser.sees("An alert began")
    browser.run("document.querySelector('main tbody a').click()")
    browser.sees("What is sent")
    browser.press("Send again")
    browser.sees("It is sent again.")
    wait_until(lambda: len(receiver.about([made["id"]])) >= 2, 15, "the message once more")
    headers = [headers["webhook-id"] for headers, _ in receiver.about([made["id"]])]
    assert len(set(headers)) == 1
    assert browser.complaints() == []


def test_a_rule_is_made_with_what_its_kind_takes(eclusa, browser):
    browser.enter(f"/tenants/{eclusa.tenant}/alert-rules/new")
    browser.type("name", "Slow calls")
    browser.choose("kind", "Latency")
    browser.type("threshold", "2000")
    browser.run("document.querySelector('details.more').open = true")
    browser.type("percentile", "99")
    assert browser.run("return document.querySelector('[name=limit]').checkVisibility()") is False
    browser.press("New alert rule", "main")
    browser.sees("2,000 ms")
    browser.press("Edit", "main")
    browser.type("threshold", "0")
    browser.press("Save")
    browser.sees("must be")
    field = browser.find("[name=threshold]")
    assert field.get_attribute("aria-invalid") == "true" and field.get_attribute("value") == "0"


def test_a_report_is_exported_and_scheduled(eclusa, browser, tmp_path):
    ask(eclusa, eclusa.key)
    wait_until(lambda: eclusa.usage()["calls"] > 0, 15, "the call to be counted")
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.enter(f"/tenants/{eclusa.tenant}/usage?by=key&span=24h")
    browser.sees("Times and errors")
    browser.press("Export CSV")
    written = wait_until(lambda: list(tmp_path.glob("*.csv")), 15, "the file")[0]
    wait_until(lambda: eclusa.key_id in written.read_text(), 5, "its lines")
    assert written.read_text().splitlines()[0].startswith("starts_at,")
    browser.open(f"/tenants/{eclusa.tenant}/report-schedules/new")
    browser.type("name", "Spending by key")
    browser.type("recipients", "finance@example.com")
    browser.choose("group_by", "Key")
    browser.press("New scheduled report", "main")
    browser.press("Send now")
    browser.sees("The report is on its way.")
    mails = eclusa.admin.get("/mails")["data"]
    assert [mail["recipient"] for mail in mails if mail["kind"] == "report"] == ["finance@example.com"]
    browser.shoot("flow-report")
    assert browser.complaints() == []
