import Admission
import Contract
import Cryptography
import Dialects
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Routing
import Transport

extension ChatReply {
    /// Passes a call on to a provider and its answer back, byte for byte, up to the last part, which waits
    /// for the bill. Never throws: the outcome says how it went, `rest` what is still to be sent.
    ///
    /// - Parameter target: whose price counts.
    func passThrough(
        _ passage: Passage, to upstream: Upstream, billedAs target: CompiledTarget
    ) async -> CallOutcome {
        work = .generation(passage.format(of: upstream.target.provider.entry.kind).form)
        self.upstream = upstream
        upstream.begin(at: gateway.loop.now)
        defer { upstream.end() }
        do throws(CallFailure) {
            let connection = try await ask(passage, upstream)
            let outcome = try await passBack(connection, passage, upstream, target)
            let now = gateway.loop.now
            if outcome.status >= 500 || outcome.ending != .completed {
                upstream.state.breaker.fail(at: now)
            } else {
                upstream.noteSuccess(
                    firstByteNanoseconds: waited, ownNanoseconds: answeredAfter, credential: credential,
                    at: now)
            }
            return outcome
        } catch {
            upstream.note(error, credential: credential, at: gateway.loop.now)
            let outcome = fail(error, target, isEstimated: true)
            // What has begun can only be cut.
            if hasBegun { rest = .nothing }
            return outcome
        }
    }

    // MARK: There

    private func ask(_ passage: Passage, _ upstream: Upstream) async throws(CallFailure) -> ClientConnection {
        guard let exchange else { throw CallFailure.clientGone }
        credential = upstream.nextCredential()
        attempts = 1
        var framing = PassedBody(exchange.head)
        var body = SplicedBody()
        if upstream.signs(with: credential), !exchange.head.framing.isEmpty {
            // A signature is over all of the content; other calls pass theirs on in parts.
            let whole = try await wholeBody(exchange)
            framing = .whole(whole)
            body.add(whole)
        }
        let call = OutgoingCall(
            format: upstream.format, method: passage.method,
            target: upstream.target.provider.entry.baseURL.path + passage.target, fields: [], body: body,
            isNative: true)
        let proof = try await upstream.proof(of: credential, for: call, at: gateway.clock.now())
        let bytes = upstream.writeHead(
            passage, target: call.target, credential: credential, proof: proof, framing, into: &head)
        guard let bytes else {
            throw CallFailure(.badRequest, message: "The fields of the call cannot be sent on.")
        }
        payload.removeAll()
        payload.append(bytes)
        if case .whole(let content) = framing {
            payload.append(content)
            passedBytes.request = content.count
        }
        // A request that cannot be sent twice must not meet a connection that died at rest.
        let mayRepeat = exchange.head.framing.isEmpty && passage.method.isIdempotent
        do throws(CallError) {
            return try await send(passage, framing, isFresh: !mayRepeat, over: upstream, exchange)
        } catch {
            guard mayRepeat, error.isStaleConnection else { throw CallFailure(upstream: error) }
        }
        do throws(CallError) {
            return try await send(passage, framing, isFresh: true, over: upstream, exchange)
        } catch { throw CallFailure(upstream: error) }
    }

    private func wholeBody(_ exchange: Exchange) async throws(CallFailure) -> UnsafeRawBufferPointer {
        do throws(RequestError) {
            return try await exchange.readBody(limit: gateway.limits.requestBodyBytes)
        } catch { throw CallFailure(error) ?? CallFailure.clientGone }
    }

    private func send(
        _ passage: Passage, _ framing: PassedBody, isFresh: Bool, over upstream: Upstream,
        _ exchange: Exchange
    ) async throws(CallError) -> ClientConnection {
        let connection = try await upstream.pool.checkOut(fresh: isFresh, deadlines: upstream.deadlines)
        self.connection = connection
        connection.abortWhenEnded(exchange.connection)
        do throws(CallError) {
            try await connection.send(payload.view)
            try await sendParts(framing, connection, exchange)
            try await connection.receiveHead(answering: passage.method)
            return connection
        } catch {
            connection.close()
            self.connection = nil
            throw error
        }
    }

    private func sendParts(
        _ framing: PassedBody, _ connection: ClientConnection, _ exchange: Exchange
    ) async throws(CallError) {
        var encoder = ChunkEncoder()
        let isChunked: Bool
        switch framing {
        case .none, .whole: return
        case .parts: isChunked = false
        case .chunked: isChunked = true
        }
        while let part = try await nextPart(exchange) {
            passedBytes.request += part.count
            try await connection.send(isChunked ? encoder.encode(part) : part)
        }
        if isChunked {
            let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
            try await connection.send(encoder.encode(nothing, isLast: true))
        }
    }

    private func nextPart(_ exchange: Exchange) async throws(CallError) -> UnsafeRawBufferPointer? {
        do throws(RequestError) {
            return try await exchange.nextBodyPart()
        } catch { throw .aborted }
    }

    // MARK: And back

    private func passBack(
        _ connection: ClientConnection, _ passage: Passage, _ upstream: Upstream, _ target: CompiledTarget
    ) async throws(CallFailure) -> CallOutcome {
        let status = connection.head.status
        if status == 401 || status == 403 {
            // Our credential's fault; providers quote keys here.
            connection.close()
            self.connection = nil
            throw CallFailure(.providerCredentialsRejected)
        }
        let fields = HeaderFields(connection.head.fields, in: connection.headBytes)
        let isCoded = fields["content-encoding"].map { $0.lowercased() != "identity" } ?? false
        var sniffer = UsageSniffer(
            passage.format(of: upstream.target.provider.entry.kind).format,
            type: isCoded ? nil : fields["content-type"])
        guard beginPassedHead(status, fields, connection, passage) else {
            throw CallFailure(.upstreamInvalid)
        }
        exchange?.releaseContent()
        let hasBody = passage.method != .head && status != 204 && status != 304
        do throws(CallError) {
            while hasBody, let part = try await connection.nextBody() {
                noteFirstByte()
                sniffer.take(part)
                passedBytes.answer += part.count
                if connection.isBodyComplete {
                    rest = .passed(part)
                    return passed(status, sniffer, target)
                }
                guard await forwardPassed(part) else {
                    connection.close()
                    rest = .nothing
                    return outcome(.clientGone, target, usage: usage(sniffer), isEstimated: true)
                }
            }
        } catch { throw CallFailure(upstream: error) }
        rest = .passed(UnsafeRawBufferPointer(start: nil, count: 0))
        return passed(status, sniffer, target)
    }

    private func usage(_ sniffer: UsageSniffer) -> TokenUsage { sniffer.usage()?.usage ?? .zero }

    private func passed(_ status: Int, _ sniffer: UsageSniffer, _ target: CompiledTarget) -> CallOutcome {
        let reported = sniffer.usage()
        return outcome(
            .completed, target, usage: reported?.usage ?? .zero,
            isEstimated: !(reported?.isComplete ?? false), status: status)
    }

    /// The head of the answer into `payload`; false when it cannot be written.
    private func beginPassedHead(
        _ status: Int, _ fields: HeaderFields, _ connection: ClientConnection, _ passage: Passage
    ) -> Bool {
        guard let exchange else { return false }
        keepsStreamAlive = exchange.canKeepAlive
        passesChunks = false
        beginHead(status: status, exchange)
        head.fields(Passage.passed(fields, Passage.keptBackOfAnswers))
        head.field("x-eclusa-attempts", number: 1)
        if passage.method == .head || status == 304 {
            if let length = fields["content-length"] { head.field("content-length", length) }
        } else if case .length(let length) = connection.framing {
            if status != 204 { head.field("content-length", number: length) }
        } else if isChunked {
            head.field("transfer-encoding", "chunked")
            passesChunks = true
        } else {
            keepsStreamAlive = false
        }
        endHead(exchange, keepsAlive: keepsStreamAlive)
        guard let bytes = head.finish() else { return false }
        payload.removeAll()
        payload.append(bytes)
        return true
    }

    private func forwardPassed(_ part: UnsafeRawBufferPointer) async -> Bool {
        guard let exchange else { return false }
        do throws(TransportError) {
            try await sendPassed(part, isLast: false, exchange)
            return true
        } catch { return false }
    }

    /// Sends a part, the head before the first.
    func sendPassed(
        _ part: UnsafeRawBufferPointer, isLast: Bool, _ exchange: Exchange
    ) async throws(TransportError) {
        hasBegun = true
        var encoder = ChunkEncoder()
        let content = passesChunks ? encoder.encode(part, isLast: isLast) : part
        try await exchange.sendRaw(payload.view, content)
        payload.removeAll()
        if isLast { exchange.markResponded(keepAlive: keepsStreamAlive) }
    }
}
