import JSONText

/// Reads along with an answer that is passed on as it is, for what it says of usage in the provider's own
/// format. Bounded: of a long answer that is no stream nothing is learned. Pure.
package struct UsageSniffer {
    private static let maximumBytes = 4 << 20

    private enum Shape {
        case nothing
        case whole
        case stream(StreamTranslation)
    }

    private let format: ProviderFormat
    private var shape: Shape
    private var bytes: [UInt8] = []
    /// What the stream would be for a client; of no use to anybody.
    private var output: [UInt8] = []

    /// - Parameter type: the answer's media type.
    package init(_ format: ProviderFormat, type: String?) {
        self.format = format
        let word = (type ?? "").prefix { $0 != ";" && $0 != " " }.lowercased()
        let form: CallForm
        switch format {
        case .openAIChat, .vertexPredictions: form = .openAIChat
        case .openAIResponses: form = .openAIResponses
        // Of Bedrock's nothing goes back as it came; any form does for reading.
        case .anthropic, .bedrock: form = .anthropic
        case .gemini: form = .gemini(.events)
        case .ollama: form = .ollama(.chat)
        }
        switch word {
        case "application/json": shape = .whole
        case "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream":
            shape = .stream(
                StreamTranslation(from: format, to: form, AnswerContext(id: "", model: "", created: 0)))
        default: shape = .nothing
        }
    }

    /// The next part of the content.
    package mutating func take(_ part: UnsafeRawBufferPointer) {
        switch shape {
        case .nothing: return
        case .whole:
            guard part.count <= Self.maximumBytes - bytes.count else {
                shape = .nothing
                bytes = []
                return
            }
            bytes.append(contentsOf: part)
        case .stream(var stream):
            shape = .nothing
            stream.take(part, to: &output)
            output.removeAll(keepingCapacity: true)
            shape = .stream(stream)
        }
    }

    /// What was said in all; nil when nothing was, or nothing that can be billed.
    package func usage() -> ReportedUsage? {
        switch shape {
        case .nothing: return nil
        case .stream(let stream): return stream.usage
        case .whole:
            let limits = JSONLimits(maximumBytes: max(1, bytes.count), maximumValues: 1_000_000)
            guard let whole = try? JSONValue.parse(bytes, limits: limits) else { return nil }
            // Gemini's streams may come as one array; the last frame has the sums.
            let value = whole.array?.last ?? whole
            if let answer = try? format.answer(value), let usage = answer.usage { return usage }
            if let usage = (try? format.embeddings(value))?.usage { return usage }
            if case .openAIChat = format { return ReportedUsage(openAIResponses: value["usage"]) }
            return nil
        }
    }
}
