import Contract
import Domain
import Policy
import Testing

@Suite("lending")
struct LendingAccountTests {
    private static let now = Timestamp(microseconds: 1_773_057_600_000_000)
    private static let account = GrantAccount(
        tenant: TenantID(high: 1, low: 1), limit: LimitID(high: 1, low: 2))

    private static func node(_ number: UInt64) -> NodeID { NodeID(high: 0, low: number) }
    private static func position(
        _ node: UInt64, serial: UInt64 = 0, lent: Int64 = 0, spent: Int64 = 0, held: Int64 = 0,
        need: Int64 = 0, hold: Int64 = 1, demand: Int64 = 0
    ) -> GrantPosition {
        GrantPosition(
            grant: GrantID(high: 0, low: node), account: account, serial: serial, lent: lent, spent: spent,
            held: held, need: need, hold: hold, demand: demand)
    }
    private static func lender(_ kind: LimitKind, _ amount: Int64) -> LendingAccount {
        let (metric, period): (LimitMetric, LimitPeriod) =
            switch kind {
            case .rate: (.requests, .minute)
            case .concurrency: (.concurrency, .open)
            case .budget: (.cost, .day)
            }
        return LendingAccount(
            account: account, metric: metric, period: period, amount: amount,
            window: LimitWindow(start: now, end: now.advanced(bySeconds: 86_400)), epoch: 1)
    }

    @Test("a rate goes where the calls are: the idle keep a hundredth")
    func shares() throws {
        var lender = Self.lender(.rate, 600)
        let first = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        #expect(first.grant?.lent == 600)
        #expect(first.reply.isAlone)
        // The second finds nothing; the first is told to come down.
        let second = lender.take(Self.position(2, demand: 10), of: Self.node(2), at: Self.now)
        #expect(second.grant == nil)
        let told = lender.take(Self.position(1, serial: 1, lent: 600), of: Self.node(1), at: Self.now)
        #expect(told.reply.target == 6)
        _ = lender.take(Self.position(1, serial: 1, lent: 6), of: Self.node(1), at: Self.now)
        let raised = lender.take(Self.position(2, demand: 10), of: Self.node(2), at: Self.now)
        #expect(raised.grant?.lent == 594)
        #expect(lender.free == 0)
    }

    @Test("a node that lost its record of a rate goes on without a new burst, also when told twice")
    func lostRate() {
        var lender = Self.lender(.rate, 600)
        #expect(lender.take(Self.position(1), of: Self.node(1), at: Self.now).reply.isAlone)
        #expect(lender.take(Self.position(1), of: Self.node(1), at: Self.now).reply.isAlone)
        for low in 8...9 as ClosedRange<UInt64> {
            let position = GrantPosition(grant: GrantID(high: 9, low: low), account: Self.account)
            for _ in 1...2 {
                let outcome = lender.take(position, of: Self.node(1), at: Self.now)
                #expect(outcome.grant?.lent == 600)
                #expect(!outcome.reply.isAlone)
            }
        }
        // Given back, all of it: whoever comes next is the first again.
        var closed = GrantPosition(grant: GrantID(high: 9, low: 9), account: Self.account, serial: 3)
        closed.isClosed = true
        _ = lender.take(closed, of: Self.node(1), at: Self.now)
        #expect(lender.take(Self.position(2), of: Self.node(2), at: Self.now).reply.isAlone)
    }

    @Test("the share of a silent node is not lent again")
    func cutOff() {
        var lender = Self.lender(.rate, 600)
        _ = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        let later = Self.now.advanced(bySeconds: 86_400)
        let other = lender.take(Self.position(2, demand: 1_000), of: Self.node(2), at: later)
        #expect(other.grant == nil)
        #expect(lender.loans[0].lent == 600)
    }

    @Test("a slice is half of what is left; near the end exactly what waits")
    func slices() {
        var lender = Self.lender(.budget, 1_000)
        let first = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        #expect(first.grant?.lent == 500)
        let spent = lender.take(
            Self.position(1, serial: 1, lent: 500, spent: 499, demand: 499), of: Self.node(1), at: Self.now)
        #expect(spent.grant?.lent == 998)
        // One unit more would do for no call of 10: all there is goes to the one that waits, or to nobody.
        let waits = lender.take(
            Self.position(2, need: 10, hold: 10), of: Self.node(2), at: Self.now)
        #expect(waits.grant == nil)
        #expect(waits.reply.usedElsewhere == 499)
        let recalled = lender.take(
            Self.position(1, serial: 2, lent: 998, spent: 499), of: Self.node(1), at: Self.now)
        #expect(recalled.reply.target < 998)
    }

    @Test("the newest raise that did not arrive is said again, and nothing is raised twice")
    func lostAnswer() {
        var lender = Self.lender(.budget, 1_000)
        let first = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        let again = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        #expect(first.grant == again.grant)
        #expect(lender.free == 500)
    }

    @Test("a grant the node has no record of stays counted")
    func orphan() {
        var lender = Self.lender(.budget, 1_000)
        _ = lender.take(Self.position(1), of: Self.node(1), at: Self.now)
        let position = GrantPosition(grant: GrantID(high: 9, low: 9), account: Self.account)
        let fresh = lender.take(position, of: Self.node(1), at: Self.now)
        #expect(fresh.grant?.lent == 250)
        #expect(lender.free == 250)
        #expect(lender.loans[0].isOrphan)
    }

    @Test("a restored control plane lends nothing and takes the signed grants back")
    func restored() throws {
        var lender = Self.lender(.budget, 1_000)
        lender.isFrozen = true
        var position = Self.position(1, serial: 7, lent: 300, spent: 120)
        let asked = lender.take(position, of: Self.node(1), at: Self.now)
        #expect(asked.reply.wantsStatement)
        #expect(lender.loans.isEmpty)
        position.statement = SignedEnvelope(payloadType: "x", payload: [], signedBy: [])
        let grant = Grant(
            id: position.grant, node: Self.node(1), account: Self.account, metric: .cost, period: .day,
            window: lender.window, epoch: 1, serial: 7, lent: 400)
        let taken = lender.take(position, of: Self.node(1), statement: grant, at: Self.now)
        #expect(!taken.reply.wantsStatement)
        #expect(lender.loans.map(\.lent) == [300])
        #expect(lender.loans.map(\.serial) == [7])
        // Another node's grant is no proof.
        let stolen = lender.take(
            GrantPosition(grant: GrantID(high: 5, low: 5), account: Self.account, serial: 1),
            of: Self.node(2), statement: grant, at: Self.now)
        #expect(stolen.reply.wantsStatement)
        // Meanwhile nobody is asked to give anything back.
        #expect(asked.reply.target == 300 && taken.reply.target == 300)
        let frozen = lender.take(Self.position(3, need: 5), of: Self.node(3), at: Self.now)
        #expect(frozen.grant == nil)
    }

    @Test(
        "what was spent of a grant its node gives back to a restored control plane stays counted",
        arguments: [nil, 3] as [UInt64?])
    func restoredAndClosed(known serial: UInt64?) {
        var lender = Self.lender(.budget, 1_000)
        lender.isFrozen = true
        if let serial {
            var loan = LendingAccount.Loan(
                id: Self.position(1).grant, node: Self.node(1), seenAt: Self.now)
            (loan.serial, loan.lent) = (serial, 50)
            lender.loans = [loan]
        }
        var position = Self.position(1, serial: 7, lent: 300, spent: 120, held: 30)
        position.isClosed = true
        let asked = lender.take(position, of: Self.node(1), at: Self.now)
        #expect(asked.reply.wantsStatement && !asked.reply.isClosed)
        let grant = Grant(
            id: position.grant, node: Self.node(1), account: Self.account, metric: .cost, period: .day,
            window: lender.window, epoch: 1, serial: 7, lent: 400)
        let closed = lender.take(position, of: Self.node(1), statement: grant, at: Self.now)
        #expect(closed.reply.isClosed && !closed.reply.wantsStatement)
        #expect(lender.free == 850)
        // Of a grant that was never lent nothing is spent.
        var unlent = Self.position(2)
        unlent.isClosed = true
        #expect(lender.take(unlent, of: Self.node(2), at: Self.now).reply.isClosed)
    }

    @Test("a budget's grant that is not known any more is closed at once where nothing was restored")
    func closedLongAgo() {
        var lender = Self.lender(.budget, 1_000)
        var position = Self.position(1, serial: 7, lent: 300, spent: 120)
        position.isClosed = true
        #expect(lender.take(position, of: Self.node(1), at: Self.now).reply.isClosed)
        #expect(lender.loans.isEmpty)
    }

    @Test("slots are lent as they are needed, and what is closed is free again")
    func slots() {
        var lender = Self.lender(.concurrency, 3)
        _ = lender.take(Self.position(1, need: 1), of: Self.node(1), at: Self.now)
        #expect(lender.loans[0].lent == 3)
        let early = lender.take(Self.position(2, need: 2), of: Self.node(2), at: Self.now)
        #expect(early.grant == nil)
        let told = lender.take(
            Self.position(1, serial: 1, lent: 3, held: 1), of: Self.node(1), at: Self.now)
        #expect(told.reply.target == 1)
        _ = lender.take(Self.position(1, serial: 1, lent: 1, held: 1), of: Self.node(1), at: Self.now)
        let other = lender.take(Self.position(2, need: 2), of: Self.node(2), at: Self.now)
        #expect(other.grant?.lent == 2)
        #expect(other.reply.usedElsewhere == 1)
        var closed = Self.position(1, serial: 1, lent: 1)
        closed.isClosed = true
        #expect(lender.take(closed, of: Self.node(1), at: Self.now).reply.isClosed)
        #expect(lender.free == 1)
    }
}
