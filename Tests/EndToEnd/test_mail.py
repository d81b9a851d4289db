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


def test_an_invoice_arrives_as_a_pdf(mailed):
    control, mail = mailed
    tenant = control.admin.post("/tenants", {"slug": "acme", "name": "Acme"})["id"]
    settings = control.admin.http.put(
        f"/api/v1/tenants/{tenant}/billing-settings", json={"name": "Ação & Cia", "email": "accounts@example.com"})
    assert settings.status_code == 200, settings.text
    invoice = control.admin.post(f"/tenants/{tenant}/invoices", {"month": "2026-01"})
    message = mail.message("accounts@example.com")
    assert message["Subject"] == f"Invoice {invoice['number']}"
    assert f"/invoices/{invoice['id']}" in message.get_body(("plain",)).get_content()
    [file] = message.iter_attachments()
    assert file.get_filename() == f"invoice-{invoice['number']}.pdf" and file.get_content_type() == "application/pdf"
    pdf = control.admin.http.get(f"/api/v1/tenants/{tenant}/invoices/{invoice['id']}/pdf")
    assert file.get_content() == pdf.content and pdf.content.startswith(b"%PDF-")
    wait_until(lambda: any(m["kind"] == "invoice" and m["status"] == "sent" for m in control.admin.get("/mails")["data"]),
               30, "the message to be handed over")


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
