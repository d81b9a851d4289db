"""Two control planes on one Postgres: what is raced has one winner, and a killed one loses nothing."""

import concurrent.futures
import secrets
import threading
import uuid

import httpx
import pytest
from harness import ADMIN_EMAIL, PASSWORD, PROGRAMS, Postgres, Process, free_port, wait_until


class Pair:
    """Two control planes that start at the same moment on an empty database."""

    def __init__(self, folder):
        self.postgres = Postgres(folder)
        (folder / "master.key").write_text(secrets.token_urlsafe(32))
        (folder / "master.key").chmod(0o600)
        self.urls, self.processes = [], []
        for index in range(2):
            admin, node = free_port(), free_port()
            self.urls.append(f"http://127.0.0.1:{admin}")
            self.processes.append(Process(
                f"control-{index}",
                [PROGRAMS / "eclusa-control", "--admin-listen-address", f"127.0.0.1:{admin}", "--node-listen-address",
                 f"127.0.0.1:{node}", "--node-public-url", f"https://127.0.0.1:{node}", "--master-key-file",
                 folder / "master.key", "--address-rate", "0", "--user-rate", "0"],
                folder,
                {"ECLUSA_DATABASE_URL": self.postgres.url, "ECLUSA_BOOTSTRAP_ADMIN_EMAIL": ADMIN_EMAIL,
                 "ECLUSA_BOOTSTRAP_ADMIN_PASSWORD": PASSWORD}))
        for index in range(2):
            self.wait_ready(index)

    def wait_ready(self, index):
        process = self.processes[index]

        def ready():
            assert process.process.poll() is None, process.tail()
            return httpx.get(self.urls[index] + "/health/ready", timeout=2).status_code == 200

        wait_until(ready, 60, f"{process.name} ready")

    def count(self, what):
        return int(self.postgres.sql("eclusa", f"select count(*) from {what}"))

    def sign_in(self, index=0):
        answer = httpx.post(self.urls[index] + "/api/v1/sessions", json={"email": ADMIN_EMAIL, "password": PASSWORD}, timeout=20)
        answer.raise_for_status()
        return answer.json()

    def close(self):
        for process in self.processes:
            process.stop()
        self.postgres.remove()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    pair = Pair(tmp_path_factory.mktemp("pair"))
    yield pair
    pair.close()


def at_once(count, work):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


def test_migrations_and_the_first_administrator_are_made_once(pair):
    assert pair.count("users") == 1
    assert pair.count("audit_events where action = 'users.create'") == 1
    assert pair.count("schema_migrations") == pair.count("(select distinct number from schema_migrations) as numbers")
    assert pair.sign_in(0)["user"]["id"] == pair.sign_in(1)["user"]["id"]


def test_of_fifty_refreshes_of_one_token_one_wins(pair):
    token = pair.sign_in()["refresh_token"]

    def refresh(index):
        return httpx.post(pair.urls[index % 2] + "/api/v1/sessions/refresh", json={"refresh_token": token}, timeout=30)

    answers = at_once(50, refresh)
    assert sorted({answer.status_code for answer in answers}) == [200, 401]
    winners = [answer for answer in answers if answer.status_code == 200]
    assert len(winners) == 1
    # Sent twice in the same moment is no theft: the winner's session goes on.
    winner = winners[0].json()
    me = httpx.get(pair.urls[0] + "/api/v1/me", headers={"authorization": "Bearer " + winner["access_token"]}, timeout=10)
    assert me.status_code == 200


def test_equal_posts_at_both_have_one_effect_and_one_answer(pair):
    headers = {"authorization": "Bearer " + pair.sign_in()["access_token"], "idempotency-key": str(uuid.uuid4())}
    body = {"slug": "raced", "name": "Raced"}

    def create(index):
        return httpx.post(pair.urls[index % 2] + "/api/v1/tenants", json=body, headers=headers, timeout=30)

    answers = at_once(20, create)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len([answer for answer in answers if "idempotency-replayed" not in answer.headers]) == 1
    assert pair.count("tenants where slug = 'raced'") == 1
    assert pair.count("audit_events where action = 'tenants.create' and details->>'slug' = 'raced'") == 1


def test_of_writers_at_both_with_one_tag_one_wins(pair):
    headers = {"authorization": "Bearer " + pair.sign_in()["access_token"]}
    made = httpx.post(pair.urls[0] + "/api/v1/tenants", json={"slug": "tagged", "name": "T"}, headers=headers, timeout=10)
    path = f"/api/v1/tenants/{made.json()['id']}"
    tag = httpx.get(pair.urls[1] + path, headers=headers, timeout=10).headers["etag"]
    assert tag == made.headers["etag"]

    def change(index):
        return httpx.patch(
            pair.urls[index % 2] + path, json={"name": f"Writer {index}"}, headers={**headers, "if-match": tag}, timeout=30)

    answers = at_once(20, change)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 19


def test_what_is_taken_away_at_one_is_gone_at_the_other_with_the_next_request(pair):
    """Sessions, users, roles and management tokens: nothing about who may do what is kept between requests."""
    admin = {"authorization": "Bearer " + pair.sign_in()["access_token"]}

    def send(index, method, path, body=None, headers=admin):
        answer = httpx.request(method, f"{pair.urls[index]}/api/v1{path}", json=body, headers=headers, timeout=20)
        assert answer.status_code < 500, answer.text
        return answer

    def somebody(name):
        email = f"{name}@example.com"
        made = send(0, "POST", "/users", {
            "email": email, "name": name, "password": PASSWORD, "bindings": [{"role": "platform-auditor"}]})
        assert made.status_code == 201, made.text
        signed = httpx.post(pair.urls[0] + "/api/v1/sessions", json={"email": email, "password": PASSWORD}, timeout=20).json()
        return made.json()["user"]["id"], signed["session"], {"authorization": "Bearer " + signed["access_token"]}

    def end_session(user, session, headers):
        return send(0, "DELETE", f"/me/sessions/{session}", headers=headers)

    def end_sessions(user, session, headers):
        return send(0, "POST", f"/users/{user}/sessions/end")

    def disable(user, session, headers):
        return send(0, "POST", f"/users/{user}/disable")

    def delete(user, session, headers):
        return send(0, "DELETE", f"/users/{user}")

    for end in (end_session, end_sessions, disable, delete):
        user, session, headers = somebody(end.__name__.replace("_", "-"))
        assert send(1, "GET", "/users", headers=headers).status_code == 200
        assert end(user, session, headers).status_code < 300
        assert send(1, "GET", "/users", headers=headers).status_code == 401, end.__name__

    user, _, headers = somebody("demoted")
    binding = send(0, "GET", f"/bindings?user={user}").json()["data"][0]["id"]
    assert send(1, "GET", "/users", headers=headers).status_code == 200
    assert send(0, "DELETE", f"/bindings/{binding}").status_code == 200
    assert send(1, "GET", "/users", headers=headers).status_code == 403

    account = send(0, "POST", "/service-accounts", {"name": "machine"}).json()["id"]
    assert send(0, "POST", "/bindings", {"service_account": account, "role": "platform-auditor"}).status_code == 201
    made = send(0, "POST", f"/service-accounts/{account}/tokens", {"name": "token"}).json()
    headers = {"authorization": "Bearer " + made["secret"]}
    assert send(1, "GET", "/users", headers=headers).status_code == 200
    assert send(0, "POST", f"/service-accounts/{account}/tokens/{made['token']['id']}/revoke").status_code == 200
    assert send(1, "GET", "/users", headers=headers).status_code == 401


def test_one_killed_under_load_loses_nothing_and_doubles_nothing(pair):
    """Writers repeat each request under its key, at either, until it is answered; meanwhile one is killed and comes back."""
    token = pair.sign_in()["access_token"]
    enough = threading.Event()

    def write(writer):
        ids = []
        with httpx.Client(timeout=10) as http:
            while not enough.is_set():
                name = f"kill-{writer}-{len(ids)}"
                headers = {"authorization": "Bearer " + token, "idempotency-key": name}
                for attempt in range(1000):
                    try:
                        answer = http.post(
                            pair.urls[(writer + len(ids) + attempt) % 2] + "/api/v1/tenants", json={"slug": name, "name": "K"},
                            headers=headers)
                    except httpx.HTTPError:
                        continue
                    if answer.status_code == 201:
                        ids.append(answer.json()["id"])
                        break
                    assert answer.status_code in (503, 504), answer.text
                else:
                    raise AssertionError(f"{name} was never answered")
        return ids

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = [pool.submit(write, writer) for writer in range(6)]
        try:
            for _ in range(3):
                before = pair.count("tenants")
                wait_until(lambda least=before + 10: pair.count("tenants") >= least, 60, "writes to go on")
                pair.processes[1].kill()
                pair.processes[1].start()
                pair.wait_ready(1)
        finally:
            enough.set()
        ids = [identity for result in running for identity in result.result()]
    assert len(ids) >= 30 and len(set(ids)) == len(ids)
    assert pair.count("tenants where slug like 'kill-%'") == len(ids)
    assert pair.count("audit_events where action = 'tenants.create' and details->>'slug' like 'kill-%'") == len(ids)
    assert pair.postgres.sql("eclusa", "select first_broken_audit_event('00000000-0000-0000-0000-000000000000') is null") == "t"
