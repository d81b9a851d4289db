"""Twenty planted secrets, used well and badly, stand nowhere they could be read: not in a dump, a backup, a log, the audit log,
an error, the metrics, a node's files."""

import base64
import secrets
import subprocess

import httpx
import pytest
from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, Eclusa, command


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An installation of its own: its logs hold nothing but what is planted here."""
    installation = Eclusa(tmp_path_factory.mktemp("secrets"))
    yield installation
    installation.close()


class Planter:
    def __init__(self, own):
        self.own, self.planted, self.answers = own, {}, []

    def new(self, name, prefix="canary-", shown=0):
        self.planted[name] = text = prefix + secrets.token_hex(16)
        return text

    def keep(self, name, text):
        self.planted[name] = text

    def send(self, method, path, body=None, token=None):
        headers = dict(self.own.admin.http.headers)
        if token is not None:
            headers["authorization"] = token
        answer = httpx.request(method, self.own.url("admin") + path, json=body, headers=headers, timeout=10)
        self.answers.append(answer.text)
        return answer


def plant(own):
    """Uses secrets in every way there is; what an answer shows once is not among the answers that are searched."""
    planter = Planter(own)
    base = f"/api/v1/tenants/{own.tenant}"
    good = {"name": "canary", "kind": "openai", "base_url": "https://api.example.com/v1"}
    for number in range(4):
        credential = planter.new(f"credential {number}", "sk-")
        answer = planter.send("POST", base + "/providers", {**good, "name": f"canary-{number}", "credential": credential})
        assert answer.status_code == 201, answer.text
    provider = answer.json()["id"]
    planter.send("PATCH", f"{base}/providers/{provider}", {"credential": planter.new("replaced credential", "sk-")})
    planter.send("POST", base + "/providers", {**good, "credential": planter.new("credential with a wrong field"), "oops": 1})
    planter.send("POST", base + "/providers", {**good, "credential": "blank " + planter.new("malformed credential")})
    planter.send("POST", base + "/providers", {**good, "name": "canary-0", "credential": planter.new("credential of a taken name")})
    password = planter.new("password")
    made = planter.send(
        "POST", "/api/v1/users", {"email": "canary@example.com", "name": "Canary", "password": password})
    assert made.status_code == 201, made.text
    planter.send("POST", "/api/v1/users", {"email": "no address", "name": "", "password": planter.new("refused password")})
    planter.send("POST", "/api/v1/sessions", {"email": "canary@example.com", "password": planter.new("wrong password")})
    planter.send("POST", "/api/v1/sessions", {"email": planter.new("password in the place of an address"), "password": "x"})
    session = httpx.post(
        own.url("admin") + "/api/v1/sessions", json={"email": "canary@example.com", "password": password}, timeout=10).json()
    planter.keep("access token", session["access_token"])
    planter.keep("refresh token", session["refresh_token"])
    planter.send("GET", "/api/v1/me", token="Bearer " + session["access_token"])
    planter.send("GET", "/api/v1/me", token="Bearer " + planter.new("wrong bearer"))
    planter.send("POST", "/api/v1/sessions/refresh", {"refresh_token": planter.new("wrong refresh token", "ert_")})
    planter.send("GET", "/api/v1/me?token=" + planter.new("token in a query"))
    identity = planter.send("POST", base + "/identity-providers", {
        "name": "canary", "issuer": "https://idp.example.com", "client_id": "eclusa",
        "client_secret": planter.new("client secret of an identity provider")})
    assert identity.status_code == 201, identity.text
    planter.send("PATCH", f"{base}/identity-providers/{identity.json()['id']}", {"client_secret": planter.new("replaced client secret")})
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    planter.keep("secret of a guardrail", signing)
    planter.keep("bytes of a guardrail's secret", signing.removeprefix("whsec_"))
    guardrail = {"name": "canary", "kind": "webhook", "mode": "observe", "webhook": {"url": own.url("judge")}, "webhook_secret": signing}
    made = planter.send("POST", base + "/guardrails", guardrail)
    assert made.status_code == 201, made.text
    replaced = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    planter.keep("replaced secret of a guardrail", replaced)
    planter.send("PATCH", f"{base}/guardrails/{made.json()['id']}", {"webhook_secret": replaced})
    planter.send("POST", base + "/guardrails", {**guardrail, "webhook_secret": planter.new("malformed secret of a guardrail", "whsec_")})
    account = own.admin.post(f"/tenants/{own.tenant}/service-accounts", {"name": "canary"})["id"]
    token = own.admin.post(f"/tenants/{own.tenant}/service-accounts/{account}/tokens", {"name": "canary"})["secret"]
    planter.keep("management token", token)
    planter.send("GET", base, token="Bearer " + token)
    headers = {"authorization": "Bearer " + session["access_token"]}
    enrolment = httpx.post(
        own.url("admin") + "/api/v1/me/second-factor", json={"current_password": password}, headers=headers, timeout=10)
    assert enrolment.status_code == 201, enrolment.text
    planter.keep("authenticator's seed", enrolment.json()["secret"])
    planter.keep("bytes of the authenticator's seed", base64.b64encode(base64.b32decode(enrolment.json()["secret"])).decode())
    planter.send("POST", "/api/v1/me/second-factor/confirm", {"code": planter.new("wrong code", "")[:32]}, "Bearer " + session["access_token"])
    key, _ = own.new_key("canary")
    planter.keep("key", key)
    own.wait_key(key)
    wrong = planter.new("wrong key", "ek_")
    for bearer in (key, wrong):
        body = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
        answer = httpx.post(
            own.base_url + "/chat/completions", json=body, headers={"authorization": "Bearer " + bearer}, timeout=10)
        planter.answers.append(answer.text)
    planter.keep("join bundle", own.admin.post("/join-tokens", {"node_name": "canary"})["bundle"])
    planter.keep("administrator's password", PASSWORD)
    planter.keep("master key", (own.folder / "master.key").read_text())
    planter.keep("provider's credential", "sk-stand-in-0001")
    assert len(planter.planted) >= 20 and ADMIN_EMAIL
    return planter


def test_planted_secrets_stand_nowhere(own):
    planter = plant(own)
    backup_key = own.folder / "backup.key"
    backup_key.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    backup = own.folder / "one.backup"
    code, out, error = command(
        PROGRAMS / "eclusa", "backup", "--output", backup, "--key-file", backup_key, "--master-key-file", own.folder / "master.key",
        environment={"ECLUSA_DATABASE_URL": own.postgres.url}, timeout=60)
    assert code == 0, error
    assert own.gateway.stop() == 0  # what it keeps is on the disk now
    dump = subprocess.run(
        ["/usr/lib/postgresql/15/bin/pg_dump", "--inserts", own.postgres.url], capture_output=True, check=True).stdout
    assert b"canary-0" in dump, "the dump shows what is there"
    audit = own.admin.http.get(f"/api/v1/tenants/{own.tenant}/audit-events/export").content
    audit += own.admin.http.get("/api/v1/audit-events/export").content
    assert b"providers.create" in audit
    places = {
        "the dump": dump, "the backup": backup.read_bytes(), "the command's output": (out + error).encode(), "the audit log": audit,
        "an answer": "".join(planter.answers).encode(), "the metrics": httpx.get(own.url("admin") + "/metrics").content}
    places.update({log.name: log.read_bytes() for log in own.folder.glob("*.log")})
    places.update({str(file): file.read_bytes() for file in (own.folder / "node").rglob("*") if file.is_file()})
    assert any(name.endswith(".db") for name in places), "the node's files are among them"
    for name, text in planter.planted.items():
        forms = {text.encode(), base64.b64encode(text.encode())[:-4], text.encode().hex().encode()}
        for place, content in places.items():
            assert not any(form in content for form in forms), f"the {name} is in {place}"
