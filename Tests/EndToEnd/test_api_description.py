"""The admin API against its own description: valid OpenAPI 3.1, and a fuzzer that finds no surprise in any operation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from harness import ROOT, Eclusa
from openapi_spec_validator import OpenAPIV31SpecValidator

# What takes away what the others need: the fuzzer's own session or user, the tenant. The fuzzer finds ids in answers, so
# that it hits what is there. Each gets a run of its own.
ENDING = ["sessions.revoke", "sessions.end", "sessions.end-all", "users.change-password", "users.end-sessions", "users.disable",
          "users.delete", "tenants.suspend", "tenants.delete"]
# Has no end; Tests/APITests/EventTests.swift reads it.
ENDLESS = ["events.list"]
# Asks an identity provider, and those the fuzzer makes are not there: 503, as it should. Tests/APITests/IdentityProviderTests.swift reads it.
REACHING = ["sessions.begin-provider"]
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance," \
    "response_schema_conformance"


@pytest.fixture(scope="module")
def eclusa(tmp_path_factory):
    """An installation of its own: the fuzzer ends sessions, freezes publishing and rotates keys."""
    installation = Eclusa(tmp_path_factory.mktemp("fuzzed"))
    yield installation
    installation.close()


@pytest.fixture(scope="module")
def description(eclusa):
    answer = httpx.get(eclusa.url("admin") + "/api/openapi.json", timeout=10)
    assert answer.status_code == 200
    return answer.json()


def test_the_description_is_valid_openapi_3_1(description):
    assert description["openapi"].startswith("3.1")
    problems = [f"{list(problem.path)}: {problem.message}" for problem in OpenAPIV31SpecValidator(description).iter_errors()]
    assert problems == []


def test_every_operation_has_its_errors_and_an_example(description):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            assert "default" in operation["responses"], (method, path)
            assert operation["x-error-codes"], (method, path)
    for name, schema in description["components"]["schemas"].items():
        assert schema["examples"], name


@pytest.mark.skipif(not (ROOT / ".api-docs").is_dir(), reason="no Python to fetch the page's files with")
def test_the_page_about_the_api_is_served_whole(eclusa):
    page = httpx.get(eclusa.url("admin") + "/api/docs", timeout=10)
    assert page.status_code == 200 and "unsafe" not in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/api/docs/{name}" in page.text
        served = httpx.get(eclusa.url("admin") + f"/api/docs/{name}", timeout=10)
        assert served.content == (ROOT / ".api-docs" / name).read_bytes()


def things(eclusa):
    """Ids of things that exist, so that the fuzzer gets beyond 404; none of them is needed by another test."""
    admin = eclusa.admin
    tenant = admin.post("/tenants", {"slug": "fuzzed-" + os.urandom(4).hex(), "name": "Fuzzed"})["id"]
    under = f"/tenants/{tenant}"
    workspace = admin.post(under + "/workspaces", {"slug": "default", "name": "Default"})["id"]
    provider = admin.post(
        under + "/providers", {"name": "p", "kind": "openai", "base_url": eclusa.url("stand_in") + "/v1", "credential": "sk-fuzz-000001"})["id"]
    model = admin.post(under + "/models", {"provider": provider, "name": "stand-in"})["id"]
    route = admin.post(under + "/routes", {"name": "fuzz", "targets": [{"model": model}]})["id"]
    key = admin.post(under + "/keys", {"name": "k", "workspace": workspace})["key"]["id"]
    user = admin.post(
        "/users", {"email": f"fuzz-{os.urandom(4).hex()}@example.com", "name": "F", "password": "a long enough password"})["user"]["id"]
    admin.post(under + "/members", {"user": user})
    account = admin.post(under + "/service-accounts", {"name": "machine"})["id"]
    return {
        "tenant": tenant, "workspace": workspace, "provider": provider, "model": model, "route": route, "key": key, "user": user,
        "service_account": account, "token": admin.post(f"{under}/service-accounts/{account}/tokens", {"name": "t"})["token"]["id"],
        "group": admin.post(under + "/groups", {"name": "G"})["id"],
        "role": admin.post(under + "/roles", {"name": "R", "permissions": ["usage:read"]})["id"],
        "binding": admin.post(under + "/bindings", {"user": user, "role": "viewer"})["id"],
        "limit": admin.post(under + "/limits", {"name": "m", "metric": "cost", "amount": "5", "period": "month"})["id"],
        "price": admin.post(f"{under}/models/{model}/prices", {"input": "1", "output": "2"})["id"],
        "credential": admin.post(f"{under}/providers/{provider}/credentials", {"credential": "sk-fuzz-000002"})["id"],
        "invitation": admin.post(
            under + "/invitations", {"email": f"asked-{os.urandom(4).hex()}@example.com", "roles": ["viewer"]})["id"],
        "identity_provider": admin.post(
            under + "/identity-providers", {"name": "i", "issuer": "https://idp.example.com", "client_id": "eclusa"})["id"],
        "snapshot": "1.1", "change": "change_0000000000000001"}


def fuzz(eclusa, folder, operations, examples, seconds):
    """Runs schemathesis over these operations of the running server, signed in anew; gives its exit code, what it said, and whether
    it was signed in to the end."""
    eclusa.admin.login()
    headers = {"authorization": "Bearer " + eclusa.admin.sign_in()}
    known = "\n".join(f'"path.{name}" = "{value}"' for name, value in things(eclusa).items())
    # TRACE is no method of ours: 501, as RFC 9110 §9.1 has it, which the fuzzer takes for a fault.
    methods = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
    (folder / "schemathesis.toml").write_text(f"[parameters]\n{known}\n[phases.coverage]\nunexpected-methods = {json.dumps(methods)}\n")
    # `default` would document every status there is.
    description = httpx.get(eclusa.url("admin") + "/api/openapi.json", timeout=10).json()
    for item in description["paths"].values():
        for operation in item.values():
            del operation["responses"]["default"]
    (folder / "openapi.json").write_text(json.dumps(description))
    done = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "--config-file", folder / "schemathesis.toml", "run",
         folder / "openapi.json", "--url", eclusa.url("admin"), "--header", "Authorization: " + headers["authorization"],
         "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--workers", "1",
         "--request-timeout", "20", "--no-color", *[word for name in operations for word in ("--include-operation-id", name)]],
        capture_output=True, text=True, timeout=seconds, cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"})
    me = httpx.get(eclusa.url("admin") + "/api/v1/me", headers=headers, timeout=10)
    return done.returncode, done.stdout[-20_000:] + done.stderr[-4_000:], me.status_code == 200


@pytest.mark.parametrize(("examples", "parts"), [(3, 1), pytest.param(60, 12, marks=pytest.mark.slow)])
def test_a_fuzzer_finds_no_server_error_and_nothing_undocumented(eclusa, description, tmp_path, examples, parts):
    """In parts that end before an access token does: what is only told that it is a stranger is not tested."""
    names = [
        operation["operationId"] for item in description["paths"].values() for operation in item.values()
        if operation["operationId"] not in ENDING + ENDLESS + REACHING]
    for part in range(parts):
        code, said, is_signed_in = fuzz(eclusa, tmp_path, names[part::parts], examples, 900)
        assert code == 0, said
        assert is_signed_in, "the session ended: what came after was not tested\n" + said
    for name in ENDING:
        code, said, _ = fuzz(eclusa, tmp_path, [name], examples, 300)
        assert code == 0, said
    # The control plane is the same process as before, and well.
    assert eclusa.control.process.poll() is None
    assert httpx.get(eclusa.url("admin") + "/health/ready", timeout=5).status_code == 200
    lines = [json.loads(line) for line in eclusa.control.log.read_text().splitlines() if line.startswith("{")]
    # What pages report of themselves is an error by what it is.
    wrong = [line for line in lines if line["level"] == "error" and line["message"] not in ("a page failed", "database unavailable")]
    assert not wrong, "\n".join(map(json.dumps, wrong))
