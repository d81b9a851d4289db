package import Domain
package import Policy

/// Decides on one loop where a call goes: `Policy`'s plan. Loop thread.
package final class Routing {
    private var state: UInt64
    /// Of the routes that take turns, the calls so far.
    private var turns: [RouteID: UInt64] = [:]
    private static let maximumTurns = 10_000

    /// `seed` makes this loop's draws unlike every other loop's.
    package init(seed: UInt64) { state = seed | 1 }

    /// The targets to try, in order; empty when none can be used now.
    package func plan(
        for route: CompiledRoute, call: CallFacts = CallFacts(), use: TargetUse = .traffic,
        of key: AdmittedKey? = nil, in snapshot: CompiledSnapshot,
        health: (CompiledTarget) -> TargetHealth = { _ in TargetHealth() }
    ) -> RoutePlan {
        let turn = route.interests.contains(.turn) ? nextTurn(of: route.id) : 0
        return Policy.plan(
            route, for: call, use: use, of: key, in: snapshot, by: PlanChance(draw: draw(), turn: turn),
            health: health)
    }

    private func nextTurn(of route: RouteID) -> UInt64 {
        // Routes that are gone leave theirs behind; to begin anew now and then harms nothing.
        if turns.count >= Self.maximumTurns { turns.removeAll(keepingCapacity: true) }
        turns[route, default: 0] &+= 1
        return turns[route] ?? 0
    }

    /// 64 random bits (xorshift64*): for balance, not for secrets.
    private func draw() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
