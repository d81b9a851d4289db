package import Contract
package import Domain
package import Policy

/// What a call asks of the limits that bind it.
package struct CallClaims: Sendable {
    package private(set) var claims: [LimitClaim] = []
    /// The limit of each claim.
    package private(set) var limits: [CompiledLimit] = []
    /// The bound the provider must be told of, because the request has none and a strict budget was promised
    /// one. Unit: tokens an answer.
    package private(set) var imposedOutput: Int64?
    /// A strict budget holds what an answer may have at most.
    package private(set) var bindsOutput = false
    /// Whether how long answers usually are matters to one of them.
    package private(set) var learnsOutput = false

    package static let none = CallClaims()

    mutating func add(_ claim: LimitClaim, of limit: CompiledLimit) {
        claims.append(claim)
        limits.append(limit)
    }

    mutating func add(
        _ limit: CompiledLimit, _ account: GrantAccount, _ sizes: inout CallSizes
    ) {
        let terms = limit.terms
        switch terms.metric {
        case .requests, .concurrency: break
        case .inputTokens, .outputTokens, .totalTokens, .cost:
            if terms.isStrict, terms.metric != .inputTokens {
                bindsOutput = true
                if sizes.extent.maximumOutput == nil { imposedOutput = CallExtent.imposedOutput }
            }
            if !terms.isStrict { learnsOutput = true }
        }
        add(LimitClaim(account: account, terms: terms, amount: sizes.amount(of: terms)), of: limit)
    }
}

extension Admission {
    /// What a call asks of every limit that binds it; nothing, at no cost, for keys without limits.
    ///
    /// - Parameter use: the targets it will be sent to; nil: those of the usual traffic, and of failures.
    package func claims(
        of admitted: Admitted, _ extent: CallExtent, only use: TargetUse? = nil, at now: Timestamp
    ) -> CallClaims {
        guard admitted.key.mayBeLimited else { return .none }
        var sizes = CallSizes(
            extent, admitted, learned: expectation.output(of: admitted.key.record.id, admitted.route.id),
            only: use, at: now)
        var claims = CallClaims()
        admitted.key.forEachLimit(of: admitted.route) { limit, account in
            claims.add(limit, account, &sizes)
        }
        return claims
    }

    /// Notes how long an answer was that counted in a limit.
    package func learn(from event: UsageEvent) {
        guard event.ending == .completed else { return }
        expectation.learn(event.usage.output, of: event.key, event.route)
    }
}
