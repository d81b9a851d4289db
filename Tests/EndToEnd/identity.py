"""A control plane alone, with a mail server and an identity provider that are real processes of PyPI packages."""

import base64
import contextlib
import email
import email.policy
import hashlib
import hmac
import re
import secrets
import struct
import subprocess
import sys
import time
from pathlib import Path

import httpx

from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, ROOT, Admin, Postgres, Process, free_port, wait_until


class ControlPlane:
    """`eclusa-control` on a private Postgres; further arguments and variables as given. With `has_console` browsers come to it."""

    def __init__(self, folder, arguments=(), environment=None, has_console=False):
        self.folder = Path(folder)
        self.parts = contextlib.ExitStack()
        self.postgres = Postgres(self.folder)
        self.parts.callback(self.postgres.remove)
        key = self.folder / "master.key"
        key.write_text(secrets.token_urlsafe(32))
        key.chmod(0o600)
        admin, node = free_port(), free_port()
        self.url = f"http://127.0.0.1:{admin}"
        self.process = Process(
            "control",
            [PROGRAMS / "eclusa-control", "--admin-listen-address", f"127.0.0.1:{admin}",
             "--node-listen-address", f"127.0.0.1:{node}", "--node-public-url", f"https://127.0.0.1:{node}",
             "--master-key-file", key, "--public-url", self.url if has_console else "https://admin.example.com",
             *(["--console-folder", ROOT / "ControlPlane" / "Console"] if has_console else []), *arguments],
            self.folder,
            {"ECLUSA_DATABASE_URL": self.postgres.url, "ECLUSA_BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
             "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD, **(environment or {})})
        self.parts.callback(self.process.stop)
        self.admin = Admin(self.url)
        wait_until(
            lambda: httpx.get(self.url + "/health/ready", timeout=2).status_code == 200, 60,
            f"control plane ready\n{self.process.tail()}")
        self.admin.login()

    def post(self, path, body=None, token=None):
        """A request of anybody; the answer, whatever its status."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.post(self.url + "/api/v1" + path, json=body or {}, headers=headers, timeout=20)

    def get(self, path, token):
        return httpx.get(self.url + "/api/v1" + path, headers={"authorization": f"Bearer {token}"}, timeout=20)

    def close(self):
        self.parts.close()


class MailServer:
    """aiosmtpd in a process of its own, keeping what it takes in a Maildir."""

    def __init__(self, folder, mode):
        self.folder = Path(folder)
        self.port = free_port()
        self.certificate = self.folder / "mail.pem"
        self.password = secrets.token_hex(12)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", self.folder / "mail.key", "-out", self.certificate],
            check=True, capture_output=True)
        self.process = Process(
            "mail", [sys.executable, Path(__file__).with_name("mail_server.py"), mode, self.port, self.folder / "box",
                     self.certificate, self.folder / "mail.key"],
            self.folder, {"MAIL_PASSWORD": self.password})

    def messages(self):
        files = sorted((self.folder / "box").glob("*.eml"))
        return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]

    def message(self, to, seconds=30):
        def newest():
            return [m for m in self.messages() if m["To"].addresses[0].addr_spec == to][-1:]

        return wait_until(newest, seconds, f"a message to {to}\n{self.process.tail()}")[0]


def link_token(message):
    return re.search(r"#token=([\w-]+)", message.get_content()).group(1)


def totp(secret, moment=None):
    """The code an authenticator app shows (RFC 6238)."""
    key = base64.b32decode(secret)
    tag = hmac.new(key, struct.pack(">Q", int(moment or time.time()) // 30), hashlib.sha1).digest()
    offset = tag[19] & 15
    return f"{(struct.unpack('>I', tag[offset:offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"
