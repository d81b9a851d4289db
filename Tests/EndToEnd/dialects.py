"""The real SDKs, unmodified, each behind the same few calls: what one dialect's clients see of any provider."""

import base64
import json
from dataclasses import dataclass, field

import anthropic
import httpx
import ollama
import openai
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

# httpcore (1.0.9) closes what it holds beyond the connections to keep, also one it has just given to a call: so it keeps all.
POOL = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=60)

# One white pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")
FORECAST = {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
PERSON = {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"], "additionalProperties": False}


@dataclass
class Said:
    """An answer in words all dialects share."""

    text: str = ""
    calls: list = field(default_factory=list)
    input: int | None = None
    output: int | None = None
    finish: str | None = None


class OpenAI:
    name = "openai"
    version = openai.__version__
    errors = {400: openai.BadRequestError, 401: openai.AuthenticationError, 404: openai.NotFoundError,
              429: openai.RateLimitError, 500: openai.InternalServerError, 503: openai.InternalServerError}
    broken = (openai.APIError, httpx.HTTPError, ValueError)
    shows_fields = True
    finishes = {"stop": "stop", "tool_calls": "calls", "length": "length"}

    def __init__(self, url, key):
        self.sdk = openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=20,
                                 http_client=openai.DefaultHttpxClient(limits=POOL))

    def ask(self, model, text, stream=False, **more):
        return self.send(model, [{"role": "user", "content": text}], stream, **more)

    def send(self, model, messages, stream=False, **more):
        if stream:
            parts = self.sdk.chat.completions.create(
                model=model, messages=messages, stream=True, stream_options={"include_usage": True}, **more)
            return self.gather(parts)
        answer = self.sdk.chat.completions.create(model=model, messages=messages, **more)
        choice = answer.choices[0]
        calls = [(call.id, call.function.name, json.loads(call.function.arguments))
                 for call in choice.message.tool_calls or []]
        self.last = choice.message
        return Said(choice.message.content or "", calls, answer.usage.prompt_tokens,
                    answer.usage.completion_tokens, self.finishes[choice.finish_reason])

    def gather(self, parts):
        said, calls = Said(), {}
        for part in parts:
            if part.usage:
                assert said.input is None, "usage came twice"
                said.input, said.output = part.usage.prompt_tokens, part.usage.completion_tokens
            for choice in part.choices:
                said.text += choice.delta.content or ""
                for call in choice.delta.tool_calls or []:
                    entry = calls.setdefault(call.index, [call.id, call.function.name, ""])
                    entry[2] += call.function.arguments or ""
                if choice.finish_reason:
                    said.finish = self.finishes[choice.finish_reason]
        said.calls = [(id, name, json.loads(text)) for id, name, text in calls.values()]
        return said

    def begin(self, model, text):
        """A stream under way: its first content, and how to leave it."""
        parts = self.sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], stream=True)
        next(iter(parts))
        return parts.close

    tools = [{"type": "function", "function": {"name": "forecast", "parameters": FORECAST}},
             {"type": "function", "function": {"name": "alarm", "parameters": FORECAST}}]

    def use_tool(self, model, text, stream):
        messages = [{"role": "user", "content": text}]
        said = self.send(model, messages, stream, tools=self.tools)
        messages.append({"role": "assistant", "content": None, "tool_calls": [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for id, name, arguments in said.calls]})
        messages += [{"role": "tool", "tool_call_id": id, "content": f"sunny by {name}"} for id, name, _ in said.calls]
        return said, self.send(model, messages, stream, tools=self.tools)

    def see(self, model, text):
        url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
        return self.ask(model, [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}])

    def fill_in(self, model, text):
        return self.ask(model, text, response_format={
            "type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}})

    def list_models(self):
        return {model.id for model in self.sdk.models.list()}

    def embed(self, model, texts):
        # Asks for base64 by itself and decodes it.
        return [each.embedding for each in self.sdk.embeddings.create(model=model, input=texts, dimensions=3).data]


class Responses(OpenAI):
    """The same SDK with OpenAI's newer API."""

    name = "openai responses"

    def send(self, model, items, stream=False, **more):
        if stream:
            kinds = []
            for event in self.sdk.responses.create(model=model, input=items, stream=True, **more):
                kinds.append(event.type)
                if event.type == "error":
                    raise openai.APIError(event.message, request=None, body=None)
                if event.type in ("response.completed", "response.incomplete"):
                    answer = event.response
            assert kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"), kinds
        else:
            answer = self.sdk.responses.create(model=model, input=items, **more)
        calls = [(item.call_id, item.name, json.loads(item.arguments))
                 for item in answer.output if item.type == "function_call"]
        return Said(answer.output_text, calls, answer.usage.input_tokens, answer.usage.output_tokens,
                    "calls" if calls else {"completed": "stop", "incomplete": "length"}[answer.status])

    def begin(self, model, text):
        parts = self.sdk.responses.create(model=model, input=text, stream=True)
        next(iter(parts))
        return parts.close

    tools = [{"type": "function", "name": name, "parameters": FORECAST, "strict": False} for name in ("forecast", "alarm")]

    def use_tool(self, model, text, stream):
        items = [{"role": "user", "content": text}]
        said = self.send(model, items, stream, tools=self.tools)
        for id, name, arguments in said.calls:
            items.append({"type": "function_call", "call_id": id, "name": name, "arguments": json.dumps(arguments)})
        items += [{"type": "function_call_output", "call_id": id, "output": f"sunny by {name}"} for id, name, _ in said.calls]
        return said, self.send(model, items, stream, tools=self.tools)

    def see(self, model, text):
        url = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
        return self.send(model, [{"role": "user", "content": [
            {"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]}])

    def fill_in(self, model, text):
        return self.send(model, [{"role": "user", "content": text}],
                         text={"format": {"type": "json_schema", "name": "person", "schema": PERSON}})


class Anthropic:
    name = "anthropic"
    version = anthropic.__version__
    errors = {400: anthropic.BadRequestError, 401: anthropic.AuthenticationError, 404: anthropic.NotFoundError,
              429: anthropic.RateLimitError, 500: anthropic.InternalServerError, 503: anthropic.APIStatusError}
    broken = (anthropic.APIError, Exception)
    shows_fields = True
    finishes = {"end_turn": "stop", "tool_use": "calls", "max_tokens": "length"}

    def __init__(self, url, key):
        self.sdk = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=20,
                                       http_client=anthropic.DefaultHttpxClient(limits=POOL))

    def ask(self, model, text, stream=False, **more):
        return self.send(model, [{"role": "user", "content": text}], stream, **more)

    def send(self, model, messages, stream=False, **more):
        if stream:
            with self.sdk.messages.stream(model=model, max_tokens=900, messages=messages, **more) as parts:
                text = "".join(parts.text_stream)
                answer = parts.get_final_message()
        else:
            answer = self.sdk.messages.create(model=model, max_tokens=900, messages=messages, **more)
            text = "".join(block.text for block in answer.content if block.type == "text")
        calls = [(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"]
        self.last = answer.content
        return Said(text, calls, answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0),
                    answer.usage.output_tokens, self.finishes.get(answer.stop_reason))

    def begin(self, model, text):
        parts = self.sdk.messages.create(
            model=model, max_tokens=900, messages=[{"role": "user", "content": text}], stream=True)
        next(iter(parts))
        return parts.close

    tools = [{"name": "forecast", "input_schema": FORECAST}, {"name": "alarm", "input_schema": FORECAST}]

    def use_tool(self, model, text, stream):
        messages = [{"role": "user", "content": text}]
        said = self.send(model, messages, stream, tools=self.tools)
        messages.append({"role": "assistant", "content": [
            {"type": "tool_use", "id": id, "name": name, "input": arguments} for id, name, arguments in said.calls]})
        messages.append({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": f"sunny by {name}"} for id, name, _ in said.calls]})
        return said, self.send(model, messages, stream, tools=self.tools)

    def see(self, model, text):
        data = base64.b64encode(PICTURE).decode()
        return self.ask(model, [
            {"type": "text", "text": text},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}])

    def fill_in(self, model, text):
        return self.ask(model, text, extra_body={"output_config": {"format": {"type": "json_schema", "schema": PERSON}}})

    def list_models(self):
        return {model.id for model in self.sdk.models.list()}

    def count(self, model, text):
        return self.sdk.messages.count_tokens(model=model, messages=[{"role": "user", "content": text}]).input_tokens


class Gemini:
    name = "gemini"
    version = genai.__version__
    errors = {400: genai_errors.ClientError, 401: genai_errors.ClientError, 404: genai_errors.ClientError,
              429: genai_errors.ClientError, 500: genai_errors.ServerError, 503: genai_errors.ServerError}
    broken = (Exception,)
    shows_fields = True

    def __init__(self, url, key):
        self.sdk = genai.Client(api_key=key, http_options=types.HttpOptions(
            base_url=url, timeout=20_000, client_args={"limits": POOL}))

    def ask(self, model, text, stream=False, **config):
        return self.send(model, text, stream, **config)

    def send(self, model, contents, stream=False, **config):
        config = types.GenerateContentConfig(**config)
        said = Said()
        if stream:
            parts = list(self.sdk.models.generate_content_stream(model=model, contents=contents, config=config))
        else:
            parts = [self.sdk.models.generate_content(model=model, contents=contents, config=config)]
        self.last = [part for each in parts for part in each.candidates[0].content.parts or []]
        for part in self.last:
            said.text += part.text or ""
            if part.function_call:
                said.calls.append((part.function_call.id, part.function_call.name, part.function_call.args))
        usage = parts[-1].usage_metadata
        said.input = usage.prompt_token_count
        said.output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        reason = parts[-1].candidates[0].finish_reason
        if reason == types.FinishReason.STOP:
            said.finish = "calls" if said.calls else "stop"
        return said

    def begin(self, model, text):
        parts = self.sdk.models.generate_content_stream(model=model, contents=text)
        next(parts)
        return parts.close

    tools = [types.Tool(function_declarations=[
        types.FunctionDeclaration(name="forecast", parameters_json_schema=FORECAST),
        types.FunctionDeclaration(name="alarm", parameters_json_schema=FORECAST)])]

    def use_tool(self, model, text, stream):
        contents = [types.Content(role="user", parts=[types.Part(text=text)])]
        said = self.send(model, contents, stream, tools=self.tools)
        contents.append(types.Content(role="model", parts=[part for part in self.last if part.function_call]))
        contents.append(types.Content(role="user", parts=[
            types.Part(function_response=types.FunctionResponse(id=id, name=name, response={"result": f"sunny by {name}"}))
            for id, name, _ in said.calls]))
        return said, self.send(model, contents, stream, tools=self.tools)

    def see(self, model, text):
        return self.ask(model, [text, types.Part.from_bytes(data=PICTURE, mime_type="image/png")])

    def fill_in(self, model, text):
        return self.ask(model, text, response_mime_type="application/json", response_json_schema=PERSON)

    def list_models(self):
        return {model.name.removeprefix("models/") for model in self.sdk.models.list()}

    def embed(self, model, texts):
        # Plain texts would be parts of one content where the model's name says Gemini.
        contents = [types.Content(parts=[types.Part(text=text)]) for text in texts]
        answer = self.sdk.models.embed_content(
            model=model, contents=contents, config=types.EmbedContentConfig(output_dimensionality=3))
        return [each.values for each in answer.embeddings]

    def count(self, model, text):
        return self.sdk.models.count_tokens(model=model, contents=text).total_tokens


class Ollama:
    name = "ollama"
    version = "0.6" if not hasattr(ollama, "__version__") else ollama.__version__
    errors = dict.fromkeys((400, 401, 404, 429, 500, 503), ollama.ResponseError)
    broken = (Exception,)
    shows_fields = False

    def __init__(self, url, key):
        self.sdk = ollama.Client(host=url, headers={"authorization": f"Bearer {key}"}, timeout=20, limits=POOL)

    def ask(self, model, text, stream=False, **more):
        return self.send(model, [{"role": "user", "content": text}], stream, **more)

    def send(self, model, messages, stream=False, **more):
        if stream:
            parts = list(self.sdk.chat(model=model, messages=messages, stream=True, **more))
        else:
            parts = [self.sdk.chat(model=model, messages=messages, **more)]
        said = Said("".join(part.message.content or "" for part in parts))
        said.calls = [(None, call.function.name, dict(call.function.arguments))
                      for part in parts for call in part.message.tool_calls or []]
        said.input, said.output = parts[-1].prompt_eval_count, parts[-1].eval_count
        if parts[-1].done:
            said.finish = "calls" if said.calls else parts[-1].done_reason
        return said

    def begin(self, model, text):
        parts = self.sdk.chat(model=model, messages=[{"role": "user", "content": text}], stream=True)
        next(parts)
        return parts.close

    tools = OpenAI.tools

    def use_tool(self, model, text, stream):
        messages = [{"role": "user", "content": text}]
        said = self.send(model, messages, stream, tools=self.tools)
        messages.append({"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": name, "arguments": arguments}} for _, name, arguments in said.calls]})
        messages += [{"role": "tool", "tool_name": name, "content": f"sunny by {name}"} for _, name, _ in said.calls]
        return said, self.send(model, messages, stream, tools=self.tools)

    def see(self, model, text):
        return self.send(model, [{"role": "user", "content": text, "images": [PICTURE]}])

    def fill_in(self, model, text):
        return self.ask(model, text, format=PERSON)

    def list_models(self):
        return {model.model for model in self.sdk.list().models}

    def embed(self, model, texts):
        return [list(each) for each in self.sdk.embed(model=model, input=texts, dimensions=3).embeddings]


DIALECTS = [OpenAI, Responses, Anthropic, Gemini, Ollama]
