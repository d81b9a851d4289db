"""What people do with the console, in a real Chromium against real programs."""

import base64
import hashlib
import hmac
import io
import re
import struct
import time

import httpx
import pytest
import zxingcpp
from PIL import Image
from selenium.webdriver.common.keys import Keys

from browser import Browser
from harness import ADMIN_EMAIL, PASSWORD, Admin, wait_until


@pytest.fixture
def browser(eclusa):
    opened = Browser(eclusa.url("admin"))
    yield opened
    opened.close()


def code_of(secret):
    """The code an authenticator app shows now (RFC 6238)."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(time.time()) // 30), hashlib.sha1)
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start:start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def qr_text(browser):
    """What a camera reads of the page's QR code."""
    browser.find(".qr-code svg")
    picture = Image.open(io.BytesIO(browser.find(".qr-code").screenshot_as_png)).convert("L")
    return zxingcpp.read_barcode(picture).text


def shown_once(browser):
    """The secret of the open dialog, which is then closed."""
    secret = browser.find("dialog .copyable code").text
    browser.press("I have kept it", "dialog")
    return secret


def user(eclusa, email, password="a password of some length", roles=("tenant-owner",), tenant=None):
    made = eclusa.admin.post("/users", {
        "email": email, "name": email.split("@")[0].title(), "password": password,
        "bindings": [{"role": role, "tenant": tenant or eclusa.tenant} for role in roles]})
    return made["user"]["id"]


def test_from_a_tenant_to_a_call_and_its_cost(eclusa, browser):
    browser.enter("/platform/tenants/new")
    browser.type("name", "Borealis")
    browser.type("slug", "borealis")
    browser.press("New tenant", "main")
    browser.press("Open")
    browser.sees("From here to the first call")
    tenant = re.search(r"tenant_\w+", browser.driver.current_url).group()
    at = f"/tenants/{tenant}"

    browser.open(at + "/workspaces/new")
    browser.type("name", "Research")
    browser.type("slug", "research")
    browser.press("New workspace", "main")
    browser.sees("research")

    browser.open(at + "/providers/new")
    browser.type("name", "stand-in-2")
    browser.type("base_url", eclusa.url("stand_in") + "/v1")
    browser.type("credential", "sk-stand-in-0002")
    browser.press("New provider", "main")
    browser.sees("Credential ends with")
    browser.press("Test")
    browser.sees("passed")
    browser.find("dialog header button").click()

    browser.open(at + "/models/new")
    browser.choose("provider", "stand-in-2")
    browser.type("name", "stand-in")
    browser.press("New model", "main")
    browser.sees("No price yet")
    browser.press("New price")
    browser.type("input", "2.50")
    browser.type("output", "10.00")
    browser.press("New price", "main form")
    browser.sees("$10.00")

    browser.open(at + "/routes/new")
    browser.type("name", "north")
    browser.wait(lambda: len(browser.driver.find_elements("css selector", ".target option")) > 1, "models")
    browser.run("""const choice = document.querySelector('.target select');
        choice.selectedIndex = 1; choice.dispatchEvent(new Event('change', { bubbles: true }));""")
    browser.press("New route", "main")
    browser.sees("How calls go")
    browser.sees("100%")

    browser.open(at + "/keys/new")
    browser.type("name", "observatory")
    browser.press("New key", "main")
    key = shown_once(browser)
    assert key.startswith("ek_")
    browser.sees("observatory")
    assert key not in browser.run("return document.documentElement.outerHTML")
    eclusa.wait_key(key)
    answer = httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=20,
                        json={"model": "north", "messages": [{"role": "user", "content": "Hello"}]})
    assert answer.status_code == 200, answer.text

    browser.open(at + "/dashboard")
    browser.wait(lambda: re.search(r"Calls\s+1\b", browser.text()), "the call on the dashboard, by itself", 30)
    browser.shoot("flow-dashboard")
    browser.open(at + "/usage?by=key&span=24h")
    browser.sees("observatory")
    browser.open("/platform/usage?span=24h")
    browser.sees("Borealis")
    assert browser.complaints() == []


def test_the_playground_streams_from_a_real_gateway(eclusa, browser):
    before = eclusa.usage()["calls"]
    browser.enter(f"/tenants/{eclusa.tenant}/playground")
    browser.choose("route", "stand-in-chunks-50")
    browser.find("#try-question").send_keys("Say something", Keys.ENTER)
    browser.wait(lambda: browser.driver.find_elements("css selector", ".turn.assistant:not([aria-busy])"), "an answer")
    assert browser.driver.find_elements("css selector", ".turn.assistant.failed") == [], browser.text()
    assert len(browser.find(".turn.assistant").text) > 20
    browser.sees("First token after")
    facts = browser.text()
    assert re.search(r"Spend\s+\$0\.0*[1-9]", facts), f"what a streamed answer cost\n{facts}"
    assert re.search(r"Output tokens\s+[1-9]", facts) and re.search(r"Whole answer after\s+[\d,]+ ms", facts), facts
    browser.press("Explain")
    browser.sees("It would be let through")
    assert browser.findings() == []
    browser.find("dialog header button").click()
    browser.shoot("flow-playground")
    wait_until(lambda: eclusa.usage()["calls"] > before, 15, "the call to be counted")
    keys = eclusa.admin.get(f"/tenants/{eclusa.tenant}/keys", kind="playground")["data"]
    assert keys and all(key["expires_at"] for key in keys)
    own, own_id = eclusa.new_key("of the playground")
    eclusa.wait_key(own)
    browser.find("#try-key").send_keys(own)
    browser.find("#try-question").send_keys("As somebody else", Keys.ENTER)
    wait_until(lambda: eclusa.admin.get(f"/tenants/{eclusa.tenant}/usage-events", key=own_id)["data"], 30, "a call with that key")
    browser.wait(lambda: not browser.driver.find_elements("css selector", ".turn.assistant[aria-busy]"), "the answer to end")
    browser.press("Explain")
    browser.sees("It would be let through")
    browser.find("dialog header button").click()
    assert own not in browser.run("return document.documentElement.outerHTML"), "a key is in no page's text"
    browser.choose("route", "stand-in-error-500")
    browser.find("#try-question").send_keys("Fail", Keys.ENTER)
    browser.find(".turn.assistant.failed")
    assert browser.find("#try-question").get_attribute("value") == "Fail", "what was typed is still there"


def test_a_key_is_changed_rotated_and_revoked(eclusa, browser):
    key, key_id = eclusa.new_key("to be revoked")
    browser.enter(f"/tenants/{eclusa.tenant}/keys/{key_id}/edit")
    browser.type("name", "renamed")
    browser.press("Save")
    browser.sees("Saved.")
    assert eclusa.admin.get(f"/tenants/{eclusa.tenant}/keys/{key_id}")["name"] == "renamed"
    browser.press("Rotate")
    browser.press("Rotate", "dialog")
    rotated = shown_once(browser)
    assert rotated.startswith("ek_") and rotated != key
    browser.press("Revoke")
    browser.sees("This cannot be undone")
    browser.press("Cancel", "dialog")
    assert eclusa.admin.get(f"/tenants/{eclusa.tenant}/keys/{key_id}")["standing"] == "active"
    browser.press("Revoke")
    browser.press("Revoke", "dialog")
    browser.sees("Revoked.")
    wait_until(lambda: eclusa.models_status(rotated) == 401, 10, "the key to be refused")


def test_field_errors_stand_beside_their_fields_and_nothing_typed_is_lost(eclusa, browser):
    browser.enter(f"/tenants/{eclusa.tenant}/workspaces/new")
    browser.press("New workspace", "main")
    browser.sees("is needed")
    browser.type("name", "A name")
    browser.type("slug", "Not A Slug!")
    browser.press("New workspace", "main")
    field = browser.find("[name=slug]")
    browser.wait(lambda: field.get_attribute("aria-invalid") == "true", "the field to be marked")
    said = browser.run("return document.getElementById(arguments[0].getAttribute('aria-describedby').split(' ').at(-1)).innerText", field)
    assert said
    assert browser.run("return document.activeElement.name") == "slug"
    assert browser.find("[name=name]").get_attribute("value") == "A name" and field.get_attribute("value") == "Not A Slug!"
    assert browser.findings() == []
    # Leaving asks first.
    browser.press("Keys", "nav.side")
    browser.sees("Leave without saving?")
    browser.press("Cancel", "dialog")
    assert field.get_attribute("value") == "Not A Slug!"
    browser.press("Keys", "nav.side")
    browser.press("Leave", "dialog")
    browser.sees("What applications call the gateway with.")


def test_what_is_typed_stays_when_somebody_else_changes_the_thing(eclusa, browser):
    model = eclusa.models["stand-in-chunks-50"]
    at = f"/tenants/{eclusa.tenant}/models/{model}"
    browser.enter(at)
    browser.press("New price")
    browser.type("input", "3.5")
    browser.run("""window.heard = [];
        import("/console/core/events.js").then(({ listen }) => listen((kind, data) => { window.heard.push(data?.target_id); }));""")
    browser.sees("Live")
    eclusa.admin.patch(at, {"display_name": "Renamed meanwhile"})
    try:
        browser.wait(lambda: model in browser.run("return window.heard"), "the news", 30)
        browser.driver.execute_async_script("setTimeout(arguments[0], 600)")
        assert browser.find("[name=input]").get_attribute("value") == "3.5"
        browser.press("Cancel", "main form")
        browser.sees("Renamed meanwhile")
    finally:
        eclusa.admin.patch(at, {"display_name": "Fifty chunks"})


def test_of_two_who_change_one_thing_the_second_is_told(eclusa, browser):
    path = f"/tenants/{eclusa.tenant}/workspaces/{eclusa.workspace}"
    browser.enter(path + "/edit")
    browser.type("name", "Mine")
    eclusa.admin.patch(path, {"name": "Theirs"})
    browser.press("Save")
    browser.sees("Somebody else changed this meanwhile.")
    assert browser.find("[name=name]").get_attribute("value") == "Mine"
    assert eclusa.admin.get(path)["name"] == "Theirs"
    browser.press("Save")
    browser.sees("Saved.")
    assert eclusa.admin.get(path)["name"] == "Mine"


def test_a_session_that_ran_out_is_asked_for_again_where_one_was(eclusa, browser):
    user(eclusa, "ends@example.com")
    browser.open(f"/tenants/{eclusa.tenant}/workspaces/new")
    browser.sign_in("ends@example.com", "a password of some length")
    browser.sees("A project or a team")
    browser.type("name", "Kept")
    browser.type("slug", "kept")
    mine = Admin(eclusa.url("admin"))
    answer = mine.http.post("/api/v1/sessions", json={"email": "ends@example.com", "password": "a password of some length"})
    mine.http.headers["authorization"] = "Bearer " + answer.json()["access_token"]
    mine.http.post("/api/v1/me/sessions/end", json={"include_current": False}).raise_for_status()
    browser.press("New workspace", "main")
    browser.sees("Please sign in again")
    assert browser.findings() == []
    browser.driver.find_element("css selector", "dialog [name=password]").send_keys("a password of some length", Keys.ENTER)
    browser.wait(lambda: "/workspaces/ws_" in browser.driver.current_url, "the workspace to be made after all")
    assert browser.find("h1").text == "Kept"


def test_an_expired_access_token_is_renewed_unseen(eclusa, browser):
    browser.enter(f"/tenants/{eclusa.tenant}/keys")
    before = browser.driver.get_cookie("eclusa_csrf")["value"]
    browser.driver.delete_cookie("eclusa_access")
    browser.press("Routes", "nav.side")
    browser.sees("The model names applications ask for")
    browser.wait(lambda: browser.driver.get_cookie("eclusa_csrf")["value"] != before, "new cookies")
    browser.sees("stand-in-cut")
    assert not browser.run("return document.cookie").count("eclusa_access")


def test_a_second_factor_from_enrolment_to_recovery(eclusa, browser):
    user(eclusa, "second@example.com")
    browser.open("/account/security")
    browser.sign_in("second@example.com", "a password of some length")
    browser.sees("A code from an app on your phone")
    forms = browser.driver.find_elements("css selector", "form")
    forms[-1].find_element("css selector", "[name=current_password]").send_keys("a password of some length", Keys.ENTER)
    secret = browser.find(".copyable code").text
    assert f"secret={secret}" in qr_text(browser)
    browser.shoot("flow-second-factor")
    browser.type("code", code_of(secret)).send_keys(Keys.ENTER)
    codes = browser.find("dialog pre").text.split()
    browser.press("I have kept it", "dialog")
    browser.sees("Recovery codes left")
    assert len(codes) >= 8
    browser.press("Sign out")
    browser.sees("Forgot the password?")
    browser.sign_in("second@example.com", "a password of some length")
    browser.type("code", "000000").send_keys(Keys.ENTER)
    browser.find(".callout.bad")
    browser.press("Use a recovery code")
    browser.type("code", codes[0]).send_keys(Keys.ENTER)
    browser.find(".shell")
    browser.open("/account/security")
    browser.sees(f"Recovery codes left: {len(codes) - 1}")


def test_who_may_little_is_shown_little(eclusa, browser):
    user(eclusa, "viewer@example.com", roles=("viewer",))
    browser.open("/")
    browser.sign_in("viewer@example.com", "a password of some length")
    browser.find(".shell")
    browser.settled()
    places = browser.run("return [...document.querySelectorAll('nav.side a')].map((one) => one.innerText)")
    assert "Keys" in places and "Tenants" not in places and "Nodes" not in places
    browser.open(f"/tenants/{eclusa.tenant}/keys")
    assert "New key" not in browser.text()
    browser.driver.get(browser.base + "/console/platform/users")
    browser.sees("Not for you")


def test_news_arrive_by_themselves_and_a_lost_connection_heals(eclusa, browser):
    browser.enter(f"/tenants/{eclusa.tenant}/workspaces")
    browser.sees("Live")
    eclusa.admin.post(f"/tenants/{eclusa.tenant}/workspaces", {"slug": "by-itself", "name": "By itself"})
    browser.sees("By itself")
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
        "offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    browser.run("document.querySelector('h1').dataset.kept = 'yes'")
    eclusa.control.stop()
    browser.sees("Reconnecting…")
    eclusa.control.start()
    eclusa.wait_ready("admin", eclusa.control)
    eclusa.admin.login()
    eclusa.admin.post(f"/tenants/{eclusa.tenant}/workspaces", {"slug": "meanwhile", "name": "Meanwhile"})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {
        "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1})
    browser.sees("Live", 60)
    browser.sees("Meanwhile")
    assert browser.run("return document.querySelector('h1').dataset.kept") == "yes", "the page was not loaded again"


def test_a_configuration_is_compared_and_rolled_back(eclusa, browser):
    under = f"/tenants/{eclusa.tenant}"
    route = next(one for one in eclusa.admin.get(under + "/routes")["data"] if one["name"] == "stand-in-cut")
    before = eclusa.admin.get("/rollout")["version"]
    eclusa.admin.patch(f"{under}/routes/{route['id']}", {"enabled": False})
    wait_until(lambda: eclusa.admin.get("/rollout")["version"] != before and eclusa.admin.get("/rollout")["stage"] == "done", 60,
               "the change to reach all nodes")
    browser.enter("/platform/rollouts")
    browser.press("What changed")
    browser.sees("From ")
    browser.find("dialog header button").click()
    browser.wait(lambda: browser.run("""
        const row = [...document.querySelectorAll("tr")].find((one) => one.querySelector("code")?.textContent === arguments[0]);
        const button = [...row.querySelectorAll("button")].at(-1);
        button.click();
        return button.innerText === "Go back to it";""", before), "the version's row")
    browser.press("Go back to it", "dialog")
    browser.sees("All nodes go back to")
    wait_until(lambda: eclusa.admin.get("/rollout")["pinned_version"] == before, 20, "the version to be pinned")
    browser.press("Resume")
    wait_until(lambda: eclusa.admin.get("/rollout")["pinned_version"] is None, 20, "new settings to go out again")
    eclusa.admin.patch(f"{under}/routes/{route['id']}", {"enabled": True})


def test_what_was_said_in_a_call_is_shown_when_it_is_asked_for_and_erased(eclusa, browser):
    at = f"/tenants/{eclusa.tenant}"
    browser.enter(at + "/settings")
    browser.type("content_days", "7").send_keys(Keys.ENTER)
    browser.sees("Saved.")
    key, key_id = eclusa.new_key("said")
    eclusa.wait_key(key)
    try:
        def kept():
            httpx.post(eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=20,
                       json={"model": "chat", "messages": [{"role": "user", "content": "Write to ana@example.com"}]})
            calls = eclusa.admin.get(at + "/usage-events", key=key_id)["data"]
            return [call for call in calls if call["has_content"]]

        wait_until(kept, 60, "the node to keep what is said")
        browser.open(f"{at}/calls?key={key_id}")
        assert f"key={key_id}" in browser.run("return document.querySelector('a[download]').href"), "files are filtered as the list is"

        def open_kept():
            for button in browser.driver.find_elements("css selector", "main tbody button.link"):
                button.click()
                browser.find("dialog")
                if "The audit log notes who reads it" in browser.find("dialog").text:
                    return True
                browser.find("dialog header button").click()
            return False

        browser.wait(open_kept, "a call of which the content is kept")
        assert "Write to" not in browser.find("dialog").text
        browser.press("Show content", "dialog")
        browser.sees("Write to [redacted: email]")
        assert browser.findings() == []
        browser.shoot("flow-content")
        browser.press("Erase content", "dialog")
        browser.sees("is erased for good")
        browser.press("Erase content", "dialog:last-of-type")
        browser.sees("Erased.")
        assert len(eclusa.admin.get(at + "/audit-events", action="contents.delete")["data"]) >= 1
        assert browser.complaints() == []
    finally:
        eclusa.admin.patch(at, {"content_days": None})


def test_everything_can_be_reached_by_keyboard(eclusa, browser):
    browser.enter(f"/tenants/{eclusa.tenant}/keys")
    assert browser.run("return document.activeElement.tagName") == "H1", "a new page begins at its title"
    seen = set()
    for _ in range(80):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.add(browser.run("return document.activeElement.innerText"))
    assert {"Skip to the content", "Keys", "Routes", "New key", "Sign out"} <= seen


def test_on_a_telephone_the_menu_opens_and_closes(eclusa):
    browser = Browser(eclusa.url("admin"), 360)
    try:
        browser.enter(f"/tenants/{eclusa.tenant}/keys")
        browser.find(".menu-button").click()
        browser.press("Routes", "nav.side")
        browser.sees("The model names applications ask for")
        browser.wait(lambda: not browser.find("body").find_elements("css selector", ".side.shown"), "the menu to close")
        browser.find(".menu-button").click()
        browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        assert browser.run("return document.activeElement.className").count("menu-button")
    finally:
        browser.close()


def test_the_theme_and_the_language_are_kept(eclusa, browser):
    browser.enter()
    browser.find("[aria-label='Dark colours']").click()
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    browser.open("/account/profile")
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    assert ADMIN_EMAIL in browser.text() and PASSWORD not in browser.text()


def test_prices_come_from_a_file_and_what_was_typed_stays(eclusa, browser, tmp_path):
    def choose(name, content):
        (tmp_path / name).write_bytes(content)
        browser.driver.find_element("css selector", "[name=document_file]").send_keys(str(tmp_path / name))

    def typed():
        return browser.driver.find_element("css selector", "[name=document]").get_attribute("value")

    browser.enter(f"/tenants/{eclusa.tenant}/models")
    browser.press("Import models")
    browser.choose("provider", "stand-in")
    browser.type("vendor", "openai")
    browser.type("document", "what I typed")
    browser.sees("At most 4 MB.")
    choose("large.json", b" " * 5_000_000)
    browser.sees("large.json has 5 MB; at most 4 MB can be sent.")
    assert typed() == "what I typed"
    # What the API says about the file stands beside it, and the keyboard is there.
    choose("broken.json", b"{]")
    browser.sees("broken.json, 2 byte, is sent instead of what is typed.")
    browser.press("Show what it would do")
    said = browser.wait(lambda: browser.run("return document.querySelector('fieldset.invalid > .error')?.innerText"), "what is wrong with the file")
    assert "JSON" in said
    assert browser.run("return document.activeElement.name") == "document_file"
    assert browser.findings() == []
    browser.shoot("flow-price-file")
    browser.press("Do without it")
    assert typed() == "what I typed" and browser.find("[name=document]")
    choose("prices.json", b'{"from-a-file": {"litellm_provider": "openai", "mode": "chat",'
           b' "input_cost_per_token": 0.000002, "output_cost_per_token": 0.000008}}')
    browser.sees("prices.json")
    browser.press("Show what it would do")
    browser.sees("1 new, 0 changed, 1 get a price")
    assert not any(model["name"] == "from-a-file" for model in eclusa.admin.get(f"/tenants/{eclusa.tenant}/models", limit=200)["data"])
    browser.press("Import")
    browser.sees("from-a-file")
    other = Browser(eclusa.url("admin"), 360, "pt-BR", True)
    try:
        other.enter("/platform/reconciliations/new")
        (tmp_path / "uso.csv").write_text("day,model,calls\n")
        other.driver.find_element("css selector", "[name=csv_file]").send_keys(str(tmp_path / "uso.csv"))
        other.sees("é enviado em vez do que foi digitado.")
        assert other.findings() == [] and other.overflow() <= 0
        other.shoot("flow-usage-file")
    finally:
        other.close()
