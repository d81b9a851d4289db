import Contract
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("routes and keys")
struct RouteStoreTests {
    @Test("a route keeps its targets in order, is changed whole, and is seen by its own tenant only")
    func routes() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let own = try await fixture.provider(of: mine, connection)
                let shared = try await fixture.provider(of: nil, connection)
                var models: [Model] = []
                for name in ["a", "b", "c"] {
                    models.append(try await fixture.model(name, of: own, connection))
                }
                models.append(try await fixture.model("d", of: shared, connection))
                var route = try await fixture.route(
                    of: mine, to: [models[3], models[0], models[1]], connection)
                let found = try await RouteStore.find(route.id, of: mine.id, connection)
                let foreign = try await RouteStore.find(route.id, of: other.id, connection)
                #expect(found == route && foreign == nil)
                let duplicate = await postgresFailure {
                    try await fixture.route(of: mine, to: [models[0]], connection)
                }
                #expect(duplicate?.constraint == Constraint.routeNameIsUnique)

                let seen = route.updatedAt
                for targets in [[models[2]], [models[1], models[0], models[3], models[2]]] {
                    route.targets = targets.map { Target(model: $0.id, weight: 7, priority: 1) }
                    route.isEnabled.toggle()
                    route.name = "renamed"
                    route.updatedAt = fixture.now
                    let updated = try await RouteStore.update(route, connection)
                    let again = try await RouteStore.find(route.id, of: mine.id, connection)
                    #expect(updated && again == route)
                }
                let late = try await RouteStore.update(route, expecting: seen, connection)
                #expect(!late)
                let second = try await fixture.route("second", of: mine, to: [models[0]], connection)
                let listed = try await pages(limit: 1) {
                    try await RouteStore.list(of: mine.id, $0, connection)
                }
                #expect(listed == [[second], [route]])
                let foreignList = try await RouteStore.list(of: other.id, Page(), connection)
                #expect(foreignList.items.isEmpty)

                let used = await postgresFailure {
                    try await ModelStore.delete(models[0].id, of: mine.id, at: fixture.now, connection)
                }
                #expect(used?.constraint == Constraint.targetModelExists)
                let foreignDelete = try await RouteStore.delete(route.id, of: other.id, connection)
                let ownDelete = try await RouteStore.delete(route.id, of: mine.id, connection)
                #expect(!foreignDelete && ownDelete)
            }
        }
    }

    @Test("a route cannot name another tenant's model, nor one that is not there, nor be changed to")
    func foreignModels() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let own = try await fixture.model(of: fixture.provider(of: mine, connection), connection)
                let foreign = try await fixture.model(of: fixture.provider(of: other, connection), connection)
                let stolen = await postgresFailure {
                    try await fixture.route(of: mine, to: [own, foreign], connection)
                }
                #expect(stolen?.constraint == Constraint.targetModelExists)
                let left = try await RouteStore.list(of: mine.id, Page(), connection)
                #expect(left.items.isEmpty, "nothing of the route was kept")
                var route = try await fixture.route(of: mine, to: [own], connection)
                route.targets.append(Target(model: ModelID(at: fixture.now)))
                let changed = route
                let missing = await postgresFailure { try await RouteStore.update(changed, connection) }
                #expect(missing?.constraint == Constraint.targetModelExists)
            }
        }
    }

    @Test("everything a route says is kept, and a route another one leads to stays")
    func whole() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let own = try await fixture.model(of: fixture.provider(of: mine, connection), connection)
                let inner = try await fixture.route("inner", of: mine, to: [own], connection)
                let foreign = try await fixture.tenant("third", connection)
                let theirs = try await fixture.model(of: fixture.provider(of: other, connection), connection)
                let hidden = try await fixture.route("hidden", of: other, to: [theirs], connection)
                let conditions = TargetConditions(
                    tags: ["gold", "team:x"], minimumInput: 1, maximumInput: 9,
                    needs: CapabilitySet([.vision, .tools]),
                    hours: WeeklyHours(days: [.monday], from: 480, until: 60))
                let parameters = [
                    TargetParameter(name: "top_p", json: "0.5"), TargetParameter(name: "seed", json: "null"),
                ]
                var route = Route(
                    id: RouteID(at: fixture.now), tenant: mine.id, name: "outer",
                    targets: [
                        Target(.route(inner.id), TargetTerms(weight: 3, priority: 4)),
                        Target(
                            .model(own.id),
                            TargetTerms(use: .budget, conditions: conditions, parameters: parameters)),
                    ],
                    rules: RouteRules(
                        strategy: .affinity, affinity: .promptPrefix,
                        retries: RetryRules(
                            attempts: 9, attemptsPerTarget: 5, backoff: 0, hedgeAfter: 70, hedgePercentile: 99
                        ),
                        timeouts: RouteTimeouts(firstToken: 5, total: 6),
                        cache: RouteCache(seconds: 9, maximumBytes: 1024), untranslated: .reject),
                    createdAt: fixture.now, updatedAt: fixture.now)
                try await RouteStore.create(route, connection)
                let found = try await RouteStore.find(route.id, of: mine.id, connection)
                #expect(found == route)
                let exported = try await SnapshotExport.routes(of: .init([mine.id]), connection)
                #expect(exported.map(\.rules) == [.standard, route.rules])
                #expect(exported[1].steps.first == .route(inner.id, route.targets[0].terms))
                #expect(exported[1].targets.map(\.terms) == [route.targets[1].terms])
                let nobodys = try await SnapshotExport.routes(of: .init([foreign.id]), connection)
                #expect(nobodys.isEmpty)

                let named = await postgresFailure {
                    try await RouteStore.delete(inner.id, of: mine.id, connection)
                }
                #expect(named?.constraint == Constraint.targetRouteExists)
                var stolen = route
                stolen.targets = [Target(.route(hidden.id), TargetTerms())]
                let thief = stolen
                let refused = await postgresFailure { try await RouteStore.update(thief, connection) }
                #expect(refused?.constraint == Constraint.targetRouteExists)

                route.rules = .standard
                route.targets = [Target(model: own.id)]
                _ = try await RouteStore.update(route, connection)
                let plain = try await RouteStore.find(route.id, of: mine.id, connection)
                let gone = try await RouteStore.delete(inner.id, of: mine.id, connection)
                #expect(plain == route && gone)
            }
        }
    }

    @Test("the graph has the routes that lead into each other and those asked for, of one tenant")
    func graph() async throws {
        try await withTestDatabase { database in
            try await database.pool.withTransaction { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let own = try await fixture.model(of: fixture.provider(of: mine, connection), connection)
                let first = try await fixture.route("first", of: mine, to: [own], connection)
                let alone = try await fixture.route("alone", of: mine, to: [own], connection)
                var second = try await fixture.route("second", of: mine, to: [own], connection)
                second.targets.append(Target(.route(first.id), TargetTerms()))
                _ = try await RouteStore.update(second, connection)
                let graph = try await RouteStore.lockedGraph(of: mine.id, with: [], connection)
                var round = first
                round.targets = [Target(.route(second.id), TargetTerms())]
                #expect(graph.problem(with: round)?.message.hasSuffix("first → second → first") == true)
                round.targets = [Target(.route(alone.id), TargetTerms())]
                #expect(graph.problem(with: round) == nil)
                let other = try await fixture.tenant("other", connection)
                let empty = try await RouteStore.lockedGraph(of: other.id, with: [first.id], connection)
                #expect(empty.problem(with: round) == nil, "it knows nothing of another tenant's")
            }
        }
    }

    @Test("a key is seen by its own tenant only, and its secret is not stored")
    func keys() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let workspace = try await fixture.workspace(of: mine, connection)
                let route = RouteID(at: fixture.now)
                let permitted = KeyPermissions(endpoints: EndpointSet([.chat, .models]), routes: [route])
                let (key, text) = try await fixture.key(of: workspace, permitted: permitted, connection)
                let found = try await KeyStore.find(key.id, of: mine.id, connection)
                let foreign = try await KeyStore.find(key.id, of: other.id, connection)
                #expect(found == key && foreign == nil)
                let everything = try await fixture.key(of: workspace, connection).key
                let listed = try await pages(limit: 1) {
                    try await KeyStore.list(of: mine.id, $0, connection)
                }
                #expect(listed.map { $0.map(\.key) } == [[everything], [key]])
                let nowhere = KeyFilter(workspace: WorkspaceID(at: fixture.now))
                let none = try await KeyStore.list(of: mine.id, where: nowhere, Page(), connection)
                let foreignList = try await KeyStore.list(of: other.id, Page(), connection)
                #expect(none.items.isEmpty && foreignList.items.isEmpty)

                let rows = try await connection.query("select t::text from keys as t")
                let whole = try rows.map { try $0.text(0) }.joined()
                #expect(
                    !whole.contains(text.reveal()) && !whole.contains(text.reveal().dropFirst(20).prefix(32)))

                let twice = await postgresFailure {
                    try await KeyStore.create(
                        Key(
                            id: KeyID(at: fixture.now), tenant: mine.id, workspace: workspace.id, name: "b",
                            publicID: key.publicID, createdAt: fixture.now),
                        secretHash: .unknown, createdBy: nil, connection)
                }
                #expect(twice?.constraint == Constraint.keyPublicIDIsUnique)
            }
        }
    }

    @Test("a revoked key stays revoked since the first time, and is not changed any more")
    func revocation() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let workspace = try await fixture.workspace(of: mine, connection)
                var key = try await fixture.key(of: workspace, connection).key
                key.name = "renamed"
                key.expires = fixture.now.advanced(bySeconds: 60)
                key.permitted.endpoints = EndpointSet([.chat])
                let seen = key.updatedAt
                key.updatedAt = fixture.now
                let updated = try await KeyStore.update(key, expecting: seen, connection)
                let late = try await KeyStore.update(key, expecting: seen, connection)
                #expect(updated == key && late == nil)
                let moment = fixture.now
                let foreign = try await KeyStore.revoke(key.id, of: other.id, at: moment, connection)
                let first = try await KeyStore.revoke(key.id, of: mine.id, at: moment, connection)
                let second = try await KeyStore.revoke(key.id, of: mine.id, at: fixture.now, connection)
                #expect(foreign == nil && first?.revoked == moment && second == nil)
                let change = try await KeyStore.update(key, connection)
                #expect(change == nil)
                let recent = try await KeyStore.revoked(since: moment, limit: 10, connection)
                let later = try await KeyStore.revoked(since: fixture.now, limit: 10, connection)
                #expect(recent.map(\.id) == [key.id] && later.isEmpty)
            }
        }
    }
}
