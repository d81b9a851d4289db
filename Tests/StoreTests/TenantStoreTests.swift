import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("tenants and workspaces")
struct TenantStoreTests {
    @Test("a tenant is found as it was written, by id and by slug")
    func roundTrip() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let tenant = try await fixture.tenant("acme", connection)
                let byID = try await TenantStore.find(tenant.id, connection)
                let bySlug = try await TenantStore.find(slug: "acme", connection)
                let missing = try await TenantStore.find(TenantID(at: fixture.now), connection)
                #expect(byID == tenant && bySlug == tenant && missing == nil)
            }
        }
    }

    @Test("the platform's own row is never a tenant")
    func platform() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let byID = try await TenantStore.find(.platform, connection)
                let bySlug = try await TenantStore.find(slug: "platform", connection)
                let listed = try await TenantStore.list(Page(), connection)
                let now = Fixture().now
                let forged = Tenant(id: .platform, slug: "mine", name: "Mine", createdAt: now, updatedAt: now)
                let updated = try await TenantStore.update(forged, connection)
                let deleted = try await TenantStore.remove(.platform, connection)
                #expect(byID == nil && bySlug == nil && listed.items.isEmpty)
                #expect(updated == nil && !deleted)
            }
        }
    }

    @Test("a slug belongs to one tenant")
    func unique() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                _ = try await fixture.tenant("acme", connection)
                let error = await postgresFailure { try await fixture.tenant("acme", connection) }
                #expect(error?.isUniqueViolation == true)
                #expect(error?.constraint == Constraint.tenantSlugIsUnique)
                let reserved = await postgresFailure { try await fixture.tenant("platform", connection) }
                #expect(reserved?.constraint == Constraint.tenantSlugIsUnique)
            }
        }
    }

    @Test("lists come in pages, newest first, none twice and none left out", arguments: [1, 2, 3, 7, 200])
    func paging(_ limit: Int) async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                var created: [TenantID] = []
                for number in 0..<7 { created.append(try await fixture.tenant("t-\(number)", connection).id) }
                let fetched = try await pages(limit: limit) { try await TenantStore.list($0, connection) }
                #expect(fetched.flatMap { $0.map(\.id) } == created.reversed())
                #expect(fetched.dropLast().allSatisfy { $0.count == limit })
                #expect(fetched.count == (7 + limit - 1) / limit)
            }
        }
    }

    @Test("a page has at most 200 items and at least one")
    func limits() {
        #expect(Page<Tenant>(limit: 100_000).limit == 200)
        #expect(Page<Tenant>(limit: -1).limit == 1)
    }

    @Test("an update changes what it says, unless somebody was faster")
    func update() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                var tenant = try await fixture.tenant("acme", connection)
                let seen = tenant.updatedAt
                tenant.name = "Renamed"
                tenant.status = .suspended
                tenant.updatedAt = fixture.now
                let updated = try await TenantStore.update(tenant, expecting: seen, connection)
                #expect(updated == tenant)
                tenant.name = "Too late"
                let late = try await TenantStore.update(tenant, expecting: seen, connection)
                let found = try await TenantStore.find(tenant.id, connection)
                #expect(late == nil && found?.name == "Renamed" && found?.status == .suspended)
            }
        }
    }

    @Test("a tenant goes with all it owns, and nothing of another tenant goes with it")
    func deletion() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let (gone, stays) = try await database.pool.withConnection { connection in
                let gone = try await fixture.tenant("gone", connection)
                let stays = try await fixture.tenant("stays", connection)
                for tenant in [gone, stays] {
                    let workspace = try await fixture.workspace(of: tenant, connection)
                    let provider = try await fixture.provider(of: tenant, connection)
                    let model = try await fixture.model(of: provider, connection)
                    _ = try await fixture.price(of: model, connection)
                    _ = try await fixture.route(of: tenant, to: [model], connection)
                    _ = try await fixture.key(of: workspace, tags: ["a"], connection)
                    let user = try await fixture.user("ana@\(tenant.slug).example", connection)
                    try await BindingStore.create(
                        Binding(
                            id: BindingID(at: fixture.now), user: user.id, role: "viewer",
                            scope: .workspace(tenant.id, workspace.id), createdBy: nil, createdAt: fixture.now
                        ),
                        connection)
                }
                return (gone, stays)
            }
            let app = database.makePool(role: .app)
            var going = gone
            going.status = .deleting
            _ = try await app.withTenant(gone.id) { try await TenantStore.update(going, $0) }
            let marked = try await app.acrossTenants { try await TenantStore.beingDeleted($0) }
            #expect(marked == [gone.id])
            let early = await postgresFailure {
                try await app.withTenant(gone.id) { try await TenantStore.remove(gone.id, $0) }
            }
            #expect(early?.isForeignKeyViolation == true, "not before all it owns is gone")
            // Three rows at a time: it can be stopped anywhere.
            var parts = 0
            while true {
                let count = try await app.withTenant(gone.id) { connection in
                    try await TenantStore.purge(gone.id, atMost: 3, connection)
                }
                guard let count, count > 0 else { break }
                #expect(count <= 3)
                parts += 1
            }
            #expect(parts > 2)
            let removed = try await app.withTenant(gone.id) { try await TenantStore.remove(gone.id, $0) }
            let again = try await app.withTenant(gone.id) { try await TenantStore.remove(gone.id, $0) }
            let kept = try await app.withTenant(stays.id) { try await TenantStore.remove(stays.id, $0) }
            await app.close()
            #expect(removed && !again && !kept)
            try await database.pool.withConnection { connection in
                for table: SQL in [
                    "workspaces", "providers", "models", "prices", "routes", "route_targets", "keys",
                    "key_tags", "members", "bindings",
                ] {
                    let rows = try await connection.query("select tenant_id from \(fragment: table)")
                    #expect(rows.count == 1)
                    #expect(try rows.first?.uuid(0) == PostgresUUID(high: stays.id.high, low: stays.id.low))
                }
            }
        }
    }

    @Test("a workspace is seen, changed and deleted by its own tenant only")
    func workspaces() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                var workspace = try await fixture.workspace("main", of: mine, connection)
                _ = try await fixture.workspace("main", of: other, connection)
                let found = try await WorkspaceStore.find(workspace.id, of: mine.id, connection)
                let foreign = try await WorkspaceStore.find(workspace.id, of: other.id, connection)
                #expect(found == workspace && foreign == nil)
                let duplicate = await postgresFailure {
                    try await fixture.workspace("main", of: mine, connection)
                }
                #expect(duplicate?.constraint == Constraint.workspaceSlugIsUnique)

                let seen = workspace.updatedAt
                workspace.name = "Renamed"
                workspace.updatedAt = fixture.now
                let updated = try await WorkspaceStore.update(workspace, expecting: seen, connection)
                let late = try await WorkspaceStore.update(workspace, expecting: seen, connection)
                #expect(updated == workspace && late == nil)

                let listed = try await pages(limit: 1) {
                    try await WorkspaceStore.list(of: mine.id, $0, connection)
                }
                #expect(listed == [[workspace]])
                _ = try await fixture.key(of: workspace, connection)
                let used = await postgresFailure {
                    try await WorkspaceStore.delete(workspace.id, of: mine.id, connection)
                }
                #expect(used?.constraint == Constraint.workspaceHasKeys)
                let empty = try await fixture.workspace("empty", of: mine, connection)
                let foreignDelete = try await WorkspaceStore.delete(empty.id, of: other.id, connection)
                let ownDelete = try await WorkspaceStore.delete(empty.id, of: mine.id, connection)
                #expect(!foreignDelete && ownDelete)
            }
        }
    }
}
