"""Money in the console, in a real Chromium."""

import time

import httpx
import pytest
from selenium.webdriver.support.ui import Select

from browser import Browser
from harness import wait_until


@pytest.fixture
def browser(eclusa):
    permissions = {name for role in eclusa.admin.get("/roles")["data"] for name in role["permissions"]}
    if "ledger:read" not in permissions:
        pytest.skip("this control plane keeps no ledger")
    opened = Browser(eclusa.url("admin"))
    yield opened
    opened.close()


def test_a_credit_is_given_and_stands_in_the_ledger(eclusa, browser):
    at = f"/tenants/{eclusa.tenant}"
    before = float(eclusa.admin.get(at + "/balance")["balance"])
    browser.enter(at + "/billing")
    browser.press("Give a credit")
    browser.type("amount", "25")
    browser.press("Save", "dialog")
    browser.sees("is needed")
    browser.type("reason", "A welcome")
    browser.press("Save", "dialog")
    browser.sees("Saved.")
    assert abs(float(eclusa.admin.get(at + "/balance")["balance"]) - before - 25) < 0.01
    browser.shoot("flow-credit")
    browser.press("Ledger", "main")
    browser.sees("A welcome")
    browser.run("document.querySelector('main tbody a').click()")
    browser.sees("What one account gains another loses.")
    assert browser.findings() == [] and browser.complaints() == []


def test_a_month_is_seen_by_workspace_person_day_and_account(eclusa, browser):
    at = f"/tenants/{eclusa.tenant}"
    eclusa.admin.post(at + "/credits", {"amount": "7.25", "reason": "For the statement"})
    httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {eclusa.key}"}, timeout=20,
               json={"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).raise_for_status()
    lines = wait_until(lambda: eclusa.admin.get(at + "/ledger/statement", group_by="workspace")["data"], 15, "the call to be posted")
    browser.enter(at + "/billing")
    workspace = eclusa.admin.get(f"{at}/workspaces/{lines[0]['workspace']}")["name"]
    rows = "return [...document.querySelectorAll('.statement tbody tr')].map((one) => one.innerText)"
    browser.wait(lambda: any(workspace in row and "$" in row for row in browser.run(rows)), "what the workspace cost")
    for by, said in (("Account", "Credits"), ("Day", time.strftime("%Y-%m-%d", time.gmtime())), ("Person", "None")):
        Select(browser.find("#statement-by")).select_by_visible_text(by)
        browser.wait(lambda said=said: any(said in row for row in browser.run(rows)), f"a line “{said}” by {by}")
    browser.shoot("flow-statement")
    months = Select(browser.find("#statement-month"))
    months.select_by_index(len(months.options) - 1)
    browser.sees("Nothing was posted in this month.")
    assert browser.findings() == [] and browser.complaints() == []


def test_an_invoice_is_issued_downloaded_and_taken_back(eclusa, browser, tmp_path):
    at = f"/tenants/{eclusa.tenant}/invoices"
    browser.enter(at + "/new")
    browser.type("month", "2026-01")
    browser.press("New invoice", "main")
    browser.sees("To be paid")
    for name in ("PDF", "Export CSV"):
        file = browser.run("""return [...document.querySelectorAll('a[download]')].find((one) => one.innerText === arguments[0]).href""", name)
        answer = browser.driver.execute_async_script("""
            fetch(arguments[0]).then(async (answer) => arguments[1]([answer.status, (await answer.text()).slice(0, 5)]))""", file)
        assert answer[0] == 200 and (answer[1] == "%PDF-") == (name == "PDF")
    browser.press("Take back")
    browser.type("reason", "For the wrong month")
    browser.press("Save", "dialog")
    browser.sees("taken back")
    assert browser.findings() == [] and browser.complaints() == []
