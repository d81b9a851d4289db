"""Signing in at a real OpenID Connect provider, and with an authenticator app."""

import json
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlparse

import httpx
import pytest

from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, Process, free_port, wait_until
from identity import ControlPlane, totp

PEOPLE = [
    {"sub": "ana", "email": "ana@example.com", "email_verified": True, "name": "Ana", "groups": ["builders"]},
    {"sub": "eve", "email": "eve@elsewhere.org", "email_verified": True, "groups": ["builders"]},
    {"sub": "una", "email": "una@example.com", "email_verified": False, "groups": ["builders"]},
    {"sub": "root", "email": ADMIN_EMAIL, "email_verified": True, "groups": ["builders"]},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sign-in")
    port = free_port()
    words = [sys.executable, "-m", "oidc_provider_mock", "--port", port, "--require-nonce"]
    for person in PEOPLE:
        words += ["--user-claims", json.dumps(person)]
    provider = Process("provider", words, folder)
    issuer = f"http://127.0.0.1:{port}"
    wait_until(
        lambda: httpx.get(issuer + "/.well-known/openid-configuration").status_code == 200, 30,
        f"the provider\n{provider.tail()}")
    control = ControlPlane(folder, ["--allow-egress", f"127.0.0.1:{port}"])
    tenant = control.admin.post("/tenants", {"slug": "acme", "name": "Acme"})["id"]
    made = control.admin.post(
        f"/tenants/{tenant}/identity-providers",
        {"name": "SSO", "issuer": issuer, "client_id": "eclusa", "client_secret": "s3cr&t: +/",
         "allowed_domains": ["example.com"], "creates_users": True,
         "role_mappings": [{"group": "builders", "role": "developer"}, {"group": "chiefs", "role": "tenant-admin"}]})
    yield control, tenant, made["id"]
    control.close()
    provider.stop()


def at_provider(begun, person):
    """What a browser does there; what it is sent back with."""
    answer = httpx.post(begun["authorization_url"], data={"sub": person}, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    back = urlparse(answer.headers["location"])
    address, _, provider = f"{back.scheme}://{back.netloc}{back.path}".rpartition("/")
    assert address == "https://admin.example.com/sign-in/callback"
    query = parse_qs(back.query)
    return {"provider": provider, "flow": begun["flow"], "state": query["state"][0], "code": query["code"][0]}


def sign_in(world, person):
    control, _, provider = world
    begun = control.post("/sessions/providers", {"provider": provider})
    assert begun.status_code == 201, begun.text
    return control.post("/sessions/providers/complete", at_provider(begun.json(), person))


def test_somebody_new_becomes_a_user_with_the_roles_of_their_groups(world):
    control, tenant, _ = world
    answer = sign_in(world, "ana")
    assert answer.status_code == 201, answer.text
    signed_in = answer.json()
    token = signed_in["access_token"]
    assert signed_in["user"]["email"] == "ana@example.com" and signed_in["refresh_token"]
    assert control.get(f"/tenants/{tenant}/keys", token).status_code == 200
    assert [b["role"] for b in control.get("/me", token).json()["bindings"]] == ["developer"]
    again = sign_in(world, "ana").json()
    assert again["user"]["id"] == signed_in["user"]["id"]


def test_a_browser_gets_its_session_in_cookies(world):
    control, _, provider = world
    begun = control.post("/sessions/providers", {"provider": provider}).json()
    answer = httpx.post(
        control.url + "/api/v1/sessions/providers/complete", json=at_provider(begun, "ana"), timeout=20,
        headers={"eclusa-session": "cookie", "sec-fetch-site": "same-origin"})
    assert answer.status_code == 201 and answer.json()["access_token"] is None, answer.text
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 3 and sum("HttpOnly" in cookie for cookie in cookies) == 2
    assert all("SameSite=Strict" in cookie and "Secure" in cookie for cookie in cookies)


def test_the_request_carries_pkce_state_and_nonce(world):
    control, _, provider = world
    urls = [control.post("/sessions/providers", {"provider": provider}).json()["authorization_url"] for _ in range(2)]
    queries = [parse_qs(urlparse(url).query) for url in urls]
    assert all(q["code_challenge_method"] == ["S256"] and len(q["code_challenge"][0]) == 43 for q in queries)
    for name in ("state", "nonce", "code_challenge"):
        assert queries[0][name] != queries[1][name]


def test_an_answer_counts_once_in_its_own_browser_alone(world):
    control, _, provider = world
    mine, theirs = (control.post("/sessions/providers", {"provider": provider}).json() for _ in range(2))
    back = at_provider(mine, "ana")
    # What a provider that sends browsers on to another one would bring about (RFC 9700 §4.4).
    mixed = control.admin.post(
        f"/tenants/{world[1]}/identity-providers",
        {"name": f"Other {len(back['state'])}", "issuer": "https://other.example.com", "client_id": "eclusa"})["id"]
    third = control.post("/sessions/providers", {"provider": provider}).json()
    answer = control.post("/sessions/providers/complete", {**at_provider(third, "ana"), "provider": mixed})
    assert answer.json()["code"] == "link_invalid", answer.text
    stolen = control.post("/sessions/providers/complete", {**back, "flow": theirs["flow"]})
    assert stolen.json()["code"] == "link_invalid"
    foreign = control.post("/sessions/providers/complete", {**at_provider(theirs, "ana"), "code": back["code"]})
    assert foreign.json()["code"] == "invalid_credentials", "a code of another flow has another nonce"
    assert control.post("/sessions/providers/complete", {**back, "code": "x"}).json()["code"] == "invalid_credentials"
    assert control.post("/sessions/providers/complete", back).json()["code"] == "link_invalid"


@pytest.mark.parametrize("person", ["eve", "una", "root"])
def test_other_domains_unproven_mailboxes_and_strangers_accounts_are_refused(world, person):
    answer = sign_in(world, person)
    assert answer.status_code == 401 and answer.json()["code"] == "invalid_credentials"


def test_a_tenants_provider_speaks_for_that_tenant_alone(world):
    control, tenant, _ = world
    ana = sign_in(world, "ana").json()
    other = control.admin.post("/tenants", {"slug": "other", "name": "Other"})["id"]
    sql = (
        "insert into members (tenant_id, user_id, created_at) select id, u, now() from tenants, "
        "(select id as u from users where email = 'ana@example.com') x where slug = 'other';"
        "insert into bindings (tenant_id, id, user_id, role, created_at) select tenant_id, gen_random_uuid(), user_id, "
        "'viewer', now() from members where tenant_id = (select id from tenants where slug = 'other')")
    assert control.postgres.sql("eclusa", sql) is not None
    assert control.get(f"/tenants/{tenant}/keys", ana["access_token"]).status_code == 200
    assert control.get(f"/tenants/{other}/keys", ana["access_token"]).status_code == 404


def test_a_provider_at_a_private_address_is_never_called(world):
    control, _, _ = world
    port = free_port()
    refused = control.post(
        "/identity-providers", {"name": "inside", "issuer": f"http://127.0.0.1:{port}", "client_id": "x"},
        token=control.admin.http.headers["authorization"].split()[1])
    assert refused.status_code == 400 and refused.json()["errors"][0]["pointer"] == "/issuer"


def test_an_authenticator_app_is_asked_for(world, tmp_path):
    control, _, _ = world
    token = control.admin.http.headers["authorization"].split()[1]
    begun = control.post("/me/second-factor", {"current_password": PASSWORD}, token).json()
    confirmed = control.post("/me/second-factor/confirm", {"code": totp(begun["secret"])}, token)
    assert confirmed.status_code == 200, confirmed.text
    first = control.post("/sessions", {"email": ADMIN_EMAIL, "password": PASSWORD}).json()
    assert first["access_token"] is None
    used = control.post("/sessions/second-step", {"challenge": first["challenge"], "code": totp(begun["secret"])})
    assert used.status_code == 401, "the code was used to enrol"
    done = control.post(
        "/sessions/second-step", {"challenge": first["challenge"], "code": totp(begun["secret"], time.time() + 30)})
    assert done.status_code == 201 and control.get("/me", done.json()["access_token"]).status_code == 200

    # The command line asks too; a recovery code counts once.
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)

    def log_in(*code):
        return subprocess.run(
            [PROGRAMS / "eclusa", "login", "--url", control.url, "--email", ADMIN_EMAIL, "--password-file", password, *code],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env={"HOME": str(tmp_path), "ECLUSA_STATE_DIRECTORY": str(tmp_path), "PATH": "/usr/bin:/bin"})

    recovery = confirmed.json()["codes"][0]
    assert log_in().returncode != 0 and log_in("--code", "000000").returncode != 0
    done = log_in("--code", recovery)
    assert done.returncode == 0, done.stderr
    assert log_in("--code", recovery).returncode != 0
