"""Every process of an installation killed and started again: calls go on, usage arrives once."""

import pytest
from harness import Eclusa, wait_until
from openai import OpenAI

HELLO = [{"role": "user", "content": "Is the keeper away?"}]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An installation of its own, since these tests break it."""
    installation = Eclusa(tmp_path_factory.mktemp("outage"))
    yield installation
    installation.close()


def calls(own, count):
    client = OpenAI(base_url=own.base_url, api_key=own.key, max_retries=0, timeout=10)
    for _ in range(count):
        assert client.chat.completions.create(model="chat", messages=HELLO).choices[0].message.content


def assert_usage_arrives_once(own, seconds=20):
    def equal():
        ours, theirs = own.usage(), own.provider_totals()
        answered = ours["calls"] - ours["failed_calls"]
        return (answered, ours["output_tokens"]) == (theirs["answered"], theirs["completion_tokens"])

    wait_until(equal, seconds, f"each call once:\n{own.gateway.tail()}\n{own.control.tail()}")


def test_calls_go_on_without_the_control_plane_also_after_a_node_restart(own):
    calls(own, 10)
    own.control.kill()
    calls(own, 10)
    assert own.gateway.stop() == 0
    own.gateway.start()
    own.wait_ready("operations", own.gateway, seconds=5)
    calls(own, 10)
    own.control.start()
    own.wait_ready("admin", own.control)
    assert_usage_arrives_once(own)


def test_a_killed_node_loses_no_answered_call(own):
    for _ in range(3):
        calls(own, 20)
        own.gateway.kill()
        own.gateway.start()
        own.wait_ready("operations", own.gateway, seconds=5)
    assert_usage_arrives_once(own)


def test_postgres_may_go_and_come_back(own):
    own.postgres.kill()
    calls(own, 10)
    answer = own.admin.http.get(f"/api/v1/tenants/{own.tenant}/keys")
    assert answer.status_code == 503 and answer.headers["retry-after"]
    own.postgres.start()
    wait_until(lambda: own.admin.http.get(f"/api/v1/tenants/{own.tenant}/keys").status_code == 200, 20, "the admin API")
    calls(own, 5)
    assert_usage_arrives_once(own)


def test_the_provider_may_go_and_come_back(own):
    own.stand_in.kill()
    client = OpenAI(base_url=own.base_url, api_key=own.key, max_retries=0, timeout=10)
    with pytest.raises(Exception) as caught:
        client.chat.completions.create(model="chat", messages=HELLO)
    assert caught.value.status_code in (502, 503)
    own.stand_in.start()
    wait_until(lambda: own.provider_totals() is not None, 10, "the stand-in")
    # It counts anew: so do we, with a key of its own.
    own.key, key_id = own.new_key("after-the-provider")
    own.wait_key(own.key)
    calls(own, 5)

    def five():
        rows = own.admin.get(f"/tenants/{own.tenant}/usage", group_by="key")["data"]
        return [row["calls"] for row in rows if row["key"] == key_id] == [5]

    wait_until(five, 10, "five calls of the new key")


def test_a_configuration_change_made_while_the_node_was_away_arrives(own):
    own.gateway.stop()
    key, _ = own.new_key("made-meanwhile")
    own.gateway.start()
    own.wait_key(key)


def test_every_program_stops_in_order_on_request(own):
    assert own.gateway.stop() == 0
    assert own.control.stop() == 0
    assert own.stand_in.stop() == 0
