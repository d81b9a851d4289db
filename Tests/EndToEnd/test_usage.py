"""What was called is what is reported: each call once, with tokens and cost."""

from decimal import Decimal

from harness import wait_until
from openai import OpenAI

HELLO = [{"role": "user", "content": "How deep is the lock?"}]


def test_usage_shows_within_three_seconds_with_tokens_and_cost(eclusa):
    key, key_id = eclusa.new_key("usage")
    eclusa.wait_key(key)
    client = OpenAI(base_url=eclusa.base_url, api_key=key, max_retries=0)
    plain = [client.chat.completions.create(model="chat", messages=HELLO).usage for _ in range(5)]
    streamed = [list(client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}))[-1].usage for _ in range(3)]
    for _ in range(2):  # a stream that did not ask for usage is metered all the same
        list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))
    input_tokens = plain[0].prompt_tokens * 10
    output_tokens = plain[0].completion_tokens * 7 + sum(u.completion_tokens for u in streamed)

    def row():
        rows = eclusa.admin.get(f"/tenants/{eclusa.tenant}/usage", group_by="key")["data"]
        return next((row for row in rows if row["key"] == key_id and row["calls"] == 10), None)

    found = wait_until(row, 3, "ten calls in the report")
    assert (found["input_tokens"], found["output_tokens"]) == (input_tokens, output_tokens)
    cost = (Decimal("2.50") * input_tokens + Decimal("10.00") * output_tokens) / 1_000_000
    assert Decimal(found["cost"]) == cost

