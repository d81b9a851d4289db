import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Feed
import Grants
import Guarding
import HTTPServing
import HTTPWire
import JSONText
import Metering
import Policy
import Routing

extension Gateway {
    /// Any work in any dialect, streamed or not: the stages of a call. The model and whether to stream
    /// are given where the path says them.
    func complete(
        _ work: CallWork, _ exchange: Exchange, model: String? = nil, isStream: Bool = false
    ) async {
        do throws(CallFailure) {
            let serving = try world()  // one immutable world per call
            try refuseStranger(exchange, work.endpoint, in: serving)  // before a large body is asked for
            var body = exchange.bodyAtHand(limit: limits.requestBodyBytes)
            if body == nil { body = try await read(exchange) }
            guard let body else { return }
            let begun = monotonicNanoseconds()
            var call = try parse(body, of: exchange, for: work, model, isStream)  // what it must know of it
            let permit = try admit(call, exchange, in: serving)  // who, may they: the right to dial
            let admitted = permit.admitted
            let guards = guards(of: admitted, exchange, in: serving)  // of its account: most have none
            var redacted: KeptBytes?  // what they let through
            if let guards { redacted = try await redact(call, by: guards) }
            if let redacted { call = try parse(redacted.view, of: exchange, for: work, model, isStream) }
            var (plan, facts) = plan(call, admitted, at: permit.admittedAt, exchange, in: serving)
            guard !plan.isEmpty else { throw CallFailure(.noTarget) }
            var (wanted, bound) = claims(of: permit.admitted, call)  // of its limits: nothing for most
            let held = try await afford(call, admitted, &plan, &wanted, for: exchange) {  // waits a little
                self.plan(facts, admitted, use: .budget, in: serving)
            }
            let reply = takeReply(exchange, begunAt: begun)
            meters.noteBegin(isStream: call.isStream)
            defer {
                meters.noteEnd(isStream: call.isStream)
                give(reply)
            }
            reply.take(wanted, bound)
            (reply.guards, reply.redacted) = (guards, redacted)
            reply.recording = recording(of: call, admitted)  // does its tenant keep what is said: most do not
            let note = begin(call, plan, permit, held)  // in case the process is killed
            let place = cached(call, admitted, guards, exchange)  // may it have been answered before
            let kept = place.flatMap { answer(reply, call, from: $0, admitted, in: serving) }
            let outcome: CallOutcome
            if let kept {
                outcome = kept
            } else {
                if admitted.route.isMirrored { mirror(call, facts, permit, reply, in: serving) }
                outcome = await reply.relay(call, plan, in: serving) { use in  // never throws
                    self.plan(facts, admitted, use: use, in: serving)
                }
                if let place { keep(reply, outcome, place, of: admitted.key.tenant.id) }
            }
            outcome.marks = guards?.marks ?? []
            let others =  // asked, and not waited for
                reply.leftTargets.isEmpty ? [] : await recordLeft(reply, outcome, call, permit, held)
            let event = permit.settle(outcome, grants: held.grants)  // exactly once: the permit is gone
            let charges = held.charges(for: event.usage, cost: event.cost)
            let isDurable = await recorder.record(event, charges: charges, of: note)  // before the last byte
            held.settle(event, and: others)  // and its holds are given back
            if wanted.learnsOutput, !event.isCached { admission.learn(from: event) }
            meters.note(event)
            meters.note(guards)
            reply.leaveContent(event)
            await reply.finish(event, isDurable: isDurable)  // a clean end, or one error in the dialect
            trace(event, reply)
        } catch { await refuse(exchange, error, in: work.dialect) }
    }

    private func guards(
        of admitted: Admitted, _ exchange: Exchange, in serving: ServingSnapshot
    ) -> CallGuards? {
        CallGuards(admitted.guardrails) { CallWebhooks(self, admitted, exchange, in: serving) }
    }

    /// The request with marks in the places of what guardrails redact; nil when it stays as it is.
    private func redact(
        _ call: ClientCall, by guards: CallGuards
    ) async throws(CallFailure) -> KeptBytes? {
        let redacted: [UInt8]?
        do throws(GuardrailBlock) {
            redacted = try await guards.ask(about: call, try guards.judge(call))
        } catch {
            meters.note(guards)
            throw CallFailure(error)
        }
        if isDraining { throw CallFailure(.draining) }  // somebody was asked meanwhile
        return redacted.map { KeptBytes($0) }
    }

    /// Strangers must not make us take in large bodies; small ones are checked once, with the route.
    @inline(never)
    private func refuseStranger(
        _ exchange: Exchange, _ endpoint: Endpoint, in serving: ServingSnapshot
    ) throws(CallFailure) {
        if case .length(let length) = exchange.head.framing, length <= limits.strangerBodyBytes { return }
        let now = clock.now()
        do throws(Refusal) {
            _ = try admission.authenticate(
                bearer(exchange), for: endpoint, from: origin(of: exchange, at: now), at: now,
                in: serving.compiled)
        } catch { throw CallFailure(error) }
    }

    /// The whole body; nil when the client is gone.
    func read(_ exchange: Exchange) async throws(CallFailure) -> UnsafeRawBufferPointer? {
        do throws(RequestError) {
            return try await exchange.readBody(limit: limits.requestBodyBytes)
        } catch {
            guard let failure = CallFailure(error) else { return nil }
            throw failure
        }
    }

    @inline(never)
    private func parse(
        _ body: UnsafeRawBufferPointer, of exchange: Exchange, for work: CallWork, _ model: String?,
        _ isStream: Bool
    ) throws(CallFailure) -> ClientCall {
        switch work {
        case .plain(let operation) where operation.isForm:
            let type = exchange.fieldText(.contentType) ?? ""
            guard let form = MultipartModel(body, contentType: type) else {
                throw CallFailure(
                    .modelRequired, message: "Send a form with the part 'model' before the files.")
            }
            return ClientCall(form, for: operation)
        case .generation(.openAIChat), .embeddings(.openAI), .plain:
            do throws(OpenAIRequestProblem) {
                return ClientCall(try OpenAIChatRequest(parsing: body), for: work, routeName: model ?? "")
            } catch { throw CallFailure(error) }
        default:
            do throws(RequestProblem) {
                return try ClientCall(parsing: body, for: work, model: model, isStream: isStream)
            } catch { throw CallFailure(error) }
        }
    }

    @inline(never)
    private func admit(
        _ call: ClientCall, _ exchange: Exchange, in serving: ServingSnapshot
    ) throws(CallFailure) -> Permit {
        if recorder.isFull { throw CallFailure(.outboxFull) }
        let bearer = bearer(exchange)
        let now = clock.now()
        let origin = origin(of: exchange, at: now)
        do throws(Refusal) {
            if call.pathModel.isEmpty, let model = call.model, !model.hasEscapes, let name = model.stringBytes
            {
                return try admission.admit(
                    bearer, route: name, endpoint: call.work.endpoint, from: origin, at: now,
                    in: serving.compiled)
            }
            let name = Array(call.modelName.utf8)
            return try name.span.withUnsafeBytes { name throws(Refusal) in
                try admission.admit(
                    bearer, route: name, endpoint: call.work.endpoint, from: origin, at: now,
                    in: serving.compiled)
            }
        } catch { throw CallFailure(error) }
    }
}
