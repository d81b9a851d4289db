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
import Telemetry

extension ChatReply {
    /// Larger pieces of a body are sent from where they are, smaller ones are put together first.
    private static let copiedPieceBytes = 32 * 1024

    /// What became of one target.
    enum Attempt {
        /// It answered, or the call is over for another reason.
        case ended(CallOutcome)
        /// Another target may be asked: this one cannot have begun.
        case passed(CallFailure)
        case failed(CallFailure)
    }

    /// Dials the targets of the plan until one answers, and passes its answer on up to what must wait for
    /// the bill. Never throws: the outcome says how it went, `rest` what is still to be sent.
    func relay(
        _ call: ClientCall, _ plan: RoutePlan, of route: CompiledRoute, in serving: ServingSnapshot
    ) async -> CallOutcome {
        isStream = call.isStream
        work = call.work
        var failure: CallFailure?
        var position = 0
        while let target = plan[position] {
            position += 1
            guard let upstream = gateway.upstreams.upstream(target, of: route, in: serving) else { continue }
            self.upstream = upstream
            let attempt: Attempt
            if work == .generation(.openAIChat), let request = call.openAI, upstream.speaksChat {
                attempt = await attemptChat(request, upstream)
            } else {
                attempt = await attemptTranslated(call, upstream)
            }
            switch attempt {
            case .ended(let outcome): return outcome
            case .failed(let problem): return fail(problem, upstream.target)
            case .passed(let problem):
                failure = problem
                if isClientGone || isCutShort { return fail(problem, upstream.target) }
            }
        }
        return fail(failure ?? CallFailure(.noTarget), upstream?.target ?? route.targets[0])
    }

    /// The fast path: OpenAI's chat format on both sides.
    private func attemptChat(_ request: OpenAIChatRequest, _ upstream: Upstream) async -> Attempt {
        do throws(CallError) {
            let connection = try await reach(upstream, with: .chat(request))
            return .ended(await passOn(connection, from: upstream, request))
        } catch { return failed(error, upstream) }
    }

    /// What a failure to reach a target means for the next one.
    func failed(_ error: CallError, _ upstream: Upstream) -> Attempt {
        noteFailure(error, upstream)
        let failure = CallFailure(upstream: error)
        // Another target only if this one cannot have begun: a call is not paid for twice.
        return error.nothingWasSent ? .passed(failure) : .failed(failure)
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
                fresh: isSecondTry, deadlines: upstream.deadlines)
            self.connection = connection
            if let client = exchange?.connection { connection.abortWhenEnded(client) }
            do throws(CallError) {
                try await send(call, to: upstream, over: connection)
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

    private func send(
        _ call: Outgoing, to upstream: Upstream, over connection: ClientConnection
    ) async throws(CallError) {
        let spliced: SplicedBody
        body.removeAll()
        let trace = trace?.dial(atNanoseconds: gateway.loop.now)
        switch call {
        case .chat(let request):
            let bound: ImposedBound? =
                imposesBound ? upstream.target.provider.entry.kind.imposedBound : nil
            spliced = request.spliced(model: upstream.modelJSON, imposing: bound)
            upstream.writeHead(bodyBytes: spliced.byteCount, traceparent: trace, to: &body)
        case .other(let call):
            spliced = call.body
            var fields = call.fields
            if let trace { fields.append(("traceparent", trace)) }
            let isWritten = upstream.writeHead(
                call.target, fields: fields, bodyBytes: spliced.byteCount, to: &body)
            guard isWritten else { throw .invalidRequest("the provider's configuration cannot be sent") }
        }
        for index in 0..<spliced.count {
            let piece = spliced[index]
            if piece.count <= Self.copiedPieceBytes {
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
        if let failure = await refusal(connection, upstream) { return fail(failure, upstream.target) }
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
