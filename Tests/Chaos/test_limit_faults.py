"""The promises about limits, on three real nodes (docs/operating/limits.md)."""

import threading
import time

import httpx
from fleet import HELLO
from harness import wait_until

CENTS = 10**7  # nano-dollars


def cent_calls(fleet):
    """A route whose every call costs one cent, which is also the most it can cost: the body of such a call."""
    under = f"/tenants/{fleet.tenant}"
    made = fleet.admin.post(under + "/models", {"provider": fleet.provider, "name": "stand-in-chunks-8"})
    # Only lengths that share a cent out without a remainder.
    for length in range(1, 400):
        body = {"model": "cent", "messages": [{"role": "user", "content": "x" * length}]}
        answer = httpx.post(
            fleet.url("stand_in") + "/v1/chat/completions", json={**body, "model": "stand-in-chunks-8"}, timeout=10)
        tokens = answer.json()["usage"]["completion_tokens"]
        if 10**13 % tokens == 0:
            break
    rate = 10**13 // tokens
    fleet.admin.post(
        under + f"/models/{made['id']}/prices",
        {"input": "0", "output": f"{rate // 10**9}.{rate % 10**9:09}", "cached_input": "0"})
    fleet.admin.post(under + "/routes", {"name": "cent", "targets": [{"model": made["id"]}]})

    def known(node):
        answer = httpx.get(node.url + "/models", headers={"authorization": f"Bearer {fleet.key}"}, timeout=5)
        return any(one["id"] == "cent" for one in answer.json()["data"])

    wait_until(lambda: all(known(node) for node in fleet.all), 30, "the route on every node")
    return {**body, "max_tokens": tokens}


def limit(fleet, **fields):
    """Makes a limit and waits until every node runs a snapshot with it."""
    made = fleet.admin.http.post(f"/api/v1/tenants/{fleet.tenant}/limits", json=fields)
    made.raise_for_status()
    wait = fleet.admin.http.get(f"/api/v1/changes/{made.headers['eclusa-change']}?wait=10", timeout=20)
    wait.raise_for_status()
    return made.json()["id"]


def state(fleet, limit):
    return fleet.admin.http.get(f"/api/v1/tenants/{fleet.tenant}/limits/{limit}/state").raise_for_status().json()


class Patient(threading.Thread):
    """One call, asked again whenever the answer says when; ends with an answer, or with 402."""

    def __init__(self, fleet, node, body, seconds):
        super().__init__(daemon=True)
        self.fleet, self.node, self.body, self.deadline = fleet, node, body, time.monotonic() + seconds
        self.status = None
        self.start()

    def run(self):
        while time.monotonic() < self.deadline:
            try:
                answer = self.node.call(timeout=20, **self.body)
            except httpx.HTTPError:
                self.status = "cut"
                return
            self.status = answer.status_code
            if answer.status_code != 429:
                return
            time.sleep(min(5, float(answer.headers.get("retry-after", 1))))


def crowd(fleet, body, count=200, seconds=60):
    nodes = fleet.all
    return [Patient(fleet, nodes[number % len(nodes)], body, seconds) for number in range(count)]


def statuses(callers):
    for caller in callers:
        caller.join(90)
    return [caller.status for caller in callers]


def test_a_dollar_is_a_hundred_calls_of_a_cent(fleet):
    body = cent_calls(fleet)
    budget = limit(fleet, name="dollar", metric="cost", amount="1.00", period="lifetime")
    found = statuses(crowd(fleet, body))
    assert found.count(200) == 100, f"{sorted(map(str, set(found)))}: {found.count(200)} answers"
    assert found.count(402) == 100
    wait_until(lambda: state(fleet, budget)["settled"] == "1.00", 20, f"the books: {state(fleet, budget)}")
    assert fleet.provider_totals()["requests"] <= 101 + 400


def test_with_a_node_killed_midway_no_more_than_a_hundred_are_answered(fleet):
    body = cent_calls(fleet)
    limit(fleet, name="dollar", metric="cost", amount="1.00", period="lifetime")
    callers = crowd(fleet, body, seconds=25)
    time.sleep(0.4)
    fleet.nodes[0].restart()
    found = statuses(callers)
    assert found.count(200) <= 100
    assert found.count(200) + found.count("cut") > 50, found


def test_control_plane_away_each_node_spends_what_it_was_lent(fleet):
    body = cent_calls(fleet)
    budget = limit(fleet, name="dollar", metric="cost", amount="1.00", period="lifetime")
    for node in fleet.all:
        assert node.call(**body).status_code == 200
    time.sleep(3)
    lent = {grant["node"]: grant["lent"] for grant in state(fleet, budget)["grants"]}
    fleet.control.kill()
    answered = 3
    for node in fleet.all:
        while (answer := node.call(**body)).status_code == 200:
            answered += 1
        assert answer.status_code in (402, 429), answer.text
    assert 3 < answered <= 100, f"{answered} of {lent}"
    fleet.control.start()
    fleet.back()
    fleet.admin.login()
    # What is left can be spent again, to the cent.
    found = statuses(crowd(fleet, body, count=150, seconds=60))
    assert answered + found.count(200) == 100, f"{answered} and {found.count(200)}"


def test_nearly_all_of_a_rate_is_usable_by_the_node_with_the_calls(fleet):
    body = cent_calls(fleet)
    limit(fleet, name="rate", metric="requests", amount="600", period="minute")
    for node in fleet.all:
        node.call(**body)
    busy, began = fleet.nodes[0], time.monotonic()
    stamps = []
    while time.monotonic() - began < 30:
        if busy.call(**body).status_code == 200:
            stamps.append(time.monotonic() - began)
        else:
            time.sleep(0.01)
    later = sum(1 for stamp in stamps if stamp > 10)
    # 600 a minute are 200 in twenty seconds.
    assert later >= 0.95 * 200, f"{later} in twenty seconds; {len(stamps)} in all"
    assert len(stamps) <= 300 + 100 + 3, "more than the limit and one burst"
