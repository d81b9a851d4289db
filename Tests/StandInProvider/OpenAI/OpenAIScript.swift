import HTTPWire

/// How one model name answers chat completions: everything that does not depend on the call, built once.
final class OpenAIScript {
    let behaviour: Behaviour
    /// As it stands between quotes in JSON.
    let model: [UInt8]
    private let plainStart: [UInt8]
    private let chunkStart: [UInt8]

    private static let idStart: StaticString = #"{"id":"chatcmpl-"#
    private static let plainEnd: StaticString =
        #"","refusal":null},"logprobs":null,"finish_reason":"stop"}]"#
    private static let afterUsage: StaticString =
        #","service_tier":"default","system_fingerprint":"fp_standin"}"#
    private static let leadStart: StaticString = "You said: "
    /// Text to fill answers with; repeated as often as needed.
    private static let filler: StaticString =
        " the stand-in provider answers at once and always says the same thing to the same question, so that"

    init(behaviour: Behaviour, model: UnsafeRawBufferPointer) {
        self.behaviour = behaviour
        self.model = [UInt8](model)
        let name = String(decoding: model, as: UTF8.self)
        plainStart = Array(
            (#"","object":"chat.completion","created":1700000000,"model":"\#(name)","#
                + #""choices":[{"index":0,"message":{"role":"assistant","content":""#).utf8)
        chunkStart = Array(
            (#"","object":"chat.completion.chunk","created":1700000000,"model":"\#(name)","#
                + #""service_tier":"default","system_fingerprint":"fp_standin","choices":["#).utf8)
    }

    // MARK: Plain answers

    /// Appends the body of a plain answer; returns its completion tokens.
    func writePlain(_ call: OpenAICall, to output: inout GrowableBytes) -> Int {
        if behaviour.isMalformed {
            output.append(#"{"id":"chatcmpl-broken","object": oops}"#)
            return 0
        }
        var fill = plainFill
        if let wanted = behaviour.bytes {
            // Everything but the text to fill in has this size, give or take a digit of the counts.
            var probe = GrowableBytes()
            writePlain(call, fill: 0, to: &probe)
            fill = max(0, wanted - probe.count)
        }
        output.reserve(fill + 1024)
        writePlain(call, fill: fill, to: &output)
        return Self.tokens(contentBytes(call, fill: fill))
    }

    private func writePlain(_ call: OpenAICall, fill: Int, to output: inout GrowableBytes) {
        output.append(Self.idStart)
        output.append(hexadecimal: call.fingerprint)
        output.append(plainStart)
        writeLead(call, to: &output)
        Self.writeFiller(0..<fill, to: &output)
        output.append(Self.plainEnd)
        let tokens = Self.tokens(contentBytes(call, fill: fill))
        writeUsage(call.promptTokens, tokens, to: &output)
        output.append(Self.afterUsage)
    }

    // MARK: Streams

    /// Pieces of content in a stream, the first of which repeats the prompt.
    var contentChunks: Int { behaviour.chunks ?? 8 }

    private var streamFill: Int { behaviour.bytes ?? plainFill }

    /// Six bytes a chunk, unless the name says how much.
    private var plainFill: Int { 6 * (contentChunks - 1) }

    func streamTokens(_ call: OpenAICall) -> Int { Self.tokens(contentBytes(call, fill: streamFill)) }

    func writeRoleEvent(_ call: OpenAICall, to output: inout GrowableBytes) {
        writeChunk(call, to: &output) {
            $0.append(#"{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"#)
            $0.append(#""logprobs":null,"finish_reason":null}"#)
        }
    }

    func writeContentEvent(_ index: Int, _ call: OpenAICall, to output: inout GrowableBytes) {
        let fill = streamFill
        let pieces = max(1, contentChunks - 1)
        writeChunk(call, to: &output) { output in
            output.append(#"{"index":0,"delta":{"content":""#)
            if index == 0 {
                writeLead(call, to: &output)
                if contentChunks == 1 { Self.writeFiller(0..<fill, to: &output) }
            } else {
                Self.writeFiller(
                    (fill * (index - 1) / pieces)..<(fill * index / pieces), to: &output)
            }
            output.append(#""},"logprobs":null,"finish_reason":null}"#)
        }
    }

    func writeFinishEvent(_ call: OpenAICall, to output: inout GrowableBytes) {
        writeChunk(call, to: &output) {
            $0.append(#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}"#)
        }
    }

    /// The last event before the terminator, when the caller asked for it; false when this model has none.
    func writeUsageEvent(_ call: OpenAICall, to output: inout GrowableBytes) -> Bool {
        guard call.includesUsage, behaviour.usage != .none else { return false }
        output.append("data: ")
        output.append(Self.idStart)
        output.append(hexadecimal: call.fingerprint)
        output.append(chunkStart)
        output.append("]")
        writeUsage(call.promptTokens, streamTokens(call), to: &output)
        output.append("}\n\n")
        return true
    }

    static let terminator: StaticString = "data: [DONE]\n\n"
    static let malformedEvent: StaticString = "data: {\"id\": oops}\n\n"
    static let errorEvent: StaticString =
        "data: {\"error\":{\"message\":\"The stand-in broke\",\"type\":\"server_error\",\"code\":null}}\n\n"

    private func writeChunk(
        _ call: OpenAICall, to output: inout GrowableBytes, _ choice: (inout GrowableBytes) -> Void
    ) {
        output.append("data: ")
        output.append(Self.idStart)
        output.append(hexadecimal: call.fingerprint)
        output.append(chunkStart)
        choice(&output)
        output.append(call.includesUsage ? "],\"usage\":null}\n\n" : "]}\n\n")
    }

    // MARK: Parts

    private func writeLead(_ call: OpenAICall, to output: inout GrowableBytes) {
        output.append(Self.leadStart)
        output.append(call.echo)
        output.append(".")
    }

    private static func writeFiller(_ range: Range<Int>, to output: inout GrowableBytes) {
        let pattern = UnsafeRawBufferPointer(start: filler.utf8Start, count: filler.utf8CodeUnitCount)
        var position = range.lowerBound
        while position < range.upperBound {
            let start = position % pattern.count
            let count = min(pattern.count - start, range.upperBound - position)
            output.append(UnsafeRawBufferPointer(rebasing: pattern[start..<(start + count)]))
            position += count
        }
    }

    private func writeUsage(_ prompt: Int, _ completion: Int, to output: inout GrowableBytes) {
        switch behaviour.usage {
        case .none: return
        case .null: return output.append(#","usage":null"#)
        case .hostile:
            return output.append(
                #","usage":{"prompt_tokens":-5,"completion_tokens":1e308,"total_tokens":99e99}"#)
        case .honest: break
        }
        output.append(#","usage":{"prompt_tokens":"#)
        output.append(decimal: prompt)
        output.append(#","completion_tokens":"#)
        output.append(decimal: completion)
        output.append(#","total_tokens":"#)
        output.append(decimal: prompt + completion)
        output.append(#","prompt_tokens_details":{"cached_tokens":0},"#)
        output.append(#""completion_tokens_details":{"reasoning_tokens":0}}"#)
    }

    /// Bytes of the answer's text as it stands in JSON.
    private func contentBytes(_ call: OpenAICall, fill: Int) -> Int {
        Self.leadStart.utf8CodeUnitCount + call.echo.count + 1 + fill
    }

    /// Four bytes a token, rounded up.
    private static func tokens(_ bytes: Int) -> Int { (bytes + 3) / 4 }
}
