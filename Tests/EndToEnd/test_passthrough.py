"""Calls passed through to a tenant's own provider, and Azure's paths, by the SDKs that people have."""

import httpx
import openai
import pytest
from harness import wait_until
from openai import AzureOpenAI, OpenAI

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def key(eclusa):
    answer = eclusa.admin.post(f"/tenants/{eclusa.tenant}/keys", {
        "name": "passes", "workspace": eclusa.workspace, "endpoints": ["passthrough", "chat", "models", "embeddings"]})
    eclusa.wait_key(answer["secret"])
    return answer["secret"]


@pytest.fixture(scope="module")
def client(eclusa, key):
    return OpenAI(base_url=eclusa.url("gateway") + "/passthrough/stand-in", api_key=key, max_retries=0, timeout=20)


def test_the_provider_answers_for_itself(client):
    assert "stand-in" in {model.id for model in client.models.list()}
    # The provider's own names, not the routes'.
    answer = client.chat.completions.create(model="stand-in", messages=HELLO)
    assert answer.choices[0].message.content and answer.usage.prompt_tokens > 0


def test_a_stream_passes_and_is_billed(client, eclusa):
    before = eclusa.usage()
    parts = list(client.chat.completions.create(
        model="stand-in", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert parts[-1].usage.completion_tokens > 0
    wait_until(lambda: eclusa.usage()["calls"] >= before["calls"] + 1, 15, "the usage to arrive")
    log = eclusa.admin.get(f"/tenants/{eclusa.tenant}/usage-events")["data"]
    passed = [event for event in log if event["endpoint"] == "passthrough"]
    assert passed[0]["output_tokens"] == parts[-1].usage.completion_tokens


def test_an_error_is_the_providers_own(client):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="stand-in-error-429", messages=HELLO)


def test_a_key_for_everything_may_not(eclusa):
    answer = httpx.get(
        eclusa.url("gateway") + "/passthrough/stand-in/models", headers={"authorization": f"Bearer {eclusa.key}"})
    assert answer.status_code == 403 and answer.headers["x-eclusa-error-code"] == "endpoint_not_allowed"


@pytest.mark.parametrize("entrance", ["deployments", "v1"])
def test_azures_clients_find_their_paths(eclusa, entrance):
    url, common = eclusa.url("gateway"), {"api_key": eclusa.key, "max_retries": 0, "timeout": 20}
    if entrance == "deployments":
        azure = AzureOpenAI(azure_endpoint=url, api_version="2024-10-21", **common)
    else:
        azure = OpenAI(base_url=url + "/openai/v1/", **common)
    answer = azure.chat.completions.create(model="chat", messages=HELLO)
    assert answer.choices[0].message.content
    chunks = list(azure.chat.completions.create(model="chat", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    assert azure.responses.create(model="chat", input="hello").output_text
    assert len(azure.embeddings.create(model="chat", input=["one", "two"]).data) == 2
    with pytest.raises(openai.NotFoundError):
        azure.chat.completions.create(model="nothing-of-that-name", messages=HELLO)
