"""LangChain's four chat classes and its embeddings, unmodified, on every provider: what chains, agents and graphs are built from."""

import asyncio
import importlib.metadata
import importlib.util

import pytest

pytest.importorskip("langchain_core", reason="LangChain has an environment of its own")
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from pydantic import BaseModel  # noqa: E402
from world import PROVIDERS, make_world, record, route, settle  # noqa: E402

PACKAGES = ["langchain-core", "langchain-openai", "langchain-anthropic", "langchain-google-genai", "langchain-ollama"]
INSTALLED = [package for package in PACKAGES if importlib.util.find_spec(package.replace("-", "_"))]
CLIENTS = ["ChatOpenAI", "ChatAnthropic", "ChatGoogleGenerativeAI", "ChatOllama"]
if "langchain-google-genai" not in INSTALLED:
    # Its earlier generation speaks gRPC.
    CLIENTS.remove("ChatGoogleGenerativeAI")
ROWS = ["chat", "stream", "tools", "schema", "usage", "async", "errors", "embeddings"]
LOOP = asyncio.new_event_loop()
results = {}


class Person(BaseModel):
    name: str
    age: int


@tool
def forecast(city: str, days: int) -> str:
    """The weather of the next days."""
    return f"sunny in {city}"


def text(message):
    """Its text: a method in earlier generations."""
    return message.text if isinstance(message.text, str) else message.text()


def chat(world, name, model):
    """The class of this name, talking to the node as its users would set it up."""
    url, key = world.url("gateway"), world.key
    if name == "ChatOpenAI":
        from langchain_openai import ChatOpenAI
        return ChatOpenAI(model=model, base_url=url + "/v1", api_key=key, max_retries=0, timeout=20, stream_usage=True)
    if name == "ChatAnthropic":
        from langchain_anthropic import ChatAnthropic
        return ChatAnthropic(model=model, base_url=url, api_key=key, max_retries=0, timeout=20, max_tokens=900)
    if name == "ChatGoogleGenerativeAI":
        from langchain_google_genai import ChatGoogleGenerativeAI
        return ChatGoogleGenerativeAI(model=model, base_url=url, google_api_key=key, max_retries=1, timeout=20)
    from langchain_ollama import ChatOllama
    return ChatOllama(model=model, base_url=url, client_kwargs={"headers": {"authorization": f"Bearer {key}"}, "timeout": 20})


@pytest.fixture(scope="module")
def world(eclusa):
    return make_world(eclusa, "langchain", ["", "-error-400", "-error-429", "-error-500"])


@pytest.fixture(params=CLIENTS)
def name(request):
    return request.param


@pytest.fixture(params=PROVIDERS)
def provider(request):
    return request.param


@pytest.fixture
def model(world, name, provider):
    return chat(world, name, route("langchain", provider))


@pytest.mark.row("chat")
def test_a_conversation_is_answered(model):
    answer = model.invoke([SystemMessage("Be brief."), HumanMessage("one"), AIMessage("two"), HumanMessage("hello")])
    assert text(answer).startswith("You said: hello."), answer
    assert answer.usage_metadata["input_tokens"] > 0 and answer.usage_metadata["output_tokens"] > 0


@pytest.mark.row("stream")
def test_a_stream_adds_up_to_the_same(model):
    plain, whole = model.invoke("hello"), None
    pieces = 0
    for chunk in model.stream("hello"):
        whole = chunk if whole is None else whole + chunk
        pieces += 1
    assert text(whole) == text(plain) and pieces > 2
    # Usage is added up over the chunks: it must come exactly once.
    assert whole.usage_metadata["input_tokens"] == plain.usage_metadata["input_tokens"]
    assert whole.usage_metadata["output_tokens"] == plain.usage_metadata["output_tokens"]


@pytest.mark.row("tools")
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_tool_is_called_and_its_result_read(model, stream):
    bound = model.bind_tools([forecast])

    def ask(messages):
        if not stream:
            return bound.invoke(messages)
        whole = None
        for chunk in bound.stream(messages):
            whole = chunk if whole is None else whole + chunk
        return AIMessage(content=whole.content, tool_calls=whole.tool_calls, additional_kwargs=whole.additional_kwargs)

    messages = [HumanMessage("Lisbon")]
    asked = ask(messages)
    assert [call["name"] for call in asked.tool_calls] == ["forecast"]
    assert asked.tool_calls[0]["args"] == {"city": "Lisbon", "days": 7}
    messages += [asked] + [
        ToolMessage(forecast.invoke(call["args"]), tool_call_id=call["id"], name=call["name"]) for call in asked.tool_calls]
    assert text(ask(messages)) == "The tool said: sunny in Lisbon."


@pytest.mark.row("schema")
def test_an_answer_is_an_object_of_the_class(model):
    person = model.with_structured_output(Person).invoke("Ada")
    assert (person.name, person.age) == ("Ada", 7)


@pytest.mark.row("usage")
def test_the_bill_is_what_the_message_says(model, world):
    settle(world)
    before = world.usage()
    said = model.invoke("hello " * 20).usage_metadata
    billed = settle(world, calls=before["calls"] + 1)
    assert billed["input_tokens"] - before["input_tokens"] == said["input_tokens"]
    assert billed["output_tokens"] - before["output_tokens"] == said["output_tokens"]


@pytest.mark.row("async")
def test_many_at_once(model):
    async def ask():
        answers = await asyncio.gather(*[model.ainvoke(f"hello {index}") for index in range(10)])
        pieces = [text(chunk) async for chunk in model.astream("hello")]
        return answers, "".join(pieces)

    # LangChain shares its connections among all models, so they must meet one loop alone.
    answers, streamed = LOOP.run_until_complete(ask())
    assert [text(answer).startswith(f"You said: hello {index}.") for index, answer in enumerate(answers)] == [True] * 10
    assert streamed.startswith("You said: hello.")


@pytest.mark.row("errors")
@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_providers_error_is_raised_with_its_text(world, name, provider, status):
    with pytest.raises(Exception) as caught:
        chat(world, name, route("langchain", provider, f"-error-{status}")).invoke("hello")
    assert "stand-in was asked for" in str(caught.value) or str(status) in str(caught.value)


@pytest.mark.row("embeddings")
def test_embeddings_arrive_in_order(world, name, provider):
    if name == "ChatAnthropic" or provider in ("anthropic", "bedrock"):
        pytest.skip("the class or the provider has no embeddings")
    url, key, model = world.url("gateway"), world.key, route("langchain", provider)
    if name == "ChatOpenAI":
        from langchain_openai import OpenAIEmbeddings
        embeddings = OpenAIEmbeddings(
            model=model, base_url=url + "/v1", api_key=key, dimensions=3, check_embedding_ctx_length=False, max_retries=0)
    elif name == "ChatGoogleGenerativeAI":
        from langchain_google_genai import GoogleGenerativeAIEmbeddings
        embeddings = GoogleGenerativeAIEmbeddings(
            model=model, base_url=url, google_api_key=key, output_dimensionality=3)
    else:
        from langchain_ollama import OllamaEmbeddings
        # Earlier generations cannot ask for a number of dimensions.
        wish = {"dimensions": 3} if "dimensions" in OllamaEmbeddings.model_fields else {}
        embeddings = OllamaEmbeddings(
            model=model, base_url=url, client_kwargs={"headers": {"authorization": f"Bearer {key}"}}, **wish)
    vectors = embeddings.embed_documents(["one", "three"])
    assert [vector[:3] for vector in vectors] == [[3, 3.25, 3.5], [5, 5.25, 5.5]]


@pytest.fixture(scope="module", autouse=True)
def printed(request):
    yield
    cells = [(name, provider) for name in CLIENTS for provider in PROVIDERS]
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in INSTALLED)
    record(request.config, "langchain", cells, ROWS, results, versions)
