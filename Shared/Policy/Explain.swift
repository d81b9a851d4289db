package import Contract
package import Domain

/// A call as far as it matters to what a node decides.
package struct ExplainedCall: Sendable {
    package var key: KeyPublicID
    package var route: String
    package var endpoint: Endpoint
    package var origin: CallOrigin
    package var facts: CallFacts
    /// What its limits are asked by.
    package var extent: CallExtent

    package init(
        key: KeyPublicID, route: String, endpoint: Endpoint, origin: CallOrigin, facts: CallFacts,
        extent: CallExtent
    ) {
        self.key = key
        self.route = route
        self.endpoint = endpoint
        self.origin = origin
        self.facts = facts
        self.extent = extent
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

    /// An account the call counts in, and what it asks of it.
    package struct Claim: Sendable {
        package let limit: CompiledLimit
        package let account: GrantAccount
        /// In the metric's unit, for the usual targets, and for those kept for budgets that do not bear them;
        /// nil: there are none.
        package let usual: Int64
        package let cheaper: Int64?

        /// Whether what was used and this call stay inside an amount: the question after which a node answers
        /// `budget_exceeded`. nil: of a rate and of concurrency only nodes know.
        package func fits(_ use: TargetUse, used: Int64, of amount: Int64) -> Bool? {
            limit.terms.kind == .budget ? used <= amount - asks(use) : nil
        }

        /// What it asks at the targets of a use.
        package func asks(_ use: TargetUse) -> Int64 { use == .budget ? cheaper ?? usual : usual }
    }

    /// nil: a node does not know the key.
    package let standing: KeyStanding?
    /// The first thing that is in the way; nil: the call is admitted.
    package let refusal: Refusal?
    /// The route of this name, if there is one; also when the key may not use it.
    package let route: RouteID?
    package let rules: RouteRules?
    /// What it asks of the limits it counts in: those of the tenant first, then of the workspace, the owner's
    /// groups, the owner, the key's own; of one that is parted by tag once for each of its tags.
    package let claims: [Claim]
    /// Those that look at the call.
    package let guardrails: [GuardrailEntry]
    /// By use; those of each in the order they are tried, then those left out.
    package let targets: [Target]

    /// What budgets make of the call: the use of the targets it goes to, and the code it is refused with.
    /// Where they do not bear the usual ones, those kept for that are taken, if the route has any.
    ///
    /// - Parameter standing: what was used of an account in its window, and the amount in force.
    package func verdict(
        _ standing: (GrantAccount) -> (used: Int64, amount: Int64)
    ) -> (use: TargetUse, code: ErrorCode?) {
        if let refusal { return (usualUse, refusal.errorCode) }
        func isBorne(_ use: TargetUse) -> Bool {
            claims.allSatisfy { claim in
                let (used, amount) = standing(claim.account)
                return claim.limit.terms.mode == .shadow
                    || claim.fits(use, used: used, of: amount) ?? true
            }
        }
        if isBorne(usualUse) { return (usualUse, nil) }
        let hasCheaper = usualUse == .traffic && claims.contains { $0.cheaper != nil }
        return hasCheaper && isBorne(.budget) ? (.budget, nil) : (usualUse, .budgetExceeded)
    }

    /// Of the targets a call goes to that its budgets bear.
    private var usualUse: TargetUse {
        targets.contains { $0.use == .contextWindow && $0.position != nil }
            && !targets.contains { $0.use == .traffic && $0.position != nil } ? .contextWindow : .traffic
    }
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
        claims: claims(of: call, found.key, route, in: snapshot),
        guardrails: guardrails(of: found.key, route),
        targets: targets)
}

private func guardrails(of key: AdmittedKey?, _ route: CompiledRoute?) -> [GuardrailEntry] {
    guard let key, let route else { return [] }
    return key.tenant.guardrails.filter { $0.looks(at: key, route) }.map(\.entry)
}

private func claims(
    of call: ExplainedCall, _ key: AdmittedKey?, _ route: CompiledRoute?, in snapshot: CompiledSnapshot
) -> [Explanation.Claim] {
    guard let key, let route else { return [] }
    let admitted = Admitted(key: key, route: route)
    var usual = CallSizes(call.extent, admitted, at: call.facts.now)
    var cheaper = CallSizes(call.extent, admitted, only: .budget, at: call.facts.now)
    let plan = plan(route, for: call.facts, use: .budget, of: key, in: snapshot, by: .none)
    var found: [Explanation.Claim] = []
    key.forEachLimit(of: route) { limit, account in
        found.append(
            Explanation.Claim(
                limit: limit, account: account, usual: usual.amount(of: limit.terms),
                cheaper: plan.isEmpty ? nil : cheaper.amount(of: limit.terms)))
    }
    return found
}
