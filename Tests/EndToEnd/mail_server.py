"""A real mail server for the tests: aiosmtpd, with STARTTLS or TLS and AUTH required.

mail_server.py starttls|tls PORT FOLDER CERTIFICATE KEY"""

import asyncio
import os
import ssl
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

mode, port, folder, certificate, key = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5]
folder.mkdir(parents=True, exist_ok=True)


class Box:
    taken = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        Box.taken += 1
        draft = folder / f".{Box.taken:06d}"
        draft.write_bytes(envelope.original_content)
        draft.rename(folder / f"{Box.taken:06d}.eml")
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    right = data.login == b"eclusa" and data.password == os.environ["MAIL_PASSWORD"].encode()
    return AuthResult(success=right, handled=False)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


def protocol():
    return SMTP(
        Box(), hostname="localhost", authenticator=authenticate, auth_required=True,
        tls_context=context if mode == "starttls" else None, require_starttls=mode == "starttls",
        auth_require_tls=mode == "starttls")


async def main():
    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", port, ssl=context if mode == "tls" else None)
    async with server:
        await server.serve_forever()


asyncio.run(main())
