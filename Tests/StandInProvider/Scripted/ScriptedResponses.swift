import JSONText

/// OpenAI's Responses API.
enum ScriptedResponses {
    static func parse(_ body: JSONValue) throws(ScriptedFailure) -> ScriptedCall {
        guard let model = body["model"]?.string, let input = body["input"] else {
            throw ScriptedFailure(400, "Missing required parameter: 'input'.")
        }
        var call = ScriptedCall()
        call.model = model
        call.isStream = body["stream"]?.boolean ?? false
        call.promptBytes = input.bytes.count
        call.text = input.string ?? ""
        let items = input.array ?? []
        call.results = items.reversed().prefix { $0["type"]?.string == "function_call_output" }.reversed()
            .compactMap { $0["output"]?.string }
        if call.results.isEmpty, let content = items.last?["content"] {
            call.text = content.string ?? ""
            for part in content.array ?? [] {
                call.text += part["text"]?.string ?? ""
                if let url = part["image_url"]?.string { call.addPicture(url: url) }
            }
        }
        for tool in body["tools"]?.array ?? [] {
            call.tools.append(
                ScriptedCall.Tool(name: tool["name"]?.string ?? "", schema: tool["parameters"] ?? [:]))
        }
        call.schema = body["text"]?["format"]?["schema"]
        return call
    }

    private static func response(
        _ answer: ScriptedAnswer, _ call: ScriptedCall, _ output: [JSONValue], isDone: Bool
    ) -> JSONValue {
        let usage: JSONValue = [
            "input_tokens": ScriptedDialect.number(answer.promptTokens),
            "input_tokens_details": ["cached_tokens": ScriptedDialect.number(answer.cachedTokens)],
            "output_tokens": ScriptedDialect.number(answer.completionTokens),
            "output_tokens_details": ["reasoning_tokens": ScriptedDialect.number(answer.reasoningTokens)],
            "total_tokens": ScriptedDialect.number(answer.promptTokens + answer.completionTokens),
        ]
        return [
            "id": "resp_standin", "object": "response", "created_at": 1_700_000_000,
            "status": isDone ? "completed" : "in_progress", "error": nil, "incomplete_details": nil,
            "instructions": nil, "metadata": [:], "model": .string(call.model), "output": .array(output),
            "parallel_tool_calls": true, "temperature": 1, "tool_choice": "auto", "tools": [], "top_p": 1,
            "usage": isDone ? usage : .null,
        ]
    }

    private static func output(_ answer: ScriptedAnswer) -> [JSONValue] {
        if answer.calls.isEmpty {
            return [
                [
                    "id": "msg_standin", "type": "message", "status": "completed", "role": "assistant",
                    "content": [["type": "output_text", "text": .string(answer.text), "annotations": []]],
                ]
            ]
        }
        return answer.calls.map { made in
            [
                "id": .string("fc_" + made.id), "type": "function_call", "status": "completed",
                "call_id": .string(made.id), "name": .string(made.name),
                "arguments": .string(made.arguments.text),
            ]
        }
    }

    static func plain(_ answer: ScriptedAnswer, _ call: ScriptedCall) -> JSONValue {
        response(answer, call, output(answer), isDone: true)
    }

    static func stream(_ answer: ScriptedAnswer, _ call: ScriptedCall) -> ScriptedDialect.Stream {
        var frames: [[UInt8]] = []
        func send(_ type: String, _ members: JSONValue) {
            var event = JSONObject()
            event["type"] = .string(type)
            event["sequence_number"] = ScriptedDialect.number(frames.count)
            for member in members.object?.members ?? [] { event[member.name] = member.value }
            frames.append(ScriptedDialect.event(.object(event), named: type))
        }
        send("response.created", ["response": response(answer, call, [], isDone: false)])
        for (index, item) in output(answer).enumerated() {
            let number = ScriptedDialect.number(index)
            let id = item["id"] ?? .null
            var begun = item.object ?? JSONObject()
            begun["status"] = "in_progress"
            if item["type"]?.string == "message" {
                begun["content"] = []
                send("response.output_item.added", ["output_index": number, "item": .object(begun)])
                let part: JSONValue = ["type": "output_text", "text": "", "annotations": []]
                send(
                    "response.content_part.added",
                    ["item_id": id, "output_index": number, "content_index": 0, "part": part])
                for piece in answer.pieces {
                    send(
                        "response.output_text.delta",
                        [
                            "item_id": id, "output_index": number, "content_index": 0,
                            "delta": .string(piece), "logprobs": [],
                        ])
                }
            } else {
                begun["arguments"] = ""
                send("response.output_item.added", ["output_index": number, "item": .object(begun)])
                send(
                    "response.function_call_arguments.delta",
                    ["item_id": id, "output_index": number, "delta": item["arguments"] ?? .null])
            }
            send("response.output_item.done", ["output_index": number, "item": item])
        }
        send("response.completed", ["response": response(answer, call, output(answer), isDone: true)])
        return (frames, 1)
    }
}
