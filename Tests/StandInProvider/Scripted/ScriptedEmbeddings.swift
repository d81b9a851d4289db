import EventLoops
import HTTPServing
import HTTPWire
import JSONText
import Transport

/// Embeddings in three dialects, and OpenAI's smaller endpoints: one answer each, the same for the same
/// input.
struct ScriptedEmbeddings {
    let standIn: StandIn
    let exchange: Exchange
    let path: String

    func answer() async throws(TransportError) {
        let body: UnsafeRawBufferPointer
        do {
            body = try await exchange.readBody(limit: standIn.options.maximumBodyBytes)
        } catch { return }
        if path.hasPrefix("/v1/audio/") { return try await answerAudio(body) }
        guard let value = try? JSONValue.parse(body, limits: JSONLimits(maximumBytes: 64 << 20)) else {
            return try await send(400, ["error": ["message": "The body is not JSON.", "code": 400]])
        }
        standIn.totals.add(.calls)
        switch path {
        case "/v1/moderations":
            try await send(
                200,
                ["id": "modr_standin", "model": value["model"] ?? .null, "results": [["flagged": false]]])
        case "/v1/images/generations":
            try await send(
                200,
                [
                    "created": 1_700_000_000, "data": [["b64_json": "aGVsbG8="]],
                    "usage": ["input_tokens": 12, "output_tokens": 40, "total_tokens": 52],
                ])
        case "/v1/completions": try await complete(value)
        default: try await embed(value)
        }
    }

    private func complete(_ value: JSONValue) async throws(TransportError) {
        let prompt = value["prompt"]?.string ?? ""
        let usage: JSONValue = [
            "prompt_tokens": tokens(prompt), "completion_tokens": 5,
            "total_tokens": ScriptedDialect.number(ScriptedAnswer.tokens(prompt.utf8.count) + 5),
        ]
        let choice: JSONValue = [
            "index": 0, "text": .string("You said: \(prompt)."), "finish_reason": "stop", "logprobs": nil,
        ]
        func frame(_ choices: [JSONValue], _ usage: JSONValue) -> JSONValue {
            [
                "id": "cmpl-standin", "object": "text_completion", "created": 1_700_000_000,
                "model": value["model"] ?? .null, "choices": .array(choices), "usage": usage,
            ]
        }
        standIn.totals.addAnswer(
            prompt: ScriptedAnswer.tokens(prompt.utf8.count), completion: 5,
            isStream: value["stream"]?.boolean ?? false)
        guard value["stream"]?.boolean == true else { return try await send(200, frame([choice], usage)) }
        try await exchange.startStreaming(status: 200, fields: ["content-type": "text/event-stream"])
        let scratch = standIn.takeScratch()
        defer { standIn.give(scratch) }
        scratch.body.append(ScriptedDialect.event(frame([choice], .null)))
        if value["stream_options"]?["include_usage"]?.boolean == true {
            scratch.body.append(ScriptedDialect.event(frame([], usage)))
        }
        scratch.body.append("data: [DONE]\n\n")
        try await exchange.write(scratch.body.view)
        try await exchange.finish()
    }

    private func embed(_ value: JSONValue) async throws(TransportError) {
        var inputs = value["input"]?.string.map { [$0] } ?? (value["input"]?.array ?? []).compactMap(\.string)
        let dimensions =
            value["dimensions"] ?? value["requests"]?[0]?["outputDimensionality"]
            ?? value["parameters"]?["outputDimensionality"]
        inputs += (value["instances"]?.array ?? []).compactMap { $0["content"]?.string }
        for one in value["requests"]?.array ?? [] {
            guard one["model"]?.string == "models/stand-in" else {
                return try await send(
                    400, ["error": ["message": "model in the request is another", "code": 400]])
            }
            inputs.append(one["content"]?["parts"]?[0]?["text"]?.string ?? "")
        }
        let count = Int(dimensions?.exactInt64 ?? 4)
        let vectors = inputs.map { input -> JSONValue in
            .array(
                (0..<count).map {
                    .number(JSONNumber(Double(input.utf8.count) + Double($0) / 4) ?? JSONNumber(0))
                })
        }
        let total = inputs.reduce(0) { $0 + ScriptedAnswer.tokens($1.utf8.count) }
        standIn.totals.addAnswer(prompt: total, completion: 0, isStream: false)
        switch path {
        case "/api/embed":
            try await send(
                200,
                [
                    "model": "stand-in", "embeddings": .array(vectors),
                    "prompt_eval_count": ScriptedDialect.number(total),
                ])
        case "/v1/embeddings":
            let data = vectors.enumerated().map { index, vector -> JSONValue in
                ["object": "embedding", "index": ScriptedDialect.number(index), "embedding": vector]
            }
            try await send(
                200,
                [
                    "object": "list", "data": .array(data), "model": value["model"] ?? .null,
                    "usage": [
                        "prompt_tokens": ScriptedDialect.number(total),
                        "total_tokens": ScriptedDialect.number(total),
                    ],
                ])
        case _ where path.hasSuffix(":predict"):
            let predictions = zip(inputs, vectors).map { input, vector -> JSONValue in
                ["embeddings": ["values": vector, "statistics": ["token_count": tokens(input)]]]
            }
            try await send(200, ["predictions": .array(predictions)])
        default: try await send(200, ["embeddings": .array(vectors.map { ["values": $0] })])
        }
    }

    /// Speech gives bytes; what is heard is told by the size of the form.
    private func answerAudio(_ body: UnsafeRawBufferPointer) async throws(TransportError) {
        standIn.totals.add(.calls)
        if path == "/v1/audio/speech" {
            return try await exchange.respond(
                status: 200, fields: ["content-type": "audio/mpeg"], body: Array("ID3 a sound".utf8))
        }
        let form = String(decoding: body, as: UTF8.self)
        guard form.contains("name=\"model\"\r\n\r\nstand-in\r\n") else {
            return try await send(400, ["error": ["message": "the form names another model"]])
        }
        try await send(
            200,
            [
                "text": .string("I heard a form of \(body.count) bytes."),
                "usage": ["type": "tokens", "input_tokens": 14, "output_tokens": 9, "total_tokens": 23],
            ])
    }

    private func tokens(_ text: String) -> JSONValue {
        ScriptedDialect.number(ScriptedAnswer.tokens(text.utf8.count))
    }

    private func send(_ status: Int, _ value: JSONValue) async throws(TransportError) {
        try await exchange.respond(
            status: status, fields: ["content-type": "application/json"], body: value.bytes)
    }
}
