"""Money in the console, in a real Chromium."""

import pytest

from browser import Browser


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
