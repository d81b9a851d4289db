package import Contract
package import Domain
package import EventLoops
package import LocalStore
package import Policy

/// One loop's way to the limits of its calls. Loop thread.
package final class GrantPort {
    /// Why a call got nothing.
    package enum Failure: Error {
        case refused(LimitRefusal)
        /// Whoever asked has left.
        case clientGone
    }

    private let loop: EventLoop
    private let grants: NodeGrants
    private let disk: OutboxPort
    private let clock: WallClock
    private let room: WaitingRoom
    private let patienceNanoseconds: Int64

    /// - Parameter patienceNanoseconds: how long a call waits for what may come.
    package init(
        _ grants: NodeGrants, outbox: Outbox, loop: EventLoop, clock: WallClock,
        patienceNanoseconds: Int64 = GrantHolder.patienceNanoseconds
    ) {
        self.patienceNanoseconds = patienceNanoseconds
        self.loop = loop
        self.grants = grants
        self.clock = clock
        disk = outbox.port(for: loop)
        room = WaitingRoom(loop)
        grants.enter(room)
    }

    /// Reserves all claims of a call, or none. Without claims nothing is asked and nothing allocated.
    ///
    /// Waits, two seconds unless said otherwise, for what is lent elsewhere or held by other calls.
    /// - Parameter isGone: whether the client has left; asked while waiting.
    package func reserve(
        _ claims: [LimitClaim], isGone: () -> Bool
    ) async throws(Failure) -> Reservation {
        if claims.isEmpty { return Reservation([], of: self) }
        let patience = loop.now + patienceNanoseconds
        while true {
            let (verdict, margins) = grants.hold(claims, at: loop.now, wall: clock.now())
            switch verdict {
            case .held(let holds):
                disk.raiseMargins(margins)
                return Reservation(holds, of: self)
            case .refused(let refusal): throw .refused(refusal)
            case .wait(let wait):
                let isLate = loop.now >= patience
                if !isLate {
                    grants.beginWaiting()
                    await room.sleep()
                    grants.endWaiting()
                }
                grants.endWait(wait)
                if isLate { throw .refused(wait.refusal) }
                if isGone() { throw .clientGone }
            }
        }
    }

    /// What is left of an account on this node.
    package func remaining(_ account: GrantAccount) -> LimitHeadroom? {
        grants.remaining(account, at: loop.now)
    }

    fileprivate func settle(_ holds: [LimitHold], _ usage: (tokens: TokenUsage, cost: NanoUSD)?) {
        grants.settle(holds, usage, at: loop.now)
    }
}

/// What a call holds of its limits until `settle`; dropped, it charges nothing: the call was never dialled.
/// Loop thread.
package struct Reservation: ~Copyable {
    private var holds: [LimitHold]
    private let port: GrantPort

    init(_ holds: [LimitHold], of port: GrantPort) {
        self.holds = holds
        self.port = port
    }

    deinit { if !holds.isEmpty { port.settle(holds, nil) } }

    /// The grants whose budgets the call spends: its usage event names them.
    package var grants: [GrantID] { holds.isEmpty ? [] : holds.filter(\.isSpent).map(\.grant) }

    /// What so much usage spends of each of them.
    package func charges(for usage: TokenUsage, cost: NanoUSD) -> [GrantCharge] {
        if holds.isEmpty { return [] }
        return holds.filter(\.isSpent).map {
            GrantCharge(grant: $0.grant, amount: $0.metric.amount(of: usage, cost: cost))
        }
    }

    /// Gives everything back and charges what was used. Call it once the usage event is durable.
    ///
    /// - Parameter others: events of the same call about further providers.
    package consuming func settle(_ event: UsageEvent, and others: [UsageEvent] = []) {
        if holds.isEmpty { return }
        var (usage, cost) = (event.usage, event.cost)
        for other in others {
            usage = TokenUsage(
                input: usage.input + other.usage.input,
                cachedInput: usage.cachedInput + other.usage.cachedInput,
                cacheWrite: usage.cacheWrite + other.usage.cacheWrite,
                output: usage.output + other.usage.output,
                reasoning: usage.reasoning + other.usage.reasoning)
            cost = cost.adding(other.cost) ?? cost
        }
        port.settle(holds, (usage, cost))
        holds = []
    }
}
