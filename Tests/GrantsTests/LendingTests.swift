import Contract
import Domain
import EventLoops
import LocalStore
import Policy
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Grants

/// A node as far as limits go: what was lent to it, its disk, its exchange.
private final class LimitedNode {
    let id: NodeID
    let grants: NodeGrants
    let port: GrantPort
    /// The same, for calls that are not to wait.
    let impatient: GrantPort
    let outbox: Outbox
    let disk: OutboxPort
    let exchanger: GrantExchanger

    init(
        _ loop: EventLoop, _ lender: TestLender, id: UInt64 = 1,
        folder: TemporaryDirectory = TemporaryDirectory()
    ) async throws {
        let node = NodeID(high: 9, low: id)
        self.id = node
        let now = LendingTests.now
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        let outbox = try Outbox(
            directory: try DataDirectory(path: folder.path), options: options, sealer: { _, _ in [] },
            alarm: { _ in })
        self.outbox = outbox
        grants = NodeGrants(at: loop.now)
        disk = outbox.port(for: loop)
        port = GrantPort(
            grants, outbox: outbox, loop: loop, clock: .fixed(now), patienceNanoseconds: 60_000_000_000)
        impatient = GrantPort(
            grants, outbox: outbox, loop: loop, clock: .fixed(now), patienceNanoseconds: 1)
        exchanger = GrantExchanger(
            loop: loop, grants: grants, outbox: outbox, clock: .fixed(now), log: .silent,
            metrics: MetricsRegistry(), verify: { lender.verified($0, of: node) },
            post: { lender.answer($0, of: node) })
        await exchanger.restore()
        exchanger.start()
    }

    /// One call: held, answered, on disk, settled.
    func call(
        _ claims: [LimitClaim], cost: Int64, waiting: Bool = true
    ) async throws(GrantPort.Failure) {
        let held = try await (waiting ? port : impatient).reserve(claims) { false }
        let event = LendingTests.event(cost: cost)
        let charges = held.charges(for: event.usage, cost: event.cost)
        _ = await disk.append(cost: cost, charges: charges) { $0.append(1) }
        held.settle(event)
    }

    func end() {
        exchanger.stop()
        outbox.close()
    }
}

private final class Tally {
    var answered = 0
    var refused: [LimitRefusal.Reason] = []
    var isDone: Bool { answered + refused.count == wanted }
    let wanted: Int
    init(_ wanted: Int) { self.wanted = wanted }
}

extension GrantPort.Failure {
    fileprivate var refusal: LimitRefusal? {
        if case .refused(let refusal) = self { refusal } else { nil }
    }
}

@Suite("what is lent to a node")
struct LendingTests {
    static let now = Timestamp(microseconds: 1_800_000_000_000_000)
    static let tenant = TenantID(high: 1, low: 1)

    static func event(cost: Int64) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(at: now), tenant: tenant, workspace: WorkspaceID(high: 1, low: 2),
            key: KeyID(high: 1, low: 3), route: RouteID(high: 1, low: 4),
            provider: ProviderID(high: 1, low: 5),
            model: ModelID(high: 1, low: 6), price: nil, endpoint: .chat, startedAt: now,
            latencyMicroseconds: 0, firstByteMicroseconds: 0, usage: .zero, cost: NanoUSD(nanos: cost),
            costState: .settled, status: 200, isStream: false, ending: .completed)
    }

    private static func claim(
        _ lender: TestLender, _ metric: LimitMetric, _ period: LimitPeriod, _ amount: Int64,
        mode: LimitMode = .enforce, of call: Int64 = 1
    ) -> LimitClaim {
        let account = GrantAccount(tenant: tenant, limit: LimitID(high: 2, low: UInt64(metric.rawValue)))
        let terms = LimitTerms(metric: metric, mode: mode, period: period, amount: amount)
        lender.add(account.limit, terms)
        return LimitClaim(account: account, terms: terms, amount: call)
    }

    @Test("without claims nothing is asked and nothing is held")
    func nothing() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let node = try await LimitedNode(loop, lender)
            let held = try await node.port.reserve([]) { true }
            #expect(held.grants.isEmpty && held.charges(for: .zero, cost: .zero).isEmpty)
            held.settle(Self.event(cost: 1))
            #expect(node.grants.isEmpty)
            node.end()
        }
    }

    @Test("a budget of a hundred calls on three nodes: two hundred callers, a hundred answers, then spent")
    func exactly() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .cost, .day, 1000, of: 10)
            var nodes: [LimitedNode] = []
            for id in 1...3 { nodes.append(try await LimitedNode(loop, lender, id: UInt64(id))) }
            let tally = Tally(200)
            for caller in 0..<tally.wanted {
                let node = nodes[caller % 3]
                loop.spawn {
                    // As a client that honours Retry-After, but sooner.
                    while true {
                        do throws(GrantPort.Failure) {
                            try await node.call([claim], cost: 10)
                            tally.answered += 1
                            return
                        } catch .refused(let refusal) where refusal.reason == .contended {
                            await loop.sleep(nanoseconds: 20_000_000)
                        } catch .refused(let refusal) {
                            tally.refused.append(refusal.reason)
                            return
                        } catch {
                            Issue.record("gone")
                            return
                        }
                    }
                }
            }
            while !tally.isDone { await loop.sleep(nanoseconds: 5_000_000) }
            #expect(tally.answered == 100)
            #expect(tally.refused.allSatisfy { $0 == .exhausted } && tally.refused.count == 100)
            var spent: Int64 = 0
            for node in nodes {
                spent += try #require(await node.outbox.heldGrants()).reduce(0) { $0 + $1.spent }
            }
            #expect(spent == 1000)
            for node in nodes { node.end() }
        }
    }

    @Test("with the control plane away a node spends what it was lent, then calls wait and are refused")
    func away() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .cost, .day, 1000, of: 10)
            let node = try await LimitedNode(loop, lender)
            try await node.call([claim], cost: 10)
            lender.isAway = true
            let lent = try #require(lender.account(claim.account.limit)?.loans.first?.lent)
            var answered: Int64 = 1
            do throws(GrantPort.Failure) {
                while true {
                    try await node.call([claim], cost: 10, waiting: false)
                    answered += 1
                }
            } catch .refused(let refusal) {
                #expect(refusal.reason == .contended)
            }
            #expect(answered == lent / 10 && answered < 100)
            lender.isAway = false
            node.exchanger.proceed()
            try await node.call([claim], cost: 10)
            node.end()
        }
    }

    @Test("slots: a call waits until another one ends; dropped, a reservation gives them back")
    func slots() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .concurrency, .open, 1)
            let node = try await LimitedNode(loop, lender)
            do {
                let first = try await node.port.reserve([claim]) { false }
                let error = await #expect(throws: GrantPort.Failure.self) {
                    _ = try await node.impatient.reserve([claim]) { false }
                }
                if case .refused(let refusal)? = error { #expect(refusal.reason == .concurrency) }
                _ = consume first
            }
            let next = try await node.port.reserve([claim]) { false }
            next.settle(Self.event(cost: 0))
            node.end()
        }
    }

    @Test("a client that leaves ends its wait, and nothing is asked for it any more")
    func clientGone() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            lender.isAway = true
            let claim = Self.claim(lender, .cost, .day, 1000)
            let node = try await LimitedNode(loop, lender)
            let error = await #expect(throws: GrantPort.Failure.self) {
                _ = try await node.port.reserve([claim]) { true }
            }
            #expect(error != nil && error?.refusal == nil)
            lender.isAway = false
            node.exchanger.proceed()
            while lender.requests == 0 { await loop.sleep(nanoseconds: 1_000_000) }
            #expect(lender.positions.allSatisfy { $0.need == 0 })
            node.end()
        }
    }

    @Test("a rate refuses at once with the time to come back, and what is left is told")
    func rate() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .requests, .hour, 60)
            let node = try await LimitedNode(loop, lender)
            // The burst of an hour's rate is a minute's: one.
            try await node.call([claim], cost: 0)
            let error = await #expect(throws: GrantPort.Failure.self) {
                try await node.call([claim], cost: 0)
            }
            let refusal = try #require(error?.refusal)
            #expect(refusal.reason == .rate)
            #expect((50_000_000_000...60_000_000_000).contains(refusal.retryNanoseconds))
            let left = try #require(node.port.remaining(claim.account))
            #expect(left.remaining == 0 && left.limit == 60 && left.resetNanoseconds > 50_000_000_000)
            node.end()
        }
    }

    @Test("in shadow mode nothing is refused, and what would have been is counted")
    func shadow() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .requests, .hour, 60, mode: .shadow)
            let node = try await LimitedNode(loop, lender)
            try await node.call([claim], cost: 0)
            while lender.requests < 2 { await loop.sleep(nanoseconds: 1_000_000) }
            for _ in 0..<5 { try await node.call([claim], cost: 0) }
            #expect(node.grants.shadowRefusals >= 4)
            node.end()
        }
    }

    @Test(
        "a restarted node goes on with its own slice, and keeps back what was held at a kill",
        arguments: [false, true])
    func restart(_ isKill: Bool) async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .cost, .day, 1000, of: 10)
            let folder = TemporaryDirectory()
            let first = try await LimitedNode(loop, lender, folder: folder)
            try await first.call([claim], cost: 10)
            let held = try await first.port.reserve([claim]) { false }
            // The margin has gone to disk before the next commit.
            try await first.call([claim], cost: 10)
            lender.isAway = true
            let lent = try #require(lender.account(claim.account.limit)?.loans.first?.lent)
            let remains = TemporaryDirectory()
            if isKill { for name in folder.names { remains.replace(name, folder.content(name)) } }
            held.settle(Self.event(cost: 10))
            first.end()
            let folderNow = isKill ? remains : folder
            let second = try await LimitedNode(loop, lender, folder: folderNow)
            var answered: Int64 = 0
            while (try? await second.call([claim], cost: 10, waiting: false)) != nil { answered += 1 }
            // Two calls of before the kill; of it, two were held at once. An orderly end keeps nothing back.
            #expect(answered == lent / 10 - 2 - (isKill ? 2 : 0))
            second.end()
        }
    }

    @Test("what was lent is not used before it is on disk, and after the outbox is lost not at all")
    func lost() async throws {
        try await withLoop { loop in
            let lender = TestLender(now: Self.now)
            let claim = Self.claim(lender, .cost, .day, 1000, of: 10)
            let node = try await LimitedNode(loop, lender)
            try await node.call([claim], cost: 10)
            #expect(try #require(await node.outbox.heldGrants()).count == 1)
            lender.isAway = true
            #expect(await node.outbox.retireEpoch(node.outbox.status.epoch))
            let error = await #expect(throws: GrantPort.Failure.self) {
                try await node.call([claim], cost: 10, waiting: false)
            }
            let refusal = try #require(error?.refusal)
            #expect(refusal.reason == .contended)
            node.end()
        }
    }
}
