import EventLoops
import HTTPServing
import HTTPWire
import JSONText
import Transport

/// One generation in any dialect: read, decide by the model's name, answer, count.
struct ScriptedExchange {
    let standIn: StandIn
    let exchange: Exchange
    let dialect: ScriptedDialect
    /// From the path, in dialects that put them there.
    var model = ""
    var isStream = false

    func answer() async throws(TransportError) {
        if let failure = refusal() { return try await fail(failure) }
        let body: UnsafeRawBufferPointer
        do {
            body = try await exchange.readBody(limit: standIn.options.maximumBodyBytes)
        } catch { return }
        try await answer(body)
    }

    /// With the body at hand and the caller known.
    func answer(_ body: UnsafeRawBufferPointer) async throws(TransportError) {
        let limits = JSONLimits(maximumBytes: max(1, body.count), maximumValues: 1_000_000)
        guard let value = try? JSONValue.parse(body, limits: limits) else {
            return try await fail(ScriptedFailure(400, "The body is not JSON."))
        }
        let call: ScriptedCall
        do throws(ScriptedFailure) {
            call = try dialect.parse(value, model: model, isStream: isStream)
        } catch { return try await fail(error) }
        guard let behaviour = Behaviour(model: call.model) else {
            return try await fail(ScriptedFailure(404, "model '\(call.model)' not found"))
        }
        if dialect == .bedrock, let failure = ScriptedBedrock.refusal(exchange, body: body) {
            return try await fail(failure)
        }
        standIn.totals.add(.calls)
        try await perform(call, behaviour)
    }

    /// Why the caller is turned away; the key stands where the dialect's clients put it.
    private func refusal() -> ScriptedFailure? {
        let bearer = exchange.fieldText(.authorization).map {
            $0.split(separator: " ").last.map(String.init) ?? ""
        }
        let expected = standIn.options.apiKey
        switch dialect {
        case .anthropic:
            guard exchange.fieldText(.anthropicVersion) != nil else {
                return ScriptedFailure(400, "anthropic-version: header is required")
            }
            guard let key = exchange.fieldText(.xAPIKey) ?? bearer, expected == nil || key == expected else {
                return ScriptedFailure(401, "invalid x-api-key")
            }
        case .gemini:
            guard let key = exchange.fieldText(.xGoogAPIKey) else {
                return ScriptedFailure(403, "Method doesn't allow unregistered callers.")
            }
            if let expected, key != expected {
                return ScriptedFailure(400, "API key not valid. Please pass a valid API key.")
            }
        case .vertex:
            guard bearer?.hasPrefix(ScriptedTokens.prefix) == true else {
                return ScriptedFailure(401, "Request had invalid authentication credentials.")
            }
        case .bedrock: break  // signed over the body, which is not here yet
        case .ollama, .openAI, .responses:
            if let expected, bearer != expected { return ScriptedFailure(401, "unauthorized") }
        }
        return nil
    }

    private func fail(_ failure: ScriptedFailure) async throws(TransportError) {
        standIn.totals.add(.errors)
        try await exchange.respond(
            status: failure.status, fields: dialect.errorFields(failure),
            body: dialect.errorBody(failure).bytes)
    }

    private func perform(_ call: ScriptedCall, _ behaviour: Behaviour) async throws(TransportError) {
        if behaviour.delay > 0 { await pause(behaviour.delay) }
        if behaviour.isHanging {
            // Until the client gives up.
            _ = try? await exchange.connection.fill()
            throw .aborted
        }
        if behaviour.isReset { return breakOff() }
        if let status = behaviour.errorStatus {
            return try await fail(ScriptedFailure(status, "The stand-in was asked for \(status)."))
        }
        let answer = ScriptedAnswer(call, behaviour)
        if call.isStream {
            try await stream(call, answer, behaviour)
        } else {
            try await plain(call, answer, behaviour)
        }
    }

    private func plain(
        _ call: ScriptedCall, _ answer: ScriptedAnswer, _ behaviour: Behaviour
    ) async throws(TransportError) {
        let scratch = standIn.takeScratch()
        defer { standIn.give(scratch) }
        if behaviour.isMalformed {
            scratch.body.append(#"{"id":"broken","object": oops}"#)
        } else {
            scratch.body.append(dialect.plain(answer, call, behaviour.usage).bytes)
        }
        let keepsAlive = exchange.canKeepAlive && !behaviour.isLyingAboutLength
        scratch.head.beginResponse(status: 200)
        scratch.head.field("content-type", "application/json; charset=utf-8")
        scratch.head.field(
            "content-length", number: scratch.body.count + (behaviour.isLyingAboutLength ? 100 : 0))
        if !keepsAlive { scratch.head.field("connection", "close") }
        guard let head = scratch.head.finish() else { return }
        if behaviour.isCut {
            let half = UnsafeRawBufferPointer(rebasing: scratch.body.view[..<(scratch.body.count / 2)])
            try await exchange.sendRaw(head, half)
            return breakOff()
        }
        try await exchange.sendRaw(head, scratch.body.view)
        if behaviour.isLyingAboutLength { return breakOff() }
        exchange.markResponded(keepAlive: keepsAlive)
        standIn.totals.addAnswer(
            prompt: answer.promptTokens, completion: answer.completionTokens, isStream: false)
    }

    private func stream(
        _ call: ScriptedCall, _ answer: ScriptedAnswer, _ behaviour: Behaviour
    ) async throws(TransportError) {
        let scratch = standIn.takeScratch()
        defer { standIn.give(scratch) }
        var (frames, closing) = dialect.stream(answer, call, behaviour.usage)
        if behaviour.isWithoutDone { frames.removeLast(closing) }
        try await exchange.startStreaming(
            status: 200, fields: ["content-type": dialect.streamType, "cache-control": "no-cache"])
        for (index, frame) in frames.enumerated() {
            if behaviour.gap > 0 { await pause(behaviour.gap) }
            if index == frames.count / 2 {
                if behaviour.isCut { return breakOff() }
                if behaviour.hasErrorEvent || behaviour.isMalformed {
                    let last =
                        behaviour.hasErrorEvent
                        ? dialect.errorFrame("The stand-in broke") : dialect.malformedFrame
                    standIn.totals.add(.broken)
                    try await send(last, scratch)
                    return try await exchange.finish()
                }
            }
            try await send(frame, scratch)
        }
        try await exchange.finish()
        guard !behaviour.isWithoutDone else { return }
        standIn.totals.addAnswer(
            prompt: answer.promptTokens, completion: answer.completionTokens, isStream: true)
    }

    private func send(_ frame: [UInt8], _ scratch: StandIn.Scratch) async throws(TransportError) {
        scratch.body.removeAll()
        scratch.body.append(frame)
        try await exchange.write(scratch.body.view)
    }

    private func breakOff() {
        standIn.totals.add(.broken)
        exchange.connection.close()
    }

    private func pause(_ milliseconds: Int) async {
        await standIn.loop.sleep(nanoseconds: Int64(milliseconds) * 1_000_000)
    }
}
