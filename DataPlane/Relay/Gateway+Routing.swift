import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Feed
import HTTPServing
import JSONText
import Policy
import Routing

extension Gateway {
    /// The targets for a call, in the order to try them, by what the route wants to know of it.
    @inline(never)
    func plan(
        _ call: ClientCall, _ admitted: Admitted, at now: Timestamp, _ exchange: Exchange,
        in serving: ServingSnapshot
    ) -> (plan: RoutePlan, facts: CallFacts) {
        let facts = facts(of: call, for: admitted.route, at: now, exchange)
        return (plan(facts, admitted, use: .traffic, in: serving), facts)
    }

    /// The targets of a route that are for this use, with how they do on this loop.
    @inline(never)
    func plan(
        _ facts: CallFacts, _ admitted: Admitted, use: TargetUse, in serving: ServingSnapshot
    ) -> RoutePlan {
        let route = admitted.route
        return routing.plan(
            for: route, call: facts, use: use, of: admitted.key, in: serving.compiled
        ) { target in
            guard let upstream = upstreams.upstream(target, of: route, in: serving) else {
                return TargetHealth(isAvailable: false)
            }
            return upstream.health(at: loop.now)
        }
    }

    private func facts(
        of call: ClientCall, for route: CompiledRoute, at now: Timestamp, _ exchange: Exchange
    ) -> CallFacts {
        var facts = CallFacts(now: now)
        let interests = route.interests
        if interests.rawValue & RouteInterests.ofCall.rawValue == 0 { return facts }
        let canonical = interests.contains(.size) || interests.contains(.needs) ? call.canonical : nil
        if interests.contains(.needs), let canonical { facts.needs = CapabilitySet(canonical.needs) }
        if interests.contains(.size) {
            // Low, since what cannot be read is left out: six bytes a token, and pictures count nothing.
            let pictures = canonical?.mediaBytes ?? 0
            facts.inputTokens = Int64(max(0, call.promptBytes - pictures) / 6)
            facts.outputTokens = canonical?.maximumOutput ?? 0
        }
        if interests.contains(.session), let session = exchange.field("x-eclusa-session") {
            facts.affinity = Self.hash(session)
        } else if interests.contains(.promptPrefix) {
            facts.affinity = Self.hash(UnsafeRawBufferPointer(rebasing: call.promptStart.prefix(1024)))
        }
        return facts
    }

    /// FNV-1a, never 0: that means nothing is known.
    private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return max(1, hash)
    }
}

extension CallFailure {
    /// The targets that are kept for this failure; nil for others.
    var fallback: TargetUse? {
        guard self.origin == .provider, (400..<500).contains(self.status) else { return nil }
        let error = self.error
        let words = [error.code ?? "", error.type, error.message].joined(separator: " ").lowercased()
        let long = [
            "context_length_exceeded", "context length", "prompt is too long", "context window",
            "maximum number of tokens", "input is too long", "too many input tokens",
        ]
        if long.contains(where: words.contains) { return .contextWindow }
        let policy = ["content_filter", "content_policy", "content management policy", "safety system"]
        return policy.contains(where: words.contains) ? .contentPolicy : nil
    }
}
