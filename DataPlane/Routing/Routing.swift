package import Policy

/// Decides on one loop where a call goes: `Policy`'s plan. Loop thread.
package final class Routing {
    private var state: UInt64

    /// `seed` makes this loop's draws unlike every other loop's.
    package init(seed: UInt64) { state = seed | 1 }

    /// The targets to try, in order; empty when none can be used now.
    package func plan(
        for route: CompiledRoute, of key: AdmittedKey? = nil, in snapshot: CompiledSnapshot
    ) -> RoutePlan {
        Policy.plan(route, for: key, in: snapshot, draw: draw())
    }

    /// 64 random bits (xorshift64*): for balance, not for secrets.
    private func draw() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
