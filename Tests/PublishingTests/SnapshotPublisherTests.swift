import Contract
import Cryptography
import Domain
import EventLoops
import Policy
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@testable import Publishing

@Suite("snapshot publisher")
struct SnapshotPublisherTests {
    @Test("what is in the database is published, and what nodes get stands")
    func first() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, _) = try await tenancy.addKey(at: now, pool)
            #expect(try await rig.publisher.reconcile())
            let published = try #require(try rig.published())
            #expect(published.manifest.version == SnapshotVersion(epoch: 1, counter: 1))
            #expect(refusal(key, in: published.compiled, at: now) == nil)
            let provider = try #require(published.compiled.providers.first)
            let credential = try provider.entry.credentials.first?.sealed.open(
                of: provider.id, with: rig.keys.fleet)
            #expect(credential == Secret(utf8: "sk-acme"))
            #expect(published.compiled.tenant(tenancy.tenant)?.route(named: "gpt-test")?.targets.count == 1)
            // Nothing has changed: no other version.
            #expect(try await !rig.publisher.reconcile())
            #expect(try await pool.withConnection { try await SnapshotStore.state($0) }.version.counter == 1)
        }
    }

    @Test("an empty database is published too: a node of a new installation becomes ready")
    func empty() async throws {
        try await withControlPlane { rig in
            #expect(try await rig.publisher.reconcile())
            let published = try rig.published()
            #expect(published?.compiled.keyCount == 0)
        }
    }

    @Test("a revoked key rides the kill list, and its shard says it too")
    func revocation() async throws {
        let clock = FakeClock()
        try await withControlPlane(clock: clock.clock) { rig in
            let pool = rig.database.pool
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: clock.now, pool)
            let (key, id) = try await tenancy.addKey(at: clock.now, pool)
            let (other, _) = try await tenancy.addKey(at: clock.now, pool)
            try await rig.publisher.reconcile()
            try await tenancy.revoke(id, at: clock.now, pool)
            #expect(try await rig.publisher.reconcile())
            let published = try #require(try rig.published())
            #expect(published.manifest.kills == [.key(id)])
            #expect(refusal(key, in: published.compiled, at: clock.now) == .revoked)
            #expect(refusal(other, in: published.compiled, at: clock.now) == nil)
            // Without a node that says so, nobody knows whether it has done its work.
            clock.advance(seconds: 300)
            #expect(try await !rig.publisher.reconcile())
            let node = try await rig.node("node-1", running: 1)
            #expect(try await !rig.publisher.reconcile())
            try await rig.report(node, running: 2)
            #expect(try await rig.publisher.reconcile())
            #expect(try rig.published()?.manifest.kills == [])
            #expect(try rig.published()?.manifest.version.counter == 3)
            #expect(try refusal(key, in: rig.published()?.compiled, at: clock.now) == .revoked)
        }
    }

    @Test("a change reads and moves only what belongs to its tenant")
    func oneTenant() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let first = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let second = try await Tenancy.create("globex", fleet: rig.keys.fleet, at: now, pool)
            let (untouched, _) = try await first.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            let before = try await pool.withConnection {
                try await $0.query("select sha256 from snapshot_objects").count
            }
            let (key, _) = try await second.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            let after = try await pool.withConnection {
                try await $0.query("select sha256 from snapshot_objects").count
            }
            #expect(after - before == 2)
            let compiled = try rig.published()?.compiled
            #expect(refusal(key, in: compiled, at: now) == nil)
            #expect(refusal(untouched, in: compiled, at: now) == nil)
        }
    }

    @Test("a renamed platform model reaches the routes of every tenant")
    func platformModel() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let provider = ProviderID(at: now)
            var model = Model(
                id: ModelID(at: now), provider: provider, tenant: nil, name: "old", displayName: "Shared",
                createdAt: now, updatedAt: now)
            let route = RouteID(at: now)
            let original = model
            try await pool.withTransaction { connection in
                try await ProviderStore.create(
                    Provider(
                        id: provider, tenant: nil, name: "shared", kind: .openAI,
                        baseURL: BaseURL("https://shared.example/v1")!, createdAt: now, updatedAt: now),
                    connection)
                try await ModelStore.create(original, connection)
                try await RouteStore.create(
                    Route(
                        id: route, tenant: tenancy.tenant, name: "shared",
                        targets: [Target(model: original.id)],
                        createdAt: now, updatedAt: now), connection)
            }
            try await rig.publisher.reconcile()
            func upstream() throws -> String? {
                try rig.published()?.compiled.tenant(tenancy.tenant)?.route(named: "shared")?.targets.first?
                    .entry.upstreamModel
            }
            #expect(try upstream() == "old")
            model.name = "new"
            let renamed = model
            _ = try await pool.withConnection { try await ModelStore.update(renamed, $0) }
            try await rig.publisher.reconcile()
            #expect(try upstream() == "new")
        }
    }

    @Test("a restarted publisher takes over what is published, also its objects, and publishes nothing")
    func restart() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, _) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            let again = try ControlPlaneRig(rig.database, keys: rig.keys)
            #expect(try await !again.publisher.reconcile())
            #expect(again.publisher.version?.counter == 1)
            #expect(try refusal(key, in: again.published()?.compiled, at: now) == nil)
            // And goes on from there.
            let (next, _) = try await tenancy.addKey(at: now, pool)
            #expect(try await again.publisher.reconcile())
            #expect(try refusal(next, in: again.published()?.compiled, at: now) == nil)
            // The first one follows, though the change was noted as published.
            #expect(try await !rig.publisher.reconcile())
            #expect(rig.publisher.version?.counter == 2)
            #expect(try refusal(next, in: rig.published()?.compiled, at: now) == nil)
            await again.close()
        }
    }

    @Test("two publishers at once never use a version twice and end with the same snapshot")
    func replicas() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let other = try ControlPlaneRig(rig.database, keys: rig.keys)
            for _ in 0..<5 {
                _ = try await tenancy.addKey(at: now, pool)
                let first = Completion<Bool>(), second = Completion<Bool>()
                rig.database.loop.spawn { first.fulfil((try? await rig.publisher.reconcile()) ?? false) }
                rig.database.loop.spawn { second.fulfil((try? await other.publisher.reconcile()) ?? false) }
                let published = [await first.value(), await second.value()]
                #expect(published.filter(\.self).count == 1)
            }
            try await rig.publisher.reconcile()
            try await other.publisher.reconcile()
            #expect(rig.publisher.version == other.publisher.version)
            #expect(try rig.published()?.manifest.pages == other.published()?.manifest.pages)
            let versions = try await pool.withConnection {
                try await SnapshotStore.versions(before: nil, limit: 100, $0)
            }
            #expect(versions.map(\.version.counter) == [5, 4, 3, 2, 1])
            await other.close()
        }
    }

    @Test("who is about to build everything takes over instead what somebody has published meanwhile")
    func overtakenWhileStarting() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            _ = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let before = try await pool.withConnection { try await SnapshotStore.state($0).version }
            func reading() async throws -> SnapshotReading {
                try await SnapshotReading.take(
                    .everything(insteadOf: before), fleetKey: rig.keys.fleet.id, at: now, pool)
            }
            guard case .content = try await reading() else {
                Issue.record("nobody has published: everything is read")
                return
            }
            try await rig.publisher.reconcile()
            guard case .behind(let state, let latest) = try await reading() else {
                Issue.record("somebody has published: it is taken over")
                return
            }
            #expect(state.version == rig.publisher.version)
            #expect(latest?.version == rig.publisher.version)
        }
    }

    @Test("a stored snapshot that somebody changed is not taken over but built anew")
    func tampered() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, _) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            _ = try await pool.withConnection {
                try await $0.execute(
                    "update snapshot_versions set manifest = set_byte(manifest, 90, get_byte(manifest, 90) # 1)"
                )
            }
            let again = try ControlPlaneRig(rig.database, keys: rig.keys)
            #expect(try await again.publisher.reconcile())
            #expect(again.publisher.version?.counter == 2)
            #expect(try refusal(key, in: again.published()?.compiled, at: now) == nil)
            await again.close()
        }
    }

    @Test(
        "what does not stand is not published; a revocation goes out all the same, the rest when it is repaired"
    )
    func poison() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            let (second, _) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            // A hole no constraint leaves: the workspace of the keys is gone.
            try await pool.withTransaction { connection in
                try await connection.executeScript("set local session_replication_role = replica")
                try await connection.execute("delete from workspaces where id = \(tenancy.workspace)")
                _ = try await connection.query("select stamp_change_of(\(tenancy.tenant))")
            }
            try await tenancy.revoke(id, at: now, pool)
            #expect(try await rig.publisher.reconcile())
            var published = try #require(try rig.published())
            #expect(published.manifest.kills == [.key(id)])
            #expect(refusal(key, in: published.compiled, at: now) == .revoked)
            #expect(refusal(second, in: published.compiled, at: now) == nil)
            // Nothing more to take away: no version after version.
            #expect(try await !rig.publisher.reconcile())
            #expect(rig.metrics.text().contains("eclusa_snapshots_refused_total 2"))
            try await pool.withConnection { connection in
                try await WorkspaceStore.create(
                    Workspace(
                        id: tenancy.workspace, tenant: tenancy.tenant, slug: "main", name: "Main",
                        createdAt: now,
                        updatedAt: now), connection)
            }
            #expect(try await rig.publisher.reconcile())
            published = try #require(try rig.published())
            #expect(refusal(key, in: published.compiled, at: now) == .revoked)
        }
    }

    @Test("credentials that are not sealed under the current fleet key are sealed, then published")
    func sealing() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            _ = try await Tenancy.create("acme", fleet: nil, at: now, pool)
            let old = FleetKey(id: FleetKeyID(at: now), key: SymmetricKey())
            _ = try await Tenancy.create("globex", fleet: old, at: now, pool)
            #expect(try await rig.publisher.reconcile())
            let providers = try #require(try rig.published()).compiled.providers
            let opened = try providers.compactMap {
                try $0.entry.credentials.first?.sealed.open(of: $0.id, with: rig.keys.fleet)
            }
            #expect(opened.count == 2)
            #expect(opened.contains(Secret(utf8: "sk-acme")) && opened.contains(Secret(utf8: "sk-globex")))
        }
    }

    @Test("a sweep publishes what changed without a note, and nothing when nothing did")
    func sweep() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            #expect(try await !rig.publisher.reconcile(sweeping: .everything))
            try await pool.withTransaction { connection in
                try await connection.executeScript("set local session_replication_role = replica")
                try await connection.execute("delete from keys where id = \(id)")
            }
            #expect(try await !rig.publisher.reconcile())
            #expect(try await rig.publisher.reconcile(sweeping: .everything))
            #expect(try refusal(key, in: rig.published()?.compiled, at: now) != nil)
        }
    }

    @Test(
        "a round of the sweep takes its hour, with one tenant and with many",
        arguments: [
            (tenants: 0, size: 1, seconds: 3600), (1, 1, 1800), (8, 1, 400), (359, 1, 10), (360, 2, 19),
            (100_000, 278, 10),
        ] as [(tenants: Int, size: Int, seconds: Int64)])
    func pace(_ tenants: Int, _ size: Int, _ seconds: Int64) {
        let slices = SnapshotPublisher.Options().slices(of: tenants)
        #expect(slices.size == size && slices.nanoseconds / 1_000_000_000 == seconds)
    }

    @Test("a sweep goes through all tenants in slices, and finds what changed without a note in its slice")
    func slices() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            var keys: [(text: KeyText, id: KeyID)] = []
            for slug in ["a", "b", "c"] {
                let tenancy = try await Tenancy.create(slug, fleet: rig.keys.fleet, at: now, pool)
                keys.append(try await tenancy.addKey(at: now, pool))
            }
            try await rig.publisher.reconcile()
            let gone = keys[2]
            try await pool.withTransaction { connection in
                try await connection.executeScript("set local session_replication_role = replica")
                try await connection.execute("delete from keys where id = \(gone.id)")
            }
            // Its period is its whole time: a slice is everything. Then the end is told, round after round.
            var rounds = 0
            while try await !rig.publisher.sweepSlice() { rounds += 1 }
            #expect(rounds <= 1)
            #expect(rig.publisher.version?.counter == 2)
            #expect(try refusal(gone.text, in: rig.published()?.compiled, at: now) != nil)
            #expect(try refusal(keys[0].text, in: rig.published()?.compiled, at: now) == nil)
        }
    }

    @Test("a change of one key among many reads that key and moves two small objects")
    func oneKeyAmongMany() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            try await pool.withConnection { connection in
                try await connection.execute(
                    """
                    insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints,
                                      routes, created_at, updated_at)
                    select \(tenancy.tenant), gen_random_uuid(), \(tenancy.workspace), 'bulk',
                           substr(md5(n::text), 1, 16), sha256('x'), 4294967295, '{}', \(now), \(now)
                      from generate_series(1, 5000) as n
                    """)
            }
            let (key, id) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            let count = try await pool.withConnection {
                try await $0.query("select sha256 from snapshot_objects").count
            }
            try await tenancy.revoke(id, at: now, pool)
            try await rig.publisher.reconcile()
            let bytes = try await pool.withConnection { connection in
                try await connection.query(
                    "select octet_length(bytes)::int8 from snapshot_objects order by created_at desc, 1 desc"
                )
                .map { try $0.int64(0) }
            }
            #expect(bytes.count == count + 2)
            #expect(bytes.prefix(2).reduce(0, +) < 20_000)
            #expect(try refusal(key, in: rig.published()?.compiled, at: now) == .revoked)
        }
    }

    @Test("the heartbeat states the same snapshot again, later, and needs no database")
    func heartbeat() async throws {
        let clock = FakeClock()
        try await withControlPlane(clock: clock.clock) { rig in
            rig.publisher.restate()
            #expect(rig.streams.current == nil)
            try await rig.publisher.reconcile()
            let first = try #require(rig.streams.current)
            clock.advance(seconds: 10)
            rig.publisher.restate()
            let second = try #require(rig.streams.current)
            #expect(second.number == first.number + 1)
            #expect(second.version == first.version)
            #expect(try rig.published()?.manifest.issuedAt == clock.now)
            #expect(try rig.published()?.manifest.contentDigest != nil)
        }
    }

    @Test("a change is published by itself, woken by the database, and said to whom listens")
    func wakeUp() async throws {
        try await withControlPlane { rig in
            let pool = rig.database.pool, now = rig.clock.now()
            let news = Completion<Void>()
            rig.start()
            while rig.streams.current == nil { await rig.database.loop.yieldTurn() }
            let listener = rig.streams.listen { news.fulfil(()) }
            _ = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            await news.value()
            rig.streams.stop(listener)
            #expect(rig.streams.listenerCount == 0)
            #expect((rig.publisher.version?.counter ?? 0) >= 2)
        }
    }

    @Test("while the database is away publishing fails and goes on when it is back")
    func databaseAway() async throws {
        try await withControlPlane { rig in
            try await rig.publisher.reconcile()
            _ = try await rig.database.pool.withConnection {
                try await $0.execute(
                    "alter table snapshot_state rename to snapshot_state_gone")
            }
            await #expect(throws: PostgresError.self) { try await rig.publisher.reconcile() }
            #expect(rig.streams.current != nil)
            _ = try await rig.database.pool.withConnection {
                try await $0.execute("alter table snapshot_state_gone rename to snapshot_state")
            }
            #expect(try await !rig.publisher.reconcile())
        }
    }
}
