import Domain
package import JSONText

/// A wish for embeddings free of any dialect.
package struct CanonicalEmbedding: Sendable, Equatable {
    /// In the order they were given, which is the order of the answer.
    package var inputs: [String]
    package var dimensions: Int64?
    /// The caller wants OpenAI's base64 of little-endian floats instead of numbers.
    package var wantsBase64 = false
    /// What only Gemini knows, for Gemini: the purpose and the title.
    package var geminiOptions = JSONObject()
}

/// The shapes in which embeddings are asked for.
package enum EmbeddingForm: Sendable, Equatable {
    case openAI
    case geminiOne
    case geminiMany
    case ollama

    package var dialect: ClientDialect {
        switch self {
        case .openAI: .openAI
        case .geminiOne, .geminiMany: .gemini
        case .ollama: .ollama
        }
    }

    package func read(_ body: JSONValue) throws(RequestProblem) -> CanonicalEmbedding {
        var request = try RequestReader(body)
        switch self {
        case .openAI, .ollama:
            if let elements = request.value("input")?.array, elements.first.map({ $0.string == nil }) ?? true
            {
                throw .unsupported("input", "this model's provider takes texts, not tokens")
            }
            let inputs = try request.texts("input")
            guard !inputs.isEmpty else { throw .missing("input") }
            let format = try request.text("encoding_format")
            return CanonicalEmbedding(
                inputs: inputs, dimensions: try request.count("dimensions"), wantsBase64: format == "base64")
        case .geminiOne:
            let (text, dimensions) = try Self.geminiText(&request)
            return CanonicalEmbedding(
                inputs: [text], dimensions: dimensions, geminiOptions: try Self.geminiOptions(&request))
        case .geminiMany:
            guard let list = try request.list("requests"), !list.isEmpty else { throw .missing("requests") }
            var result = CanonicalEmbedding(inputs: [])
            for (index, value) in list.enumerated() {
                var one = try RequestReader(value, at: "requests.\(index)")
                let (text, dimensions) = try Self.geminiText(&one)
                result.inputs.append(text)
                result.dimensions = result.dimensions ?? dimensions
                result.geminiOptions = try Self.geminiOptions(&one)
            }
            return result
        }
    }

    private static func geminiOptions(_ request: inout RequestReader) throws(RequestProblem) -> JSONObject {
        var options = JSONObject()
        options["taskType"] = try request.text("taskType", "task_type").map { .string($0) }
        options["title"] = try request.text("title").map { .string($0) }
        return options
    }

    private static func geminiText(
        _ request: inout RequestReader
    ) throws(RequestProblem) -> (text: String, dimensions: Int64?) {
        guard var content = try request.object("content") else { throw .missing(request.place("content")) }
        var texts: [String] = []
        for (index, value) in (try content.list("parts") ?? []).enumerated() {
            var part = try RequestReader(value, at: content.place("parts.\(index)"))
            texts.append(try part.requiredText("text"))
        }
        return (
            texts.joined(separator: "\n"), try request.count("outputDimensionality", "output_dimensionality")
        )
    }

    /// The answer to `call` in this shape.
    package func answer(
        _ answer: EmbeddingAnswer, to call: CanonicalEmbedding, _ context: AnswerContext
    ) -> JSONValue {
        let input = answer.usage?.usage.input ?? 0
        switch self {
        case .openAI:
            let data = answer.vectors.enumerated().map { index, vector -> JSONValue in
                [
                    "object": "embedding", "index": .number(JSONNumber(index)),
                    "embedding": call.wantsBase64 ? .string(FloatBase64.encode(vector)) : vector,
                ]
            }
            return [
                "object": "list", "data": .array(data), "model": .string(context.model),
                "usage": [
                    "prompt_tokens": .number(JSONNumber(input)), "total_tokens": .number(JSONNumber(input)),
                ],
            ]
        case .geminiOne: return ["embedding": ["values": answer.vectors.first ?? []]]
        case .geminiMany: return ["embeddings": .array(answer.vectors.map { ["values": $0] })]
        case .ollama:
            return [
                "model": .string(context.model), "embeddings": .array(answer.vectors),
                "prompt_eval_count": .number(JSONNumber(input)),
            ]
        }
    }
}

/// What a provider made of it.
package struct EmbeddingAnswer: Sendable {
    /// Arrays of numbers, as they were written.
    package var vectors: [JSONValue]
    package var usage: ReportedUsage?
}

extension ProviderFormat {
    /// Whether embeddings asked for in this shape can be passed on as they are.
    package func isNative(to form: EmbeddingForm) -> Bool {
        switch (self, form) {
        case (.openAIChat, .openAI), (.ollama, .ollama): true
        // Gemini's requests name the model inside, and each may ask in its own way.
        default: false
        }
    }

    /// The request for the provider's model of this name. `path`: how Gemini calls the model.
    package func request(
        _ call: CanonicalEmbedding, model: String, path: String
    ) throws(RequestProblem) -> JSONValue {
        var body = JSONObject()
        let inputs = JSONValue.array(call.inputs.map { .string($0) })
        let dimensions: JSONValue? = call.dimensions.map { .number(JSONNumber($0)) }
        switch self {
        case .openAIChat:
            body["model"] = .string(model)
            body["input"] = inputs
            body["dimensions"] = dimensions
            body["encoding_format"] = "float"
        case .ollama:
            body["model"] = .string(model)
            body["input"] = inputs
            body["dimensions"] = dimensions
        case .gemini:
            body["requests"] = .array(
                call.inputs.map { input in
                    var one = JSONObject()
                    one["model"] = .string(path)
                    one["content"] = ["parts": [["text": .string(input)]]]
                    one["outputDimensionality"] = dimensions
                    for option in call.geminiOptions.members { one[option.name] = option.value }
                    return .object(one)
                })
        case .vertexPredictions:
            body["instances"] = .array(
                call.inputs.map { input in
                    var one = JSONObject()
                    one["content"] = .string(input)
                    one["task_type"] = call.geminiOptions["taskType"]
                    one["title"] = call.geminiOptions["title"]
                    return .object(one)
                })
            if let dimensions { body["parameters"] = ["outputDimensionality": dimensions] }
        case .anthropic, .bedrock, .openAIResponses:
            throw .unsupported("input", "this model's provider makes no embeddings")
        }
        return .object(body)
    }

    package func embeddings(_ body: JSONValue) throws(ProviderComplaint) -> EmbeddingAnswer {
        if let error = body["error"], !error.isNull { throw OpenAIComplaint.read(error) }
        switch self {
        case .openAIChat, .openAIResponses:
            guard let data = body["data"]?.array else { break }
            return EmbeddingAnswer(
                vectors: data.map { $0["embedding"] ?? [] },
                usage: ReportedUsage(embedding: body["usage"], "prompt_tokens"))
        case .ollama:
            guard let vectors = body["embeddings"]?.array else { break }
            return EmbeddingAnswer(
                vectors: vectors, usage: ReportedUsage(embedding: body, "prompt_eval_count"))
        case .gemini:
            guard let list = body["embeddings"]?.array ?? body["embedding"].map({ [$0] }) else { break }
            return EmbeddingAnswer(
                vectors: list.map { $0["values"] ?? [] },
                usage: ReportedUsage(embedding: body["usageMetadata"], "promptTokenCount"))
        case .vertexPredictions:
            guard let list = body["predictions"]?.array else { break }
            let counts = list.map { $0["embeddings"]?["statistics"]?["token_count"]?.exactInt64 }
            let total = counts.reduce(0) { $0 + ($1 ?? 0) }
            return EmbeddingAnswer(
                vectors: list.map { $0["embeddings"]?["values"] ?? [] },
                usage: counts.contains(nil)
                    ? nil : ReportedUsage(embedding: ["total": .number(JSONNumber(total))], "total"))
        case .anthropic, .bedrock: break
        }
        throw ProviderComplaint(message: "The provider's answer has no embeddings.")
    }
}

extension ReportedUsage {
    /// Embeddings are read alone: there is no output to count.
    fileprivate init?(embedding object: JSONValue?, _ name: String) {
        guard let object else { return nil }
        var figures = UsageFigures(object)
        guard let report = figures.report(input: figures.figure(name), output: 0), report.hasInput else {
            return nil
        }
        self = report
    }
}

/// OpenAI's other way to write an embedding: base64 of little-endian 32-bit floats.
enum FloatBase64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func encode(_ vector: JSONValue) -> String {
        var bytes: [UInt8] = []
        for element in vector.array ?? [] {
            let pattern = Float(element.double ?? 0).bitPattern
            for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: pattern >> UInt32(shift))) }
        }
        return encode(bytes)
    }

    static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for (place, byte) in part.enumerated() { word |= UInt32(byte) << UInt32(16 - 8 * place) }
            for place in 0..<4 {
                let sextet = Int(word >> UInt32(18 - 6 * place) & 63)
                text.append(place <= part.count ? alphabet[sextet] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
