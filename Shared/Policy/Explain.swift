package import Contract
package import Domain

/// A call as far as it matters to what a node decides.
package struct ExplainedCall: Sendable {
    package var key: KeyPublicID
    package var route: String
    package var endpoint: Endpoint
    package var origin: CallOrigin
    package var facts: CallFacts

    package init(
        key: KeyPublicID, route: String, endpoint: Endpoint, origin: CallOrigin, facts: CallFacts
    ) {
        self.key = key
        self.route = route
        self.endpoint = endpoint
        self.origin = origin
        self.facts = facts
    }
}

/// What a node decides about a call, and why: by the code it decides with.
package struct Explanation: Sendable {
    /// A target of the route, what becomes of it, and what the call would cost there.
    package struct Target: Sendable {
        package let entry: TargetEntry
        package let use: TargetUse
        /// When it is tried among those of its use, from 0 on; nil: it is left out.
        package let position: Int?
        package let exclusion: TargetExclusion?
        /// nil: none is in force.
        package let price: PriceEntry?
        package let rates: PriceRates?
        package let cost: NanoUSD?
    }

    /// nil: a node does not know the key.
    package let standing: KeyStanding?
    /// The first thing that is in the way; nil: the call is admitted.
    package let refusal: Refusal?
    /// The route of this name, if there is one; also when the key may not use it.
    package let route: RouteID?
    package let rules: RouteRules?
    /// The limits the call counts in, as nodes know them: those of the tenant first, then of the workspace,
    /// the owner's groups, the owner, the key's own.
    package let limits: [LimitEntry]
    /// Those that look at the call.
    package let guardrails: [GuardrailEntry]
    /// By use; those of each in the order they are tried, then those left out.
    package let targets: [Target]
}

/// What becomes of a call in a snapshot, without making it: the plan is the one nodes make, but where they
/// draw by weight, here the heaviest comes first, and all targets count as available. Pure.
package func explain(_ call: ExplainedCall, in snapshot: CompiledSnapshot) -> Explanation {
    let now = call.facts.now
    let found = examine(
        call.key, route: call.route, endpoint: call.endpoint, from: call.origin, at: now, in: snapshot)
    var refusal: Refusal?
    if case .failure(let reason) = found.verdict { refusal = reason }
    let route = found.record.flatMap { snapshot.tenant($0.tenant) }?.route(named: call.route)
    let usage = TokenUsage(input: call.facts.inputTokens, output: call.facts.outputTokens)
    func target(_ target: CompiledTarget, _ position: Int?) -> Explanation.Target {
        let price = target.price(at: now)
        return Explanation.Target(
            entry: target.entry, use: target.use, position: position,
            exclusion: exclusion(of: target, for: call.facts, of: found.key, in: snapshot), price: price,
            rates: price?.table.rates(inputTokens: usage.input),
            cost: price.map { target.cost(of: usage, by: $0) })
    }
    var targets: [Explanation.Target] = []
    for use in TargetUse.allCases {
        guard let route else { break }
        let plan = plan(route, for: call.facts, use: use, of: found.key, in: snapshot, by: .none)
        // The plan may have turned to targets of another use; those are listed under theirs.
        let planned = plan.use == use ? (0..<plan.count).compactMap { plan[$0] } : []
        targets += planned.enumerated().map { target($0.element, $0.offset) }
        let others = route.targets.filter { candidate in
            candidate.use == use && !planned.contains { $0 === candidate }
        }
        targets += others.map { target($0, nil) }
    }
    return Explanation(
        standing: found.record?.standing(at: now), refusal: refusal, route: route?.id, rules: route?.rules,
        limits: limits(of: found.key, route), guardrails: guardrails(of: found.key, route),
        targets: targets)
}

private func guardrails(of key: AdmittedKey?, _ route: CompiledRoute?) -> [GuardrailEntry] {
    guard let key, let route else { return [] }
    return key.tenant.guardrails.filter { $0.looks(at: key, route) }.map(\.entry)
}

private func limits(of key: AdmittedKey?, _ route: CompiledRoute?) -> [LimitEntry] {
    guard let key, let route else { return [] }
    var found: [LimitEntry] = []
    key.forEachLimit(of: route) { limit, _ in
        // A limit that is parted by tag counts a call in each of its tags.
        if found.last?.id != limit.id { found.append(limit.entry) }
    }
    return found
}
