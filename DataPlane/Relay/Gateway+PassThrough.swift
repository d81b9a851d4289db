import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Feed
import Grants
import HTTPServing
import HTTPWire
import JSONText
import Metering
import Policy

extension Gateway {
    /// `/passthrough/{provider}/…`: any method and path of one of the tenant's own providers, for keys that
    /// name this endpoint. Bytes travel as they come; what the answer says of usage is billed.
    func passThrough(_ exchange: Exchange) async {
        let dialect = CallPlace.speaker(exchange)
        do throws(CallFailure) {
            let serving = try world()
            if recorder.isFull { throw CallFailure(.outboxFull) }
            let passage = try Passage(exchange)
            let permit = try admit(passage, exchange, in: serving)
            let (route, tenant) = (permit.route, permit.admitted.key.tenant)
            if let guardrail = permit.admitted.guardrails.first(where: { $0.entry.mode == .enforce }) {
                let name = guardrail.entry.name.bounded
                throw CallFailure(
                    .guardrailBlocked,
                    message: "The guardrail '\(name)' cannot look at what is passed through.")
            }
            guard !permit.admitted.key.isBudgeted(on: route) else {
                throw CallFailure(
                    .endpointNotAllowed,
                    message: "A budget binds this key, and what is passed through has no bound.")
            }
            // There is no other to ask, so it is asked however it does.
            guard let upstream = upstreams.upstream(route.targets[0], of: route, in: serving) else {
                throw CallFailure(.noTarget)
            }
            let model = Self.model(named: exchange)
            let target = tenant.target(of: upstream.target.provider.id) { $0 == model || passage.names($0) }
            let wanted = admission.claims(
                of: permit.admitted, CallExtent(bodyBytes: 0, promptBytes: 0, maximumOutput: 0),
                at: clock.now())
            let held = try await reserve(wanted, for: exchange)
            let reply = takeReply(exchange, begunAt: monotonicNanoseconds())
            meters.noteBegin(isStream: false)
            defer {
                meters.noteEnd(isStream: false)
                give(reply)
            }
            reply.take(wanted)
            let note = begin(
                target ?? upstream.target, permit, held, estimate: .zero, isStream: false)
            let outcome = await reply.passThrough(
                passage, to: upstream, billedAs: target ?? upstream.target)  // never throws
            let event = permit.settle(outcome, grants: held.grants)
            let charges = held.charges(for: event.usage, cost: event.cost)
            let isDurable = await recorder.record(event, charges: charges, of: note)
            held.settle(event)
            meters.note(event)
            meters.notePassed(request: reply.passedBytes.request, answer: reply.passedBytes.answer)
            await reply.finish(event, isDurable: isDurable)
            trace(event, reply)
        } catch { await refuse(exchange, error, in: dialect) }
    }

    private func admit(
        _ passage: Passage, _ exchange: Exchange, in serving: ServingSnapshot
    ) throws(CallFailure) -> Permit {
        let now = clock.now()
        do throws(Refusal) {
            return try admission.admit(
                bearer(exchange), passingTo: passage.provider, from: origin(of: exchange, at: now), at: now,
                in: serving.compiled)
        } catch .routeNotFound {
            throw CallFailure(.notFound, message: "There is no provider '\(passage.provider)' here.".bounded)
        } catch { throw CallFailure(error) }
    }

    /// The model a small JSON body names, for its price.
    private static func model(named exchange: Exchange) -> String? {
        guard let body = exchange.bodyAtHand(limit: 64 * 1024), var members = try? JSONMembers(body) else {
            return nil
        }
        while let member = try? members.next() {
            if member.isNamed("model") { return member.value.string }
        }
        return nil
    }
}
