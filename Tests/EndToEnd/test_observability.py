"""What operators see: metrics as documented, logs that are JSON, traces and errors at a receiver that is a process of its own."""

import json
import re
import sys
from pathlib import Path

import httpx
import pytest
from harness import PROGRAMS, ROOT, Eclusa, Process, command, free_port, wait_until

PAGE = ROOT / "docs/operating/metrics.md"
# Only there once something has overflowed.
SOMETIMES = {"eclusa_metric_overflows_total"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """An installation whose programs send traces and errors to a receiver."""
    folder = tmp_path_factory.mktemp("observed")
    port = free_port()
    receiver = Process("receiver", [sys.executable, Path(__file__).parent / "receiver.py", port], folder)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: httpx.get(url).status_code == 200, 10, "the receiver")

    class Observed(Eclusa):
        def part(self, name, program, arguments, environment=None):
            more = {} if name == "stand-in" else {
                "ECLUSA_OTLP_ENDPOINT": url, "ECLUSA_OTLP_HEADERS": "x-scope=test",
                "ECLUSA_ERROR_DSN": f"http://public@127.0.0.1:{port}/7"}
            return super().part(name, program, arguments, {**(environment or {}), **more})

    installation = Observed(folder)
    installation.received = lambda: httpx.get(url, timeout=5).json()["requests"]
    installation.receiver = receiver
    yield installation
    installation.close()
    receiver.stop()


def spans(installation):
    """Every span received, each with the resource it came from."""
    found = []
    for request in installation.received():
        if request["path"] != "/v1/traces":
            continue
        assert request["headers"]["content-type"] == "application/json" and request["headers"]["x-scope"] == "test"
        for resource in json.loads(request["body"])["resourceSpans"]:
            who = attributes(resource["resource"])
            for scope in resource["scopeSpans"]:
                found += [{**span, "resource": who, "attributes": attributes(span)} for span in scope["spans"]]
    return found


def attributes(thing):
    return {entry["key"]: next(iter(entry["value"].values())) for entry in thing["attributes"]}


def call(installation, stream=False, headers=None, model="chat", status=200):
    answer = httpx.post(
        installation.base_url + "/chat/completions", json={"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]},
        headers={"authorization": f"Bearer {installation.key}", **(headers or {})}, timeout=10)
    assert answer.status_code == status, answer.text
    return answer


def exported(url):
    """Name → (type, meaning) of what a program exports."""
    text = httpx.get(url + "/metrics", timeout=5).text
    meanings = dict(re.findall(r"^# HELP (\w+) (.*)$", text, re.M))
    return {name: (kind, meanings[name]) for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M)}


def documented(*headings):
    rows = {}
    for heading in headings:
        part = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
        for name, kind, meaning in re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]* \| (.*) \|$", part, re.M):
            rows[name] = (kind, meaning)
    return rows


@pytest.mark.parametrize("program, heading", [("operations", "Gateway"), ("admin", "Control plane")])
def test_the_page_of_metrics_is_what_is_exported(observed, program, heading):
    call(observed)
    seen = exported(observed.url(program))
    page = documented("Both programs", heading)
    # Backups and mail are parts that need a setting; their metrics come with them.
    optional = {name for name in page if name.startswith(("eclusa_backup", "eclusa_mail"))}
    assert set(seen) - SOMETIMES - set(page) == set(), "exported and not in docs/operating/metrics.md"
    assert set(page) - set(seen) - optional == set(), "in docs/operating/metrics.md and not exported"
    for name, (kind, meaning) in seen.items():
        if name not in SOMETIMES:
            assert page[name] == (kind, meaning), name


# Counted by a part that needs a setting; of no harm once.
BEGIN_LATER = {"eclusa_mail_failures_total", "eclusa_telemetry_lost_total"}


def test_what_alerts_count_is_there_before_it_happens(observed):
    """`increase` does not see a series begin at one: of the first refused snapshot nobody would hear."""
    text = "".join(httpx.get(observed.url(program) + "/metrics", timeout=5).text for program in ("operations", "admin"))
    counted = set(re.findall(r"increase\((\w+)", (ROOT / "infrastructure/prometheus/alerts.yaml").read_text()))
    assert len(counted) >= 10
    missing = {name for name in counted - BEGIN_LATER if not re.search(rf"^{name}[ {{]", text, re.M)}
    assert not missing
    assert 'eclusa_ingest_batches_total{outcome="conflict"} 0' in text and 'eclusa_snapshot_rejections_total{stage="verified"} 0' in text


def test_labels_come_from_us_and_not_from_callers(observed):
    for number in range(30):
        call(observed, model=f"no-such-model-{number}", status=404)
        httpx.get(observed.url("gateway") + f"/unheard-of/{number}", timeout=5)
        httpx.get(observed.url("admin") + f"/api/v1/unheard-of/{number}", timeout=5)
    for program in ("operations", "admin"):
        text = httpx.get(observed.url(program) + "/metrics", timeout=5).text
        assert "no-such-model" not in text and "unheard-of" not in text
        assert len([line for line in text.splitlines() if not line.startswith("#")]) < 2_000


def test_log_lines_are_json_with_time_level_and_a_constant_message(observed):
    for part in (observed.control, observed.gateway):
        lines = [json.loads(line) for line in part.log.read_text().splitlines()]
        assert lines
        for line in lines:
            assert {"ts", "level", "message"} <= set(line)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["ts"])
            assert not re.search(r"[0-9a-f]{16}|\d{5}", line["message"]), "what varies goes into fields"


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_becomes_two_spans_of_the_callers_trace(observed, stream):
    trace = TRACE[:-1] + ("1" if stream else "0")
    answer = call(observed, stream, {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    found = wait_until(
        lambda: (here := [span for span in spans(observed) if span["traceId"] == trace]) and len(here) >= 2 and here, 15, "the spans")
    server, client = sorted(found, key=lambda span: span["kind"])
    assert (server["kind"], client["kind"]) == (2, 3)
    assert server["parentSpanId"] == "00f067aa0ba902b7" and client["parentSpanId"] == server["spanId"]
    assert server["resource"]["service.name"] == "eclusa-gateway"
    assert server["attributes"]["http.route"] == "/v1/chat/completions"
    assert server["attributes"]["http.response.status_code"] == "200"
    assert server["attributes"]["eclusa.request_id"] == answer.headers["x-request-id"]
    assert client["name"] == "chat stand-in"
    assert client["attributes"]["gen_ai.provider.name"] == "openai"
    assert client["attributes"]["gen_ai.request.model"] == "stand-in"
    assert int(client["attributes"]["gen_ai.usage.output_tokens"]) > 0
    assert int(server["startTimeUnixNano"]) <= int(client["startTimeUnixNano"]) <= int(client["endTimeUnixNano"])
    assert not [text for text in json.dumps(found).split('"') if text == "hi"], "no content in a span"


def test_spans_say_which_dialect_was_spoken(observed):
    trace = TRACE[:-1] + "5"
    answer = httpx.post(
        observed.url("gateway") + "/v1beta/models/chat:generateContent", json={"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
        headers={"authorization": f"Bearer {observed.key}", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}, timeout=10)
    assert answer.status_code == 200, answer.text
    found = wait_until(
        lambda: (here := [span for span in spans(observed) if span["traceId"] == trace]) and len(here) >= 2 and here, 15, "the spans")
    server, client = sorted(found, key=lambda span: span["kind"])
    assert server["name"] == "POST /v1beta/models/{model}:generateContent" == "POST " + server["attributes"]["http.route"]
    assert client["name"].startswith("generate_content ")


def test_a_failed_call_says_so_in_its_span(observed):
    trace = TRACE[:-1] + "2"
    call(observed, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}, model="stand-in-error-500", status=500)
    found = wait_until(lambda: [span for span in spans(observed) if span["traceId"] == trace and span["kind"] == 3], 15, "the span")
    assert found[0]["status"]["code"] == 2 and found[0]["attributes"]["error.type"]


def test_a_call_the_caller_does_not_sample_is_not_traced(observed):
    trace = TRACE[:-1] + "3"
    call(observed, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-00"})
    later = TRACE[:-1] + "4"
    call(observed, headers={"traceparent": f"00-{later}-00f067aa0ba902b7-01"})
    wait_until(lambda: [span for span in spans(observed) if span["traceId"] == later], 15, "the later call's span")
    assert not [span for span in spans(observed) if span["traceId"] == trace]


def test_admin_requests_are_spans_of_their_operations(observed):
    observed.admin.get("/tenants")
    found = wait_until(lambda: [span for span in spans(observed) if span["name"] == "tenants.list"], 15, "the span")
    assert found[0]["resource"]["service.name"] == "eclusa-control"
    assert found[0]["attributes"]["http.response.status_code"] == "200"


def test_an_error_line_of_the_log_reaches_the_tracker(observed):
    """The outbox moved away under a running node is an error an operator must hear of; so is a lost database."""
    observed.postgres.stop()
    try:
        wait_until(
            lambda: httpx.get(observed.url("admin") + "/health/ready", timeout=10).status_code == 503, 20, "the loss to be noticed")

        def reported():
            return [request for request in observed.received() if request["path"] == "/api/7/envelope/"]

        request = wait_until(reported, 20, "the report")[0]
        assert "sentry_key=public" in request["headers"]["x-sentry-auth"]
        head, item, event = [json.loads(line) for line in request["body"].splitlines()]
        assert item["type"] == "event" and head["event_id"] == event["event_id"]
        assert event["level"] == "error" and event["logentry"]["formatted"] and event["fingerprint"]
        assert event["release"].startswith("eclusa-control@")
    finally:
        observed.postgres.start()


def test_a_page_that_failed_reaches_the_tracker(observed):
    wait_until(lambda: httpx.get(observed.url("admin") + "/health/ready", timeout=5).status_code == 200, 30, "the database to be back")
    answer = observed.admin.http.post(
        "/api/v1/client-errors", json={"message": "x is undefined", "page": "/console/keys", "trace": "keys.js:12"})
    assert answer.status_code == 204

    def reported():
        events = [json.loads(request["body"].splitlines()[2]) for request in observed.received() if request["path"] == "/api/7/envelope/"]
        return [event for event in events if event["logentry"]["formatted"] == "a page failed"]

    event = wait_until(reported, 20, "the report")[0]
    assert event["extra"]["page"] == "/console/keys" and event["extra"]["reason"] == "x is undefined"


def test_a_receiver_that_is_away_costs_no_call(observed):
    observed.receiver.kill()
    for _ in range(20):
        call(observed)

    def lost():
        text = httpx.get(observed.url("operations") + "/metrics", timeout=5).text
        return re.search(r'eclusa_telemetry_lost_total\{signal="traces"\} [1-9]', text)

    wait_until(lost, 30, "the loss to be counted")
    observed.receiver.start()


def test_a_machine_enrolls_nodes_with_a_token_that_may_do_nothing_else(observed, tmp_path):
    """As a pod's init container does it: a platform service account whose only role makes join tokens."""
    wait_until(lambda: httpx.get(observed.url("admin") + "/health/ready", timeout=5).status_code == 200, 30, "the database to be back")
    account = observed.admin.post("/service-accounts", {"name": "node-enroller"})["id"]
    observed.admin.post("/bindings", {"service_account": account, "role": "node-enroller"})
    token = observed.admin.post(f"/service-accounts/{account}/tokens", {"name": "pods"})["secret"]
    (tmp_path / "token").write_text(token + "\n")
    environment = {"ECLUSA_URL": observed.url("admin"), "ECLUSA_TOKEN": f"file:{tmp_path}/token"}
    words = [PROGRAMS / "eclusa", "nodes", "join-token", "--name", "pod-7", "--region", "eu-west-1"]
    bundle = tmp_path / "join.bundle"
    code, out, errors = command(*words, "--output", bundle, "--unless-joined", tmp_path, environment=environment)
    assert (code, out) == (0, ""), errors
    assert bundle.stat().st_mode & 0o777 == 0o600 and len(bundle.read_text()) > 100
    (tmp_path / "outbox.db").touch()
    bundle.unlink()
    code, _, errors = command(*words, "--output", bundle, "--unless-joined", tmp_path, environment={"ECLUSA_TOKEN": "est_none"})
    assert code == 0 and not bundle.exists(), "a node that has joined asks nobody"
    denied = httpx.get(observed.url("admin") + "/api/v1/nodes", headers={"authorization": f"Bearer {token}"}, timeout=5)
    assert denied.status_code == 403


def test_migrating_alone_ends_and_says_so(observed):
    code, _, errors = command(
        PROGRAMS / "eclusa-control", "--migrate-only",
        environment={"ECLUSA_DATABASE_URL": observed.postgres.url, "ECLUSA_MASTER_KEY": "0123456789abcdef0123456789abcdefXYZ="})
    assert code == 0, errors
    assert "schema" in errors
