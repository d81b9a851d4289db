import API
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

/// Past calls rated anew, the books proved, and providers' figures held against ours.
@Suite("Rating and proving")
struct RatingTests {
    @Test("calls are rated anew by corrections: a dry run shows it, the same again changes nothing")
    func rerating() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            try await world.useShared(costs: [30, 30], in: "2026-03-01T10:00:00Z")
            try await world.useShared(costs: [500], in: "2026-02-01T10:00:00Z", sequence: 2)
            // Ten tokens in and twenty out at two dollars a million: 60 µ$ each, 25 % on top.
            let price = try await world.make(
                "/api/v1/models/\(world.shared.model)/prices", ["input": "2", "output": "2"])
            let body: JSONValue = [
                "model": .string(world.shared.model), "from": "2026-03-01T00:00:00Z",
                "to": "2026-03-02T00:00:00Z", "price": .string(price), "markup_percent": "25",
            ]
            let rehearsed = try await server.send(
                .post, "\(base)/reratings?dry_run=true", token: world.admin, body: body)
            #expect(rehearsed.status == 201, "\(rehearsed.text)")
            #expect(rehearsed.json["events"]?.exactInt64 == 2)
            #expect(rehearsed.string("before") == "0.00000006")
            #expect(rehearsed.string("difference") == "0.00014994")
            let none = try await server.send(.get, "\(base)/reratings", token: world.admin)
            #expect(none.json["data"]?.array?.isEmpty == true)

            let done = try await server.send(.post, "\(base)/reratings", token: world.admin, body: body)
            #expect(done.string("after") == "0.00015", "\(done.text)")
            let again = try await server.send(.post, "\(base)/reratings", token: world.admin, body: body)
            #expect(again.json["events"]?.exactInt64 == 0 && again.string("difference") == "0.00")
            let report = try await server.send(
                .get, "\(base)/usage?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z", token: world.admin)
            #expect(report.string("total", "cost") == "0.00015")
            #expect(report.json["total"]?["calls"]?.exactInt64 == 2, "no call is counted twice")
            let balance = try await server.send(.get, "\(base)/balance", token: world.admin)
            #expect(balance.string("balance") == "-0.0001505")
            let ledger = try await server.send(
                .get, "\(base)/ledger?kind=correction", token: world.admin)
            #expect(ledger.json["data"]?[0]?["reference"]?.string == done.string("id"))
            let proof = try await server.send(
                .post, "/api/v1/ledger-proofs", token: world.admin,
                body: ["from": "2026-01-01T00:00:00Z"])
            #expect(proof.status == 201 && proof.json["holds"]?.boolean == true, "\(proof.text)")
        }
    }

    @Test("a time that makes no sense and another model's price are refused by name")
    func wrongReratings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/reratings"
            let other = try await world.make(
                "/api/v1/models/\(world.shared.model)/prices", ["input": "2", "output": "2"])
            for (from, to, price, pointer) in [
                ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", nil, "/to"),
                ("2026-03-01T00:00:00Z", "2027-03-01T00:00:00Z", nil, "/to"),
                ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", nil, "/from"),
                ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", other, "/price"),
            ] as [(String, String, String?, String)] {
                let reply = try await server.send(
                    .post, path, token: world.admin,
                    body: [
                        "model": .string(world.acme.model), "from": .string(from), "to": .string(to),
                        "price": price.map { .string($0) } ?? .null,
                    ])
                #expect(reply.status == 400 && reply.pointers == [pointer], "\(reply.text)")
            }
        }
    }

    @Test("a proof finds every kind of wrong figure, and names it")
    func findings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.useShared(costs: [100, 200], in: "2026-03-05T10:00:00Z")
            for (wrong, what) in [
                ("update usage_days set cost_nanos = cost_nanos + 1", "events cost"),
                ("update usage_hours set calls = calls + 1", "hours calls"),
                ("update usage_minutes set cost_nanos = cost_nanos - 1", "minutes cost"),
                ("update usage_events set cost_nanos = cost_nanos + 1", "events cost"),
                (
                    "update ledger_days set amount_nanos = 0 where account = 'usage'",
                    "sums of the account usage"
                ),
                (
                    "update ledger_balances set amount_nanos = amount_nanos + 1 where account = 'usage'",
                    "sum of all accounts"
                ),
                ("update provider_costs set amount_nanos = amount_nanos + 1", "costs of providers"),
            ] as [(String, String)] {
                let found = try await server.database.pool.withConnection { connection in
                    try await connection.executeScript("begin")
                    try await connection.executeScript(wrong)
                    let found = try await LedgerProofStore.differences(
                        from: CivilDate(daysSinceEpoch: 0), to: CivilDate(daysSinceEpoch: 40_000), connection)
                    try await connection.executeScript("rollback")
                    return found.findings.map(\.what)
                }
                #expect(found.contains(what), "\(wrong) is found as \(found)")
            }
        }
    }

    @Test("the schedule proves once a night, whichever replica; what it found is kept and listed")
    func schedule() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let night = server.clock.now.startOfDay
            let first = try await server.operations.ledgerProofs.createIfDue(since: night)
            let again = try await server.operations.ledgerProofs.createIfDue(since: night)
            #expect(first?.differences == 0 && again == nil)
            try await world.useShared(costs: [100], in: "2026-03-09T10:00:00Z")
            _ = try await server.database.pool.withConnection {
                try await $0.execute("update usage_days set cost_nanos = 1")
            }
            server.clock.advance(seconds: 86_400)
            let next = try await server.operations.ledgerProofs.createIfDue(
                since: night.advanced(bySeconds: 86_400))
            #expect((next?.differences ?? 0) > 0)
            let auditor = try await world.token(.platformAuditor, .platform)
            let listed = try await server.send(.get, "/api/v1/ledger-proofs", token: auditor)
            let holds = listed.json["data"]?.array?.compactMap { $0["holds"]?.boolean }
            #expect(holds == [false, true])
            let finding = try #require(listed.json["data"]?[0]?["findings"]?[0])
            #expect(finding["tenant"]?.string == world.acme.tenant && finding["day"]?.string == "2026-03-09")
        }
    }

    @Test("a provider's figures are held against ours by day and model, as rows or as a table")
    func reconciliation() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            try await world.useShared(costs: [60, 60], in: "2026-02-03T10:00:00Z")
            let path = "/api/v1/reconciliations"
            let table = """
                Date, Model,num_model_requests,input_tokens,Output_Tokens,amount_value,project
                2026-02-03,shared-model,2,20,40,0.00006,x
                2026-02-04,"an ""other"", model",1,,,1.25,y
                """
            let made = try await server.send(
                .post, path, token: world.admin,
                body: [
                    "provider": .string(world.shared.provider), "from": "2026-02-01", "to": "2026-02-28",
                    "csv": .string(table),
                ])
            #expect(made.status == 201, "\(made.text)")
            #expect(made.string("our_cost") == "0.00006" && made.string("their_cost") == "1.25006")
            #expect(made.string("drift") == "1.25")
            let worst = try #require(made.json["lines"]?[0]), same = try #require(made.json["lines"]?[1])
            #expect(worst["model"]?.string == "an \"other\", model" && worst["our_calls"]?.exactInt64 == 0)
            #expect(worst["their_input_tokens"] == .null)
            #expect(same["our_calls"]?.exactInt64 == 2 && same["their_calls"]?.exactInt64 == 2)
            #expect(same["our_output_tokens"]?.exactInt64 == 40 && same["our_cost"]?.string == "0.00006")
            let read = try await server.send(.get, "\(path)/\(made.string("id"))", token: world.admin)
            #expect(read.json == made.json)
            for (csv, word) in [
                ("day,cost\n2026-02-03,1", "columns"), ("day,model,cost\n2026-02-30,m,1", "row 1"),
                ("day,model,cost\n2026-02-03,m,1e3", "row 1"), ("day,model,calls\n2026-02-03,m,-1", "row 1"),
                ("day,model\n2026-03-03,m", "period"),
            ] {
                let reply = try await server.send(
                    .post, path, token: world.admin,
                    body: [
                        "provider": .string(world.shared.provider), "from": "2026-02-01",
                        "to": "2026-02-28", "csv": .string(csv),
                    ])
                #expect(reply.status == 400 && reply.pointers == ["/csv"], "\(csv)")
                #expect(reply.text.contains(word), "\(reply.text)")
            }
            let own = try await server.send(
                .post, path, token: world.admin,
                body: [
                    "provider": .string(world.acme.provider), "from": "2026-02-01", "to": "2026-02-28",
                    "rows": [["day": "2026-02-03", "model": "m"]],
                ])
            #expect(own.pointers == ["/provider"])
        }
    }
}
