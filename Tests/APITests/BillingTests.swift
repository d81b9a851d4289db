import API
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

@Suite("Billing")
struct BillingTests {
    @Test("credits, adjustments and payments move the balance, and the ledger says why")
    func postings() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            for (path, body) in [
                ("credits", ["amount": "25.00", "reason": "Welcome"]),
                ("adjustments", ["amount": "-0.000000001", "reason": "Put right"]),
                ("payments", ["provider": "bank", "event": "tx-1", "amount": "10.50"]),
            ] as [(String, JSONValue)] {
                let made = try await server.send(.post, "\(base)/\(path)", token: world.admin, body: body)
                #expect(made.status == 201, "\(made.text)")
                server.clock.advance(seconds: 1)
            }
            let balance = try await server.send(
                .get, "\(base)/balance", token: world.tokens["billing-manager"])
            #expect(balance.string("balance") == "35.499999999" && balance.string("mode") == "postpaid")
            #expect(balance.string("credits") == "-25.00" && balance.string("payments") == "-10.50")
            #expect(balance.string("adjustments") == "0.000000001")
            let ledger = try await server.send(.get, "\(base)/ledger", token: world.tokens["tenant-owner"])
            let kinds = ledger.json["data"]?.array?.compactMap { $0["kind"]?.string }
            #expect(kinds == ["payment", "adjustment", "credit"])
            let last = try #require(ledger.json["data"]?[2])
            #expect(last["reason"]?.string == "Welcome" && last["entries"]?.array?.count == 2)
            let one = try await server.send(
                .get, "\(base)/ledger/\(last["id"]?.string ?? "")", token: world.admin)
            #expect(one.string("kind") == "credit")
            let statement = try await server.send(.get, "\(base)/ledger/statement", token: world.admin)
            #expect(statement.json["data"]?.array?.count == 4)
            let audited = try await server.audit(of: TenantID(world.acme.tenant)).map(\.action)
            #expect(audited.prefix(3) == ["payments.create", "adjustments.create", "credits.create"])
        }
    }

    @Test("amounts that make no sense are refused by name, and move nothing")
    func wrongAmounts() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            for (path, amount) in [
                ("credits", "0"), ("credits", "-1"), ("credits", "1.0000000001"), ("credits", "1e3"),
                ("credits", "9999999999"), ("adjustments", "0"), ("adjustments", "x"),
            ] {
                let reply = try await server.send(
                    .post, "\(base)/\(path)", token: world.admin,
                    body: ["amount": .string(amount), "reason": "Why not"])
                #expect(reply.status == 400 && reply.pointers == ["/amount"], "\(path) \(amount)")
            }
            let noReason = try await server.send(
                .post, "\(base)/credits", token: world.admin, body: ["amount": "1", "reason": ""])
            #expect(noReason.pointers == ["/reason"])
            let balance = try await server.send(.get, "\(base)/balance", token: world.admin)
            #expect(balance.string("balance") == "0.00")
        }
    }

    @Test("a payment provider's message counts once, and only with its signature over these very bytes")
    func paymentEvents() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let body: JSONValue = [
                "tenant": .string(world.acme.tenant), "provider": "stripe", "event": "evt_1",
                "amount": "100.00",
            ]
            let now = server.clock.now.microseconds / 1_000_000
            func send(
                _ body: JSONValue, at time: Int64, by key: Secret = AdminServer.paymentSecret
            )
                async throws -> Reply
            {
                let tag = hmacSHA256(key: key, message: Array("\(time).".utf8) + body.bytes)
                return try await server.send(
                    .post, "/api/v1/payment-events", body: body,
                    fields: ["eclusa-signature": "t=\(time),v1=\(Hexadecimal.encode(tag.bytes))"])
            }
            let first = try await send(body, at: now)
            let again = try await send(body, at: now + 200)
            #expect(first.status == 200 && again.string("id") == first.string("id"), "\(first.text)")
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let balance = try await server.send(.get, "\(base)/balance", token: world.admin)
            #expect(balance.string("balance") == "100.00")
            let listed = try await server.send(.get, "\(base)/payments", token: world.admin)
            #expect(listed.json["data"]?.array?.count == 1)

            var other = body.object ?? JSONObject()
            other["amount"] = "900.00"
            #expect(try await send(.object(other), at: now).status == 409, "the same event, another amount")
            let wrong = [
                try await send(body, at: now - 301), try await send(body, at: now + 301),
                try await send(body, at: now, by: Secret(utf8: "another secret of thirty bytes")),
                try await server.send(.post, "/api/v1/payment-events", body: body),
                try await server.send(
                    .post, "/api/v1/payment-events", body: body, fields: ["eclusa-signature": "t=1,v1=zz"]),
            ]
            for reply in wrong {
                #expect(reply.status == 400 && reply.pointers == ["eclusa-signature"], "\(reply.text)")
            }
            let repeated = try await server.send(
                .post, "\(base)/payments", token: world.admin,
                body: ["provider": "stripe", "event": "evt_1", "amount": "100.00"])
            #expect(repeated.status == 409)
        }
    }

    @Test("a prepaid tenant has a budget that follows its balance, which nobody edits; postpaid it is gone")
    func prepaid() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let owner = try await server.send(
                .post, "\(base)/billing-mode", token: world.tokens["tenant-owner"], body: ["mode": "prepaid"])
            #expect(owner.status == 403, "who runs the platform decides")
            let mode = try await server.send(
                .post, "\(base)/billing-mode", token: world.admin, body: ["mode": "prepaid"])
            let limit = mode.string("limit")
            #expect(mode.status == 200 && !limit.isEmpty, "\(mode.text)")
            let credit = try await server.send(
                .post, "\(base)/credits", token: world.admin, body: ["amount": "12.00", "reason": "Start"])
            #expect(credit.status == 201)
            let shown = try await server.send(.get, "\(base)/limits/\(limit)", token: world.admin)
            #expect(shown.string("amount") == "12.00" && shown.string("period") == "lifetime")
            let changed = try await server.send(
                .patch, "\(base)/limits/\(limit)", token: world.admin, body: ["amount": "1000.00"])
            let deleted = try await server.send(.delete, "\(base)/limits/\(limit)", token: world.admin)
            #expect(changed.status == 409 && deleted.status == 409)
            let balance = try await server.send(.get, "\(base)/balance", token: world.admin)
            #expect(balance.string("mode") == "prepaid" && balance.string("limit") == limit)
            let back = try await server.send(
                .post, "\(base)/billing-mode", token: world.admin, body: ["mode": "postpaid"])
            let gone = try await server.send(.get, "\(base)/limits/\(limit)", token: world.admin)
            #expect(back.json["limit"] == .null && gone.status == 404)
        }
    }

    @Test("an invoice is what the report says to the nano-dollar, rounded once, and frozen")
    func invoices() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            _ = try await server.send(
                .put, "\(base)/billing-settings", token: world.tokens["tenant-owner"],
                body: ["name": "Acme Ltda", "address": "Rua A, 1\nSão Paulo", "tax_number": "12.345/0001"])
            _ = try await server.send(
                .put, "/api/v1/billing-settings", token: world.admin, body: ["name": "Eclusa Ltd"])
            try await world.useShared(costs: [1_004_999_999, 1, 15_000_000], in: "2026-02-10T00:00:00Z")
            try await world.useShared(costs: [7], in: "2026-01-31T23:59:59Z", sequence: 2)
            let early = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-03"])
            #expect(early.status == 400 && early.pointers == ["/month"], "it is not over")
            let made = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            #expect(made.status == 201, "\(made.text)")
            #expect(made.string("number") == "2026-000001" && made.string("total") == "1.020000007")
            #expect(made.string("due") == "1.02")
            #expect(made.string("customer", "name") == "Acme Ltda")
            #expect(made.string("issuer", "name") == "Eclusa Ltd")
            let months = made.json["lines"]?.array?.compactMap { $0["month"]?.string }
            #expect(months == ["2026-02", "2026-01"])
            let report = try await server.send(
                .get, "\(base)/usage?from=2026-02-01T00:00:00Z&to=2026-03-01T00:00:00Z", token: world.admin)
            #expect(made.json["lines"]?[0]?["amount"]?.string == report.string("total", "cost"))

            let again = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            #expect(again.status == 409 && again.pointers == ["/month"], "\(again.text)")
            // What comes late stands on the next invoice.
            try await world.useShared(costs: [3], in: "2026-02-11T00:00:00Z", sequence: 3)
            let id = made.string("id")
            let frozen = try await server.send(
                .get, "\(base)/invoices/\(id)", token: world.tokens["billing-manager"])
            #expect(frozen.json == made.json)
            let void = try await server.send(
                .post, "\(base)/invoices/\(id)/void", token: world.admin, body: ["reason": "Wrong address"])
            #expect(void.string("status") == "void" && void.string("void_reason") == "Wrong address")
            let twice = try await server.send(
                .post, "\(base)/invoices/\(id)/void", token: world.admin, body: ["reason": "Again"])
            #expect(twice.status == 409)
            let anew = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            #expect(anew.string("number") == "2026-000002" && anew.string("total") == "1.02000001")
            let listed = try await server.send(.get, "\(base)/invoices?status=issued", token: world.admin)
            #expect(listed.json["data"]?.array?.count == 1)
        }
    }

    @Test("an invoice comes as a PDF and as rows, the same each time")
    func files() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            try await world.useShared(costs: [1_000_000_000], in: "2026-02-10T00:00:00Z")
            let made = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            let one = "\(base)/invoices/\(made.string("id"))"
            let pdf = try await server.send(.get, "\(one)/pdf", token: world.tokens["billing-manager"])
            #expect(pdf.status == 200 && pdf.fields["content-type"] == "application/pdf")
            #expect(
                pdf.fields["content-disposition"] == "attachment; filename=\"invoice-2026-000001.pdf\"")
            #expect(pdf.body.starts(with: Array("%PDF-1.".utf8)) && pdf.body.count > 1000)
            let same = try await server.send(.get, "\(one)/pdf", token: world.admin)
            #expect(same.body == pdf.body)
            let rows = try await server.send(.get, "\(one)/lines", token: world.admin)
            let lines = rows.text.split(separator: "\r\n")
            #expect(lines.count == 2 && lines[1].hasSuffix(",1,10,20,1.00"), "\(rows.text)")
        }
    }

    @Test("from the settled day on last month's invoices are issued by themselves, each once")
    func automatic() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            try await world.useShared(costs: [1_000_000_000], in: "2026-02-10T00:00:00Z")
            func issued() async throws -> Int {
                try await server.operations.invoices.issueDue { view throws(OperationError) in
                    try view.pdf()
                }
            }
            #expect(try await issued() == 0, "they are issued by hand")
            for day in [0, 29] {
                let refused = try await server.send(
                    .put, "/api/v1/billing-settings", token: world.admin,
                    body: ["name": "Eclusa", "issue_day": .number(JSONNumber(Int64(day)))])
                #expect(refused.status == 400 && refused.pointers == ["/issue_day"])
            }
            let ofTenant = try await server.send(
                .put, "\(base)/billing-settings", token: world.admin, body: ["name": "Acme", "issue_day": 1])
            #expect(ofTenant.status == 400 && ofTenant.pointers == ["/issue_day"], "the platform decides")
            _ = try await server.send(
                .put, "\(base)/billing-settings", token: world.admin,
                body: ["name": "Acme", "email": "accounts@example.com"])
            let settled = try await server.send(
                .put, "/api/v1/billing-settings", token: world.admin,
                body: ["name": "Eclusa", "issue_day": 10])
            #expect(settled.json["issue_day"]?.exactInt64 == 10, "\(settled.text)")
            #expect(try await issued() == 0, "it is the ninth")
            server.clock.advance(seconds: 86_400)
            #expect(try await issued() == 1)
            #expect(try await issued() == 0)
            let admin = try await world.token(.platformAdmin, .platform)
            let invoices = try await server.send(.get, "\(base)/invoices", token: admin)
            let invoice = try #require(invoices.json["data"]?[0])
            #expect(invoice["month"]?.string == "2026-02" && invoice["issued_by"] == .null)
            #expect(invoice["total"]?.string == "1.00")
            #expect(try await server.mails(to: "accounts@example.com").count == 1)
            let void = try await server.send(
                .post, "\(base)/invoices/\(invoice["id"]?.string ?? "")/void", token: admin,
                body: ["reason": "Wrong"])
            #expect(void.status == 200)
            #expect(try await issued() == 0, "what was taken back is issued anew by hand")
        }
    }

    @Test("an invoice is mailed to the billing address as its PDF, and so is that it was taken back")
    func mailed() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let (settings, address) = ("\(base)/billing-settings", "accounts@example.com")
            try await world.useShared(costs: [1_234_567_890], in: "2026-02-10T00:00:00Z")
            let wrong = try await server.send(
                .put, settings, token: world.admin, body: ["name": "Acme", "email": "no address"])
            #expect(wrong.status == 400 && wrong.pointers == ["/email"], "\(wrong.text)")
            _ = try await server.send(
                .put, settings, token: world.admin, body: ["name": "Acme", "email": .string(address)])
            let rehearsal = try await server.send(
                .post, "\(base)/invoices?dry_run=true", token: world.admin, body: ["month": "2026-02"])
            #expect(rehearsal.status == 201)
            #expect(try await server.mails(to: address).isEmpty, "a rehearsal mails nothing")
            let made = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            let mail = try #require(try await server.mails(to: address).first)
            #expect(mail.kind == .invoice && mail.subject == "Invoice 2026-000001")
            #expect(mail.text.hasPrefix("Invoice 2026-000001 of 2026-02: 1.23 USD."))
            #expect(mail.text.contains("/console/tenants/\(world.acme.tenant)/invoices/\(made.string("id"))"))
            let pdf = try await server.send(
                .get, "\(base)/invoices/\(made.string("id"))/pdf", token: world.admin)
            #expect(mail.file?.name == "invoice-2026-000001.pdf" && mail.file?.bytes == pdf.body)
            _ = try await server.send(
                .post, "\(base)/invoices/\(made.string("id"))/void", token: world.admin,
                body: ["reason": "Wrong address"])
            let mails = try await server.mails(to: address)
            #expect(mails.map(\.subject) == ["Invoice 2026-000001", "Invoice 2026-000001 was taken back"])
            #expect(mails.last?.file == nil && mails.last?.text.contains("nothing is to be paid") == true)
            _ = try await server.send(.put, settings, token: world.admin, body: ["name": "Acme"])
            let quiet = try await server.send(
                .post, "\(base)/invoices", token: world.admin, body: ["month": "2026-02"])
            #expect(quiet.status == 201)
            #expect(try await server.mails(to: address).count == 2, "without an address nothing is mailed")
        }
    }
}

extension World {
    /// Calls of the shared model at its price, of ten tokens in and twenty out, as a node would upload them.
    func useShared(costs: [Int64], in moment: String, sequence: Int64 = 1) async throws {
        if sharedPrice == nil {
            sharedPrice = PriceID(
                try await make("/api/v1/models/\(shared.model)/prices", ["input": "1", "output": "1"]))
        }
        let start = try #require(Timestamp(moment))
        let events = try costs.map { cost in
            UsageEvent(
                id: UsageEventID(at: start), tenant: try #require(TenantID(acme.tenant)),
                workspace: try #require(WorkspaceID(acme.workspace)), key: try #require(KeyID(acme.key)),
                route: try #require(RouteID(acme.route)), provider: try #require(ProviderID(shared.provider)),
                model: try #require(ModelID(shared.model)), price: sharedPrice, endpoint: .chat,
                startedAt: start, latencyMicroseconds: 2_000, firstByteMicroseconds: 1_000,
                usage: TokenUsage(input: 10, output: 20), cost: NanoUSD(nanos: cost), costState: .settled,
                status: 200, isStream: false, ending: .completed)
        }
        let sealed = try SealedUsageBatch(
            node: NodeID(high: 8, low: 8), outboxEpoch: 1, sequence: sequence, events: events)
        let answer = try await UsageStore.ingest(
            try sealed.opened(), digest: try #require(sealed.digest), at: server.clock.now,
            server.database.pool)
        #expect(answer == .acknowledged(sequence: sequence))
    }
}
