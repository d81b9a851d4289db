package import Contract
package import Domain

/// What one call asks of one limit.
package struct LimitClaim: Sendable {
    package let account: GrantAccount
    package let terms: LimitTerms
    /// Reserved until the call settles: the worst case of it, in the metric's unit.
    package let amount: Int64

    package init(account: GrantAccount, terms: LimitTerms, amount: Int64) {
        self.account = account
        self.terms = terms
        self.amount = amount
    }
}

/// What a call holds of one account until it settles.
package struct LimitHold: Hashable, Sendable {
    let slot: Int
    /// Which grant is charged; the settlement of the control plane goes by it.
    package let grant: GrantID
    package let kind: LimitKind
    package let metric: LimitMetric
    package let amount: Int64
    /// Whether the usage event carries the grant.
    package var isSpent: Bool { kind == .budget }
}

/// Why a limit refuses a call.
package struct LimitRefusal: Error, Hashable, Sendable {
    package enum Reason: Sendable {
        /// The rate is used up here.
        case rate
        /// All slots are taken.
        case concurrency
        /// What was spent and this call exceed the budget.
        case exhausted
        /// Money is left, but lent elsewhere or held by calls under way.
        case contended
    }

    package let reason: Reason
    package let account: GrantAccount
    package let terms: LimitTerms
    /// When to come back.
    package let retryNanoseconds: Int64
    /// The end of the window, for a budget.
    package let resetsAt: Timestamp?
}

package enum HoldVerdict: Sendable {
    case held([LimitHold])
    /// Something is lacking that may come: ask again when told, after `endWait`.
    case wait(LimitWait)
    case refused(LimitRefusal)
}

/// A call that waits: what it lacks is what the node asks for.
package struct LimitWait: Sendable {
    struct Lack: Sendable {
        let slot: Int
        let amount: Int64
    }
    let lacks: [Lack]
    /// What to say when waiting is of no use any more.
    package let refusal: LimitRefusal
}
