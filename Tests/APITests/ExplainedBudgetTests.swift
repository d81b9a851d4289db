import API
import Contract
import Domain
import HTTPWire
import JSONText
import TestSupport
import Testing

/// What an explained call is told of its limits.
@Suite("Explained budgets")
struct ExplainedBudgetTests {
    private struct Row {
        let name: String
        var limit: JSONValue = [:]
        var increase: JSONValue?
        /// Whose part of the budget was used; nil: it is not parted.
        var part: LimitPart?
        var used: Int64 = 0
        let amount: String
        let remaining: String?
        let asks: String
        let fits: Bool?
        var code: String?
    }

    private static func rows(_ world: World, until later: Timestamp) throws -> [Row] {
        let key = LimitPart(try #require(KeyID(world.acme.key)))
        let parted: JSONValue = ["partition_by": "key"]
        let more: JSONValue = ["amount": "500", "expires_at": .string(later.description)]
        return [
            Row(name: "fits", used: 4000, amount: "5000", remaining: "1000", asks: "1000", fits: true),
            Row(
                name: "does not fit", used: 4001, amount: "5000", remaining: "999", asks: "1000", fits: false,
                code: "budget_exceeded"),
            Row(
                name: "money", limit: ["metric": "cost", "amount": "0.001"], amount: "0.001",
                remaining: "0.001", asks: "0.0012", fits: false, code: "budget_exceeded"),
            Row(
                name: "increase", increase: more, used: 4500, amount: "5500", remaining: "1000", asks: "1000",
                fits: true),
            Row(
                name: "shadow", limit: ["mode": "shadow"], used: 5000, amount: "5000", remaining: "0",
                asks: "256", fits: false),
            Row(
                name: "soft", limit: ["mode": "soft"], used: 4744, amount: "5000", remaining: "256",
                asks: "256", fits: true),
            Row(
                name: "soft, spent", limit: ["mode": "soft"], used: 4745, amount: "5000", remaining: "255",
                asks: "256", fits: false, code: "budget_exceeded"),
            Row(
                name: "the key's part", limit: parted, part: key, used: 5000, amount: "5000", remaining: "0",
                asks: "1000", fits: false, code: "budget_exceeded"),
            Row(
                name: "another's part", limit: parted, part: LimitPart(KeyID(at: later)), used: 5000,
                amount: "5000", remaining: "5000", asks: "1000", fits: true),
            Row(
                name: "rate", limit: ["metric": "requests", "period": "minute"], amount: "5000",
                remaining: nil, asks: "1", fits: nil),
        ]
    }

    @Test("an explained call says of each limit what is left, what it asks, and whether it fits")
    func table() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let base = "/api/v1/tenants/\(tenant)"
            let node = try #require(NodeID(try await world.node()))
            let rows = try Self.rows(world, until: server.clock.now.advanced(bySeconds: 300))
            for (number, row) in rows.enumerated() {
                var body = JSONObject()
                body["name"] = .string(row.name)
                (body["metric"], body["amount"], body["period"]) = ("output_tokens", "5000", "month")
                for member in row.limit.object?.members ?? [] { body[member.name] = member.value }
                let text = try await world.make("\(base)/limits", .object(body))
                let id = try #require(LimitID(text))
                if let increase = row.increase {
                    let raised = try await server.send(
                        .patch, "\(base)/limits/\(id)", token: world.admin, body: ["increase": increase])
                    #expect(raised.status == 200, "\(raised.text)")
                }
                if row.used > 0 {
                    try await BudgetTests.lend(
                        id, of: tenant, part: row.part ?? .whole,
                        [(UInt64(number + 1), node, row.used, row.used)], on: server)
                }
                let reply = try await server.send(
                    .post, "\(base)/explain", token: world.admin,
                    body: ["key": .string(world.acme.key), "model": "chat"])
                #expect(reply.json["admitted"]?.boolean == (row.code == nil), "\(row.name): \(reply.text)")
                #expect(reply.json["code"]?.string == row.code, "\(row.name)")
                #expect(reply.json["status"]?.exactInt64 == (row.code == nil ? nil : 402), "\(row.name)")
                #expect(reply.json["use"]?.string == (row.code == nil ? "traffic" : nil), "\(row.name)")
                let limit = try #require(reply.json["limits"]?.array?.first)
                #expect(limit["amount"]?.string == row.amount, "\(row.name): \(reply.text)")
                #expect(limit["remaining"]?.string == row.remaining, "\(row.name): \(reply.text)")
                #expect(limit["asks"]?.string == row.asks, "\(row.name): \(reply.text)")
                #expect(limit["fits"]?.boolean == row.fits, "\(row.name): \(reply.text)")
                #expect(limit["part"]?.string == (row.limit["partition_by"].map { _ in world.acme.key }))
                try await Self.agree(limit, with: "\(base)/limits/\(id)/state", world, server)
                let gone = try await server.send(.delete, "\(base)/limits/\(id)", token: world.admin)
                #expect(gone.status == 200)
            }
        }
    }

    /// Holds an explained budget to the state of the same part.
    private static func agree(
        _ limit: JSONValue, with path: String, _ world: World, _ server: AdminServer
    ) async throws {
        guard limit["kind"]?.string == "budget" else { return }
        let part = limit["part"]?.string.map { "?part=\($0)" } ?? ""
        let state = try await server.send(.get, path + part, token: world.admin)
        for name in ["amount", "settled", "used", "reserved", "remaining", "resets_at"] {
            #expect(limit[name] == state.json[name], "\(name): \(state.text)")
        }
    }
}
