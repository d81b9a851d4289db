import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

@Suite("Usage by more")
struct UsageGroupingTests {
    @Test("a report is grouped by owner, group, tag and status too, and by month")
    func groups() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let owner = try await world.member()
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let changed = try await server.send(
                .patch, "\(tenant)/keys/\(world.acme.key)", token: world.admin,
                body: ["owner": .string(owner), "tags": ["blue", "red"]])
            #expect(changed.status == 200, "\(changed.text)")
            let other = try await world.key(world.acme)
            try await world.ingest(calls: 3, costNanos: 2_000_000)
            try await world.ingest(calls: 1, costNanos: 1_000_000, key: other, sequence: 2)
            func lines(_ query: String) async throws -> [JSONValue] {
                let reply = try await server.send(.get, "\(tenant)/usage?\(query)", token: world.admin)
                #expect(reply.json["total"]?["calls"]?.exactInt64 == 4, "\(reply.text)")
                return reply.json["data"]?.array ?? []
            }
            func calls(_ lines: [JSONValue], _ name: String) -> [String?: Int64] {
                Dictionary(
                    uniqueKeysWithValues: lines.map { ($0[name]?.string, $0["calls"]?.exactInt64 ?? -1) })
            }
            #expect(calls(try await lines("group_by=user"), "user") == [owner: 3, nil: 1])
            #expect(calls(try await lines("group_by=group"), "group") == [world.acme.group: 3, nil: 1])
            // A call counts in each of its tags; the total counts it once.
            #expect(calls(try await lines("group_by=tag"), "tag") == ["red": 3, "blue": 3, nil: 1])
            let status = try await lines("group_by=status,key&step=day")
            #expect(status.map { $0["status"]?.exactInt64 } == [200, 200])
            let month = try await lines("step=month")
            #expect(month.map { $0["starts_at"]?.string } == ["2026-03-01T00:00:00Z"])
            let ordered = try await lines("group_by=key&order_by=calls&limit=1")
            #expect(ordered.map { $0["key"]?.string } == [world.acme.key])
            for wrong in ["group_by=status&from=2026-01-01T00:00:00Z", "order_by=beauty", "group_by=tenant"] {
                let reply = try await server.send(.get, "\(tenant)/usage?\(wrong)", token: world.admin)
                #expect(reply.status == 400, "\(wrong)")
            }
        }
    }

    @Test("a report is compared with the time of the same length before")
    func comparison() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let other = try await world.key(world.acme)
            try await world.ingest(calls: 3, costNanos: 2_000_000)
            server.clock.advance(seconds: 86_400)
            try await world.ingest(calls: 1, costNanos: 5_000_000, sequence: 2)
            try await world.ingest(calls: 1, costNanos: 1_000_000, key: other, sequence: 3)
            let token = try await server.signIn()
            let reply = try await server.send(
                .get,
                "/api/v1/tenants/\(world.acme.tenant)/usage?group_by=key&compare=true"
                    + "&from=2026-03-10T00:00:00Z&to=2026-03-11T00:00:00Z", token: token)
            #expect(reply.string("total", "cost") == "0.006", "\(reply.text)")
            #expect(reply.string("previous_total", "cost") == "0.006")
            #expect(reply.json["previous_total"]?["calls"]?.exactInt64 == 3)
            let lines = reply.json["data"]?.array ?? []
            #expect(lines.map { $0["key"]?.string } == [world.acme.key, other])
            #expect(lines.first?["previous_calls"]?.exactInt64 == 3)
            #expect(lines.first?["previous_cost"]?.string == "0.006")
            #expect(lines.last?["previous_calls"] == .null)
        }
    }

    @Test("how calls ended and how long they took is told by percentiles and error codes")
    func outcomes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            for (number, (milliseconds, count, status, code)) in [
                (100, 90, 200, nil), (1_000, 9, 200, nil), (20_000, 1, 504, "upstream_timeout"),
            ].enumerated() {
                try await world.ingest(
                    calls: count, costNanos: 1, sequence: Int64(number + 1),
                    latencyMilliseconds: UInt32(milliseconds), status: UInt16(status), errorCode: code)
            }
            let path = "/api/v1/tenants/\(world.acme.tenant)/usage/outcomes"
            let reply = try await server.send(.get, path, token: world.tokens["viewer"])
            let line = try #require(reply.json["data"]?[0], "\(reply.text)")
            #expect(line["calls"]?.exactInt64 == 100 && line["failed_calls"]?.exactInt64 == 1)
            #expect(line["errors"] == ["upstream_timeout": 1])
            func near(_ name: String, _ milliseconds: Int64) {
                let value = line[name]?.exactInt64 ?? -1
                #expect(abs(value - milliseconds) * 8 <= milliseconds, "\(name): \(value)")
            }
            near("p50_ms", 100)
            near("p95_ms", 1_000)
            near("p99_ms", 1_000)
            #expect(line["first_byte_p99_ms"]?.exactInt64 == 1)
            let grouped = try await server.send(
                .get, "\(path)?group_by=route,status&step=hour", token: world.tokens["viewer"])
            let lines = grouped.json["data"]?.array ?? []
            #expect(lines.map { $0["status"]?.exactInt64 } == [200, 504])
            #expect(lines.allSatisfy { $0["route"]?.string == world.acme.route })
            for wrong in ["step=minute", "from=2025-01-01T00:00:00Z", "group_by=key"] {
                let reply = try await server.send(.get, "\(path)?\(wrong)", token: world.admin)
                #expect(reply.status == 400, "\(wrong)")
            }
        }
    }
}

/// Reports that go to mailboxes by themselves.
@Suite("Scheduled reports")
struct ReportScheduleTests {
    @Test("a report goes out once a period, in its language, about the period before")
    func sent() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/report-schedules"
            try await world.ingest(calls: 3, costNanos: 2_000_000)
            let made = try await server.send(
                .post, base, token: world.admin,
                body: [
                    "name": "Gastos", "recipients": ["a@example.com"], "period": "day", "hour": 6,
                    "time_zone": "America/Sao_Paulo", "group_by": "key", "language": "pt-BR",
                ])
            #expect(made.status == 201, "\(made.text)")
            // Noon in London is nine in São Paulo: tomorrow at six there.
            #expect(made.string("next_at") == "2026-03-10T09:00:00Z")
            #expect(try await server.operations.reportSchedules.sendDue() == 0)
            server.clock.set(try #require(Timestamp("2026-03-10T09:00:00Z")))
            #expect(try await server.operations.reportSchedules.sendDue() == 1)
            #expect(try await server.operations.reportSchedules.sendDue() == 0)
            let mail = try #require(try await server.mails(to: "a@example.com").first)
            #expect(mail.kind == .report && mail.subject == "Gastos: 0.006 USD")
            #expect(mail.text.contains("De 2026-03-09T03:00:00Z a 2026-03-10T03:00:00Z."), "\(mail.text)")
            #expect(mail.text.contains("0.006 USD, 3 chamadas"), "\(mail.text)")
            let token = try await server.signIn()
            let one = "\(base)/\(made.string("id"))"
            let read = try await server.send(.get, one, token: token)
            #expect(read.string("next_at") == "2026-03-11T09:00:00Z")
            #expect(read.string("last_sent_at") == "2026-03-10T09:00:00Z")
            #expect(try await server.send(.post, "\(one)/send", token: token).status == 200)
            #expect(try await server.mails(to: "a@example.com").count == 2)
            let changed = try await server.send(
                .patch, one, token: token, body: ["enabled": false, "period": "week"])
            #expect(changed.string("next_at") == "2026-03-16T09:00:00Z")
            server.clock.advance(seconds: 30 * 86_400)
            #expect(try await server.operations.reportSchedules.sendDue() == 0)
            let later = try await server.signIn()
            #expect(try await server.send(.delete, one, token: later).status == 200)
        }
    }

    @Test("what cannot be is refused at its place")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/report-schedules"
            for (name, value, pointer) in [
                ("recipients", [], "/recipients"), ("recipients", ["nobody"], "/recipients/0"),
                ("hour", 24, "/hour"), ("period", "year", "/period"), ("group_by", "weather", "/group_by"),
                ("time_zone", "Europe/Atlantis", "/time_zone"), ("lines", 0, "/lines"),
            ] as [(String, JSONValue, String)] {
                var body = World.report("r").object ?? JSONObject()
                body[name] = value
                let reply = try await server.send(.post, base, token: world.admin, body: .object(body))
                #expect(reply.status == 400 && reply.pointers == [pointer], "\(pointer): \(reply.text)")
            }
        }
    }
}
