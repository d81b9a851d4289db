import EventLoops
import HTTPServing
import HTTPWire
import Transport

/// One chat completion call: read, decide by the model's name, answer, count.
struct OpenAIChat {
    let standIn: StandIn
    let exchange: Exchange

    func answer() async throws(TransportError) {
        guard let key = bearer else { return try await standIn.fail(exchange, .noKey) }
        if let expected = standIn.options.apiKey, key != expected {
            return try await standIn.fail(exchange, .wrongKey(key))
        }
        let body: UnsafeRawBufferPointer
        do {
            body = try await exchange.readBody(limit: standIn.options.maximumBodyBytes)
        } catch { return }
        switch OpenAICall.parse(body) {
        case .failure(let problem): try await standIn.fail(exchange, .unreadable(problem))
        case .success(let call):
            guard let script = standIn.script(openAI: call.modelBytes) else {
                let name = String(decoding: call.modelBytes, as: UTF8.self)
                return try await standIn.fail(exchange, .unknownModel(name))
            }
            if call.isRich || script.behaviour.isCached {
                return try await ScriptedExchange(standIn: standIn, exchange: exchange, dialect: .openAI)
                    .answer(body)
            }
            standIn.totals.add(.calls)
            try await perform(call, script, key: key)
        }
    }

    /// The key of a Bearer credential; nil without one.
    private var bearer: String? {
        guard let text = exchange.fieldText(.authorization) else { return nil }
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", !parts[1].isEmpty else { return nil }
        return String(parts[1])
    }

    private func perform(
        _ call: OpenAICall, _ script: OpenAIScript, key: String
    ) async throws(TransportError) {
        let behaviour = script.behaviour
        if behaviour.delay > 0 { await pause(behaviour.delay) }
        if behaviour.isHanging {
            // Until the client gives up.
            _ = try? await exchange.connection.fill()
            throw .aborted
        }
        if behaviour.isReset { return breakOff() }
        if let kind = behaviour.errorKind { return try await standIn.fail(exchange, .asked(kind)) }
        if let status = behaviour.errorStatus {
            return try await standIn.fail(exchange, .asked(status, key: key))
        }
        let scratch = standIn.takeScratch()
        defer { standIn.give(scratch) }
        if call.isStream {
            try await stream(call, script, scratch)
        } else {
            try await plain(call, script, scratch)
        }
    }

    // MARK: Plain answers

    private func plain(
        _ call: OpenAICall, _ script: OpenAIScript, _ scratch: StandIn.Scratch
    ) async throws(TransportError) {
        let behaviour = script.behaviour
        let tokens = script.writePlain(call, to: &scratch.body)
        let keepsAlive = exchange.canKeepAlive && !behaviour.isLyingAboutLength
        scratch.head.beginResponse(status: 200)
        scratch.head.field("content-type", "application/json")
        scratch.head.field("x-request-id", exchange.requestIDBytes)
        scratch.head.field("openai-processing-ms", "1")
        if behaviour.isUntidy { writeUntidyFields(&scratch.head) }
        let excess = behaviour.isLyingAboutLength ? 100 : 0
        scratch.head.field("content-length", number: scratch.body.count + excess)
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
        standIn.totals.addAnswer(prompt: call.promptTokens, completion: tokens, isStream: false)
    }

    /// Fields of the provider's own dealings with its clients, and hop-by-hop ones.
    private func writeUntidyFields(_ head: inout HeadWriter) {
        head.field("set-cookie", "session=stand-in; Path=/")
        head.field("strict-transport-security", "max-age=31536000")
        head.field("access-control-allow-origin", "*")
        head.field("content-security-policy", "default-src 'none'")
        head.field("alt-svc", "h3=\":443\"")
        head.field("server", "stand-in")
        head.field("openai-organization", "org-standin")
        head.field("x-ratelimit-remaining-requests", "59")
        head.field("connection", "x-internal")
        head.field("x-internal", "secret")
    }

    // MARK: Streams

    private func stream(
        _ call: OpenAICall, _ script: OpenAIScript, _ scratch: StandIn.Scratch
    ) async throws(TransportError) {
        let behaviour = script.behaviour
        try await exchange.startStreaming(
            status: 200, fields: ["content-type": "text/event-stream", "cache-control": "no-cache"])
        script.writeRoleEvent(call, to: &scratch.body)
        try await send(scratch)
        let half = script.contentChunks / 2
        for index in 0..<script.contentChunks {
            if behaviour.gap > 0 { await pause(behaviour.gap) }
            if index == half, try await breakInTheMiddle(behaviour, scratch) { return }
            script.writeContentEvent(index, call, to: &scratch.body)
            try await send(scratch)
        }
        if behaviour.isWithoutDone { return try await exchange.finish() }
        script.writeFinishEvent(call, to: &scratch.body)
        try await send(scratch)
        if script.writeUsageEvent(call, to: &scratch.body) { try await send(scratch) }
        scratch.body.append(OpenAIScript.terminator)
        try await send(scratch)
        try await exchange.finish()
        standIn.totals.addAnswer(
            prompt: call.promptTokens, completion: script.streamTokens(call), isStream: true)
    }

    /// Breaks the stream the way its model asks for; false when it does not.
    private func breakInTheMiddle(
        _ behaviour: Behaviour, _ scratch: StandIn.Scratch
    ) async throws(TransportError) -> Bool {
        if behaviour.isCut {
            breakOff()
            return true
        }
        if behaviour.hasErrorEvent {
            scratch.body.append(OpenAIScript.errorEvent)
        } else if behaviour.isMalformed {
            scratch.body.append(OpenAIScript.malformedEvent)
        } else {
            return false
        }
        standIn.totals.add(.broken)
        try await send(scratch)
        try await exchange.finish()
        return true
    }

    private func send(_ scratch: StandIn.Scratch) async throws(TransportError) {
        try await exchange.write(scratch.body.view)
        scratch.body.removeAll()
    }

    private func breakOff() {
        standIn.totals.add(.broken)
        exchange.connection.close()
    }

    private func pause(_ milliseconds: Int) async {
        await standIn.loop.sleep(nanoseconds: Int64(milliseconds) * 1_000_000)
    }
}
