import Admission
import Dialects
import Domain
import Feed
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Telemetry

extension ChatReply {
    /// Larger pieces of a body are sent from where they are, smaller ones are put together first.
    private static let copiedPieceBytes = 32 * 1024

    /// Dials the targets of the plan until one answers, and passes its answer on up to what must wait for the
    /// bill. Never throws: the outcome says how it went, `rest` what is still to be sent.
    func relay(
        _ call: OpenAIChatRequest, _ plan: RoutePlan, of route: CompiledRoute, in serving: ServingSnapshot
    ) async -> CallOutcome {
        isStream = call.isStream
        var failure: CallFailure?
        var position = 0
        while let target = plan[position] {
            position += 1
            guard let upstream = gateway.upstreams.upstream(target, of: route, in: serving) else { continue }
            self.upstream = upstream
            do throws(CallError) {
                let connection = try await reach(upstream, with: call)
                return await passOn(connection, from: upstream, call)
            } catch {
                failure = CallFailure(upstream: error)
                noteFailure(error, upstream)
                // Another target only if this one cannot have begun: a call is not paid for twice.
                guard error.nothingWasSent, !isClientGone, !isCutShort else { break }
            }
        }
        return fail(failure ?? CallFailure(.noTarget), upstream?.target ?? route.targets[0])
    }

    /// Sends the request and waits for the answer's head; a connection that had died at rest is replaced
    /// once.
    private func reach(
        _ upstream: Upstream, with call: OpenAIChatRequest
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
        _ call: OpenAIChatRequest, to upstream: Upstream, over connection: ClientConnection
    ) async throws(CallError) {
        let spliced = call.spliced(model: upstream.modelJSON)
        body.removeAll()
        upstream.writeHead(bodyBytes: spliced.byteCount, to: &body)
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
    private func passOn(
        _ connection: ClientConnection, from upstream: Upstream, _ call: OpenAIChatRequest
    ) async -> CallOutcome {
        let status = connection.head.status
        guard (200...299).contains(status) else {
            let failure = await ProviderFailure.read(connection, secrets: upstream.secrets)
            return fail(failure, upstream.target)
        }
        let fields = connection.headBytes
        if let coding = connection.head.fields.value(.contentEncoding, in: fields),
            !coding.elementsEqual("identity".utf8)
        {
            // Asked for `identity` only; what is coded cannot be checked or billed.
            connection.close()
            return fail(CallFailure(.upstreamInvalid), upstream.target)
        }
        let type = connection.head.fields.value(.contentType, in: fields)
        if type.map(Self.isEventStream) ?? false {
            return await passOnStream(connection, from: upstream, call)
        }
        return await passOnWhole(connection, from: upstream, call)
    }

    private static func isEventStream(_ type: UnsafeRawBufferPointer) -> Bool {
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
