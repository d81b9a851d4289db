import Contract
import Domain
import EventLoops
import Policy
import PostgresDriver
import Store
import TestSupport
import Testing

@testable import Publishing

/// How limits come to the nodes: with their key, or with their tenant.
@Suite("published limits")
struct PublishedLimitTests {
    private static func limit(
        _ name: String, _ subject: LimitSubject, of tenancy: Tenancy, at now: Timestamp
    ) -> Limit {
        Limit(
            id: LimitID(at: now), tenant: tenancy.tenant, name: name, subject: subject, metric: .cost,
            amount: 100, period: .day, createdAt: now, updatedAt: now)
    }

    /// The names of the limits a call of the key counts in, as the newest snapshot has it.
    private static func limits(of key: KeyText, _ rig: ControlPlaneRig, _ now: Timestamp) throws -> [String] {
        let snapshot = try #require(try rig.published()).compiled
        var (text, route, names) = (key.reveal(), "gpt-test", [String]())
        try text.withUTF8 { text in
            try route.withUTF8 { route in
                let admitted = try admit(
                    UnsafeRawBufferPointer(text), route: UnsafeRawBufferPointer(route), endpoint: .chat,
                    at: now,
                    in: snapshot)
                admitted.key.forEachLimit(of: admitted.route) { limit, _ in names.append(limit.name) }
            }
        }
        return names
    }

    @Test("a limit comes, changes and goes with its key or its tenant, and moves nothing else")
    func travels() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            let (other, _) = try await tenancy.addKey(at: now, pool)
            #expect(try await rig.publisher.reconcile())
            var own = Self.limit("own", .key(id), of: tenancy, at: now)
            let wide = Self.limit("wide", .workspace(tenancy.workspace), of: tenancy, at: now)
            func write(_ body: @escaping (PostgresConnection) async throws -> Void) async throws {
                try await pool.withConnection(body)
                #expect(try await rig.publisher.reconcile())
            }
            let created = own
            try await write { try await LimitStore.create(created, $0) }
            #expect(try Self.limits(of: key, rig, now) == ["own"])
            #expect(try Self.limits(of: other, rig, now) == [])
            try await write { try await LimitStore.create(wide, $0) }
            #expect(try Self.limits(of: key, rig, now) == ["wide", "own"])
            #expect(try Self.limits(of: other, rig, now) == ["wide"])
            own.name = "renamed"
            let changed = own
            try await write { _ = try await LimitStore.update(changed, $0) }
            #expect(try Self.limits(of: key, rig, now) == ["wide", "renamed"])
            // Another change of the key takes its limits along.
            try await write { connection in
                try await connection.execute("update keys set name = 'other' where id = \(id)")
            }
            #expect(try Self.limits(of: key, rig, now) == ["wide", "renamed"])
            try await write { _ = try await LimitStore.delete(own.id, of: tenancy.tenant, $0) }
            #expect(try Self.limits(of: key, rig, now) == ["wide"])
            try await write { _ = try await LimitStore.delete(wide.id, of: tenancy.tenant, $0) }
            #expect(try Self.limits(of: other, rig, now) == [])
            // A control plane that builds everything anew says the same.
            #expect(try await !rig.publisher.reconcile(sweeping: .everything))
        }
    }

    @Test("a limit of a group binds the keys of whoever is in it")
    func groups() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            let user = User(
                id: UserID(at: now), email: "ana@example.com", name: "Ana", createdAt: now, updatedAt: now)
            let group = Group(
                id: GroupID(at: now), tenant: tenancy.tenant, name: "team", createdAt: now, updatedAt: now)
            try await pool.withTransaction { connection in
                try await UserStore.create(user, passwordHash: nil, connection)
                _ = try await MemberStore.add(user.id, to: tenancy.tenant, at: now, connection)
                try await GroupStore.create(group, connection)
                try await connection.execute("update keys set owner_id = \(user.id) where id = \(id)")
                try await LimitStore.create(
                    Self.limit("team", .group(group.id), of: tenancy, at: now), connection)
            }
            #expect(try await rig.publisher.reconcile())
            #expect(try Self.limits(of: key, rig, now) == [])
            try await pool.withTransaction { connection in
                _ = try await GroupStore.add(user.id, to: group.id, of: tenancy.tenant, at: now, connection)
            }
            #expect(try await rig.publisher.reconcile())
            #expect(try Self.limits(of: key, rig, now) == ["team"])
            try await pool.withTransaction { connection in
                _ = try await GroupStore.remove(user.id, from: group.id, of: tenancy.tenant, connection)
            }
            #expect(try await rig.publisher.reconcile())
            #expect(try Self.limits(of: key, rig, now) == [])
        }
    }
}
