package import Contract
package import Domain
package import Policy

/// The right to make one admitted call: only `Admission` makes one, it cannot be copied, and `settle` ends
/// it. One that is dropped was never dialled: it owes nothing.
package struct Permit: ~Copyable {
    package let admitted: Admitted
    package let endpoint: Endpoint
    package let admittedAt: Timestamp
    private let id: UsageEventID
    private let admission: Admission

    init(
        _ admitted: Admitted, id: UsageEventID, endpoint: Endpoint, admittedAt: Timestamp,
        by admission: Admission
    ) {
        self.admitted = admitted
        self.id = id
        self.endpoint = endpoint
        self.admittedAt = admittedAt
        self.admission = admission
        admission.enter()
    }

    deinit { admission.leave() }

    package var route: CompiledRoute { admitted.route }

    /// Turns what the call used into its one usage event, priced by the price in force when it was admitted.
    ///
    /// - Parameter grants: what it was held against.
    package consuming func settle(_ outcome: CallOutcome, grants: [GrantID] = []) -> UsageEvent {
        Self.event(id, outcome, grants, of: admitted, endpoint, at: admittedAt)
    }

    /// Turns what another provider was asked for on this call's account into an event of its own; also after
    /// the permit is gone.
    package func aside() -> (_ outcome: CallOutcome, _ grants: [GrantID]) -> UsageEvent {
        let admitted = admitted, endpoint = endpoint, admittedAt = admittedAt
        let id = admission.makeID(at: admittedAt)
        return { Self.event(id, $0, $1, of: admitted, endpoint, at: admittedAt) }
    }

    /// What becomes of the call if this process is killed while it runs: an estimate, made when it is asked
    /// for, since few are.
    package func ifKilled(
        _ target: CompiledTarget, estimate usage: TokenUsage, isStream: Bool, grants: [GrantID] = []
    ) -> (id: UsageEventID, event: () -> UsageEvent) {
        let admitted = admitted, id = id, endpoint = endpoint, admittedAt = admittedAt
        return (
            id,
            {
                let outcome = CallOutcome(
                    target: target, usage: usage, isEstimated: true, ending: .nodeKilled, status: 500,
                    isStream: isStream, attempts: 1)
                return Self.event(id, outcome, grants, of: admitted, endpoint, at: admittedAt)
            }
        )
    }

    private static func event(
        _ id: UsageEventID, _ outcome: CallOutcome, _ grants: [GrantID], of admitted: Admitted,
        _ endpoint: Endpoint, at admittedAt: Timestamp
    ) -> UsageEvent {
        let key = admitted.key
        // What was kept costs nothing: nobody was asked.
        let charge = outcome.isCached ? nil : outcome.target.charge(for: outcome.usage, at: admittedAt)
        let state: UsageEvent.CostState =
            outcome.isCached
            ? .settled : charge == nil ? .unpriced : outcome.isEstimated ? .estimated : .settled
        return UsageEvent(
            id: id, tenant: key.record.tenant, workspace: key.record.workspace, key: key.record.id,
            route: admitted.route.id,
            provider: outcome.target.provider.id, model: outcome.target.entry.model, price: charge?.price,
            endpoint: endpoint, startedAt: admittedAt,
            latencyMicroseconds: outcome.latencyMicroseconds,
            firstByteMicroseconds: outcome.firstByteMicroseconds, usage: outcome.usage,
            cost: charge?.cost ?? .zero, costState: state, status: outcome.status,
            isStream: outcome.isStream, ending: outcome.ending, errorCode: outcome.error?.code,
            attempts: outcome.attempts, grants: grants, purpose: outcome.purpose,
            isCached: outcome.isCached, marks: outcome.marks)
    }
}

/// What became of a call that was dialled. A reference, since it goes up through many stages; its last owner
/// completes it.
package final class CallOutcome {
    /// The target whose answer counts: the last one dialled.
    package var target: CompiledTarget
    package var usage: TokenUsage
    /// The provider gave no usable figures, or the answer was not received whole.
    package var isEstimated: Bool
    package var ending: UsageEvent.Ending
    package var error: ErrorCode?
    /// The status the client got.
    package var status: UInt16
    package var isStream: Bool
    package var attempts: UInt8
    package var latencyMicroseconds: UInt32
    package var firstByteMicroseconds: UInt32
    package var purpose = CallPurpose.call
    /// Nobody was asked: an answer of before was given again.
    package var isCached = false
    /// What guardrails did.
    package var marks: [GuardrailMark] = []

    package init(
        target: CompiledTarget, usage: TokenUsage = .zero, isEstimated: Bool = false,
        ending: UsageEvent.Ending, error: ErrorCode? = nil, status: UInt16, isStream: Bool,
        attempts: UInt8, latencyMicroseconds: UInt32 = 0, firstByteMicroseconds: UInt32 = 0
    ) {
        self.target = target
        self.usage = usage
        self.isEstimated = isEstimated
        self.ending = ending
        self.error = error
        self.status = status
        self.isStream = isStream
        self.attempts = attempts
        self.latencyMicroseconds = latencyMicroseconds
        self.firstByteMicroseconds = firstByteMicroseconds
    }
}
