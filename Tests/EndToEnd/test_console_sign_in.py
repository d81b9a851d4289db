"""Signing in at an identity provider in a real Chromium, with the second step that Eclusa asks for itself."""

import json
import sys
import time

import httpx
import pytest
from selenium.webdriver.common.keys import Keys

from browser import Browser
from harness import ADMIN_EMAIL, PASSWORD, Process, free_port, wait_until
from identity import ControlPlane, totp


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
