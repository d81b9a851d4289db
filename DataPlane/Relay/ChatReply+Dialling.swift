import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Feed
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Routing
import Telemetry

extension ChatReply {
    /// Larger pieces of a body are sent from where they are, smaller ones are put together first: a system
    /// call more costs what copying these does.
    private static let copiedPieceBytes = 32 * 1024
    /// The same for the last piece, which goes along with what stands before it.
    private static let copiedLastBytes = 2 * 1024

    /// What became of one attempt.
    enum Attempt {
        /// The target answered, or its answer broke; `rest` says what that means for the client.
        case ended(CallOutcome)
        case failed(CallFailure)
        /// The target cannot be asked this: nothing was sent.
        case unfit(CallFailure)
    }

    /// Asks the targets of the plan until one answers, and passes its answer on up to what must wait for the
    /// bill. Never throws: the outcome says how it went, `rest` what is still to be sent.
    ///
    /// Only before the first byte went to the client is another attempt made, and only as many as the route
    /// and the targets' budgets allow. `again`: the targets kept for a use, for failures that have such.
    func relay(
        _ call: ClientCall, _ plan: RoutePlan, in serving: ServingSnapshot,
        again replan: (TargetUse) -> RoutePlan
    ) async -> CallOutcome {
        isStream = call.isStream
        work = call.work
        var turn = TargetTurn(plan)
        var last: (failure: CallFailure, target: CompiledTarget)?
        while let first = turn.next(in: serving, gateway) {
            upstream = first
            let result =
                if let delay = turn.hedgeNanoseconds(at: first) {
                    await raced(call, first, &turn, in: serving, after: delay)
                } else { await attempt(call, first) }
            let upstream = upstream ?? first
            switch result {
            case .ended(let outcome):
                guard case .failure(let failure) = rest, !hasBegun, outcome.ending != .clientGone,
                    !isCutShort, !failure.isOfGuardrail
                else {
                    note(outcome, at: upstream)
                    return guards == nil ? outcome : await guarded(outcome)
                }
                last = (failure, upstream.target)
            case .failed(let failure): last = (failure, upstream.target)
            case .unfit(let failure):
                last = last ?? (failure, upstream.target)
                turn.leave()
                continue
            }
            guard let failure = last?.failure else { break }
            upstream.note(failure, credential: credential, at: gateway.loop.now)
            if isClientGone || isCutShort { break }
            guard let pause = turn.goOn(after: failure, at: upstream, gateway.loop.now, replan),
                hasTime(for: pause, at: upstream)
            else { break }
            dropAttempt()
            if pause > 0 { await gateway.loop.sleep(nanoseconds: pause) }
            if isClientGone || isCutShort { break }
        }
        return fail(last?.failure ?? CallFailure(.noTarget), last?.target ?? plan.route.targets[0])
    }

    private func attempt(_ call: ClientCall, _ upstream: Upstream) async -> Attempt {
        upstream.begin(at: gateway.loop.now)
        defer { upstream.end() }
        return await passOn(await dial(call, upstream), from: upstream, call)
    }

    /// What came of asking one target, before anything of its answer is passed on.
    enum Dialled {
        /// With the request as it was sent; nil: in OpenAI's chat format, as it came.
        case answering(ClientConnection, OutgoingCall?)
        case failed(CallFailure)
        case unfit(CallFailure)
    }

    /// Asks one target and waits for the head of its answer.
    func dial(_ call: ClientCall, _ upstream: Upstream) async -> Dialled {
        guard work == .generation(.openAIChat), let request = call.openAI, upstream.speaksChat,
            upstream.target.parameters.isEmpty, !guardsStream(of: call)
        else {
            return await dialTranslated(call, upstream)
        }
        // The fast path: OpenAI's chat format on both sides.
        do throws(CallError) {
            let connection = try await reach(upstream, with: .chat(request))
            if let failure = await refusal(connection, upstream) { return .failed(failure) }
            return .answering(connection, nil)
        } catch { return failed(error, upstream) }
    }

    func passOn(_ dialled: Dialled, from upstream: Upstream, _ call: ClientCall) async -> Attempt {
        switch dialled {
        case .answering(let connection, let outgoing):
            if let outgoing { return .ended(await passOn(connection, from: upstream, call, outgoing)) }
            guard let request = call.openAI else { return .failed(CallFailure(.internalError)) }
            return .ended(await passOn(connection, from: upstream, request))
        case .failed(let failure): return .failed(failure)
        case .unfit(let failure): return .unfit(failure)
        }
    }

    func failed(_ error: CallError, _ upstream: Upstream) -> Dialled {
        noteFailure(error, upstream)
        return .failed(CallFailure(upstream: error))
    }

    /// Tells the target's state how the call went that reached the client.
    private func note(_ outcome: CallOutcome, at upstream: Upstream) {
        let now = gateway.loop.now
        switch outcome.ending {
        case .completed:
            upstream.noteSuccess(
                firstByteNanoseconds: waited, ownNanoseconds: answeredAfter, credential: credential, at: now)
        case .clientGone, .nodeKilled: upstream.state.breaker.abandon(at: now)
        case .providerError, .upstreamCut, .timedOut:
            if case .failure(let failure) = rest, !failure.blamesTarget {
                upstream.state.breaker.succeed(at: now)
            } else {
                upstream.state.breaker.fail(at: now)
            }
        }
    }

    /// Forgets what an attempt left that failed.
    private func dropAttempt() {
        noteAnswered()
        connection?.finish()
        connection = nil
        translation = nil
        recording?.collector = nil
        answerType = nil
        rest = .nothing
        body.removeAll()
        window.keep(0)
        unsent = nil
        forgetFirstByte()
    }

    /// Whether the time for the whole call lasts beyond a pause.
    private func hasTime(for pause: Int64, at upstream: Upstream) -> Bool {
        let total = upstream.deadlines.totalNanoseconds
        return total == 0 || age + pause < total
    }

    /// What is sent to a provider.
    enum Outgoing {
        case chat(OpenAIChatRequest)
        case other(OutgoingCall)
    }

    /// Sends the request and waits for the answer's head; a connection that had died at rest is replaced
    /// once.
    func reach(
        _ upstream: Upstream, with call: Outgoing
    ) async throws(CallError) -> ClientConnection {
        var isSecondTry = false
        while true {
            if attempts < .max { attempts += 1 }
            let connection = try await upstream.pool.checkOut(
                fresh: isSecondTry, deadlines: deadlines(of: upstream))
            if isAbandoned {
                connection.finish()
                throw .aborted
            }
            self.connection = connection
            if !isDetached, let client = exchange?.connection { connection.abortWhenEnded(client) }
            do throws(CallError) {
                askedAt = monotonicNanoseconds()
                try await send(call, to: upstream, over: connection)
                hasSent = true
                if isStream, upstream.firstTokenNanoseconds > 0 {
                    connection.awaitedUntil = gateway.loop.now + upstream.firstTokenNanoseconds
                }
                try await connection.receiveHead(answering: .post)
                return connection
            } catch {
                connection.close()
                self.connection = nil
                guard error.isStaleConnection, !isSecondTry else { throw error }
                isSecondTry = true
            }
        }
    }

    /// What is left of the time for the whole call bounds each attempt.
    private func deadlines(of upstream: Upstream) -> CallDeadlines {
        var deadlines = upstream.deadlines
        if deadlines.totalNanoseconds > 0 {
            let left = max(1, deadlines.totalNanoseconds - age)
            let connect = deadlines.connectNanoseconds
            deadlines.totalNanoseconds = left
            deadlines.connectNanoseconds = connect > 0 ? min(connect, left) : left
        }
        return deadlines
    }

    private func send(
        _ call: Outgoing, to upstream: Upstream, over connection: ClientConnection
    ) async throws(CallError) {
        let spliced: SplicedBody
        body.removeAll()
        let trace = trace?.dial(atNanoseconds: gateway.loop.now)
        switch call {
        case .chat(let request):
            let bound = boundMember(for: upstream.target.provider.entry.kind)
            spliced = request.spliced(model: upstream.modelJSON, imposing: bound)
            credential = upstream.writeHead(bodyBytes: spliced.byteCount, traceparent: trace, to: &body)
        case .other(let call):
            spliced = call.body
            var fields = call.fields
            if let trace { fields.append(("traceparent", trace)) }
            let isWritten = upstream.writeHead(
                call.target, credential: credential, fields: fields, bodyBytes: spliced.byteCount, to: &body)
            guard isWritten else { throw .invalidRequest("the provider's configuration cannot be sent") }
        }
        for index in 0..<spliced.count {
            let piece = spliced[index]
            let isLast = index == spliced.count - 1
            if piece.count <= (isLast ? Self.copiedLastBytes : Self.copiedPieceBytes) {
                body.append(piece)
            } else {
                try await connection.send(body.view, piece)
                body.removeAll()
            }
        }
        if !body.isEmpty { try await connection.send(body.view) }
    }

    /// Decides by the head what the answer is, and passes it on.
    func passOn(
        _ connection: ClientConnection, from upstream: Upstream, _ call: OpenAIChatRequest
    ) async -> CallOutcome {
        let type = connection.head.fields.value(.contentType, in: connection.headBytes)
        if type.map(Self.isEventStream) ?? false {
            return await passOnStream(connection, from: upstream, call)
        }
        return await passOnWhole(connection, from: upstream, call)
    }

    /// Why an answer is no answer, told by its head; nil when it is one.
    func refusal(_ connection: ClientConnection, _ upstream: Upstream) async -> CallFailure? {
        guard (200...299).contains(connection.head.status) else {
            return await ProviderFailure.read(connection, secrets: upstream.secrets)
        }
        if let coding = connection.head.fields.value(.contentEncoding, in: connection.headBytes),
            !coding.elementsEqual("identity".utf8)
        {
            // Asked for `identity` only; what is coded cannot be checked or billed.
            connection.close()
            return CallFailure(.upstreamInvalid)
        }
        return nil
    }

    static func isEventStream(_ type: UnsafeRawBufferPointer) -> Bool {
        let expected: StaticString = "text/event-stream"
        let count = expected.utf8CodeUnitCount
        guard type.count >= count,
            type.count == count || type[count] == UInt8(ascii: ";") || type[count] == 32
        else { return false }
        for index in 0..<count where type[index] | 0x20 != expected.utf8Start[index] | 0x20 { return false }
        return true
    }

    private func noteFailure(_ error: CallError, _ upstream: Upstream) {
        if isClientGone { return }
        gateway.log.warning(
            "provider call failed",
            [
                "request_id": "\(exchange.map { "\($0.requestID)" } ?? "")",
                "provider": "\(upstream.target.provider.id)", "error": "\(error)",
                "attempt": "\(attempts)",
            ])
    }
}
