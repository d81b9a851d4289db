"""TLS at a gateway's own listener: sessions are resumed, and new certificates come without a restart."""

import signal
import socket
import ssl
import subprocess

import pytest
from harness import free_port, wait_until


def make_certificate(folder, serial):
    """A certificate that is its own authority, in the place of the one before."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", folder / "new-key.pem", "-out", folder / "new-certificate.pem", "-subj", f"/CN=gateway-{serial}",
         "-addext", "subjectAltName=IP:127.0.0.1", "-set_serial", str(serial)],
        check=True, capture_output=True)
    for name in ("key", "certificate"):
        (folder / f"new-{name}.pem").rename(folder / f"{name}.pem")


@pytest.fixture(scope="module")
def secure(eclusa, tmp_path_factory):
    """A second gateway, with TLS, and where it listens."""
    folder = tmp_path_factory.mktemp("secure")
    make_certificate(folder, 1)
    (folder / "node").mkdir(mode=0o700)
    port, operations = free_port(), free_port()
    join = eclusa.admin.post("/join-tokens", {"node_name": "secure"})["bundle"]
    process = eclusa.part(
        "secure-gateway", "eclusa-gateway",
        ["--listen-address", f"127.0.0.1:{port}", "--operations-listen-address", f"127.0.0.1:{operations}",
         "--data-directory", folder / "node", "--tls-certificate", folder / "certificate.pem",
         "--tls-key-file", folder / "key.pem", "--loops", "2"],
        {"ECLUSA_JOIN": join})
    eclusa.ports["secure_operations"] = operations
    eclusa.wait_ready("secure_operations", process)
    yield process, port, folder
    process.stop()


def connect(port, folder, session=None, context=None):
    if context is None:
        context = ssl.create_default_context(cafile=folder / "certificate.pem")
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    return context.wrap_socket(plain, server_hostname="127.0.0.1", session=session)


def ask(connection):
    connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, content = received.partition(b"\r\n\r\n")
    length = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
    while len(content) < length:
        content += connection.recv(65536)
    return int(head.split()[1])


def serial(connection):
    return int(connection.getpeercert()["serialNumber"], 16)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def test_a_client_resumes_its_session_whichever_loop_it_comes_to(secure, version):
    _, port, folder = secure
    context = ssl.create_default_context(cafile=folder / "certificate.pem")
    context.minimum_version = context.maximum_version = version
    with connect(port, folder, context=context) as first:
        assert ask(first) == 401 and not first.session_reused
        session = first.session
    for _ in range(8):
        with connect(port, folder, session, context) as again:
            assert again.session_reused and ask(again) == 401
            # A ticket of TLS 1.3 is for one connection; each brings the next.
            session = again.session


def test_sighup_brings_a_new_certificate_and_leaves_connections_alone(secure):
    process, port, folder = secure
    with connect(port, folder) as before:
        assert ask(before) == 401 and serial(before) == 1
        make_certificate(folder, 2)
        process.process.send_signal(signal.SIGHUP)

        def presents_the_new_one():
            try:
                with connect(port, folder) as fresh:
                    return serial(fresh) == 2 and ask(fresh) == 401
            except ssl.SSLCertVerificationError:
                return False

        wait_until(presents_the_new_one, 10, "the new certificate")
        assert ask(before) == 401 and serial(before) == 1
        # What cannot be used changes nothing, and is said.
        (folder / "key.pem").write_text("nonsense")
        process.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not read again" in process.log.read_text(), 10, "the error in the log")
        with connect(port, folder) as fresh:
            assert serial(fresh) == 2 and ask(fresh) == 401
        assert ask(before) == 401
    assert process.process.poll() is None
