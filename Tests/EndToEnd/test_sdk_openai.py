"""The real OpenAI SDK, unmodified, through a gateway node."""

import asyncio

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

HELLO = [{"role": "user", "content": "Say hello to the lock keeper"}]


@pytest.fixture(scope="module")
def client(eclusa):
    return OpenAI(base_url=eclusa.base_url, api_key=eclusa.key, max_retries=0, timeout=20)


def test_a_chat_completion_answers_with_usage(client):
    answer = client.chat.completions.create(model="chat", messages=HELLO)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


def test_the_answer_is_the_same_each_time(client):
    first, second = (client.chat.completions.create(model="chat", messages=HELLO) for _ in range(2))
    assert first.choices[0].message.content == second.choices[0].message.content


def test_a_stream_gives_the_same_text_as_the_plain_call(client):
    plain = client.chat.completions.create(model="chat", messages=HELLO).choices[0].message.content
    chunks = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == plain
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_stream_carries_usage_only_when_asked(client):
    unasked = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))
    assert all(chunk.usage is None for chunk in unasked)
    assert all(chunk.choices for chunk in unasked)
    asked = list(client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage is not None for chunk in asked].count(True) == 1
    assert asked[-1].usage.completion_tokens > 0 and asked[-1].choices == []


def test_async_calls_run_at_once(eclusa):
    async def calls():
        async with AsyncOpenAI(base_url=eclusa.base_url, api_key=eclusa.key, max_retries=0) as client:
            return await asyncio.gather(*[
                client.chat.completions.create(model="stand-in-delay-250ms", messages=HELLO) for _ in range(20)])

    assert len(asyncio.run(calls())) == 20


def test_async_streams_run_at_once(eclusa):
    async def stream(client):
        parts = await client.chat.completions.create(model="stand-in-chunks-50", messages=HELLO, stream=True)
        return [part async for part in parts]

    async def streams():
        async with AsyncOpenAI(base_url=eclusa.base_url, api_key=eclusa.key, max_retries=0) as client:
            return await asyncio.gather(*[stream(client) for _ in range(20)])

    assert {len(parts) >= 50 for parts in asyncio.run(streams())} == {True}


def test_models_lists_the_tenants_routes(client):
    names = {model.id for model in client.models.list()}
    assert "chat" in names
    assert client.models.retrieve("chat").id == "chat"


def test_unicode_and_a_large_prompt_pass(client):
    text = "água, 水, \U0001f30a, \"quotes\" and \\ backslashes\n" * 20_000
    answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": text}])
    assert answer.usage.prompt_tokens > 100_000


@pytest.mark.parametrize("model, error", [
    ("nothing-of-that-name", openai.NotFoundError),
    ("stand-in-error-429", openai.RateLimitError),
    ("stand-in-error-500", openai.InternalServerError),
    # The provider refused our credential: the application's key is not to blame, so it must not see a 401.
    ("stand-in-error-401", openai.InternalServerError),
])
def test_an_error_raises_the_sdks_own_exception(client, model, error):
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.response.headers["x-eclusa-error-code"]
    assert caught.value.response.headers["x-request-id"]


def test_a_provider_that_rejects_our_credential_never_shows_it(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="stand-in-error-401", messages=HELLO)
    assert caught.value.status_code == 502
    assert "sk-stand-in" not in caught.value.response.text


def test_a_stream_cut_by_the_provider_never_looks_finished(client):
    with pytest.raises(openai.APIError):
        for _ in client.chat.completions.create(model="stand-in-cut", messages=HELLO, stream=True):
            pass


@pytest.mark.parametrize("key", ["", "x", "ek_", "sk-other", "ek_0000000000000000_" + "0" * 38])
def test_a_bad_key_is_refused_alike_whatever_is_wrong_with_it(eclusa, key):
    bad = OpenAI(base_url=eclusa.base_url, api_key=key or "none", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as caught:
        bad.chat.completions.create(model="chat", messages=HELLO)
    assert caught.value.code == "invalid_api_key"
