import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import HTTPCalling
import Policy
import Routing

/// Whose turn it is: walks the plan of one call, by its route's rules.
struct TargetTurn {
    /// A provider that wants to be left alone for longer is not asked again by the same call.
    private static let patienceNanoseconds: Int64 = 2_000_000_000

    private var plan: RoutePlan
    private let rules: RetryRules
    private var position = 0
    private var attempts = 0
    private var attemptsHere = 0

    init(_ plan: RoutePlan) {
        self.plan = plan
        rules = plan.route.rules.retries
    }

    /// The upstream to ask now; nil when there is none left. Those that are not available are asked only
    /// when no other was.
    mutating func next(in serving: ServingSnapshot, _ gateway: Gateway) -> Upstream? {
        while let target = plan[position] {
            guard position < plan.availableCount || attempts == 0 || attemptsHere > 0 else { return nil }
            if let upstream = gateway.upstreams.upstream(target, of: plan.route, in: serving) {
                return take(upstream)
            }
            leave()
        }
        return nil
    }

    /// Goes on with the targets that are kept for a failure; false when there are none, or this is one.
    private mutating func turn(to use: TargetUse, _ replan: (TargetUse) -> RoutePlan) -> Bool {
        guard plan.use == .traffic, attempts < Int(rules.attempts) else { return false }
        let other = replan(use)
        guard other.use == use, !other.isEmpty else { return false }
        plan = other
        position = 0
        attemptsHere = 0
        return true
    }

    private mutating func take(_ upstream: Upstream) -> Upstream {
        if attempts == 0 { upstream.state.budget.noteCall() }
        attempts += 1
        attemptsHere += 1
        return upstream
    }

    /// The next target, to be asked beside the one that is being asked; nil when there is none, or that were
    /// too much.
    mutating func besides(
        _ upstream: Upstream, in serving: ServingSnapshot, _ gateway: Gateway
    ) -> Upstream? {
        guard attempts < Int(rules.attempts), position + 1 < plan.availableCount,
            let target = plan[position + 1],
            let other = gateway.upstreams.upstream(target, of: plan.route, in: serving),
            upstream.state.budget.take()
        else { return nil }
        leave()
        attempts += 1
        attemptsHere += 1
        return other
    }

    /// How long to wait before a second target is asked as well; nil: it never is. Unit: nanoseconds.
    func hedgeNanoseconds(at upstream: Upstream) -> Int64? {
        guard rules.isHedged, position + 1 < plan.availableCount else { return nil }
        let least = Int64(rules.hedgeAfter) * 1_000_000
        guard rules.hedgePercentile > 0,
            let time = upstream.state.firstBytes?.percentile(rules.hedgePercentile)
        else { return least > 0 ? least : nil }
        return max(least, time)
    }

    /// Goes on to the next target.
    mutating func leave() {
        position += 1
        attemptsHere = 0
    }

    /// Goes on after a failure: how long to wait first, in nanoseconds; nil when that was the last attempt.
    /// An account that is used up is answered by the targets kept for budgets, once no other is left.
    mutating func goOn(
        after failure: CallFailure, at upstream: Upstream, _ now: Int64, _ replan: (TargetUse) -> RoutePlan
    ) -> Int64? {
        if let use = failure.fallback, turn(to: use, replan) { return 0 }
        if let pause = plan(after: failure, at: upstream, now) { return pause }
        return failure.isQuota && turn(to: .budget, replan) ? 0 : nil
    }

    /// Decides on another attempt: how long to wait for it, in nanoseconds; nil when there is none.
    private mutating func plan(after failure: CallFailure, at upstream: Upstream, _ now: Int64) -> Int64? {
        let remedy = failure.remedy
        if case .none = remedy { return nil }
        guard attempts < Int(rules.attempts) else { return nil }
        let isOtherLeft = position + 1 < plan.availableCount
        if case .otherCredential = remedy, upstream.hasOtherCredential, upstream.state.budget.take() {
            return 0
        }
        if isOtherLeft {
            guard upstream.state.budget.take() else { return nil }
            leave()
            return 0
        }
        guard case .anyTarget = remedy, attemptsHere < Int(rules.attemptsPerTarget) else { return nil }
        let wanted = failure.restNanoseconds ?? 0
        guard wanted <= Self.patienceNanoseconds, upstream.state.budget.take() else { return nil }
        // Full jitter around the mean, so that many callers do not come again together.
        let ceiling = Int64(rules.backoff) * 2_000_000 << Int64(attemptsHere - 1)
        return max(wanted, Int64.random(in: 0...max(1, ceiling)))
    }
}

/// How targets and credentials do on one loop, across snapshots. Loop thread.
final class UpstreamStates {
    private struct Key: Hashable {
        let provider: ProviderID
        let model: String
    }

    private var targets: [Key: TargetState] = [:]
    private var credentials: [CredentialID: CredentialState] = [:]
    private static let maximumCount = 100_000

    func target(_ target: CompiledTarget) -> TargetState {
        if targets.count > Self.maximumCount { targets.removeAll() }
        let key = Key(provider: target.provider.id, model: target.entry.upstreamModel)
        if let known = targets[key] { return known }
        let made = TargetState()
        targets[key] = made
        return made
    }

    func credential(_ id: CredentialID) -> CredentialState {
        if credentials.count > Self.maximumCount { credentials.removeAll() }
        if let known = credentials[id] { return known }
        let made = CredentialState()
        credentials[id] = made
        return made
    }
}

/// How one credential does. Loop thread.
final class CredentialState {
    var rest = CredentialRest()
    private var tokens: (digest: SHA256Digest, source: TokenSource)?

    /// Where its tokens come from; a secret that took the place of another gets a source of its own. nil when
    /// it is no service account's key.
    func tokens(
        of secret: Secret, _ calling: UpstreamCalling, proxy: ProxyAddress?
    ) -> TokenSource? {
        let digest = secret.withBytes { sha256($0) }
        if let tokens, tokens.digest == digest { return tokens.source }
        guard let key = try? ServiceAccountKey(secret) else { return nil }
        let source = TokenSource(key, calling, proxy: proxy)
        tokens = (digest, source)
        return source
    }
}
