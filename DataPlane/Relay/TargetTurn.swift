import Contract
import Domain
import EventLoops
import Feed
import Policy
import Routing

/// How often a call is tried before its first byte.
package struct RetryLimits: Sendable {
    /// Of one call in all, the first one included.
    package var attempts = 3
    package var attemptsPerTarget = 2
    /// The longest wait before a second attempt at a target; doubled from then on.
    package var backoffNanoseconds: Int64 = 250_000_000
    /// A provider that wants to be left alone for longer is not asked again by the same call.
    package var patienceNanoseconds: Int64 = 2_000_000_000
    package init() {}
}

/// Whose turn it is: walks the plan of one call.
struct TargetTurn {
    private let plan: RoutePlan
    private let route: CompiledRoute
    private let limits: RetryLimits
    private var position = 0
    private var attempts = 0
    private var attemptsHere = 0

    init(_ plan: RoutePlan, of route: CompiledRoute, limits: RetryLimits) {
        self.plan = plan
        self.route = route
        self.limits = limits
    }

    /// The upstream to ask now; nil when there is none left. Those that cannot be asked now are passed over,
    /// unless nothing else is left.
    mutating func next(in serving: ServingSnapshot, _ gateway: Gateway) -> Upstream? {
        var resting: Upstream?
        var restingPosition = position
        while let target = plan[position] {
            if let upstream = gateway.upstreams.upstream(target, of: route, in: serving) {
                let isChosen = attemptsHere > 0 || plan.count == 1
                if isChosen || upstream.isAvailable(at: gateway.loop.now) { return take(upstream) }
                if resting == nil {
                    resting = upstream
                    restingPosition = position
                }
            }
            leave()
        }
        // Never without a try: all may rest wrongly.
        guard attempts == 0, let resting else { return nil }
        position = restingPosition
        return take(resting)
    }

    private mutating func take(_ upstream: Upstream) -> Upstream {
        if attempts == 0 { upstream.state.budget.noteCall() }
        attempts += 1
        attemptsHere += 1
        return upstream
    }

    /// Goes on to the next target.
    mutating func leave() {
        position += 1
        attemptsHere = 0
    }

    /// Decides on another attempt: how long to wait for it, in nanoseconds; nil when there is none.
    mutating func plan(after failure: CallFailure, at upstream: Upstream, _ now: Int64) -> Int64? {
        let remedy = failure.remedy
        if case .none = remedy { return nil }
        guard attempts < limits.attempts else { return nil }
        let isOtherLeft = plan[position + 1] != nil
        if case .otherCredential = remedy, upstream.hasOtherCredential, upstream.state.budget.take() {
            return 0
        }
        if isOtherLeft {
            guard upstream.state.budget.take() else { return nil }
            leave()
            return 0
        }
        guard case .anyTarget = remedy, attemptsHere < limits.attemptsPerTarget else { return nil }
        let wanted = failure.restNanoseconds ?? 0
        guard wanted <= limits.patienceNanoseconds, upstream.state.budget.take() else { return nil }
        // Full jitter, so that many callers do not come again together.
        let ceiling = limits.backoffNanoseconds << Int64(attemptsHere - 1)
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
}
