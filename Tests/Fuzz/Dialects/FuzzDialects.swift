import CFuzzDriver
import Dialects
import JSONText

/// Throws bytes at what reads clients and providers in every dialect and checks what must hold for all
/// bytes: no trap, the same answer however a stream is cut, no end that was not said, and only JSON out.
///
/// The first byte of an input chooses the machine, the second where the rest is cut in two, the third the
/// pair of dialects.
@_cdecl("FuzzDialects_main")
func fuzzMain(_ argc: Int32, _ argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
    var argc = argc
    var argv = argv
    return LLVMFuzzerRunDriver(&argc, &argv) { data, size in
        guard let data, size >= 3 else { return 0 }
        let bytes = UnsafeRawBufferPointer(start: data + 3, count: size - 3)
        let cut = Int(data[1]) * bytes.count / 256
        switch data[0] % 5 {
        case 0, 1: fuzzTranslation(bytes, cut, choice: Int(data[2]))
        case 2: fuzzChatStream(bytes, cut, wantsUsage: data[2] & 1 == 1)
        case 3: fuzzCalls(bytes)
        default: fuzzAnswers(bytes)
        }
        return 0
    }
}

private func require(_ holds: Bool, _ what: StaticString) {
    if !holds { fatalError(what.description) }
}

private let formats: [ProviderFormat] = [
    .openAIChat(.openAI), .openAIChat(.compatible), .anthropic(AnthropicStyle()), .gemini, .ollama,
    .openAIResponses,
]
private let forms: [CallForm] = [
    .openAIChat, .openAIResponses, .anthropic, .gemini(.events), .gemini(.array), .ollama(.chat),
    .ollama(.generate),
]
private let context = AnswerContext(id: "0123456789abcdef", model: "m", created: 1, wantsUsage: true)

private func isJSON(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { view in
        do throws(JSONError) {
            try validateJSON(view)
            return true
        } catch {
            // An answer wraps what it was given: what was as deep as may be is deeper then.
            return error.reason == .tooDeep
        }
    }
}

// MARK: Streams

private struct Carried: Equatable {
    var output: [UInt8] = []
    var ending = StreamTranslation.Ending.open
    var tokens: Int64 = 0
    var end: [UInt8] = []
}

private func fuzzTranslation(_ bytes: UnsafeRawBufferPointer, _ cut: Int, choice: Int) {
    let format = formats[choice % formats.count]
    let form = forms[choice / formats.count % forms.count]
    let whole = carry([bytes], from: format, to: form)
    let pieces = carry(
        [UnsafeRawBufferPointer(rebasing: bytes[..<cut]), UnsafeRawBufferPointer(rebasing: bytes[cut...])],
        from: format, to: form)
    require(whole == pieces, "a cut changes what a stream is carried over as")
}

private func carry(
    _ pieces: [UnsafeRawBufferPointer], from format: ProviderFormat, to form: CallForm
) -> Carried {
    var translation = StreamTranslation(from: format, to: form, context)
    var carried = Carried()
    for piece in pieces { translation.take(piece, to: &carried.output) }
    translation.takeEnd(to: &carried.output)
    carried.ending = translation.ending
    carried.tokens = translation.estimatedOutputTokens
    switch translation.ending {
    case .done: translation.finish(nanoseconds: 1, to: &carried.end)
    case .failed(let complaint): translation.fail(complaint, to: &carried.end)
    case .open, .tooLarge: break
    }
    // Half of a line end may have gone with the event before it.
    if format.isNative(to: form) {
        carried.output.removeAll { $0 == 10 || $0 == 13 }
        carried.end.removeAll { $0 == 10 || $0 == 13 }
    }
    return carried
}

private struct Watched: Equatable {
    var output: [UInt8] = []
    var kind = 0
    var tokens: Int64 = 0
}

private func fuzzChatStream(_ bytes: UnsafeRawBufferPointer, _ cut: Int, wantsUsage: Bool) {
    let whole = watch([bytes[...]], wantsUsage: wantsUsage)
    require(
        whole == watch([bytes[..<cut], bytes[cut...]], wantsUsage: wantsUsage),
        "a cut changes what is seen of a stream")
}

private func watch(_ pieces: [Slice<UnsafeRawBufferPointer>], wantsUsage: Bool) -> Watched {
    var stream = OpenAIChatStream(wantsUsage: wantsUsage)
    var watched = Watched()
    var window: [UInt8] = []
    for piece in pieces where stream.ending == .open {
        window += piece
        let left = window.withUnsafeMutableBytes { bytes in
            let forward = stream.take(bytes)
            require(forward >= 0 && forward <= bytes.count, "what goes on was there")
            watched.output += bytes[..<forward]
            return stream.dropForwarded(forward, from: bytes)
        }
        require(left >= 0 && left <= window.count, "what stays was there")
        window.removeLast(window.count - left)
    }
    require(stream.heldCount <= window.count, "what is held is there")
    watched.tokens = stream.estimatedOutputTokens
    watched.output.removeAll { $0 == 10 || $0 == 13 }
    watched.kind =
        switch stream.ending {
        case .open: 0
        case .done: 1
        case .providerError: 2
        case .malformed: 3
        }
    return watched
}

// MARK: Calls and answers in one piece

private func fuzzCalls(_ bytes: UnsafeRawBufferPointer) {
    _ = try? OpenAIChatRequest(parsing: bytes)
    _ = ProviderHints(bytes)
    guard let body = try? JSONValue.parse(bytes) else { return }
    var calls: [CanonicalCall] = []
    if let call = try? CanonicalCall(openAIChat: body) { calls.append(call) }
    if let call = try? CanonicalCall(anthropic: body) { calls.append(call) }
    if let call = try? CanonicalCall(gemini: body, model: "m", isStream: false) { calls.append(call) }
    if let call = try? CanonicalCall(ollamaChat: body) { calls.append(call) }
    if let call = try? CanonicalCall(ollamaGenerate: body) { calls.append(call) }
    if let call = try? CanonicalCall(openAIResponses: body) { calls.append(call) }
    for call in calls {
        for format in formats {
            guard let request = try? format.request(call, model: "m") else { continue }
            require(isJSON(request.bytes), "a provider is asked in JSON")
        }
    }
}

private func fuzzAnswers(_ bytes: UnsafeRawBufferPointer) {
    for status in [200, 400, 500] {
        if let error = OpenAIError(provider: bytes, status: status, secrets: ["sk-secret"]) {
            require(isJSON(error.body()), "an error is said in JSON")
        }
    }
    guard let body = try? JSONValue.parse(bytes) else { return }
    for format in formats {
        guard let answer = try? format.answer(body) else { continue }
        require(isJSON(answer.openAIChat(context).bytes), "OpenAI's answer is JSON")
        require(isJSON(answer.openAIResponses(context).bytes), "a response is JSON")
        require(isJSON(answer.anthropic(context).bytes), "Anthropic's answer is JSON")
        require(isJSON(answer.gemini(context).bytes), "Gemini's answer is JSON")
        require(isJSON(answer.ollama(context, .chat, nanoseconds: 1).bytes), "Ollama's answer is JSON")
    }
}
