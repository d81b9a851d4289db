import Contract
import Cryptography
import Domain
import EventLoops
import Policy
import PostgresDriver
import Store
import TestSupport
import Testing

@testable import Publishing

@Suite("roll-out of settings")
struct RolloutTests {
    private static let now = SnapshotFixture().now

    private static func members(_ count: Int, running: UInt64? = nil) -> [RolloutStore.Member] {
        (1...UInt64(count)).map { number in
            RolloutStore.Member(
                id: NodeID(high: 7, low: number), name: "node-\(number)",
                running: running.map { SnapshotVersion(epoch: 1, counter: $0) })
        }
    }

    @Test("one node goes first, then a tenth, then all; those named canary go first instead")
    func members() {
        let nodes = Self.members(25)
        let canary = RolloutRule.members(of: .canary, among: nodes)
        let tenth = RolloutRule.members(of: .tenth, among: nodes)
        #expect(canary.count == 1 && tenth.count == 3 && tenth.isSuperset(of: canary))
        #expect(RolloutRule.members(of: .done, among: nodes).count == 25)
        #expect(RolloutRule.members(of: .stopped, among: nodes).isEmpty)
        #expect(RolloutRule.members(of: .frozen, among: nodes).isEmpty)
        // Whatever order they are listed in.
        #expect(RolloutRule.members(of: .canary, among: nodes.reversed()) == canary)
        let named = RolloutStore.Member(id: NodeID(high: 9, low: 9), name: "canary-1", running: nil)
        #expect(RolloutRule.members(of: .canary, among: nodes + [named]) == [named.id])
        #expect(RolloutRule.members(of: .tenth, among: nodes + [named]).contains(named.id))
        #expect(RolloutRule.members(of: .canary, among: []).isEmpty)
    }

    @Test("a stage goes on when all of it run the change for long enough; a refusal stops it")
    func judge() {
        var rollout = Rollout()
        rollout.stage = .canary
        rollout.candidate = 5
        rollout.since = Self.now
        func verdict(
            _ nodes: [RolloutStore.Member], after seconds: Int64 = 10
        ) -> RolloutRule.Verdict {
            RolloutRule.judge(
                rollout, epoch: 1, among: nodes, at: Self.now.advanced(bySeconds: seconds), bakeSeconds: 10)
        }
        #expect(verdict(Self.members(20, running: 4)) == .stay)
        #expect(verdict(Self.members(20)) == .stay)
        #expect(verdict(Self.members(20, running: 5), after: 9) == .stay)
        #expect(verdict(Self.members(20, running: 5)) == .proceed(.tenth))
        rollout.stage = .tenth
        #expect(verdict(Self.members(20, running: 6)) == .proceed(.done))
        // Nobody else is there to be spared.
        #expect(verdict(Self.members(1, running: 5), after: 0) == .proceed(.done))
        #expect(verdict([], after: 0) == .proceed(.done))
        let version = SnapshotVersion(epoch: 1, counter: 5)
        let poisoned = Self.members(20, running: 4).map {
            RolloutStore.Member(
                id: $0.id, name: $0.name, running: $0.running, rejected: version, rejection: "checked: trap")
        }
        guard case .stop(let reason) = verdict(poisoned) else {
            Issue.record("a refusal did not stop it")
            return
        }
        #expect(reason.contains("checked: trap"))
        // An older refusal is history.
        let healed = Self.members(20, running: 5).map {
            RolloutStore.Member(
                id: $0.id, name: $0.name, running: $0.running,
                rejected: SnapshotVersion(epoch: 1, counter: 4), rejection: "checked: trap")
        }
        #expect(verdict(healed) == .proceed(.done))
        rollout.stage = .frozen
        #expect(verdict(poisoned) == .stay)
    }

    /// A control plane with three nodes that say what they are told they run, and a published tenant.
    private struct Fleet {
        static let proxy = "http://proxy.example:3128"
        let rig: ControlPlaneRig
        let clock: FakeClock
        let tenancy: Tenancy
        let nodes: [NodeID]
        var pool: PostgresPool { rig.database.pool }

        static func with(
            _ body: @escaping @Sendable (Fleet) async throws -> Void
        ) async throws {
            let clock = FakeClock()
            try await withControlPlane(clock: clock.clock) { rig in
                let tenancy = try await Tenancy.create(
                    "acme", fleet: rig.keys.fleet, at: clock.now, rig.database.pool)
                let provider = tenancy.provider
                try await rig.database.pool.withConnection { connection in
                    try await connection.execute(
                        "update providers set proxy = \(Fleet.proxy) where id = \(provider)")
                }
                try await rig.publisher.reconcile()
                var nodes: [NodeID] = []
                for name in ["canary-a", "node-b", "node-c"] {
                    nodes.append(try await rig.node(name, running: 1))
                }
                try await body(Fleet(rig: rig, clock: clock, tenancy: tenancy, nodes: nodes))
            }
        }

        var told: [UInt64?] { nodes.map { rig.told($0) } }

        /// Every node runs what it was told.
        func obey() async throws {
            for node in nodes { try await rig.report(node, running: rig.told(node)) }
        }

        func addRoute(_ name: String) async throws {
            let route = Route(
                id: RouteID(at: clock.now), tenant: tenancy.tenant, name: name,
                targets: [Target(model: tenancy.model)], createdAt: clock.now, updatedAt: clock.now)
            try await pool.withTransaction { try await RouteStore.create(route, $0) }
        }

        /// The routes of what a node is told.
        func routes(of node: NodeID) throws -> [String] {
            guard let statement = rig.streams.statement(for: node) else { return [] }
            return try rig.compiled(statement).tenant(tenancy.tenant)?.routes.map(\.name) ?? []
        }

        func stage() async throws -> Rollout {
            try await pool.withConnection { try await RolloutStore.get($0) }
        }

        func pin(_ counter: UInt64?) async throws {
            let version = counter.map { SnapshotVersion(epoch: 1, counter: $0) }
            try await pool.withConnection { try await RolloutStore.pin(version, $0) }
        }

        func look(_ times: Int = 1) async throws {
            for _ in 0..<times { try await rig.publisher.reconcile() }
        }
    }

    @Test("a change of settings goes to the canary, then to the others; a key goes to all at once")
    func travel() async throws {
        try await Fleet.with { fleet in
            try await fleet.addRoute("new")
            try await fleet.look(2)
            #expect(fleet.told == [3, 2, 2])
            #expect(try fleet.routes(of: fleet.nodes[0]) == ["gpt-test", "new"])
            #expect(try fleet.routes(of: fleet.nodes[1]) == ["gpt-test"])
            // A key and its revocation wait for nobody.
            let (key, id) = try await fleet.tenancy.addKey(at: fleet.clock.now, fleet.pool)
            try await fleet.look()
            #expect(fleet.told == [5, 4, 4])
            for node in fleet.nodes {
                let statement = try #require(fleet.rig.streams.statement(for: node))
                #expect(try refusal(key, in: fleet.rig.compiled(statement), at: fleet.clock.now) == nil)
            }
            try await fleet.tenancy.revoke(id, at: fleet.clock.now, fleet.pool)
            try await fleet.look()
            for node in fleet.nodes {
                let statement = try #require(fleet.rig.streams.statement(for: node))
                #expect(try refusal(key, in: fleet.rig.compiled(statement), at: fleet.clock.now) == .revoked)
            }
            // The canary runs it, and nothing happens before the time is over.
            try await fleet.obey()
            try await fleet.look()
            #expect(try await fleet.stage().stage == .canary)
            fleet.clock.advance(seconds: 2)
            try await fleet.obey()
            try await fleet.look()
            #expect(try await fleet.stage().stage == .tenth)
            fleet.clock.advance(seconds: 2)
            try await fleet.obey()
            try await fleet.look()
            #expect(try await fleet.stage().stage == .done)
            #expect(fleet.told == [7, 7, 7])
            #expect(try fleet.routes(of: fleet.nodes[2]) == ["gpt-test", "new"])
        }
    }

    @Test("poison snapshot, valid signature: only the canary notices, and it is sent back")
    func poison() async throws {
        try await Fleet.with { fleet in
            try await fleet.addRoute("poison")
            try await fleet.look(2)
            #expect(fleet.told == [3, 2, 2])
            try await fleet.rig.report(fleet.nodes[0], running: 1, rejected: 3)
            try await fleet.look()
            let rollout = try await fleet.stage()
            #expect(rollout.stage == .stopped)
            #expect(rollout.reason?.contains("canary-a refused it: checked: poison") == true)
            // Under a higher version than the one it refused.
            #expect(fleet.told == [4, 4, 4])
            #expect(try fleet.routes(of: fleet.nodes[0]) == ["gpt-test"])
            // It stays so until the settings are changed again: then the next attempt begins.
            try await fleet.obey()
            fleet.clock.advance(seconds: 60)
            try await fleet.obey()
            try await fleet.look(2)
            #expect(try await fleet.stage().stage == .stopped)
            try await fleet.addRoute("repaired")
            try await fleet.look(2)
            #expect(try await fleet.stage().stage == .canary)
            #expect(try fleet.routes(of: fleet.nodes[0]).contains("repaired"))
            #expect(try fleet.routes(of: fleet.nodes[1]) == ["gpt-test"])
        }
    }

    @Test("a rollback gives everybody old routes with current keys and credentials, until it is taken back")
    func rollback() async throws {
        try await Fleet.with { fleet in
            try await fleet.addRoute("second")
            for _ in 0..<3 {
                try await fleet.look(2)
                fleet.clock.advance(seconds: 2)
                try await fleet.obey()
            }
            #expect(try await fleet.stage().stage == .done)
            #expect(try fleet.routes(of: fleet.nodes[1]) == ["gpt-test", "second"])
            let (key, _) = try await fleet.tenancy.addKey(at: fleet.clock.now, fleet.pool)
            try await fleet.look()
            try await fleet.pin(1)
            try await fleet.look(2)
            #expect(try await fleet.stage().stage == .frozen)
            #expect(Set(fleet.told).count == 1)
            for node in fleet.nodes {
                #expect(try fleet.routes(of: node) == ["gpt-test"])
                let compiled = try fleet.rig.compiled(try #require(fleet.rig.streams.statement(for: node)))
                #expect(refusal(key, in: compiled, at: fleet.clock.now) == nil, "younger than version 1")
                let provider = compiled.providers.first?.entry
                #expect(provider?.credentials.first?.sealed.fleetKey == fleet.rig.keys.fleet.id)
                #expect(provider?.name == "stand-in" && provider?.proxy?.description == Fleet.proxy)
            }
            // Frozen: what is written waits, keys do not.
            try await fleet.addRoute("third")
            let (late, _) = try await fleet.tenancy.addKey(at: fleet.clock.now, fleet.pool)
            try await fleet.look(2)
            for node in fleet.nodes {
                #expect(try fleet.routes(of: node) == ["gpt-test"])
                let compiled = try fleet.rig.compiled(try #require(fleet.rig.streams.statement(for: node)))
                #expect(refusal(late, in: compiled, at: fleet.clock.now) == nil)
            }
            // Another replica, or the same after a restart, goes on with it.
            let again = try ControlPlaneRig(
                fleet.rig.database, keys: fleet.rig.keys, clock: fleet.clock.clock)
            try await again.publisher.reconcile()
            #expect(again.told(fleet.nodes[0]) == fleet.rig.told(fleet.nodes[0]))
            await again.close()
            try await fleet.pin(nil)
            try await fleet.look(2)
            #expect(try await fleet.stage().stage == .canary)
            #expect(try fleet.routes(of: fleet.nodes[0]) == ["gpt-test", "second", "third"])
            #expect(try fleet.routes(of: fleet.nodes[2]) == ["gpt-test"])
        }
    }

    @Test("a provider that was disabled or deleted since stays so under old settings")
    func takenAway() async throws {
        try await Fleet.with { fleet in
            try await fleet.pin(1)
            try await fleet.look(2)
            try await fleet.pool.withConnection { connection in
                try await connection.execute(
                    "update providers set enabled = false where id = \(fleet.tenancy.provider)")
            }
            try await fleet.look()
            let compiled = try fleet.rig.compiled(
                try #require(fleet.rig.streams.statement(for: fleet.nodes[1])))
            #expect(compiled.providers.map(\.entry.isEnabled) == [false])
            #expect(compiled.manifest.kills == [.provider(fleet.tenancy.provider)])
        }
    }

    @Test("a change token knows who runs a change that travels, and who runs a key that does not")
    func reach() async throws {
        try await Fleet.with { fleet in
            let pool = fleet.pool, now = fleet.clock.now
            let (route, model) = (RouteID(at: now), fleet.tenancy.model)
            let settings = try await pool.withTransaction { connection in
                try await RouteStore.create(
                    Route(
                        id: route, tenant: fleet.tenancy.tenant, name: "new",
                        targets: [Target(model: model)], createdAt: now, updatedAt: now), connection)
                return try await SnapshotStore.currentTransaction(connection)
            }
            try await fleet.look(2)
            try await fleet.obey()
            func reach(_ transaction: UInt64) async throws -> [Int] {
                let found = try await pool.withConnection {
                    try await RolloutStore.reach(of: transaction, at: fleet.clock.now, $0)
                }
                return [found.connected, found.current]
            }
            #expect(try await reach(settings) == [3, 1])
            let (_, id) = try await fleet.tenancy.addKey(at: now, pool)
            let revocation = try await pool.withTransaction { connection in
                _ = try await KeyStore.revoke(id, of: fleet.tenancy.tenant, at: now, connection)
                return try await SnapshotStore.currentTransaction(connection)
            }
            try await fleet.look()
            try await fleet.obey()
            #expect(try await reach(revocation) == [3, 3])
            #expect(try await reach(settings) == [3, 1], "newer numbers do not have what they left out")
        }
    }
}

extension ControlPlaneRig {
    /// What a node runs after a statement.
    func compiled(_ statement: SnapshotStreams.Statement) throws -> CompiledSnapshot {
        var reader = FrameReader()
        statement.first.withUnsafeBytes { reader.append($0) }
        let frame = try #require(try reader.next())
        let trust = try TrustedKeys(pinned: [keys.root.publicKey], chain: frame.keySets)
        let verified = try VerifiedManifest.verify(
            received: frame.manifest, trusting: trust, running: nil, at: clock.now())
        var assembly = SnapshotAssembly(verified)
        while let address = assembly.missing.first {
            try assembly.add(try #require(streams.object(address)))
        }
        return try CompiledSnapshot(assembly)
    }
}
