import Contract
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// From a condition to a message that arrived.
@Suite("Alerts arrive")
struct AlertSendingTests {
    /// A tenant with a budget, a rule about it and a webhook; what the endpoint got.
    final class Scene {
        let server: AdminServer
        let world: World
        let tenant: TenantID
        let limit: LimitID
        var secret = ""
        var channel = ""
        var rule = ""
        /// What was posted and taken.
        var taken: [WebhookPost] = []
        /// What was posted, taken or not.
        var tries = 0
        var isUp = true
        private var lastLook = Timestamp.epoch

        init(_ server: AdminServer, quietHours: JSONValue = nil, severity: String = "warning") async throws {
            self.server = server
            world = try await World(server)
            tenant = try #require(TenantID(world.acme.tenant))
            limit = try #require(LimitID(try await world.limit()))
            var hook = World.webhook("hook").object ?? JSONObject()
            hook["quiet_hours"] = quietHours
            let made = try await server.send(
                .post, "/api/v1/tenants/\(tenant)/alert-channels", token: world.admin, body: .object(hook))
            secret = made.string("secret")
            channel = made.string("channel", "id")
            rule = try await world.make(
                "/api/v1/tenants/\(tenant)/alert-rules",
                [
                    "name": "Budget", "kind": "budget_threshold", "threshold": 1,
                    "severity": .string(severity), "channels": [.string(channel)],
                ])
            server.post = { [unowned self] post in
                tries += 1
                guard isUp else { return tries % 2 == 0 ? .answered(status: 503) : .unreachable("refused") }
                taken.append(post)
                return .answered(status: 204)
            }
        }

        /// A threshold of the budget is crossed, as the lender records it.
        func cross(_ threshold: Int, windowStart: String = "2026-03-01T00:00:00Z") async throws {
            let now = server.clock.now, start = try #require(Timestamp(windowStart))
            try await server.database.pool.withConnection { connection in
                _ = try await connection.execute(
                    """
                    insert into limit_alerts (tenant_id, id, limit_id, part, window_start, threshold, used,
                                              amount, crossed_at)
                    values (\(tenant), \(LimitAlertID(at: now)), \(limit), \(LimitID(high: 0, low: 0)),
                            \(start), \(Int64(threshold)), \(Int64(threshold) * 50_000_000), 5000000000,
                            \(now))
                    """)
            }
        }

        /// One pass of what a control plane does every two seconds.
        func pass() async throws {
            _ = try await server.operations.alertWatch.run()
            var due = try await server.operations.alertSending.due()
            while !due.isEmpty {
                for one in due { _ = try await server.operations.alertSending.send(one) }
                due = try await server.operations.alertSending.due()
            }
        }

        /// Looks at rules now, whatever the period.
        func look() async throws {
            server.clock.advance(seconds: AlertWatch.periodSeconds)
            try await pass()
        }

        var events: [String] {
            taken.compactMap { try? JSONValue.parse($0.body)["type"]?.string }
        }

        /// The thresholds that were told, in the order they arrived.
        var thresholds: [Int64] {
            taken.compactMap { try? JSONValue.parse($0.body)["data"]?["threshold"]?.exactInt64 }
        }

        func deliveries(_ query: String = "") async throws -> [JSONValue] {
            let token = try await server.signIn()
            let reply = try await server.send(
                .get, "/api/v1/tenants/\(tenant)/alert-deliveries\(query)", token: token)
            return try #require(reply.json["data"]?.array, "\(reply.text)")
        }

        func isSigned(_ post: WebhookPost, by secret: String) throws -> Bool {
            let fields = Dictionary(uniqueKeysWithValues: post.fields.map { ($0.name, $0.value) })
            let key = try #require(WebhookSecret(secret))
            let signature = key.signature(
                id: try #require(fields["webhook-id"]),
                timestamp: try #require(fields["webhook-timestamp"].flatMap { Int64($0) }), body: post.body)
            return fields["webhook-signature"]?.split(separator: " ").contains { $0 == signature } == true
        }
    }

    @Test("an endpoint that is down for an hour gets everything afterwards, in order, once and signed")
    func outage() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            try await scene.cross(1)
            try await scene.look()
            #expect(scene.thresholds == [1])
            scene.isUp = false
            for minute in 0..<60 {
                if minute % 4 == 0 { try await scene.cross(2 + minute / 4) }
                for _ in 0..<6 {
                    server.clock.advance(seconds: 10)
                    try await scene.pass()
                }
            }
            #expect(scene.thresholds == [1])
            let waiting = try await scene.deliveries("?status=waiting")
            #expect(waiting.count == 15)
            // It was tried again and again, but not without end.
            #expect((10..<30).contains(scene.tries - 1), "\(scene.tries)")
            scene.isUp = true
            server.clock.advance(seconds: AlertSending.longestRetrySeconds)
            try await scene.pass()
            #expect(scene.thresholds == Array(1...16))
            #expect(scene.events == Array(repeating: "alert.fired", count: 16))
            let ids = scene.taken.map { $0.fields.first { $0.name == "webhook-id" }?.value }
            #expect(Set(ids).count == 16)
            for post in scene.taken { #expect(try scene.isSigned(post, by: scene.secret)) }
            #expect(try await scene.deliveries("?status=waiting").isEmpty)
            #expect(try await scene.deliveries("?status=sent").count == 16)
        }
    }

    @Test("a message is given up after three days, and can be sent again under the same ID")
    func givenUp() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            scene.isUp = false
            try await scene.cross(50)
            try await scene.look()
            for _ in 0..<(AlertSending.lifeSeconds / AlertSending.longestRetrySeconds + 1) {
                server.clock.advance(seconds: AlertSending.longestRetrySeconds)
                try await scene.pass()
            }
            let failed = try #require(try await scene.deliveries("?status=failed").last)
            #expect(failed["response_status"]?.exactInt64 == 503 || failed["reason"]?.string == "refused")
            scene.isUp = true
            let token = try await server.signIn()
            let path = "/api/v1/tenants/\(scene.tenant)/alert-deliveries/\(failed["id"]?.string ?? "")/replay"
            #expect(try await server.send(.post, path, token: token).status == 200)
            #expect(try await server.send(.post, path, token: token).status == 409)
            try await scene.pass()
            let replayed = scene.taken.filter { post in
                post.fields.contains { $0.name == "webhook-id" && $0.value == failed["id"]?.string }
            }
            #expect(replayed.count == 1)
        }
    }

    @Test("what holds is told once, its end once; what comes back soon is the same alert")
    func deduplication() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            try await scene.cross(80)
            for _ in 0..<10 { try await scene.look() }
            #expect(scene.events == ["alert.fired"])
            // The window ends: the condition is over.
            server.clock.set(try #require(Timestamp("2026-04-01T00:00:10Z")))
            try await scene.look()
            #expect(scene.events == ["alert.fired", "alert.resolved"])
            for _ in 0..<3 { try await scene.look() }
            #expect(scene.events.count == 2)
            let token = try await server.signIn()
            let listed = try await server.send(
                .get, "/api/v1/tenants/\(scene.tenant)/alerts?resolved=true", token: token)
            #expect(listed.json["data"]?.array?.count == 1)
            // Switched off, a rule ends what it found.
            try await scene.cross(90, windowStart: "2026-04-01T00:00:00Z")
            try await scene.look()
            let rule = "/api/v1/tenants/\(scene.tenant)/alert-rules/\(scene.rule)"
            _ = try await server.send(.patch, rule, token: token, body: ["enabled": false])
            try await scene.look()
            #expect(scene.events.suffix(2) == ["alert.fired", "alert.resolved"])
        }
    }

    @Test("in quiet hours only what is critical and what is a test is sent; the rest follows in order")
    func quietHours() async throws {
        let night: JSONValue = ["from": "11:00", "to": "14:30", "time_zone": "Europe/Lisbon"]
        for severity in ["warning", "critical"] {
            try await withAdminServer { server in
                // The clock shows noon.
                let scene = try await Scene(server, quietHours: night, severity: severity)
                try await scene.cross(50)
                try await scene.look()
                #expect(scene.events == (severity == "critical" ? ["alert.fired"] : []))
                let test = try await server.send(
                    .post, "/api/v1/tenants/\(scene.tenant)/alert-channels/\(scene.channel)/test",
                    token: scene.world.admin)
                #expect(test.status == 200)
                try await scene.pass()
                #expect(scene.events.last == "alert.test")
                try await scene.cross(60)
                server.clock.set(try #require(Timestamp("2026-03-09T14:30:00Z")))
                try await scene.look()
                #expect(scene.events.filter { $0 == "alert.fired" }.count == 2)
            }
        }
    }

    @Test("a day after its secret was replaced an endpoint's messages are signed by the new one alone")
    func rotation() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            let rotated = try await server.send(
                .post, "/api/v1/tenants/\(scene.tenant)/alert-channels/\(scene.channel)/rotate-secret",
                token: scene.world.admin)
            let new = rotated.string("secret")
            try await scene.cross(10)
            try await scene.look()
            let first = try #require(scene.taken.last)
            #expect(try scene.isSigned(first, by: scene.secret) && scene.isSigned(first, by: new))
            server.clock.advance(seconds: AlertChannelOperations.overlapSeconds)
            try await scene.cross(20)
            try await scene.look()
            let second = try #require(scene.taken.last)
            #expect(try !scene.isSigned(second, by: scene.secret) && scene.isSigned(second, by: new))
        }
    }

    @Test("mail is queued for every mailbox in the channel's language; of two control planes one sends")
    func mail() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            let channel = try await scene.world.make(
                "/api/v1/tenants/\(scene.tenant)/alert-channels",
                [
                    "name": "Mail", "kind": "email", "language": "pt-BR",
                    "recipients": ["a@example.com", "b@example.com"],
                ], id: "channel", "id")
            _ = try await server.send(
                .patch, "/api/v1/tenants/\(scene.tenant)/alert-rules/\(scene.rule)", token: scene.world.admin,
                body: ["channels": [.string(channel)]])
            try await scene.cross(50)
            server.clock.advance(seconds: 30)
            #expect(try await server.operations.alertWatch.run()?.fired == 1)
            #expect(try await server.operations.alertWatch.run() == nil)
            let due = try #require(try await server.operations.alertSending.due().first)
            guard case .sent = try await server.operations.alertSending.send(due),
                case .taken = try await server.operations.alertSending.send(due)
            else {
                Issue.record("it was sent otherwise")
                return
            }
            for address in ["a@example.com", "b@example.com"] {
                let mails = try await server.mails(to: address)
                #expect(mails.map(\.kind) == [.alert])
                #expect(mails.first?.subject == "Budget")
                #expect(mails.first?.text.contains("passou de 50 %") == true, "\(mails.first?.text ?? "")")
            }
        }
    }

    @Test("error rates, latencies and unusual spending are found in the usage that came in")
    func calls() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            for (name, kind, threshold) in [
                ("Errors", "error_rate", 10), ("Slow", "latency", 900), ("Dear", "spend_anomaly", 300),
                ("Few", "error_rate", 100),
            ] {
                _ = try await scene.world.make(
                    "/api/v1/tenants/\(scene.tenant)/alert-rules",
                    [
                        "name": .string(name), "kind": .string(kind),
                        "threshold": .number(JSONNumber(Int64(threshold))), "minimum_calls": 10,
                        "channels": [.string(scene.channel)],
                    ])
            }
            let now = server.clock.now
            // Two days of a dollar an hour; now 20 calls, a fifth of them failed, for 10 dollars.
            for hour in 2..<50 {
                try await scene.spend(
                    "usage_hours", at: now.advanced(bySeconds: Int64(-hour) * 3600).startOfHour, calls: 10,
                    failed: 0, dollars: 1)
            }
            try await scene.spend(
                "usage_minutes", at: now.advanced(bySeconds: -60).startOfMinute, calls: 20, failed: 4,
                dollars: 10)
            for number in 0..<20 {
                try await scene.call(
                    at: now.advanced(bySeconds: -60), milliseconds: number < 18 ? 100 : 950)
            }
            try await scene.look()
            let token = try await server.signIn()
            let alerts = try await server.send(
                .get, "/api/v1/tenants/\(scene.tenant)/alerts", token: token)
            let found = Dictionary(
                uniqueKeysWithValues: (alerts.json["data"]?.array ?? []).map {
                    ($0["rule_name"]?.string ?? "", $0["value"]?.exactInt64 ?? 0)
                })
            #expect(found == ["Errors": 20, "Slow": 950, "Dear": 1000])
        }
    }

    @Test("a budget that will not last to the end of its window is told, and its state says so")
    func forecast() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            let tenant = "/api/v1/tenants/\(scene.tenant)"
            for (name, threshold) in [("Over", 150), ("Far over", 200)] {
                _ = try await scene.world.make(
                    "\(tenant)/alert-rules",
                    [
                        "name": .string(name), "kind": "budget_forecast",
                        "threshold": .number(JSONNumber(Int64(threshold))),
                        "limit": .string(scene.limit.description),
                    ])
            }
            // Five dollars a month; half of them gone after eight and a half days of thirty-one.
            try await scene.use(nanoDollars: 2_500_000_000)
            try await scene.look()
            let token = try await server.signIn()
            let alerts = try await server.send(.get, "\(tenant)/alerts", token: token)
            #expect(alerts.json["data"]?.array?.map { $0["rule_name"]?.string } == ["Over"])
            #expect(alerts.json["data"]?[0]?["value"]?.exactInt64 == 182)
            let state = try await server.send(.get, "\(tenant)/limits/\(scene.limit)/state", token: token)
            #expect(state.string("forecast").hasPrefix("9.1"), "\(state.text)")
        }
    }

    @Test("nodes that are silent, behind or full, and keys that end, are told to the platform")
    func nodes() async throws {
        try await withAdminServer { server in
            let scene = try await Scene(server)
            let node = try #require(NodeID(try await scene.world.node()))
            for (name, kind, threshold) in [
                ("Gone", "node_offline", 120), ("Behind", "node_lag", 60), ("Full", "node_outbox", 1000),
                ("Ends", "certificate_expiry", 100),
            ] {
                _ = try await scene.world.make(
                    "/api/v1/alert-rules",
                    [
                        "name": .string(name), "kind": .string(kind),
                        "threshold": .number(JSONNumber(Int64(threshold))),
                    ])
            }
            func alerts() async throws -> Set<String> {
                let token = try await server.signIn()
                let reply = try await server.send(.get, "/api/v1/alerts?resolved=false", token: token)
                return Set((reply.json["data"]?.array ?? []).compactMap { $0["rule_name"]?.string })
            }
            // Keys that sign snapshots last for 90 days.
            try await scene.look()
            #expect(try await alerts() == ["Ends"])
            try await scene.publish(counter: 5)
            server.clock.advance(seconds: 90)
            try await scene.report(node, running: 4, events: 2000)
            try await scene.look()
            #expect(try await alerts() == ["Ends", "Behind", "Full"])
            try await scene.report(node, running: 5, events: 0)
            server.clock.advance(seconds: AlertWatch.settlingSeconds)
            try await scene.look()
            #expect(try await alerts() == ["Ends", "Gone"])
        }
    }
}

extension AlertSendingTests.Scene {
    /// Sums as if usage had come in.
    func spend(
        _ table: SQL, at start: Timestamp, calls: Int64, failed: Int64, dollars: Int64
    ) async throws {
        let zero = LimitID(high: 0, low: 0)
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into \(fragment: table)
                values (\(tenant), \(start), \(zero), \(zero), \(zero), \(zero), \(zero), \(calls), \(failed),
                        0, 0, 0, 0, 0, 0, \(dollars * 1_000_000_000), 0, 0)
                """)
        }
    }

    /// A call as if its usage had come in.
    func call(at start: Timestamp, milliseconds: Int64) async throws {
        let (id, zero) = (UsageEventID(at: start), LimitID(high: 0, low: 0))
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into usage_events (tenant_id, id, started_at, workspace_id, key_id, route_id,
                                          provider_id, model_id, node_id, endpoint, latency_us, first_byte_us,
                                          input_tokens, cached_input_tokens, cache_write_tokens,
                                          output_tokens, reasoning_tokens, cost_nanos, cost_state,
                                          status_code, streamed, ending, attempts)
                values (\(tenant), \(id), \(start), \(zero), \(zero), \(zero), \(zero), \(zero), \(zero),
                        'chat', \(milliseconds * 1000), 0, 0, 0, 0, 0, 0, 0, 'settled', 200, false,
                        'completed', 1)
                """)
        }
    }

    /// What a node says it used of the budget in the month that is now.
    func use(nanoDollars: Int64) async throws {
        let node = try #require(NodeID(try await world.node())), now = server.clock.now
        let (id, part) = (GrantID(at: now), LimitID(high: 0, low: 0))
        let start = try #require(Timestamp("2026-03-01T00:00:00Z"))
        try await server.database.pool.withTransaction { connection in
            _ = try await connection.execute(
                """
                insert into grant_accounts (tenant_id, limit_id, part, window_start)
                values (\(tenant), \(limit), \(part), \(start))
                """)
            _ = try await connection.execute(
                """
                insert into grants (tenant_id, id, limit_id, part, window_start, node_id, serial, lent,
                                    settled, reported, held, need, hold, demand, orphan, seen_at)
                values (\(tenant), \(id), \(limit), \(part), \(start), \(node), 1, \(nanoDollars), 0,
                        \(nanoDollars), 0, 0, 0, 0, false, \(now))
                """)
        }
    }

    func publish(counter: Int64) async throws {
        let now = server.clock.now
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into snapshot_versions (epoch, counter, manifest, objects, built_from, published_at)
                values (1, \(counter), '', '{}', pg_current_snapshot(), \(now))
                """)
        }
    }

    /// What a node says of itself, just before the next look.
    func report(_ node: NodeID, running counter: Int64, events: Int64) async throws {
        let now = server.clock.now.advanced(bySeconds: AlertWatch.periodSeconds)
        try await server.database.pool.withConnection { connection in
            _ = try await connection.execute(
                """
                insert into node_reports (node_id, seen_at, software_version, process_nonce, started_at,
                                          running_epoch, running_counter, calls_in_flight, outbox_events,
                                          outbox_bytes, draining)
                values (\(node), \(now), '1', 'n', \(now), 1, \(counter), 0, \(events), 0, false)
                on conflict (node_id) do update
                   set seen_at = excluded.seen_at, running_counter = excluded.running_counter,
                       outbox_events = excluded.outbox_events
                """)
        }
    }
}
