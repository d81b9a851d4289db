import Admission
import Contract
import Dialects
import Domain
import Grants
import HTTPServing
import HTTPWire
import Metering
import Policy
import Transport

extension Gateway {
    /// What a call asks of the limits that bind it; nothing for most.
    @inline(never)
    func claims(
        of admitted: Admitted, _ call: ClientCall, only use: TargetUse? = nil
    ) -> (claims: CallClaims, bound: OutputBound) {
        guard admitted.key.mayBeLimited else { return (.none, .none) }
        let bound = call.outputBound
        let claims = admission.claims(
            of: admitted,
            CallExtent(
                bodyBytes: call.body.count, beyondBytes: call.inputBeyondBytes, promptBytes: call.promptBytes,
                maximumOutput: bound.maximumTokens, choices: bound.choices), only: use, at: clock.now())
        return (claims, bound)
    }

    /// Holds what a call may use. Where its budgets do not bear the usual targets, those kept for that are
    /// taken, if the route has any and they are borne.
    func afford(
        _ call: ClientCall, _ admitted: Admitted, _ plan: inout RoutePlan, _ wanted: inout CallClaims,
        for exchange: Exchange, cheaper: () -> RoutePlan
    ) async throws(CallFailure) -> Reservation {
        do throws(CallFailure) {
            return try await reserve(wanted, for: exchange)
        } catch {
            guard error.code == .budgetExceeded, plan.use == .traffic else { throw error }
            let other = cheaper()
            guard other.use == .budget, !other.isEmpty else { throw error }
            let claims = claims(of: admitted, call, only: .budget).claims
            let held = try await reserve(claims, for: exchange)
            plan = other
            wanted = claims
            return held
        }
    }

    /// Notes the call on disk should it last: a killed node bills what it had dialled, by an estimate.
    @inline(never)
    func begin(
        _ call: ClientCall, _ plan: RoutePlan, _ permit: borrowing Permit,
        _ held: borrowing Reservation
    ) -> CallNote {
        begin(
            plan[0] ?? permit.route.targets[0], permit, held,
            estimate: TokenUsage(input: ChatReply.tokens(call.promptBytes), output: 0),
            isStream: call.isStream)
    }

    func begin(
        _ target: CompiledTarget, _ permit: borrowing Permit, _ held: borrowing Reservation,
        estimate: TokenUsage, isStream: Bool
    ) -> CallNote {
        let (id, event) = permit.ifKilled(
            target, estimate: estimate, isStream: isStream, grants: held.grants)
        guard held.grants.isEmpty else {
            let known = event()
            let charges = held.charges(for: known.usage, cost: known.cost)
            return recorder.begin(id, charges: charges) { known }
        }
        return recorder.begin(id, event)
    }

    /// Holds what a call may use. Waits a little where it may come.
    func reserve(
        _ wanted: CallClaims, for exchange: Exchange
    ) async throws(CallFailure) -> Reservation {
        do throws(GrantPort.Failure) {
            return try await grants.reserve(wanted.claims) {
                exchange.connection.peerHungUp || exchange.connection.isEnded
            }
        } catch {
            switch error {
            case .clientGone: throw .clientGone
            case .refused(let refusal): throw failure(refusal, wanted)
            }
        }
    }

    private func failure(_ refusal: LimitRefusal, _ wanted: CallClaims) -> CallFailure {
        let name = wanted.limits.first { $0.id == refusal.account.limit }?.name.bounded ?? ""
        var failure: CallFailure
        switch refusal.reason {
        case .rate:
            failure = CallFailure(
                .rateLimited, message: "The limit '\(name)' is reached for now; see Retry-After.")
        case .concurrency:
            failure = CallFailure(
                .rateLimited, message: "The limit '\(name)' lets no more calls run at once; see Retry-After.")
        case .contended:
            failure = CallFailure(
                .budgetContended,
                message: "What is left of the budget '\(name)' is held by other calls; see Retry-After.")
        case .exhausted:
            let end = refusal.resetsAt.map { " It resets at \($0)." } ?? ""
            failure = CallFailure(
                .budgetExceeded,
                message: "What is left of the budget '\(name)' (one \(refusal.terms.period.name)) is less "
                    + "than this call may cost.\(end)")
        }
        if failure.status == 429 {
            failure.retryAfter = "\(max(1, (refusal.retryNanoseconds + 999_999_999) / 1_000_000_000))"
            failure.retryAfterMilliseconds = "\((refusal.retryNanoseconds + 999_999) / 1_000_000)"
        }
        failure.limitFields = limitFields(wanted)
        return failure
    }

    /// How near its limits the caller is, for the answer's head.
    func limitFields(_ wanted: CallClaims) -> HeaderFields {
        var fields = HeaderFields()
        if wanted.claims.isEmpty { return fields }
        let standings = zip(wanted.limits, wanted.claims).compactMap { limit, claim in
            grants.remaining(claim.account).map {
                LimitStanding(
                    limit, remaining: $0.remaining, amount: $0.limit, resetNanoseconds: $0.resetNanoseconds)
            }
        }
        for field in LimitFields.fields(standings) { fields.append("\(field.name)", field.value) }
        return fields
    }
}
