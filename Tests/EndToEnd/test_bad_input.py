"""Wrong flags, settings, ports, databases and requests: a clear error, an exit code of its own, nothing lost."""

import secrets
import socket

import httpx
import pytest
from harness import PROGRAMS, command

ALL = ["eclusa", "eclusa-control", "eclusa-gateway", "eclusa-stand-in"]


@pytest.mark.parametrize("program", ALL)
def test_help_and_version_answer(program):
    code, out, _ = command(PROGRAMS / program, "--help")
    assert code == 0 and "--" in out
    code, out, _ = command(PROGRAMS / program, "--version")
    assert code == 0 and "eclusa" in out.lower()


@pytest.mark.parametrize("program, wrong, hint", [
    ("eclusa-control", "--databse-url=x", "--database-url"),
    ("eclusa-gateway", "--listen-adress=x", "--listen-address"),
    ("eclusa-stand-in", "--listen-adress=x", "--listen-address"),
    ("eclusa", "kyes", "keys"),
])
def test_a_wrong_flag_is_named_with_the_right_one(program, wrong, hint):
    code, out, error = command(PROGRAMS / program, wrong)
    assert code == 64 and wrong.split("=")[0] in error and hint in error and out == ""


@pytest.mark.parametrize("program, name, hint", [
    ("eclusa-control", "ECLUSA_DATABSE_URL", "ECLUSA_DATABASE_URL"),
    ("eclusa-gateway", "ECLUSA_JION", "ECLUSA_JOIN"),
])
def test_an_unknown_environment_variable_is_named(program, name, hint):
    code, _, error = command(PROGRAMS / program, environment={name: "x"})
    assert code in (64, 78) and name in error and hint in error


def test_a_broken_database_url_is_a_configuration_error(tmp_path):
    (tmp_path / "master.key").write_text(secrets.token_urlsafe(32))
    code, _, error = command(
        PROGRAMS / "eclusa-control", "--master-key-file", tmp_path / "master.key",
        environment={"ECLUSA_DATABASE_URL": "mysql://nowhere"})
    assert code == 78 and "database-url" in error.lower().replace("_", "-")


def test_an_unreachable_database_is_named_without_its_password(tmp_path):
    (tmp_path / "master.key").write_text(secrets.token_urlsafe(32))
    code, _, error = command(
        PROGRAMS / "eclusa-control", "--master-key-file", tmp_path / "master.key", "--admin-listen-address", "127.0.0.1:0",
        "--node-listen-address", "127.0.0.1:0",
        environment={"ECLUSA_DATABASE_URL": "postgresql://eclusa:hunter2secret@127.0.0.1:1/eclusa"}, timeout=60)
    assert code == 69 and "127.0.0.1" in error and "hunter2secret" not in error


def test_a_port_in_use_is_named_with_its_setting():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, error = command(PROGRAMS / "eclusa-stand-in", "--listen-address", f"127.0.0.1:{port}")
    assert code == 73 and str(port) in error and "listen-address" in error


@pytest.mark.parametrize("method, path, body, status, code", [
    ("POST", "/v1/chat/completions", b"{", 400, "invalid_json"),
    ("POST", "/v1/chat/completions", b"[]", 400, None),
    ("POST", "/v1/chat/completions", b'{"messages":[]}', 400, None),
    ("POST", "/v1/chat/completions", b'{"model":7}', 400, None),
    ("POST", "/v1/chat/completions", b'{"model":"chat","model":"chat"}', 400, None),
    ("GET", "/v1/chat/completions", b"", 405, None),
    ("POST", "/v1/nothing", b"{}", 404, None),
])
def test_the_gateway_says_what_is_wrong_with_a_request(eclusa, method, path, body, status, code):
    answer = httpx.request(
        method, eclusa.url("gateway") + path, content=body,
        headers={"authorization": f"Bearer {eclusa.key}", "content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"] and answer.headers["x-eclusa-error-origin"] == "gateway"
    if code:
        assert answer.headers["x-eclusa-error-code"] == code


def test_a_body_too_large_is_refused_before_it_is_read(eclusa):
    with socket.create_connection(("127.0.0.1", eclusa.ports["gateway"]), timeout=10) as raw:
        raw.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {eclusa.key}\r\n"
            "content-type: application/json\r\ncontent-length: 9999999999\r\n\r\n".encode())
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path, body, status, pointer", [
    ("/tenants", {"slug": "ok", "name": ""}, 400, "/name"),
    ("/tenants", {"slug": "ok", "name": "ok", "colour": "red"}, 400, "/colour"),
    ("/tenants", {}, 400, "/name"),
])
def test_the_admin_api_points_at_the_wrong_field(eclusa, path, body, status, pointer):
    answer = eclusa.admin.http.post("/api/v1" + path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_the_admin_api_refuses_malformed_json_wrong_methods_and_large_bodies(eclusa):
    http = eclusa.admin.http
    json_type = {"content-type": "application/json"}
    assert http.post("/api/v1/tenants", content=b"{", headers=json_type).status_code == 400
    assert http.post("/api/v1/tenants", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    wrong = http.request("PUT", "/api/v1/tenants")
    assert wrong.status_code == 405 and "POST" in wrong.headers["allow"]
    assert http.post("/api/v1/tenants", content=b" " * (2 << 20), headers=json_type).status_code == 413
    assert http.get("/api/v1/tenants", params={"colour": "red"}).status_code == 400
    assert httpx.get(eclusa.url("admin") + "/api/v1/tenants").status_code == 401
