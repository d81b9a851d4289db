"""What is said in calls is kept for a tenant that wants it: redacted by the node, sealed in the database, read by few."""

import secrets

import httpx
import pytest
from harness import PASSWORD, PROGRAMS, command, wait_until


@pytest.fixture(scope="module")
def keeping(eclusa):
    """The tenant's path, while what it says is kept."""
    under = f"/tenants/{eclusa.tenant}"
    eclusa.admin.login()
    eclusa.admin.patch(under, {"content_days": 7})
    try:
        def is_kept():
            ask(eclusa, eclusa.key, "Is anybody listening?")
            return any(call["has_content"] for call in eclusa.admin.get(under + "/usage-events", limit=20)["data"])

        wait_until(is_kept, 60, "the node to keep what is said")
        yield under
    finally:
        eclusa.admin.login()
        eclusa.admin.patch(under, {"content_days": None})


def ask(eclusa, key, text, stream=False, model="chat"):
    answer = httpx.post(
        eclusa.base_url + "/chat/completions", headers={"authorization": f"Bearer {key}"}, timeout=20,
        json={"model": model, "messages": [{"role": "user", "content": text}], "stream": stream})
    assert answer.status_code == 200, answer.text
    return answer.text


def kept(eclusa, under, key_id):
    """The content of a key's one call."""
    def call():
        return [call for call in eclusa.admin.get(under + "/usage-events", key=key_id)["data"] if call["has_content"]]

    return eclusa.admin.get(f"{under}/usage-events/{wait_until(call, 90, 'the content of the call')[0]['id']}/content")


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_said_can_be_read_and_what_is_secret_in_it_nowhere(eclusa, keeping, stream):
    word = secrets.token_hex(8)
    planted = ["AKIA" + "IOSFODNN7" + secrets.token_hex(4).upper()[:7], f"{secrets.token_hex(6)}@example.com",
               "sk-proj-" + secrets.token_hex(16), "4111 1111 1111 1111"]
    key, key_id = eclusa.new_key(f"content {stream}")
    eclusa.wait_key(key)
    answer = ask(eclusa, key, f"The word is {word}. " + ", ".join(planted), stream)
    assert stream or planted[1] in answer, "the application gets its answer as it is"
    content = kept(eclusa, keeping, key_id)
    request, reply = content["request"], content["answer"]
    assert word in request["text"] and word in reply["text"], content
    assert request["redactions"] == 4 and reply["redactions"] >= 1
    assert "[redacted: aws_access_key]" in request["text"] and "[redacted: email]" in request["text"]
    assert not request["truncated"] and request["bytes"] > 100
    stored = eclusa.postgres.sql("eclusa", "select encode(sealed, 'escape') from call_contents")
    logs = eclusa.gateway.log.read_text() + eclusa.control.log.read_text()
    for secret in planted:
        assert secret not in request["text"] and secret not in reply["text"] and secret not in logs
    assert stored and word not in stored and word not in logs
    for file in (eclusa.folder / "node").rglob("*"):
        assert not file.is_file() or word.encode() not in file.read_bytes(), f"what is said is not on the node's disk: {file}"
    metrics = httpx.get(eclusa.url("operations") + "/metrics", timeout=5).text
    assert "eclusa_contents_left_out_total 0" in metrics


def test_every_reading_is_audited_and_few_may(eclusa, keeping):
    key, key_id = eclusa.new_key("content audited")
    eclusa.wait_key(key)
    ask(eclusa, key, "Who reads this?")
    call = kept(eclusa, keeping, key_id)["call"]
    token = eclusa.admin.http.headers["authorization"].split()[1]
    code, out, error = command(
        PROGRAMS / "eclusa", "contents", "get", call, "--tenant", eclusa.tenant,
        environment={"ECLUSA_TOKEN": token, "ECLUSA_URL": eclusa.url("admin")})
    assert code == 0 and "Who reads this?" in out, error
    events = eclusa.admin.get(keeping + "/audit-events", action="contents.read", target=call)["data"]
    assert len(events) == 2 and "Who reads" not in str(events)
    path = f"{eclusa.url('admin')}/api/v1{keeping}/usage-events/{call}/content"
    eclusa.admin.post("/users", {"email": "curious@example.com", "name": "Curious", "password": PASSWORD,
                                 "bindings": [{"role": "tenant-admin", "tenant": eclusa.tenant}]})
    session = httpx.post(eclusa.url("admin") + "/api/v1/sessions", json={"email": "curious@example.com", "password": PASSWORD})
    headers = {"authorization": "Bearer " + session.json()["access_token"]}
    assert httpx.get(path, headers=headers).status_code == 403
    assert httpx.delete(path, headers=headers).status_code == 204, "who looks after a tenant may erase it unread"
    assert httpx.get(path, headers=eclusa.admin.http.headers).status_code == 404
    assert not eclusa.admin.get(keeping + "/usage-events", key=key_id)["data"][0]["has_content"]


def test_calls_do_not_wait_for_a_control_plane_that_is_away(eclusa, keeping):
    key, key_id = eclusa.new_key("content away")
    eclusa.wait_key(key)
    eclusa.control.stop()
    try:
        ask(eclusa, key, "Said while nobody took it")
    finally:
        eclusa.control.start()
    eclusa.wait_ready("admin", eclusa.control)
    eclusa.admin.login()
    assert "Said while nobody took it" in kept(eclusa, keeping, key_id)["request"]["text"]
