package import Contract
import Domain
import EventLoops
import LocalStore
import Policy
import Synchronization

/// What was lent to this node, shared by all its loops. Any thread.
///
/// One lock, held for less than a microsecond a call; a call without limits never comes here.
package final class NodeGrants: Sendable {
    private let holder: Mutex<GrantHolder>
    private let rooms = Mutex<[WaitingRoom]>([])
    /// Calls that wait for what may come.
    private let waiting = Atomic<Int>(0)
    private let needObserver = Mutex<(@Sendable () -> Void)?>(nil)

    /// - Parameter now: the monotonic clock.
    package init(at now: Int64) {
        holder = Mutex(
            GrantHolder(sequence: 0, at: now, identifiers: SystemRandomNumberGenerator()))
    }

    /// Calls the body, on any thread, when a call waits for something that must be asked for. Only the last
    /// body given counts.
    func onNeed(_ body: @escaping @Sendable () -> Void) { needObserver.withLock { $0 = body } }

    // MARK: Calls

    /// Reserves all claims of a call, or none; with it, the margins that grew.
    func hold(
        _ claims: [LimitClaim], at now: Int64, wall: Timestamp
    ) -> (verdict: HoldVerdict, margins: [GrantCharge]) {
        let (verdict, margins) = holder.withLock { holder in
            let verdict = holder.hold(claims, at: now, wall: wall)
            guard case .held(let holds) = verdict else { return (verdict, [GrantCharge]()) }
            return (verdict, holder.margins(of: holds).map { GrantCharge(grant: $0, amount: $1) })
        }
        if case .wait = verdict { needObserver.withLock { $0 }?() }
        return (verdict, margins)
    }

    /// Takes back what a waiting call asked for.
    func endWait(_ wait: LimitWait) { holder.withLock { $0.endWait(wait) } }

    /// Gives holds back and charges what was used; nil: nothing was.
    func settle(_ holds: [LimitHold], _ usage: (tokens: TokenUsage, cost: NanoUSD)?, at now: Int64) {
        holder.withLock { $0.settle(holds, usage, at: now) }
        if waiting.load(ordering: .relaxed) > 0 { wakeWaiting() }
    }

    /// What is left of an account; nil before the control plane has answered.
    package func remaining(_ account: GrantAccount, at now: Int64) -> LimitHeadroom? {
        holder.withLock { holder in
            holder.remaining(account, at: now).map {
                LimitHeadroom(remaining: $0.remaining, limit: $0.limit, resetNanoseconds: $0.untilFull)
            }
        }
    }

    /// Calls that shadow limits would have refused.
    package var shadowRefusals: Int64 { holder.withLock { $0.shadowRefusals } }

    // MARK: Waiting

    func enter(_ room: WaitingRoom) { rooms.withLock { $0.append(room) } }

    func beginWaiting() { waiting.add(1, ordering: .relaxed) }
    func endWaiting() { waiting.subtract(1, ordering: .relaxed) }

    /// Lets the waiting calls of every loop ask again.
    func wakeWaiting() {
        for room in rooms.withLock({ $0 }) { room.wake() }
    }

    // MARK: The exchange

    var isEmpty: Bool { holder.withLock { $0.isEmpty } }
    var isUrgent: Bool { holder.withLock { $0.isUrgent } }

    func request(at now: Int64, wall: Timestamp) -> GrantRequest {
        holder.withLock { $0.request(at: now, wall: wall) }
    }

    /// - Parameter grants: what the answer's statements say, of those whose signature is good.
    func take(
        _ answer: GrantAnswer, to request: GrantRequest, at now: Int64, grants: [SignedEnvelope: Grant]
    ) -> GrantChanges {
        holder.withLock { $0.take(answer, to: request, at: now) { grants[$0] } }
    }

    /// The changes are on disk: what was given may be used.
    func saved(_ changes: GrantChanges, at now: Int64) {
        if holder.withLock({ $0.saved(changes, at: now) }) { wakeWaiting() }
    }

    func restore(_ saved: [(SavedGrant, Grant)], at now: Int64, wall: Timestamp) {
        holder.withLock { $0.restore(saved, at: now, wall: wall) }
    }

    /// Nothing of what was lent so far is spent again: its record is lost.
    func abandon() {
        holder.withLock { $0.abandon() }
    }

    /// Margins that are far above what was held lately, lowered; `write` is called before any can grow again.
    func lowerMargins(toHeld isLast: Bool, _ write: ([GrantCharge]) -> Void) {
        holder.withLock { holder in
            let lowered = holder.lowerMargins(toHeld: isLast)
            if !lowered.isEmpty { write(lowered.map { GrantCharge(grant: $0, amount: $1) }) }
        }
    }
}

/// What is left of a limit on this node.
package struct LimitHeadroom: Hashable, Sendable {
    package let remaining: Int64
    package let limit: Int64
    /// Until a rate is whole again.
    package let resetNanoseconds: Int64
}
