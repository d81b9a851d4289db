import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Feed
import Grants
import HTTPCalling
import HTTPServing
import JSONText
import Metering
import Policy
import Routing
import Telemetry

extension Gateway {
    /// Copies under way on one loop, and the largest request that is copied.
    private static let maximumMirrors = 64
    private static let maximumMirroredBytes = 1 << 20

    /// Records the targets of a call that were asked and not waited for. Nobody knows what they charge: as
    /// much as the answer that came in, at their own prices, is taken.
    func recordLeft(
        _ reply: ChatReply, _ outcome: CallOutcome, _ call: ClientCall, _ permit: borrowing Permit,
        _ held: borrowing Reservation
    ) async -> [UsageEvent] {
        var events: [UsageEvent] = []
        for target in reply.leftTargets {
            let usage = TokenUsage(
                input: max(outcome.usage.input, ChatReply.tokens(call.promptBytes)),
                output: outcome.usage.output)
            let left = CallOutcome(
                target: target, usage: usage, isEstimated: true, ending: .completed, status: outcome.status,
                isStream: outcome.isStream, attempts: 1,
                latencyMicroseconds: outcome.firstByteMicroseconds)
            left.purpose = .hedge
            let event = permit.aside()(left, held.grants)
            let charges = held.charges(for: event.usage, cost: event.cost)
            // Not on disk, it is kept in memory and tried again; the call's own event decides what is told.
            _ = await recorder.record(event, charges: charges)
            events.append(event)
        }
        return events
    }

    /// Sends a copy of some calls to the route's shadow targets, each with its own share. Waits for nothing:
    /// what does not fit now is left out and counted.
    @inline(never)
    func mirror(
        _ call: ClientCall, _ facts: CallFacts, _ permit: borrowing Permit, _ reply: ChatReply,
        in serving: ServingSnapshot
    ) {
        guard case .generation = call.work else { return }
        let plan = plan(facts, permit.admitted, use: .shadow, in: serving)
        guard plan.use == .shadow else { return }
        for position in 0..<plan.availableCount {
            guard let target = plan[position], Int.random(in: 0..<1000) < Int(target.entry.weight),
                let upstream = upstreams.upstream(target, of: plan.route, in: serving)
            else { continue }
            guard mirrors.count < Self.maximumMirrors, call.body.count <= Self.maximumMirroredBytes,
                !isDraining
            else {
                meters.noteMirror("left_out")
                continue
            }
            let body = KeptBytes(call.body)
            guard let copy = call.copied(to: body.view) else { continue }
            let other = takeBesides(reply, isDetached: true)
            (other.work, other.isStream) = (call.work, call.isStream)
            mirrors[ObjectIdentifier(other)] = other
            let record = permit.aside()
            loop.spawn { [self] in
                let outcome = await other.copied(copy, to: upstream)
                withExtendedLifetime(body) {}
                mirrors[ObjectIdentifier(other)] = nil
                giveBack(other)
                meters.noteMirror(outcome.error == nil ? "answered" : "failed")
                _ = await recorder.record(record(outcome, []))
            }
            // The client's fields were needed for the head of the request alone.
            other.exchange = nil
        }
    }
}

extension ChatReply {
    /// Asks a target for nobody, and reads its answer for what it costs.
    func copied(_ call: ClientCall, to upstream: Upstream) async -> CallOutcome {
        upstream.begin(at: gateway.loop.now)
        defer { upstream.end() }
        var result: CallOutcome
        switch await dial(call, upstream) {
        case .answering(let connection, let outgoing):
            noteFirstByte()
            let usage = await read(connection, call, outgoing?.format ?? .openAIChat(.compatible))
            let isWhole = usage != nil
            result = outcome(
                isWhole ? .completed : .upstreamCut, upstream.target,
                usage: usage?.completed(
                    estimatedInput: Self.tokens(call.promptBytes), estimatedOutput: 0)
                    ?? TokenUsage(input: Self.tokens(call.promptBytes), output: 0),
                isEstimated: !(usage?.isComplete ?? false), error: isWhole ? nil : .upstreamCut)
            if isWhole {
                upstream.noteSuccess(
                    firstByteNanoseconds: waited, ownNanoseconds: answeredAfter,
                    credential: credential, at: gateway.loop.now)
            }
        case .failed(let failure), .unfit(let failure):
            upstream.note(failure, credential: credential, at: gateway.loop.now)
            result = outcome(
                failure.ending, upstream.target, status: failure.status, error: failure.code)
        }
        result.purpose = .mirror
        return result
    }

    /// What the answer says that it used; nil when it broke off.
    private func read(
        _ connection: ClientConnection, _ call: ClientCall, _ format: ProviderFormat
    ) async -> ReportedUsage? {
        let none = ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        guard case .generation(let form) = call.work else { return nil }
        do throws(CallError) {
            guard call.isStream else {
                let whole = try await receiveWhole(connection)
                let limits = JSONLimits(maximumBytes: max(1, whole.count), maximumValues: 16_000_000)
                let answer = (try? JSONValue.parse(whole, limits: limits)).flatMap { try? format.answer($0) }
                return answer.map { $0.usage ?? none }
            }
            var stream = StreamTranslation(
                from: format, to: form, AnswerContext(id: "", model: "", created: 0, wantsUsage: true))
            var output: [UInt8] = []
            while stream.ending == .open, let part = try await connection.nextBody() {
                stream.take(part, to: &output)
                output.removeAll(keepingCapacity: true)
            }
            if stream.ending == .open { stream.takeEnd(to: &output) }
            return stream.ending == .done ? stream.usage ?? none : nil
        } catch { return nil }
    }
}

extension ClientCall {
    /// The same call in another place; nil when it cannot be read again.
    fileprivate func copied(to body: UnsafeRawBufferPointer) -> ClientCall? {
        if openAI != nil {
            return (try? OpenAIChatRequest(parsing: body)).map {
                ClientCall($0, for: work, routeName: pathModel)
            }
        }
        return try? ClientCall(
            parsing: body, for: work, model: pathModel.isEmpty ? nil : pathModel, isStream: isStream)
    }
}
