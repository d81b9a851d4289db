"""Coming in, in a real Chromium: at an identity provider, with the second step that Eclusa asks for itself; by an invitation."""

import email
import email.policy
import json
import sys
import time

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from harness import ADMIN_EMAIL, PASSWORD, Process, free_port, wait_until
from identity import ControlPlane, link_token, totp


@pytest.fixture
def world(tmp_path):
    port = free_port()
    provider = Process(
        "provider",
        [sys.executable, "-m", "oidc_provider_mock", "--port", port, "--require-nonce", "--user-claims", json.dumps(
            {"sub": "admin", "email": ADMIN_EMAIL, "email_verified": True, "name": "Admin"})], tmp_path)
    issuer = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(issuer + "/.well-known/openid-configuration").status_code == 200, 30,
               f"the provider\n{provider.tail()}")
    control = ControlPlane(tmp_path, ["--allow-egress", f"127.0.0.1:{port}"], has_console=True)
    control.admin.post("/identity-providers", {"name": "House", "issuer": issuer, "client_id": "eclusa", "client_secret": "s"})
    browser = Browser(control.url)
    yield control, browser
    browser.close()
    control.close()
    provider.stop()


def test_a_second_step_follows_a_sign_in_at_a_provider(world):
    control, browser = world
    token = control.admin.http.headers["authorization"].split()[1]
    secret = control.post("/me/second-factor", {"current_password": PASSWORD}, token).json()["secret"]
    assert control.post("/me/second-factor/confirm", {"code": totp(secret)}, token).status_code == 200
    browser.open("/platform/nodes")
    browser.press("Continue with House")
    browser.find("input[name=sub]").send_keys("admin", Keys.ENTER)
    browser.find("[name=code]")
    assert "/sign-in/callback/" not in browser.driver.current_url, "what the provider said is not kept in the address"
    assert browser.findings() == []
    browser.shoot("flow-second-step")
    browser.type("code", "000000").send_keys(Keys.ENTER)
    browser.wait(lambda: browser.run("return document.querySelector('[role=alert]:not([hidden])')?.innerText"), "a refusal")
    browser.type("code", totp(secret, time.time() + 30)).send_keys(Keys.ENTER)
    browser.find(".shell")
    browser.sees("Gateway nodes")
    assert browser.driver.current_url.endswith("/platform/nodes"), "one goes on where one began"
    # The provider's own page may complain of what it lacks.
    assert [said for said in browser.complaints() if control.url in said] == []


def test_somebody_is_invited_comes_in_by_the_message_and_sees_what_their_role_shows(tmp_path):
    mail = tmp_path / "mail"
    control = ControlPlane(tmp_path, ["--mail-folder", mail], has_console=True)
    admin = guest = None
    try:
        tenant = control.admin.post("/tenants", {"slug": "acme", "name": "Acme"})["id"]
        admin = Browser(control.url)
        admin.enter(f"/tenants/{tenant}/invitations/new")
        admin.type("email", "ana@example.com")
        admin.run("""for (const box of document.querySelectorAll("[name=roles]")) {
            if (box.checked !== (box.value === "viewer")) box.click();
        }""")
        admin.press("Invite someone", "main")
        admin.sees("ana@example.com")
        assert admin.findings() == []
        file = wait_until(lambda: list(mail.glob("*.eml")), 30, "the message")[0]
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert message["To"].addresses[0].addr_spec == "ana@example.com"

        guest = Browser(control.url, language="pt-BR")
        guest.driver.get(f"{control.url}/accept-invitation#token={link_token(message)}")
        guest.find("[name=name]").send_keys("Ana")
        assert guest.findings() == []
        guest.find("[name=password]").send_keys("uma senha bem comprida", Keys.ENTER)
        guest.find(".shell")
        guest.settled()
        guest.open(f"/tenants/{tenant}/keys")
        assert guest.run("return document.documentElement.lang") == "pt-BR"
        places = guest.run("return [...document.querySelectorAll('nav.side a')].map((one) => one.innerText)")
        assert "Chaves" in places and "Membros" not in places, places
        guest.shoot("flow-invitation")
        # The administrator sees it without asking again, and the link is of no use any more.
        admin.wait(lambda: "accepted" in admin.text(), "the invitation to be accepted", 30)
        again = control.post("/invitations/accept", {
            "token": link_token(message), "name": "Eve", "password": "another password of some length"})
        assert again.json()["code"] == "link_invalid"
        assert admin.complaints() == [] and guest.complaints() == []
    finally:
        for browser in (admin, guest):
            if browser:
                browser.close()
        control.close()
