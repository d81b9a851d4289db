"""Messages reach a real mail server, verified and authenticated; what it refuses is given up with its reason."""

import pytest

from harness import ADMIN_EMAIL, wait_until
from identity import ControlPlane, MailServer, link_token


@pytest.fixture(params=["starttls", "tls"])
def mailed(request, tmp_path):
    mail = MailServer(tmp_path, request.param)
    password = tmp_path / "smtp.password"
    password.write_text(mail.password)
    password.chmod(0o600)
    control = ControlPlane(
        tmp_path,
        ["--smtp-host", "localhost", "--smtp-port", mail.port, "--smtp-security", request.param,
         "--smtp-user", "eclusa", "--smtp-password-file", password,
         "--mail-from", "Eclusa São Paulo <no-reply@example.com>"],
        {"SSL_CERT_FILE": str(mail.certificate)})
    yield control, mail
    control.close()
    mail.process.stop()


def test_an_invitation_arrives_and_lets_in_once(mailed):
    control, mail = mailed
    tenant = control.admin.post("/tenants", {"slug": "acme", "name": "Ação & Cia"})["id"]
    control.admin.post(f"/tenants/{tenant}/invitations", {"email": "ana@example.com", "roles": ["viewer"]})
    message = mail.message("ana@example.com")
    assert message["Subject"] == "You are invited to Ação & Cia"
    assert message["From"].addresses[0].addr_spec == "no-reply@example.com"
    assert message["From"].addresses[0].display_name == "Eclusa São Paulo"
    body = {"token": link_token(message), "name": "Ana", "password": "a long enough password"}
    assert control.post("/invitations/accept", body).status_code == 201
    assert control.post("/invitations/accept", body).json()["code"] == "link_invalid"
    assert link_token(message) not in control.process.log.read_text()

    control.admin.post(f"/tenants/{tenant}/invitations", {"email": "refused@example.com", "roles": ["viewer"]})

    def given_up():
        return [m for m in control.admin.get("/mails", status="failed")["data"] if m["recipient"] == "refused@example.com"]

    failed = wait_until(given_up, 30, "the refused message to be given up")[0]
    assert "550 5.1.1 no such user" in failed["reason"] and failed["attempts"] == 1


def test_a_password_is_reset_by_mail(mailed):
    control, mail = mailed
    for address in (ADMIN_EMAIL, "nobody@example.com"):
        answer = control.post("/password-resets", {"email": address})
        assert answer.status_code == 204 and answer.content == b""
    token = link_token(mail.message(ADMIN_EMAIL))
    new = "another long enough password"
    assert control.post("/password-resets/complete", {"token": token, "password": new}).status_code == 204
    assert control.post("/sessions", {"email": ADMIN_EMAIL, "password": new}).status_code == 201
    wait_until(lambda: len(mail.messages()) == 2, 30, "the notice")
    assert {m["To"].addresses[0].addr_spec for m in mail.messages()} == {ADMIN_EMAIL}
