import Contract
import Cryptography
import Domain
import EventLoops
import Policy
import PostgresDriver
import Publishing
import Store
import TestSupport
import Testing

/// The real lender over a real Postgres, and real holders.
@Suite("lending")
struct LendingTests {
    /// Some nodes, and one limit they lend of.
    private final class Scene {
        let rig: ControlPlaneRig
        let time = FakeTime()
        let tenant: TenantID
        var limit: Limit
        var nodes: [FakeLentNode] = []
        let database: TestDatabase

        init(
            _ database: TestDatabase, nodes count: Int, _ metric: LimitMetric = .cost,
            _ period: LimitPeriod = .day, amount: Int64, thresholds: [Int] = []
        ) async throws {
            self.database = database
            rig = try ControlPlaneRig(
                database, keys: try RigKeys(now: time.wall), clock: time.wallClock)
            let now = time.wall
            tenant = try await Tenancy.create("acme", fleet: nil, at: now, database.pool).tenant
            limit = Limit(
                id: LimitID(at: now), tenant: tenant, name: "limit", subject: .tenant, metric: metric,
                amount: amount, period: period, thresholds: thresholds, createdAt: now, updatedAt: now)
            let created = limit
            try await database.pool.withConnection { try await LimitStore.create(created, $0) }
            for number in 0..<count { try await join(number) }
        }

        func join(_ number: Int) async throws {
            let id = try await rig.node("node-\(number)")
            nodes.append(try FakeLentNode(id, rig, time, seed: UInt64(number) + 1))
        }

        func claim(_ amount: Int64) -> LimitClaim {
            LimitClaim(
                account: GrantAccount(tenant: tenant, limit: limit.id),
                terms: LimitTerms(
                    metric: limit.metric, mode: .enforce, period: limit.period, amount: limit.amount),
                amount: amount)
        }

        /// A call asks for what is not lent yet, and gives up.
        func ask(_ node: FakeLentNode, _ claim: LimitClaim) {
            guard case .wait(let wait) = node.hold(claim) else {
                Issue.record("it need not wait")
                return
            }
            node.endWait(wait)
        }

        /// All nodes talk to the control plane at the same time.
        func exchange() async throws {
            let done = nodes.map { _ in Completion<Bool>() }
            for (node, completion) in zip(nodes, done) {
                database.loop.spawn { completion.fulfil((try? await node.exchange()) ?? false) }
            }
            for completion in done { #expect(await completion.value()) }
        }

        func stored() async throws -> [GrantStore.Stored] {
            let asked = [
                (account: claim(1).account, grant: GrantID(high: 0, low: 0), within: nil as Timestamp?)
            ]
            let now = time.wall
            return try await database.pool.withConnection { connection in
                let subjects = try await GrantStore.resolve(asked, at: now, connection).compactMap(\.self)
                return try await GrantStore.list(of: subjects, connection).values.flatMap(\.self)
            }
        }

        func close() async { await rig.close() }
    }

    @Test("three nodes and two hundred callers answer a budget's hundred calls, each one and not one more")
    func exactBudget() async throws {
        try await withTestDatabase { database in
            let scene = try await Scene(database, nodes: 3, amount: 1_000, thresholds: [50, 90])
            let claim = scene.claim(10)
            var (answered, exhausted, contended) = (0, 0, 0)
            var callers: [(node: FakeLentNode, wait: LimitWait?)] = []
            for number in 0..<200 { callers.append((scene.nodes[number % 3], nil)) }
            var running: [(node: FakeLentNode, holds: [LimitHold])] = []
            for _ in 0..<200 where !callers.isEmpty {
                var still: [(node: FakeLentNode, wait: LimitWait?)] = []
                for (node, wait) in callers {
                    if let wait { node.endWait(wait) }
                    switch node.hold(claim) {
                    case .held(let holds): running.append((node, holds))
                    case .wait(let wait): still.append((node, wait))
                    case .refused(let refusal):
                        if refusal.reason == .exhausted {
                            exhausted += 1
                            #expect(answered + running.count == 100, "402 with money left")
                        } else {
                            contended += 1
                            still.append((node, nil))
                        }
                    }
                }
                callers = still
                #expect(answered + running.count <= 100)
                for call in running { call.node.settle(call.holds, of: scene.tenant, cost: 10) }
                answered += running.count
                running = []
                scene.time.advance(milliseconds: 50)
                try await scene.exchange()
                for node in scene.nodes { try await node.upload() }
                let open = try await scene.stored().reduce(Int64(0)) { $0 + max($1.lent, $1.used) }
                #expect(open <= 1_000)
            }
            #expect(answered == 100)
            #expect(exhausted == 100)
            #expect(callers.isEmpty && contended == 0)
            let settled = try await scene.stored().reduce(0) { $0 + $1.settled }
            #expect(settled == 1_000)
            let told = try await database.pool.withConnection { connection in
                let rows = try await connection.query("select threshold from limit_alerts order by threshold")
                return try rows.map { try $0.int64(0) }
            }
            #expect(told == [50, 90])
            await scene.close()
        }
    }

    @Test(
        "cut off, a node spends what it was lent and no more; a dead node's slice stays counted"
    )
    func outage() async throws {
        try await withTestDatabase { database in
            let scene = try await Scene(database, nodes: 2, amount: 1_000)
            let claim = scene.claim(10)
            for node in scene.nodes { scene.ask(node, claim) }
            for _ in 0..<4 {
                scene.time.advance(milliseconds: 100)
                try await scene.exchange()
            }
            let lent = try await scene.stored().reduce(Int64(0)) { $0 + $1.lent }
            #expect(lent <= 1_000)
            var answered: Int64 = 0
            for node in scene.nodes {
                while case .held(let holds) = node.hold(claim) {
                    node.settle(holds, of: scene.tenant, cost: 10)
                    answered += 10
                }
            }
            #expect(answered > 0 && answered <= lent)
            // The first one never comes back: what it was lent is not lent again.
            let dead = scene.nodes.removeFirst()
            let kept = try await scene.stored().filter { $0.node == dead.id }.reduce(Int64(0)) {
                $0 + $1.lent
            }
            let survivor = scene.nodes[0]
            var own: Int64 = 0
            for _ in 0..<100 {
                scene.time.advance(milliseconds: 1_000)
                if case .held(let holds) = survivor.hold(claim) {
                    survivor.settle(holds, of: scene.tenant, cost: 10)
                    own += 10
                }
                try await scene.exchange()
            }
            let mine = try await scene.stored().filter { $0.node == survivor.id }.reduce(0) { $0 + $1.used }
            #expect(mine + kept <= 1_000)
            #expect(mine + kept > 980, "what is left can be used")
            #expect(own > 0)
            await scene.close()
        }
    }

    @Test("a restored control plane lends nothing until every node has shown what it was lent")
    func restored() async throws {
        try await withTestDatabase { database in
            let scene = try await Scene(database, nodes: 2, amount: 1_000)
            let claim = scene.claim(10)
            for node in scene.nodes { scene.ask(node, claim) }
            for _ in 0..<3 {
                scene.time.advance(milliseconds: 100)
                try await scene.exchange()
            }
            let before = try await scene.stored()
            // The backup was made before anything was lent.
            try await database.pool.withTransaction { connection in
                try await connection.execute("delete from grant_accounts")
                _ = try await SnapshotStore.raiseEpoch(to: 2, connection)
            }
            let silent = scene.nodes.removeLast()
            for _ in 0..<8 {
                scene.time.advance(milliseconds: 100)
                try await scene.exchange()
                #expect(try await scene.stored().allSatisfy { $0.node != silent.id })
            }
            func lent(_ grants: [GrantStore.Stored], _ node: FakeLentNode) -> Int64 {
                grants.filter { $0.node == node.id }.reduce(0) { $0 + $1.lent }
            }
            let back = lent(try await scene.stored(), scene.nodes[0])
            #expect(back == lent(before, scene.nodes[0]) && back > 0)
            scene.nodes.append(silent)
            for _ in 0..<8 {
                scene.time.advance(milliseconds: 100)
                try await scene.exchange()
            }
            #expect(try await scene.stored().reduce(0) { $0 + max($1.lent, $1.used) } <= 1_000)
            #expect(lent(try await scene.stored(), silent) > 0)
            // And now it lends again.
            var answered: Int64 = 0
            for _ in 0..<300 {
                for node in scene.nodes {
                    if case .held(let holds) = node.hold(claim) {
                        node.settle(holds, of: scene.tenant, cost: 10)
                        answered += 10
                    }
                }
                scene.time.advance(milliseconds: 100)
                try await scene.exchange()
            }
            #expect(answered == 1_000)
            await scene.close()
        }
    }

    @Test("a rate goes to the node with the calls; the share of a revoked node is free again")
    func rates() async throws {
        try await withTestDatabase { database in
            let scene = try await Scene(database, nodes: 3, .requests, .minute, amount: 600)
            let claim = scene.claim(1)
            for node in scene.nodes { scene.ask(node, claim) }
            for _ in 0..<4 {
                scene.time.advance(milliseconds: 500)
                try await scene.exchange()
            }
            for _ in 0..<12 {
                for _ in 0..<10 {
                    if case .held(let holds) = scene.nodes[0].hold(claim) {
                        scene.nodes[0].settle(holds, of: scene.tenant, cost: 0)
                    }
                }
                scene.time.advance(milliseconds: 500)
                try await scene.exchange()
            }
            func share(_ node: FakeLentNode) async throws -> Int64 {
                try await scene.stored().filter { $0.node == node.id }.reduce(0) { $0 + $1.lent }
            }
            let usable = try await share(scene.nodes[0])
            let shares = try await scene.stored()
            #expect(usable >= 570, "\(usable): \(shares)")
            #expect(try await scene.stored().reduce(0) { $0 + $1.lent } <= 600)
            let revoked = scene.nodes.removeFirst()
            try await database.pool.withConnection { connection in
                try await connection.execute("update nodes set status = 'revoked' where id = \(revoked.id)")
            }
            let refused = await scene.rig.lender.take(
                GrantRequest(sequence: 1_000, round: 1, positions: []).encoded, from: revoked.id)
            #expect(refused == .refused)
            for _ in 0..<6 {
                scene.time.advance(milliseconds: 500)
                try await scene.exchange()
            }
            let rest = try await scene.stored()
            #expect(rest.allSatisfy { $0.node != revoked.id })
            #expect(rest.reduce(0) { $0 + $1.lent } > 570)
            await scene.close()
        }
    }

    @Test(
        "a late message, a foreign grant, a limit that is gone and bytes that are no message change nothing")
    func refused() async throws {
        try await withTestDatabase { database in
            let scene = try await Scene(database, nodes: 2, amount: 1_000)
            let claim = scene.claim(10)
            _ = scene.nodes[0].hold(claim)
            try await scene.exchange()
            let before = try await scene.stored()
            let (one, two) = (scene.nodes[0].id, scene.nodes[1].id)
            var position = GrantPosition(
                grant: before[0].id, account: claim.account, serial: 1, isClosed: true)
            func send(_ sequence: UInt64, _ node: NodeID) async -> GrantAnswer? {
                let request = GrantRequest(sequence: sequence, round: 1, positions: [position])
                let outcome = await scene.rig.lender.take(request.encoded, from: node)
                if case .answer(let answer) = outcome { return answer }
                return nil
            }
            #expect(await send(1, one)?.sequence == 1)
            #expect(await send(1, one)?.replies == [])
            // Another node's grant, closed by somebody who does not hold it.
            #expect(await send(50, two)?.replies.first?.isClosed == true)
            #expect(try await scene.stored() == before)
            position = GrantPosition(
                grant: GrantID(high: 1, low: 1),
                account: GrantAccount(tenant: scene.tenant, limit: LimitID(high: 1, low: 1)), need: 10)
            #expect(await send(51, two)?.replies.first?.isClosed == true)
            // However many moments a node makes up, there are few windows.
            for year in 0..<50 where year != 25 {
                position = GrantPosition(
                    grant: GrantID(high: 2, low: UInt64(year)), account: claim.account,
                    within: scene.time.wall.advanced(bySeconds: Int64(year - 25) * 31_536_000))
                _ = await send(100 + UInt64(year), two)
            }
            let windows = try await database.pool.withConnection {
                try await $0.query("select count(*) from grant_accounts")
            }
            #expect(try windows[0].int64(0) == 3)
            guard case .invalid = await scene.rig.lender.take([1, 2, 3], from: one) else {
                Issue.record("bytes that are no message were taken")
                return
            }
            #expect(try await scene.stored() == before)
            await scene.close()
        }
    }
}
