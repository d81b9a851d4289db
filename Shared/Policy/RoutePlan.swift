import Contract
package import Domain

/// What of a call decides where it goes. What its route has no interest in may be left at zero.
package struct CallFacts: Sendable {
    package var now: Timestamp
    /// Tokens it reads, by a low estimate: a target that cannot read as many is left out. 0: not known.
    package var inputTokens: Int64
    /// Tokens it may write at most; 0: not known.
    package var outputTokens: Int64
    /// What its model must be able to do.
    package var needs: CapabilitySet
    /// A hash of what calls that belong together have in common; 0: nothing is known of that.
    package var affinity: UInt64

    package init(
        now: Timestamp = .epoch, inputTokens: Int64 = 0, outputTokens: Int64 = 0,
        needs: CapabilitySet = CapabilitySet(rawValue: 0),
        affinity: UInt64 = 0
    ) {
        self.now = now
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.needs = needs
        self.affinity = affinity
    }
}

/// How a target does, as the node that asks has seen it.
package struct TargetHealth: Hashable, Sendable {
    /// Its breaker lets calls through, and it has a credential that does not rest.
    package var isAvailable: Bool
    /// Of late, peaks counting most; 0: not known.
    package var latencyMicroseconds: UInt32
    /// Calls under way.
    package var inFlight: UInt32

    package init(isAvailable: Bool = true, latencyMicroseconds: UInt32 = 0, inFlight: UInt32 = 0) {
        self.isAvailable = isAvailable
        self.latencyMicroseconds = latencyMicroseconds
        self.inFlight = inFlight
    }
}

/// What chance has to say in a plan.
package struct PlanChance: Sendable {
    /// 64 random bits; nil: no chance, the likeliest comes first.
    package let draw: UInt64?
    /// The number of the call among those of its route.
    package let turn: UInt64

    package init(draw: UInt64?, turn: UInt64 = 0) {
        self.draw = draw
        self.turn = turn
    }

    package static let none = PlanChance(draw: nil)
}

/// The targets of a route in the order to try them. A value without heap storage; may be empty.
package struct RoutePlan: Sendable {
    package let route: CompiledRoute
    /// What its targets are for.
    package let use: TargetUse
    private var order = InlineArray<32, UInt8>(repeating: 0)
    package private(set) var count = 0
    /// How many of them, the first ones, are available; the others come last, for when nothing else is left.
    package fileprivate(set) var availableCount = 0

    fileprivate init(_ route: CompiledRoute, _ use: TargetUse) {
        self.route = route
        self.use = use
    }

    package var isEmpty: Bool { count == 0 }

    /// The target to try at a position; nil behind the last.
    package subscript(position: Int) -> CompiledTarget? {
        position >= 0 && position < count ? route.targets[Int(order[position])] : nil
    }

    mutating func append(_ index: Int) {
        order[count] = UInt8(truncatingIfNeeded: index)
        count += 1
    }

    /// Puts those that are not available behind the others, each kind in its order.
    fileprivate mutating func part(available: UInt32) {
        var parted = InlineArray<32, UInt8>(repeating: 0)
        var place = 0
        func isAvailable(_ position: Int) -> Bool { available >> UInt32(order[position]) & 1 == 1 }
        for position in 0..<count where isAvailable(position) {
            parted[place] = order[position]
            place += 1
        }
        availableCount = place
        for position in 0..<count where !isAvailable(position) {
            parted[place] = order[position]
            place += 1
        }
        order = parted
    }
}

/// Why a target is no part of a plan.
package enum TargetExclusion: String, Sendable, CaseIterable {
    case providerDisabled = "provider_disabled"
    /// The manifest has taken it away.
    case providerKilled = "provider_killed"
    /// A route on the way to it is disabled.
    case routeDisabled = "route_disabled"
    case modelNotAllowed = "model_not_allowed"
    case tagMissing = "tag_missing"
    /// Outside the sizes it is for.
    case inputSize = "input_size"
    /// Not at this time.
    case hours
    /// The call needs less than what it is kept for.
    case notNeeded = "not_needed"
    /// The model cannot do what the call needs.
    case capabilityMissing = "capability_missing"
    /// The model cannot read as much.
    case contextWindow = "context_window"
}

/// Why a target cannot be used for a call of a key; nil when it can.
package func exclusion(
    of target: CompiledTarget, for call: CallFacts, of key: AdmittedKey?, in snapshot: CompiledSnapshot
) -> TargetExclusion? {
    if !target.provider.entry.isEnabled { return .providerDisabled }
    if snapshot.isKilled(target.provider.id) { return .providerKilled }
    if target.isCutOff { return .routeDisabled }
    if let key, !key.allows(target) { return .modelNotAllowed }
    for condition in target.conditions {
        if let key, !condition.tags.allSatisfy({ key.has(tag: $0) }) { return .tagMissing }
        if call.inputTokens < condition.minimumInput { return .inputSize }
        if let maximum = condition.maximumInput, call.inputTokens > maximum { return .inputSize }
        if let hours = condition.hours, !hours.contains(call.now) { return .hours }
        if !call.needs.isSuperset(of: condition.needs) { return .notNeeded }
    }
    let entry = target.entry
    if !entry.capabilities.isEmpty, !entry.capabilities.isSuperset(of: call.needs) {
        return .capabilityMissing
    }
    if let window = entry.contextWindow, call.inputTokens > Int64(window) { return .contextWindow }
    return nil
}

/// The targets of a route that a call can use, in the order to try them: by priority, and inside one by the
/// route's strategy; at each level of routes inside routes again. Those that are not available come last.
/// When no target can read as much as the call has, those for `.contextWindow` are taken. Pure; allocates
/// nothing.
///
/// - Parameter health: asked only when there is more than one target to choose from.
package func plan(
    _ route: CompiledRoute, for call: CallFacts = CallFacts(), use: TargetUse = .traffic,
    of key: AdmittedKey? = nil, in snapshot: CompiledSnapshot, by chance: PlanChance,
    health: (CompiledTarget) -> TargetHealth = { _ in TargetHealth() }
) -> RoutePlan {
    var plan = RoutePlan(route, use)
    var usable: UInt32 = 0
    var isTooLong = false
    for index in route.targets.indices where route.targets[index].use == use {
        switch exclusion(of: route.targets[index], for: call, of: key, in: snapshot) {
        case nil: usable |= 1 << UInt32(index)
        case .contextWindow: isTooLong = true
        default: break
        }
    }
    if usable & (usable &- 1) == 0 {
        if usable == 0, isTooLong, use == .traffic {
            return Policy.plan(
                route, for: call, use: .contextWindow, of: key, in: snapshot, by: chance, health: health)
        }
        if usable != 0 {
            plan.append(usable.trailingZeroBitCount)
            plan.availableCount = 1
        }
        return plan
    }
    var ordering = RouteOrdering(route, call, usable: usable, chance)
    for index in route.targets.indices where usable >> UInt32(index) & 1 == 1 {
        ordering.note(health(route.targets[index]), of: index)
    }
    ordering.place(level: 0, into: &plan)
    plan.part(available: ordering.available)
    return plan
}
