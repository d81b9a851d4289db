import Contract
import Cryptography
import Domain
import EventLoops
import PostgresDriver
import TestSupport
import Testing

@testable import Store

@Suite("snapshots")
struct SnapshotStoreTests {
    private func publication(
        _ version: SnapshotVersion, _ contents: [[UInt8]], _ visibility: SnapshotStore.Visibility
    ) -> SnapshotStore.Publication {
        let objects = contents.map { (address: sha256($0), bytes: $0) }
        return SnapshotStore.Publication(
            version: version, manifest: Array("manifest \(version)".utf8), objects: objects.map(\.address),
            newObjects: objects, builtFrom: visibility)
    }

    @Test("a version is published by compare-and-set: of two publishers, one")
    func compareAndSet() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let now = fixture.now
            let pool = database.pool
            let start = try await pool.withConnection { try await SnapshotStore.state($0) }
            #expect(start.version == SnapshotVersion(epoch: 1, counter: 0) && start.builtFrom == nil)
            let visibility = try await pool.withTransaction(.readOnlySnapshot) {
                try await SnapshotStore.visibility($0)
            }
            let next = publication(start.version.next, [[1], [2]], visibility)
            let first = try await pool.withTransaction {
                try await SnapshotStore.publish(next, expected: start.version, at: now, $0)
            }
            let second = try await pool.withTransaction {
                try await SnapshotStore.publish(next, expected: start.version, at: now, $0)
            }
            #expect(first && !second)
            try await pool.withConnection { connection in
                let state = try await SnapshotStore.state(connection)
                #expect(state == SnapshotStore.State(version: next.version, builtFrom: visibility))
                let latest = try await SnapshotStore.latest(connection)
                #expect(latest?.version == next.version && latest?.manifest == next.manifest)
                #expect(latest?.publishedAt == now)
                let found = try await SnapshotStore.find(next.version, connection)
                let none = try await SnapshotStore.find(start.version, connection)
                #expect(found == latest && none == nil)
                let object = try await SnapshotStore.object(sha256([1]), connection)
                let missing = try await SnapshotStore.missing(of: [sha256([1]), sha256([9])], connection)
                let nothing = try await SnapshotStore.object(sha256([9]), connection)
                #expect(object == [1] && missing == [sha256([9])] && nothing == nil)
            }
        }
    }

    @Test("an object under a wrong address is refused")
    func wrongAddress() async throws {
        try await withTestDatabase { database in
            let visibility = try await database.pool.withTransaction {
                try await SnapshotStore.visibility($0)
            }
            let version = SnapshotVersion(epoch: 1, counter: 1)
            let forged = SnapshotStore.Publication(
                version: version, manifest: [1], objects: [sha256([1])],
                newObjects: [(address: sha256([1]), bytes: [2])], builtFrom: visibility)
            let error = await postgresFailure {
                try await database.pool.withTransaction {
                    try await SnapshotStore.publish(
                        forged, expected: SnapshotVersion(epoch: 1, counter: 0), at: .epoch, $0)
                }
            }
            #expect(error?.constraint == "snapshot_object_is_named_right")
        }
    }

    @Test("a change that commits late is dirty for every build that could not see it")
    func lateCommit() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.makePool(size: 4)
            let empty = try await pool.withTransaction(.readOnlySnapshot) {
                try await SnapshotStore.visibility($0)
            }
            let early = try await pool.withConnection { try await fixture.tenant("early", $0) }
            let opened = Wakeup()
            let commit = Wakeup()
            let committed = Wakeup()
            var late: Tenant?
            database.loop.spawn {
                try? await pool.withTransaction { connection in
                    late = try await fixture.tenant("late", connection)
                    opened.signal()
                    await commit.wait()
                }
                committed.signal()
            }
            await opened.wait()
            // This transaction has a higher number than the one still open.
            let last = try await pool.withConnection { try await fixture.tenant("last", $0) }
            let (dirty, build) = try await pool.withTransaction(.readOnlySnapshot) { connection in
                (
                    try await SnapshotStore.changes(since: empty, connection),
                    try await SnapshotStore.visibility(connection)
                )
            }
            #expect(dirty.owners == [early.id, last.id] && dirty.keys.isEmpty && dirty.keyOwners.isEmpty)
            commit.signal()
            await committed.wait()
            try await pool.withConnection { connection in
                let after = try await SnapshotStore.changes(since: build, connection)
                #expect(after.owners == [late?.id])
                // Shared things are the platform's.
                _ = try await fixture.provider(of: nil, connection)
                let shared = try await SnapshotStore.changes(since: build, connection)
                #expect(shared.owners == [late?.id, nil])
            }
            // A publication forgets what its build has seen and nothing else.
            let published = try await pool.withTransaction {
                try await SnapshotStore.publish(
                    self.publication(SnapshotVersion(epoch: 1, counter: 1), [[1]], build),
                    expected: SnapshotVersion(epoch: 1, counter: 0), at: fixture.now, $0)
            }
            #expect(published)
            let left = try await pool.withConnection { try await SnapshotStore.changes(since: empty, $0) }
            #expect(left.owners == [late?.id, nil])
            await pool.close()
        }
    }

    @Test("a change of a key is noted as that key; more than a hundred at once as all of the tenant's")
    func changedKeys() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            try await database.pool.withConnection { connection in
                func now() async throws -> SnapshotStore.Visibility {
                    try await SnapshotStore.visibility(connection)
                }
                let tenant = try await fixture.tenant("acme", connection)
                let workspace = try await fixture.workspace(of: tenant, connection)
                var before = try await now()
                let (key, _) = try await fixture.key(of: workspace, connection)
                var noted = try await SnapshotStore.changes(since: before, connection)
                var expected = SnapshotScope()
                expected.keys = [key.publicID]
                #expect(noted == expected)
                before = try await now()
                _ = try await KeyStore.revoke(key.id, of: tenant.id, at: fixture.now, connection)
                #expect(try await SnapshotStore.changes(since: before, connection) == expected)
                before = try await now()
                try await connection.execute("delete from keys where id = \(key.id)")
                #expect(try await SnapshotStore.changes(since: before, connection) == expected)
                before = try await now()
                try await connection.execute("update keys set name = 'x' where false")
                #expect(try await SnapshotStore.changes(since: before, connection).isEmpty)
                try await connection.execute(
                    """
                    insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints,
                                      routes, created_at, updated_at)
                    select \(tenant.id), gen_random_uuid(), \(workspace.id), 'bulk', lpad(n::text, 16, '0'),
                           sha256('x'), 4294967295, '{}', \(fixture.now), \(fixture.now)
                      from generate_series(1, 101) as n
                    """)
                noted = try await SnapshotStore.changes(since: before, connection)
                #expect(noted.keyOwners == [tenant.id] && noted.keys.isEmpty && noted.owners.isEmpty)
            }
        }
    }

    @Test("who uses a model of the platform changes with it")
    func platformUsers() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            try await database.pool.withConnection { connection in
                let shared = try await fixture.model(of: fixture.provider(of: nil, connection), connection)
                let user = try await fixture.tenant("user", connection)
                _ = try await fixture.tenant("other", connection)
                _ = try await fixture.route(of: user, to: [shared], connection)
                let before = try await SnapshotStore.visibility(connection)
                _ = try await fixture.price(of: shared, connection)
                let noted = try await SnapshotStore.changes(since: before, connection)
                #expect(noted.owners == [nil, user.id] && noted.keyOwners.isEmpty)
            }
        }
    }

    @Test("every change wakes the publisher")
    func notification() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            var signals = 0
            let signalled = Wakeup()
            let listener = PostgresListener(
                loop: database.loop, url: database.url, channel: "eclusa_changed"
            ) {
                signals += 1
                signalled.signal()
            }
            listener.start()
            await signalled.wait()
            let tenant = try await database.pool.withConnection { try await fixture.tenant("acme", $0) }
            await signalled.wait()
            let workspace = try await database.pool.withConnection {
                try await fixture.workspace(of: tenant, $0)
            }
            await signalled.wait()
            let key = try await database.pool.withConnection { try await fixture.key(of: workspace, $0).key }
            await signalled.wait()
            _ = try await database.pool.withConnection {
                try await KeyStore.revoke(key.id, of: tenant.id, at: fixture.now, $0)
            }
            await signalled.wait()
            #expect(signals == 5)
            await listener.close()
        }
    }

    @Test("a write is in the first version whose build could see it")
    func changeToken() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.pool
            let before = try await pool.withTransaction(.readOnlySnapshot) {
                try await SnapshotStore.visibility($0)
            }
            let change = try await pool.withTransaction { connection in
                _ = try await fixture.tenant("acme", connection)
                return try await SnapshotStore.currentTransaction(connection)
            }
            let after = try await pool.withTransaction(.readOnlySnapshot) {
                try await SnapshotStore.visibility($0)
            }
            var version = SnapshotVersion(epoch: 1, counter: 0)
            for visibility in [before, after] {
                let next = publication(version.next, [[1]], visibility)
                let expected = version
                _ = try await pool.withTransaction {
                    try await SnapshotStore.publish(next, expected: expected, at: fixture.now, $0)
                }
                version = next.version
                let first = try await pool.withConnection {
                    try await SnapshotStore.firstVersion(with: change, $0)
                }
                #expect(first == (visibility == before ? nil : version))
            }
        }
    }

    @Test("old versions go, and with them the objects nobody needs any more")
    func garbage() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.pool
            let visibility = try await pool.withTransaction { try await SnapshotStore.visibility($0) }
            for counter in 1...4 as ClosedRange<UInt64> {
                let version = SnapshotVersion(epoch: 1, counter: counter)
                let next = publication(version, [[0], [UInt8(counter)]], visibility)
                let published = try await pool.withTransaction {
                    try await SnapshotStore.publish(
                        next, expected: SnapshotVersion(epoch: 1, counter: counter - 1), at: fixture.now, $0)
                }
                #expect(published)
            }
            let removed = try await pool.withTransaction {
                try await SnapshotStore.collectGarbage(keeping: 2, $0)
            }
            #expect(removed == 2)
            try await pool.withConnection { connection in
                let versions = try await SnapshotStore.versions(before: nil, limit: 10, connection)
                #expect(versions.map(\.version.counter) == [4, 3])
                let older = try await SnapshotStore.versions(
                    before: versions[0].version, limit: 10, connection)
                #expect(older.map(\.version.counter) == [3])
                let missing = try await SnapshotStore.missing(
                    of: (0...4).map { sha256([$0]) }, connection)
                #expect(Set(missing) == [sha256([1]), sha256([2])])
                let raised = try await SnapshotStore.raiseEpoch(to: 2, connection)
                let again = try await SnapshotStore.raiseEpoch(to: 2, connection)
                let state = try await SnapshotStore.state(connection)
                #expect(raised && !again)
                #expect(state == .init(version: SnapshotVersion(epoch: 2, counter: 0), builtFrom: nil))
            }
        }
    }

    @Test("the export has everything nodes need, of all tenants")
    func export() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            try await database.pool.withConnection { connection in
                let acme = try await fixture.tenant("acme", connection)
                var other = try await fixture.tenant("other", connection)
                other.status = .suspended
                _ = try await TenantStore.update(other, connection)
                let workspace = try await fixture.workspace(of: acme, connection)
                let provider = try await fixture.provider(of: acme, connection)
                let shared = try await fixture.provider(of: nil, connection)
                let credential = StoredCredential(
                    sealed: [1], hint: "abcd",
                    forFleet: .init(fleetKey: FleetKeyID(at: fixture.now), sealed: [2]))
                _ = try await ProviderStore.setCredential(
                    credential, of: shared.id, ownedBy: nil, at: fixture.now, connection)
                let own = try await fixture.model("own", of: provider, connection)
                let common = try await fixture.model("common", of: shared, connection)
                let old = try await fixture.price(of: own, connection)
                let current = try await fixture.price(of: own, connection)
                let future = try await fixture.price(
                    of: own, from: fixture.now.advanced(bySeconds: 86_400), connection)
                let route = try await fixture.route("gpt", of: acme, to: [common, own], connection)
                var disabled = try await fixture.route("off", of: acme, to: [own], connection)
                disabled.isEnabled = false
                _ = try await RouteStore.update(disabled, connection)
                let second = try await fixture.route("second", of: acme, to: [own], connection)
                let (key, text) = try await fixture.key(of: workspace, connection)

                let tenants = try await SnapshotExport.tenants(connection)
                #expect(tenants == [TenantEntry(id: acme.id), TenantEntry(id: other.id, isSuspended: true)])
                let workspaces = try await SnapshotExport.workspaces(connection)
                #expect(workspaces == [WorkspaceEntry(id: workspace.id, tenant: acme.id)])
                let providers = try await SnapshotExport.providers(connection)
                #expect(providers.map(\.provider.id) == [shared.id, provider.id])
                #expect(providers.map { $0.credentials.map(\.stored) } == [[credential], []])
                #expect(providers.first?.provider.credentialHint == "abcd")
                let routes = try await SnapshotExport.routes(connection)
                #expect(routes.map(\.id) == [route.id, disabled.id, second.id])
                #expect(routes.map(\.isEnabled) == [true, false, true])
                #expect(routes.first?.targets.map(\.contextWindow) == [128_000, 128_000])
                #expect(routes.first?.targets.map(\.upstreamModel) == ["common", "own"])
                #expect(routes.first?.targets.map(\.provider) == [shared.id, provider.id])
                let prices = try await SnapshotExport.prices(at: fixture.now, connection)
                #expect(prices == [PriceEntry(current), PriceEntry(future)])
                #expect(!prices.contains(PriceEntry(old)))
                let keys = try await SnapshotExport.keys(at: fixture.now, connection)
                #expect(keys.keys == [KeyEntry(key, secretHash: SecretHash(of: text))] && keys.next == nil)
            }
        }
    }

    @Test("an export of some owners has their rows and nobody else's")
    func exportOfOwners() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            try await database.pool.withConnection { connection in
                let shared = try await fixture.model(of: fixture.provider(of: nil, connection), connection)
                var tenants: [Tenant] = []
                for slug in ["one", "two"] {
                    let tenant = try await fixture.tenant(slug, connection)
                    let workspace = try await fixture.workspace(of: tenant, connection)
                    let model = try await fixture.model(
                        of: fixture.provider(of: tenant, connection), connection)
                    _ = try await fixture.price(of: model, connection)
                    _ = try await fixture.route(of: tenant, to: [model, shared], connection)
                    _ = try await fixture.key(of: workspace, connection)
                    tenants.append(tenant)
                }
                _ = try await fixture.price(of: shared, connection)
                for (owners, expected) in [
                    ([tenants[0].id], [tenants[0].id]), ([nil], []),
                    ([tenants[1].id, nil], [tenants[1].id]), ([], []),
                ] as [([TenantID?], [TenantID])] {
                    let some = SnapshotExport.Owners(owners)
                    let now = fixture.now
                    let exported = try await SnapshotExport.tenants(of: some, connection).map(\.id)
                    let workspaces = try await SnapshotExport.workspaces(of: some, connection).map(\.tenant)
                    let routes = try await SnapshotExport.routes(of: some, connection).map(\.tenant)
                    let keys = try await SnapshotExport.keys(of: some, at: now, connection).keys.map(\.tenant)
                    #expect(
                        [exported, workspaces, routes, keys] == [expected, expected, expected, expected])
                    let providers = try await SnapshotExport.providers(of: some, connection)
                    #expect(Set(providers.map(\.provider.tenant)) == Set(owners))
                    let prices = try await SnapshotExport.prices(of: some, at: now, connection)
                    #expect(Set(prices.map(\.tenant)) == Set(owners))
                }
            }
        }
    }

    @Test("keys are exported in pages, without those that ended long ago")
    func exportedKeys() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            try await database.pool.withConnection { connection in
                let acme = try await fixture.tenant("acme", connection)
                let workspace = try await fixture.workspace(of: acme, connection)
                let fresh = try await fixture.key(of: workspace, connection).key
                let revoked = try await fixture.key(of: workspace, connection).key
                _ = try await KeyStore.revoke(revoked.id, of: acme.id, at: fixture.now, connection)
                let more = SnapshotExport.rowsPerPage + 10
                try await connection.execute(
                    """
                    insert into keys (tenant_id, id, workspace_id, name, public_id, secret_hash, endpoints,
                                      routes, created_at, updated_at)
                    select \(acme.id), gen_random_uuid(), \(workspace.id), 'bulk', lpad(n::text, 16, '0'),
                           sha256('x'), 4294967295, '{}', \(fixture.now), \(fixture.now)
                      from generate_series(1, \(more)) as n
                    """)
                var keys: [KeyEntry] = []
                var position: SnapshotExport.KeyPosition?
                var count = 0
                repeat {
                    let page = try await SnapshotExport.keys(after: position, at: fixture.now, connection)
                    keys += page.keys
                    position = page.next
                    count += 1
                } while position != nil
                #expect(count == 2 && Set(keys.map(\.id)).count == more + 2)
                #expect(keys.contains { $0.id == fresh.id })
                #expect(keys.first { $0.id == revoked.id }?.revoked != nil, "so that its callers learn why")
                let later = fixture.now.advanced(bySeconds: SnapshotExport.endedKeysSeconds)
                var after: [KeyEntry] = []
                position = nil
                repeat {
                    let page = try await SnapshotExport.keys(after: position, at: later, connection)
                    after += page.keys
                    position = page.next
                } while position != nil
                #expect(after.count == more + 1 && !after.contains { $0.id == revoked.id })
            }
        }
    }
}
