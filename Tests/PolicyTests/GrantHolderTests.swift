import Contract
import Domain
import Policy
import TestSupport
import Testing

/// A node's half of lending, one step at a time.
@Suite("holding")
struct GrantHolderTests {
    private static let wall = Timestamp(microseconds: 1_773_057_600_000_000)
    private static let second: Int64 = 1_000_000_000

    private static func claim(
        _ metric: LimitMetric, _ period: LimitPeriod, limit: Int64, amount: Int64 = 1
    ) -> LimitClaim {
        LimitClaim(
            account: GrantAccount(tenant: TenantID(high: 1, low: 1), limit: LimitID(high: 1, low: 2)),
            terms: LimitTerms(metric: metric, mode: .enforce, period: period, amount: limit), amount: amount)
    }

    private static func holder() -> GrantHolder {
        GrantHolder(sequence: 0, at: 0, identifiers: SeededGenerator(seed: 7))
    }

    /// What a process left on disk: of 100 that were lent for today 60 are spent, 20 were held.
    private static func saved(of claim: LimitClaim) -> (SavedGrant, Grant) {
        let window = LimitWindow(start: wall, end: wall.advanced(bySeconds: 86_400))
        let grant = Grant(
            id: GrantID(high: 1, low: 9), node: NodeID(high: 1, low: 1), account: claim.account,
            metric: .cost, period: .day, window: window, epoch: 1, serial: 3, lent: 100)
        let statement = SignedEnvelope(
            payloadType: Grant.payloadType, payload: grant.encoded, signedBy: [])
        return (SavedGrant(id: grant.id, statement: statement, lent: 100, spent: 60, margin: 20), grant)
    }

    private static func answer(
        _ holder: inout GrantHolder, at now: Int64, wall: Timestamp = wall,
        _ reply: (GrantPosition) -> GrantReply
    ) -> GrantRequest {
        exchange(&holder, at: now, wall: wall, reply).request
    }

    private static func exchange(
        _ holder: inout GrantHolder, at now: Int64, wall: Timestamp = wall,
        _ reply: (GrantPosition) -> GrantReply
    ) -> (request: GrantRequest, changes: GrantChanges) {
        let request = holder.request(at: now, wall: wall)
        let answer = GrantAnswer(
            now: wall, sequence: request.sequence, replies: request.positions.map(reply))
        let changes = holder.take(answer, to: request, at: now) { try? Grant(encoded: $0.payload) }
        _ = holder.saved(changes, at: now)
        return (request, changes)
    }

    /// Nothing new: it may keep what it has.
    private static func kept(_ position: GrantPosition) -> GrantReply {
        GrantReply(grant: position.grant, account: position.account, target: position.lent, amount: 1_000)
    }

    @Test("what was asked for once is forgotten after a second, the last unit too")
    func decay() {
        let claim = Self.claim(.requests, .minute, limit: 600)
        var holder = Self.holder()
        guard case .wait(let wait) = holder.hold([claim], at: 0, wall: Self.wall) else {
            Issue.record("nothing was lent, yet it need not wait")
            return
        }
        holder.endWait(wait)
        var demands: [Int64] = []
        for step in 1...6 {
            let now = Int64(step) * Self.second / 2
            let request = Self.answer(&holder, at: now) {
                GrantReply(grant: $0.grant, account: $0.account, amount: 600)
            }
            demands.append(request.positions[0].demand)
        }
        #expect(demands.first == 1)
        #expect(demands.last == 0)
    }

    @Test("a budget that is spent elsewhere refuses a call at a node that was never lent any of it")
    func spentElsewhere() {
        let claim = Self.claim(.cost, .day, limit: 100, amount: 10)
        var holder = Self.holder()
        let cases: [(Int64, LimitRefusal.Reason?)] = [(0, nil), (90, nil), (91, .exhausted)]
        for (used, expected) in cases {
            switch holder.hold([claim], at: 0, wall: Self.wall) {
            case .wait(let wait):
                holder.endWait(wait)
            default: Issue.record("nothing was lent at \(used)")
            }
            _ = Self.answer(&holder, at: 0) {
                GrantReply(grant: $0.grant, account: $0.account, amount: 100, usedElsewhere: used)
            }
            var reason: LimitRefusal.Reason?
            switch holder.hold([claim], at: 0, wall: Self.wall) {
            case .refused(let refusal): reason = refusal.reason
            case .wait(let wait): holder.endWait(wait)
            case .held: Issue.record("nothing was lent")
            }
            #expect(reason == expected, "\(used) used elsewhere")
        }
    }

    @Test("what was lent before a restart is held, and used under the terms the first call brings")
    func restored() throws {
        let claim = Self.claim(.cost, .day, limit: 1_000, amount: 10)
        var holder = Self.holder()
        holder.restore([Self.saved(of: claim)], at: 0, wall: Self.wall)
        var held = 0
        while case .held = holder.hold([claim], at: 0, wall: Self.wall) { held += 1 }
        // 100 were lent, 60 are spent, 20 may have been on their way.
        #expect(held == 2)
        guard case .wait(let wait) = holder.hold([claim], at: 0, wall: Self.wall) else {
            Issue.record("the rest of the budget is somewhere")
            return
        }
        #expect(wait.refusal.reason == .contended)
    }

    @Test("a restarted node whose clock is days ahead gives back no slice of a window that lasts")
    func clockAhead() {
        let claim = Self.claim(.cost, .day, limit: 1_000)
        let (saved, grant) = Self.saved(of: claim)
        var holder = Self.holder()
        let ahead = Self.wall.advanced(bySeconds: 3 * 86_400)
        holder.restore([(saved, grant)], at: 0, wall: ahead)
        // Told what day it is, it knows when the window is over.
        for (day, isGivenBack) in [(0, false), (1, false), (1, true)] as [(Int64, Bool)] {
            let request = holder.request(at: 0, wall: ahead)
            #expect(request.positions.filter { $0.grant == grant.id }.map(\.isClosed) == [isGivenBack])
            let answer = GrantAnswer(
                now: Self.wall.advanced(bySeconds: day * 86_400), sequence: request.sequence,
                replies: request.positions.map(Self.kept))
            _ = holder.take(answer, to: request, at: 0) { _ in nil }
        }
    }

    @Test("what nobody asks for is taken from the disk before it is given back, and not asked for again")
    func idle() {
        let claim = Self.claim(.cost, .day, limit: 1_000)
        let (saved, grant) = Self.saved(of: claim)
        var holder = Self.holder()
        holder.restore([(saved, grant)], at: 0, wall: Self.wall)
        // The next day's is asked for ahead.
        _ = Self.answer(&holder, at: 0, Self.kept)
        #expect(Self.answer(&holder, at: 599 * Self.second, Self.kept).positions.count == 2)
        let (said, changes) = Self.exchange(&holder, at: 601 * Self.second, Self.kept)
        #expect(said.positions.map(\.isClosed) == [false, false])
        #expect(said.positions[0].lent == 100)
        // 60 are spent, 20 may have been.
        #expect(changes.saves.map(\.lent) == [80])
        let (given, forgotten) = Self.exchange(&holder, at: 602 * Self.second) { position in
            var reply = Self.kept(position)
            reply.isClosed = position.isClosed
            return reply
        }
        #expect(given.positions.map(\.isClosed) == [true, true])
        #expect(given.positions[0].lent == 80)
        #expect(forgotten.deletes.contains(grant.id))
        #expect(Self.answer(&holder, at: 603 * Self.second, Self.kept).positions.isEmpty)
        #expect(holder.isEmpty)
    }
}
