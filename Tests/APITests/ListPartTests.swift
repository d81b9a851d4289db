import API
import Domain
import HTTPWire
import JSONText
import PostgresDriver
import TestSupport
import Testing

/// What every list of the route table can be asked for, taken from its shape: no list is forgotten.
@Suite("Parts of every list")
struct ListPartTests {
    /// A list, by its route.
    struct List {
        let route: AdminRoute
        private let element: ObjectSchema

        init?(_ route: AdminRoute) {
            let parameters = route.parameters?.fields ?? []
            guard route.form == .api, parameters.contains(where: { $0.name == "cursor" }),
                case .json(.object(let envelope)) = route.answer.content,
                let data = envelope.members.first(where: { $0.name == "data" }),
                case .list(.object(let element), _) = data.schema
            else { return nil }
            self.route = route
            self.element = element
        }

        func has(_ parameter: String) -> Bool {
            route.parameters?.fields.contains { $0.name == parameter } ?? false
        }

        /// The members that are one of some words, or true or false, with what they may be.
        var words: [(name: String, values: [String])] {
            element.members.compactMap { member in
                switch member.schema {
                case .text(let text) where !text.values.isEmpty: (member.name, text.values)
                case .boolean: (member.name, ["true", "false"])
                default: nil
                }
            }
        }

        static let all = RouteTable.all.compactMap(List.init)
    }

    /// Of no use to whoever looks for something, or always the same.
    static let unasked: Set<String> = [
        "users.list locale", "groups.list-members locale", "prices.list currency",
        "shared-prices.list currency", "routes.list affinity", "routes.list untranslated_fields",
        "keys.list strict",
        "identity-providers.list has_client_secret", "identity-providers.list creates_users",
        "shared-identity-providers.list has_client_secret", "shared-identity-providers.list creates_users",
        // A few of each, of which the states and the rest can be asked for.
        "alert-rules.list severity", "alert-rules.list unit", "alert-rules.list enabled",
        "alerts.list severity", "alerts.list unit", "alerts.list kind", "alert-channels.list kind",
        "alert-channels.list language", "alert-channels.list enabled", "alert-deliveries.list event",
        "platform-alert-rules.list severity", "platform-alert-rules.list unit",
        "platform-alert-rules.list enabled", "platform-alerts.list severity", "platform-alerts.list unit",
        "platform-alerts.list kind", "platform-alert-channels.list kind",
        "platform-alert-channels.list language", "platform-alert-channels.list enabled",
        "platform-alert-deliveries.list event", "report-schedules.list group_by",
        "report-schedules.list period", "report-schedules.list enabled", "report-schedules.list language",
        "invoices.list currency", "ledger-proofs.list holds", "guardrails.list action",
        "usage-events.list from_cache", "usage-events.list purpose", "usage-events.list has_content",
        // A dozen, which no tenant changes.
        "provider-kinds.list kind", "provider-kinds.list authentication",
        "provider-kinds.list credential_required",
    ]

    @Test("what is one of some words in a list's things is a filter of the list, by the same name")
    func completeness() {
        var missing: Set<String> = []
        for list in List.all {
            for member in list.words where !list.has(member.name) {
                missing.insert("\(list.route.operationID) \(member.name)")
            }
        }
        #expect(missing == Self.unasked)
        #expect(List.all.count > 40)
    }

    @Test("each word gives the things that say it, and all words together give everything")
    func parts() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await Self.vary(world)
            var divided: Set<String> = []
            for list in List.all {
                let path = try await RouteProbe(list.route, world).path()
                let whole = try await Self.things(path, world)
                for (name, values) in list.words where list.has(name) {
                    var count = 0
                    for value in values {
                        let part = try await Self.things("\(path)?\(name)=\(value)", world)
                        let said = Set(part.map { Self.text($0[name]) })
                        #expect(said.isSubset(of: [value]), "\(list.route.operationID)?\(name)=\(value)")
                        count += part.count
                        if !part.isEmpty, part.count < whole.count {
                            divided.insert("\(list.route.operationID) \(name)")
                        }
                    }
                    #expect(count == whole.count, "\(list.route.operationID) by \(name)")
                }
            }
            #expect(divided.isSuperset(of: Self.varied), "\(Self.varied.subtracting(divided))")
        }
    }

    @Test("an unknown parameter is refused by its name, and so is a word that is none, by every list")
    func refusals() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for list in List.all {
                let path = try await RouteProbe(list.route, world).path()
                let names = ["nonsense"] + list.words.map(\.name).filter(list.has)
                for name in names {
                    let reply = try await server.send(.get, "\(path)?\(name)=nonsense", token: world.admin)
                    #expect(reply.status == 400, "\(list.route.operationID): \(reply.text)")
                    #expect(reply.pointers == [name], "\(list.route.operationID)")
                }
            }
        }
    }

    @Test("the beginning of a name, in any case, gives the things that have it")
    func names() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await Self.vary(world)
            func name(_ thing: JSONValue) -> String {
                (thing["name"] ?? thing["user"]?["name"])?.string?.lowercased() ?? ""
            }
            for list in List.all where list.has("name_prefix") {
                let path = try await RouteProbe(list.route, world).path()
                let whole = try await Self.things(path, world)
                let operation = list.route.operationID
                let first = try #require(whole.first, "\(operation) has nothing in this world")
                let prefix = String(name(first).prefix(4)).filter { $0 != " " }
                let part = try await Self.things("\(path)?name_prefix=\(prefix.uppercased())", world)
                let fitting = whole.filter { name($0).hasPrefix(prefix) }
                #expect(part == fitting, "\(operation)")
                let none = try await Self.things("\(path)?name_prefix=zz\(prefix)", world)
                #expect(none.isEmpty, "\(operation)")
            }
        }
    }

    @Test("roles that were given are found by holder, role and workspace")
    func bindings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/bindings"
            let role = try await world.role()
            let own = try await world.make(
                base,
                [
                    "group": .string(world.acme.group), "role": .string(role),
                    "workspace": .string(world.acme.workspace),
                ])
            let builtIn = try await world.make(
                base, ["group": .string(world.acme.group), "role": "billing-manager"])
            // Made in one moment, they come in any order.
            func ids(_ query: String) async throws -> Set<String> {
                Set(try await Self.things("\(base)?\(query)", world).compactMap { $0["id"]?.string })
            }
            #expect(try await ids("role=\(role)") == [own])
            #expect(try await ids("workspace=\(world.acme.workspace)") == [own])
            #expect(try await ids("group=\(world.acme.group)") == [builtIn, own])
            #expect(try await ids("group=\(world.acme.group)&role=billing-manager") == [builtIn])
            #expect(try await ids("role=billing-manager&workspace=\(world.acme.workspace)") == [])
            let wrong = try await server.send(.get, "\(base)?role=emperor", token: world.admin)
            #expect(wrong.status == 400 && wrong.pointers == ["role"])
            let platform = try await server.send(
                .get, "/api/v1/bindings?workspace=\(world.acme.workspace)", token: world.admin)
            #expect(platform.pointers == ["workspace"], "the platform has no workspaces")
        }
    }

    // MARK: Parts

    private static func things(_ path: String, _ world: World) async throws -> [JSONValue] {
        let whole = "\(path)\(path.contains("?") ? "&" : "?")limit=200"
        let reply = try await world.server.send(.get, whole, token: world.admin)
        #expect(reply.status == 200, "\(whole): \(reply.text)")
        #expect(reply.json["next_cursor"]?.isNull == true, "\(path): one page is enough for a test")
        return reply.json["data"]?.array ?? []
    }

    private static func text(_ value: JSONValue?) -> String {
        value?.string ?? value?.boolean.map { "\($0)" } ?? ""
    }

    /// What `vary` makes different things of, so that a filter that lets everything pass is seen.
    private static let varied: Set<String> = [
        "users.list status", "tenants.list status", "groups.list-members status",
        "service-accounts.list status", "service-accounts.list-tokens standing", "providers.list kind",
        "providers.list enabled", "provider-credentials.list enabled", "routes.list enabled",
        "routes.list strategy", "keys.list kind", "keys.list standing", "limits.list kind",
        "limits.list metric", "limits.list period", "limits.list mode", "limits.list partition_by",
        "nodes.list status", "nodes.list connected", "join-tokens.list standing",
        "invitations.list standing", "identity-providers.list enabled", "mails.list status",
    ]

    private static func vary(_ world: World) async throws {
        let base = "/api/v1/tenants/\(world.acme.tenant)"
        try await access(world, base)
        try await calls(world, base)
        for name in ["here", "gone"] {
            _ = try await world.make(
                "/api/v1/join-tokens", ["node_name": .string(name), "expires_in": 60], id: "join_token", "id")
        }
        let revoked = try await world.node()
        _ = try await world.node()
        try await post("/api/v1/nodes/\(revoked)/revoke", world)
        world.server.clock.advance(seconds: 120)
        _ = try await world.make("/api/v1/join-tokens", ["node_name": "later"], id: "join_token", "id")
        try await world.server.database.pool.withTransaction { connection in
            _ = try await connection.execute(
                """
                insert into node_reports (node_id, seen_at, software_version, process_nonce, started_at,
                                          calls_in_flight, outbox_events, outbox_bytes, draining)
                select id, \(world.server.clock.now), '1', 'nonce', \(world.server.clock.now), 0, 0, 0, false
                  from nodes where status <> 'revoked' limit 1
                """)
            _ = try await connection.execute(
                """
                update invitations set accepted_at = created_at, accepted_by = created_by
                 where id = (select min(id::text)::uuid from invitations)
                """)
            _ = try await connection.execute(
                """
                update mails set status = 'sent', sealed = null, finished_at = created_at
                 where id = (select min(id::text)::uuid from mails)
                """)
        }
    }

    private static func post(_ path: String, _ world: World) async throws {
        let reply = try await world.server.send(.post, path, token: world.admin)
        #expect(reply.status < 300, "\(path): \(reply.text)")
    }

    private static func patch(_ path: String, _ body: JSONValue, _ world: World) async throws {
        let reply = try await world.server.send(.patch, path, token: world.admin, body: body)
        #expect(reply.status == 200, "\(path): \(reply.text)")
    }

    private static func access(_ world: World, _ base: String) async throws {
        let suspended = try await world.make("/api/v1/tenants", ["slug": "away", "name": "Away"])
        try await post("/api/v1/tenants/\(suspended)/suspend", world)
        let disabled = try await world.member()
        _ = try await world.member()
        try await post("/api/v1/users/\(disabled)/disable", world)
        let idle = try await world.serviceAccount()
        try await patch("\(base)/service-accounts/\(idle)", ["status": "disabled"], world)
        let token = try await world.managementToken()
        _ = try await world.managementToken()
        try await post("\(base)/service-accounts/\(world.acme.serviceAccount)/tokens/\(token)/revoke", world)
        for name in ["ana", "bia"] {
            _ = try await world.make(
                "\(base)/invitations", ["email": .string("\(name)@example.com"), "roles": ["viewer"]])
        }
        for (name, enabled) in [("on", true), ("off", false)] {
            _ = try await world.make(
                "\(base)/identity-providers",
                [
                    "name": .string(name), "issuer": "https://idp.example.com", "client_id": "eclusa",
                    "enabled": .boolean(enabled),
                ])
        }
        _ = try await world.make(
            "/api/v1/identity-providers",
            ["name": "all", "issuer": "https://idp.example.com", "client_id": "eclusa"])
        _ = try await world.platformServiceAccount()
        _ = try await world.role()
    }

    private static func calls(_ world: World, _ base: String) async throws {
        let moment = world.server.clock.now
        try await post("\(base)/keys/\(try await world.key(world.acme))/revoke", world)
        let keys: [JSONValue] = [
            ["name": "soon", "expires_at": .string(moment.advanced(bySeconds: 60).description)],
            ["name": "later", "not_before": "2099-01-01T00:00:00Z"],
            ["name": "own", "kind": "personal", "owner": .string(try await world.member())],
        ]
        for var key in keys.compactMap(\.object) {
            key["workspace"] = .string(world.acme.workspace)
            _ = try await world.make("\(base)/keys", .object(key), id: "key", "id")
        }
        _ = try await world.make(
            "\(base)/providers",
            ["name": "local", "kind": "ollama", "base_url": "https://llm.example.com", "enabled": false])
        let spare = try await world.make(
            "\(base)/providers/\(world.acme.provider)/credentials",
            ["credential": "sk-more-0123456789abcd"])
        try await patch(
            "\(base)/providers/\(world.acme.provider)/credentials/\(spare)", ["enabled": false], world)
        _ = try await world.make(
            "\(base)/routes",
            [
                "name": "off", "enabled": false, "strategy": "priority",
                "targets": [["model": .string(world.acme.model)]],
            ])
        let limits: [JSONValue] = [
            ["name": "a", "metric": "cost", "amount": "5.00", "period": "month"],
            ["name": "b", "metric": "requests", "amount": "5", "period": "second", "mode": "shadow"],
            ["name": "c", "metric": "concurrency", "amount": "5", "period": "open", "partition_by": "key"],
        ]
        for limit in limits { _ = try await world.make("\(base)/limits", limit) }
    }
}
