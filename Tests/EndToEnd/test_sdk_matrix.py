"""Every dialect in × every provider out, by the real SDKs: what is said, billed, refused and broken."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from dialects import DIALECTS
from harness import wait_until
from world import PROVIDERS, make_world, record, settle
from world import route as route_of

BEHAVIOURS = ["", "-error-400", "-error-404", "-error-429", "-error-500", "-error-503", "-chunks-10-cut",
              "-chunks-10-error-event", "-chunks-1000-gap-20ms", "-chunks-20-gap-20ms", "-cached"]
ROWS = ["chat", "stream", "unicode", "5 MB", "tools", "vision", "schema", "errors", "retry-after", "broken streams", "leaving",
        "200 streams", "usage", "embeddings"]
results = {}


def route(provider, behaviour=""):
    return route_of("matrix", provider, behaviour)


@pytest.fixture(scope="module")
def world(eclusa):
    return make_world(eclusa, "matrix", BEHAVIOURS)


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def client(request, world):
    return request.param(world.url("gateway"), world.key)


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


@pytest.mark.row("chat")
def test_a_question_is_answered(client, provider):
    said = client.ask(route(provider), "hello")
    assert said.text.startswith("You said: hello.") and said.finish == "stop"
    assert said.input > 0 and said.output > 0


@pytest.mark.row("stream")
def test_a_stream_says_the_same(client, provider):
    plain = client.ask(route(provider), "hello")
    streamed = client.ask(route(provider), "hello", stream=True)
    # Fast and scripted answers of the stand-in fill up with different words.
    assert streamed.text.startswith("You said: hello.") and streamed.finish == "stop"
    assert streamed.text == plain.text
    assert (streamed.input, streamed.output) == (plain.input, plain.output)


@pytest.mark.row("unicode")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_every_character_passes(client, provider, stream):
    text = "água 水 \U0001f30a \u2028\u0085 \"q\" \\ \u0000"
    said = client.ask(route(provider), text, stream=stream)
    assert said.text.startswith(f"You said: {text}.")


@pytest.mark.row("5 MB")
def test_a_prompt_of_five_megabytes_arrives_whole(client, provider, world):
    before = world.provider_totals()["prompt_tokens"]
    said = client.ask(route(provider), "água " * 900_000)
    assert said.text.startswith("You said: água água") and said.input > 1_300_000
    assert said.input == world.provider_totals()["prompt_tokens"] - before


@pytest.mark.row("tools")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("text, names", [("Lisbon", ["forecast"]), ("both", ["forecast", "alarm"])])
def test_tools_are_called_and_their_results_read(client, provider, stream, text, names):
    asked, answered = client.use_tool(route(provider), text, stream)
    assert [name for _, name, _ in asked.calls] == names
    assert all(arguments == {"city": text, "days": 7} for _, _, arguments in asked.calls)
    assert asked.finish == "calls" and answered.finish == "stop"
    assert answered.text == "The tool said: " + ", ".join(f"sunny by {name}" for name in names) + "."


@pytest.mark.row("vision")
def test_a_picture_arrives_whole(client, provider):
    said = client.see(route(provider), "what is it?")
    # 70 bytes are 96 characters of base64; Ollama's format does not tell the type.
    assert said.text.startswith("I see image") and "of 96 characters" in said.text, said.text


@pytest.mark.row("schema")
def test_an_answer_follows_its_schema(client, provider):
    said = client.fill_in(route(provider), "Ada")
    assert json.loads(said.text) == {"name": "Ada", "age": 7}


@pytest.mark.row("errors")
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_raises_the_sdks_own_exception(client, provider, status):
    with pytest.raises(client.errors[status]) as caught:
        client.ask(route(provider, f"-error-{status}"), "hello")
    assert getattr(caught.value, "status_code", getattr(caught.value, "code", None)) == status


@pytest.mark.row("retry-after")
@pytest.mark.parametrize("status", [429, 503])
def test_an_error_says_when_to_come_back(client, provider, status):
    if not client.shows_fields:
        pytest.skip("the SDK shows no header fields")
    with pytest.raises(client.errors[status]) as caught:
        client.ask(route(provider, f"-error-{status}"), "hello")
    assert float(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.row("broken streams")
@pytest.mark.parametrize("behaviour", ["-chunks-10-cut", "-chunks-10-error-event"])
def test_a_broken_stream_never_looks_whole(client, provider, behaviour):
    with pytest.raises(client.broken):
        client.ask(route(provider, behaviour), "hello", stream=True)


@pytest.mark.row("leaving")
def test_who_leaves_takes_the_upstream_call_along(client, provider, world):
    before = world.provider_totals()["abandoned"]
    client.begin(route(provider, "-chunks-1000-gap-20ms"), "hello")()
    wait_until(lambda: world.provider_totals()["abandoned"] == before + 1, 5, "the provider's stream to end")


@pytest.mark.row("200 streams")
def test_two_hundred_streams_at_once_stay_apart(client, provider):
    with ThreadPoolExecutor(200) as pool:
        said = list(pool.map(
            lambda index: client.ask(route(provider, "-chunks-20-gap-20ms"), f"caller {index}", stream=True), range(200)))
    assert all(each.text.startswith(f"You said: caller {index}.") for index, each in enumerate(said))
    assert {each.finish for each in said} == {"stop"}


@pytest.mark.row("usage")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_the_bill_is_what_the_provider_said(client, provider, stream, world):
    books, totals = settle(world), world.provider_totals()
    said = client.ask(route(provider, "-cached"), "hello " * 40, stream=stream)
    after = world.provider_totals()
    assert (said.input, said.output) == (
        after["prompt_tokens"] - totals["prompt_tokens"], after["completion_tokens"] - totals["completion_tokens"])
    billed = settle(world, calls=books["calls"] + 1)
    assert billed["input_tokens"] - books["input_tokens"] == said.input
    assert billed["output_tokens"] - books["output_tokens"] == said.output


@pytest.mark.row("embeddings")
def test_embeddings_arrive_in_order(client, provider):
    if not hasattr(client, "embed") or provider in ("anthropic", "bedrock"):
        pytest.skip("the dialect or the provider has no embeddings")
    assert client.embed(route(provider), ["one", "three"]) == [[3, 3.25, 3.5], [5, 5.25, 5.5]]


def test_each_sdk_lists_the_routes(client):
    assert {route(provider) for provider in PROVIDERS} <= client.list_models()


def test_prompts_are_counted(client, provider):
    if hasattr(client, "count"):
        assert client.count(route(provider), "hello " * 100) > 100


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_bad_key_raises_the_sdks_own_exception(world, dialect):
    with pytest.raises(dialect.errors[401]):
        dialect(world.url("gateway"), "ek_bad").ask(route("openai"), "hello")


@pytest.fixture(scope="module", autouse=True)
def printed(request):
    yield
    cells = [(dialect.name, provider) for dialect in DIALECTS for provider in PROVIDERS]
    versions = ", ".join(f"{dialect.name} {dialect.version}" for dialect in DIALECTS)
    record(request.config, "matrix", cells, ROWS, results, versions)
