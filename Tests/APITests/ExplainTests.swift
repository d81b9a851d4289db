import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

@Suite("Explain")
struct ExplainTests {
    @Test("a call is explained with its targets in order, its price and its cost, as nodes would see it")
    func admitted() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            _ = try await world.make(
                "/api/v1/models/\(world.shared.model)/prices",
                [
                    "input": "1", "output": "2", "tiers": [["above": 2000, "input": "10", "output": "20"]],
                ])
            let markup = try await server.send(
                .put, "\(base)/markup", token: world.admin, body: ["percent": "50"])
            #expect(markup.status == 200)
            _ = try await world.make(
                "\(base)/routes",
                [
                    "name": "both",
                    "targets": [
                        ["model": .string(world.shared.model), "priority": 1],
                        ["model": .string(world.acme.model)],
                    ],
                ])
            func explain(_ body: JSONValue) async throws -> Reply {
                try await server.send(.post, "\(base)/explain", token: world.tokens["viewer"], body: body)
            }
            let small = try await explain(
                [
                    "key": .string(world.acme.key), "model": "both", "input_tokens": 1_000_000,
                    "maximum_output": 1_000_000,
                ])
            #expect(small.json["admitted"]?.boolean == true, "\(small.text)")
            let targets = try #require(small.json["targets"]?.array)
            #expect(targets.map { $0["upstream_model"]?.string } == ["gpt-4o-mini", "shared-model"])
            #expect(targets[0]["estimated_cost"]?.string == "0.75", "the tenant's own price has no markup")
            #expect(targets[1]["input_rate"]?.string == "10.00", "by the tier of long inputs")
            #expect(targets[1]["estimated_cost"]?.string == "45.00", "(10 + 20) dollars and half of it")
            #expect(targets.map { $0["position"]?.exactInt64 } == [0, 1])
        }
    }

    @Test("the first thing in the way is named by the code a node refuses with")
    func refused() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let key = "\(base)/keys/\(world.acme.key)"
            func code(_ model: String = "chat", _ more: [(String, JSONValue)] = []) async throws -> String {
                var body = JSONObject()
                body["key"] = .string(world.acme.key)
                body["model"] = .string(model)
                for (name, value) in more { body[name] = value }
                let reply = try await server.send(
                    .post, "\(base)/explain", token: world.admin, body: .object(body))
                #expect(reply.status == 200, "\(reply.text)")
                return reply.string("code")
            }
            func change(_ body: JSONValue) async throws {
                #expect(try await server.send(.patch, key, token: world.admin, body: body).status == 200)
            }
            #expect(try await code() == "")
            let moved = try await server.send(
                .patch, base, token: world.admin, body: ["region": "eu"])
            #expect(moved.status == 200, "\(moved.text)")
            #expect(try await code() == "", "at a node where the tenant's calls are served")
            #expect(try await code("chat", [("region", "eu")]) == "")
            #expect(try await code("chat", [("region", "us")]) == "region_not_allowed")
            #expect(try await code("nothing") == "route_not_found")
            try await change(["ip_ranges": ["10.0.0.0/8"]])
            #expect(try await code() == "address_not_allowed")
            #expect(try await code("chat", [("address", "10.1.2.3")]) == "")
            try await change(["ip_ranges": [], "models": [.string(world.shared.model)]])
            #expect(try await code() == "model_not_allowed")
            try await change(["models": [], "endpoints": ["embeddings"]])
            #expect(try await code() == "endpoint_not_allowed")
            #expect(try await code("chat", [("endpoint", "embeddings")]) == "")
            _ = try await server.send(.post, "\(key)/revoke", token: world.admin)
            #expect(try await code() == "key_revoked")
            let foreign = try await server.send(
                .post, "\(base)/explain", token: world.admin,
                body: ["key": .string(world.other.key), "model": "chat"])
            #expect(foreign.pointers == ["/key"])
        }
    }
}
