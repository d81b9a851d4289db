import API
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

@Suite("Price files")
struct PriceImportTests {
    private static let file = """
        {"sample_spec": {"litellm_provider": "one of", "input_cost_per_token": 0.0},
         "openai/gpt-tiered": {
           "litellm_provider": "openai", "mode": "chat", "max_input_tokens": 1050000, "max_output_tokens": 128000,
           "input_cost_per_token": 1.25e-06, "output_cost_per_token": 0.00001,
           "cache_read_input_token_cost": 1.25e-07, "cache_creation_input_token_cost": 1.5625e-06,
           "cache_creation_input_token_cost_above_1hr": 5e-06, "output_cost_per_reasoning_token": 2e-05,
           "input_cost_per_token_above_272k_tokens": 2.5e-06, "output_cost_per_token_above_272k_tokens": 1.5e-05,
           "cache_read_input_token_cost_above_272k_tokens": 2.5e-07,
           "input_cost_per_token_batches": 6.25e-07, "output_cost_per_token_batches": 5e-06,
           "input_cost_per_token_priority": 9e-06, "supports_vision": true, "supports_reasoning": true,
           "supports_function_calling": false, "source": "https://example.com/prices"},
         "gpt-image": {"litellm_provider": "openai", "mode": "image_generation", "input_cost_per_image": 0.04},
         "gpt-dear": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.0,
           "output_cost_per_token": 1e-06},
         "gpt-odd": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": "free"},
         "a bad name": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 0},
         "other/model": {"litellm_provider": "other", "mode": "chat", "input_cost_per_token": 1e-06}}
        """

    @Test(
        "a file in the community's format makes models with exact prices, tells what it skips, and is idempotent"
    )
    func imports() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            func send(_ more: [(String, JSONValue)] = []) async throws -> Reply {
                var body = JSONObject()
                body["provider"] = .string(world.acme.provider)
                body["document"] = .string(Self.file)
                for (name, value) in more { body[name] = value }
                return try await server.send(
                    .post, "\(base)/model-imports", token: world.admin, body: .object(body))
            }
            let preview = try await send([("preview", true)])
            #expect(preview.status == 200, "\(preview.text)")
            #expect(preview.json["applied"]?.boolean == false && preview.json["created"]?.exactInt64 == 2)
            let report = try await send()
            #expect(report.json["created"]?.exactInt64 == 2 && report.json["priced"]?.exactInt64 == 1)
            #expect(report.json["skipped"]?.exactInt64 == 3, "\(report.text)")
            let models = try await server.send(.get, "\(base)/models", token: world.admin)
            let model = try #require(
                models.json["data"]?.array?.first { $0["name"]?.string == "gpt-tiered" })
            #expect(model["context_window"]?.exactInt64 == 1_050_000)
            #expect(model["capabilities"] == ["chat", "vision", "reasoning"])
            #expect(model["source"]?.string == "https://example.com/prices")
            let id = model["id"]?.string ?? ""
            let prices = try await server.send(.get, "\(base)/models/\(id)/prices", token: world.admin)
            let price = try #require(prices.json["data"]?[0])
            #expect(
                [
                    price["input"], price["output"], price["cached_input"], price["cache_write"],
                    price["reasoning"],
                ].map { $0?.string } == ["1.25", "10.00", "0.125", "1.5625", "20.00"])
            let tier = try #require(price["tiers"]?[0])
            #expect(tier["above"]?.exactInt64 == 272_000 && tier["input"]?.string == "2.50")
            #expect(tier["cached_input"]?.string == "0.25" && tier["output"]?.string == "15.00")
            #expect(price["batch"]?["input"]?.string == "0.625")
            let again = try await send()
            #expect(again.json["unchanged"]?.exactInt64 == 2 && again.json["priced"]?.exactInt64 == 0)
        }
    }

    @Test("what is exported can be imported elsewhere, and is the same")
    func exports() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let imported = try await server.send(
                .post, "\(base)/model-imports", token: world.admin,
                body: ["provider": .string(world.acme.provider), "document": .string(Self.file)])
            #expect(imported.status == 200)
            let path = "/providers/\(world.acme.provider)/model-export"
            let file = try await server.send(.get, base + path, token: world.admin)
            #expect(file.json["gpt-tiered"]?["input_cost_per_token"]?.double == 1.25e-06)
            let elsewhere = "/api/v1/tenants/\(world.other.tenant)"
            let moved = try await server.send(
                .post, "\(elsewhere)/model-imports", token: world.admin,
                body: ["provider": .string(world.other.provider), "document": .string(file.text)])
            #expect(moved.status == 200 && moved.json["skipped"]?.exactInt64 == 0, "\(moved.text)")
            let back = try await server.send(
                .get, "\(elsewhere)/providers/\(world.other.provider)/model-export", token: world.admin)
            #expect(back.json["gpt-tiered"] == file.json["gpt-tiered"])
        }
    }

    @Test("of a whole file the vendor's own entries are taken and bounded; the others are passed over")
    func wholeFiles() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/model-imports"
            func send(_ document: String, preview: Bool) async throws -> Reply {
                try await server.send(
                    .post, path, token: world.admin,
                    body: [
                        "provider": .string(world.acme.provider), "document": .string(document),
                        "vendor": "vendor-3", "preview": .boolean(preview),
                    ])
            }
            let file = PriceFile.generated(vendors: 15, models: 200)
            #expect(file.utf8.count > 1_300_000)
            let report = try await send(file, preview: false)
            #expect(report.status == 200, "\(report.text.prefix(2000))")
            #expect(report.json["created"]?.exactInt64 == 198 && report.json["priced"]?.exactInt64 == 198)
            #expect(report.json["skipped"]?.exactInt64 == 2)
            #expect(report.json["other_vendors"]?.exactInt64 == 2800)
            let lines = report.json["models"]?.array ?? []
            #expect(lines.count == 200)
            #expect(
                lines.filter { $0["action"] == "skipped" }
                    == ["99", "199"].map {
                        [
                            "model": .string("vendor-3/model-\($0)"), "action": "skipped", "priced": false,
                            "note": "input_cost_per_token is no number with at most 15 decimals",
                        ]
                    })
            let many = try await send(PriceFile.generated(vendors: 4, models: 1001), preview: true)
            #expect(many.pointers == ["/document"] && many.text.contains("1001 models of vendor-3"))
            let most = try await send(PriceFile.generated(vendors: 4, models: 1000), preview: true)
            #expect(most.json["created"]?.exactInt64 == 792, "\(most.text.prefix(500))")
            #expect(most.json["unchanged"]?.exactInt64 == 198)
        }
    }

    @Test("a model that a file has twice is taken once, as it stands first")
    func twice() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let file = """
                {"openai/gpt-a": {"litellm_provider": "openai", "input_cost_per_token": 1e-06},
                 "gpt-a": {"litellm_provider": "openai", "input_cost_per_token": 2e-06},
                 "gpt-b" : {"litellm_provider": "openai", "source": "{\\", :[", "tags": [1, {}]} ,
                 "gpt-b":{"litellm_provider": "openai"}, "none": null, "none": [] }
                """
            let report = try await server.send(
                .post, "/api/v1/tenants/\(world.acme.tenant)/model-imports", token: world.admin,
                body: ["provider": .string(world.acme.provider), "document": .string(file)])
            #expect(report.json["created"]?.exactInt64 == 2 && report.json["skipped"]?.exactInt64 == 2)
            #expect(report.json["models"]?[1]?["note"] == "is gpt-a, which the file has already")
            #expect(report.json["models"]?[3]?["note"] == "is gpt-b, which the file has already")
            #expect(report.json["other_vendors"]?.exactInt64 == 2, "\(report.text)")
        }
    }

    @Test("an import's body may have more than others', and no more than that")
    func bodies() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/model-imports"
            let fields: HeaderFields = [
                "authorization": "Bearer \(world.admin)", "content-type": "application/json",
            ]
            let cases = [(8_000_000, 400, "invalid_json"), (8_000_001, 413, "payload_too_large")]
            for (bytes, status, code) in cases {
                let body = [UInt8](repeating: 0x20, count: bytes)
                let reply = try await server.sendRaw(.post, path, fields: fields, body: body)
                #expect(reply.status == status && reply.code == code, "\(bytes): \(reply.text)")
            }
        }
    }

    @Test("the catalogue of the release is whole: every model has a price, a source and what it can do")
    func catalogue() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let catalogue = try JSONValue.parse(PriceImportOperations.catalogue)
            let entries = try #require(catalogue.object?.members)
            #expect(entries.count > 30)
            for entry in entries {
                #expect(entry.value["source"]?.string?.hasPrefix("https://") == true, "\(entry.name)")
                #expect(entry.value["input_cost_per_token"] != nil, "\(entry.name)")
            }
            let vendors: [(String, String, JSONValue)] = [
                ("openai", "openai", [:]), ("anthropic", "anthropic", [:]), ("gemini", "gemini", [:]),
                ("bedrock", "bedrock_converse", ["region": "eu-central-1"]),
                ("vertex", "vertex_ai-language-models", ["project": "acme", "location": "europe-west4"]),
            ]
            for (kind, vendor, options) in vendors {
                var body = JSONObject()
                body["name"] = .string("catalogue-\(kind)")
                body["kind"] = .string(kind)
                body["options"] = options
                let provider = try await world.make("/api/v1/providers", .object(body))
                let report = try await server.send(
                    .post, "/api/v1/model-imports", token: world.admin, body: ["provider": .string(provider)])
                let expected = entries.count { $0.value["litellm_provider"]?.string == vendor }
                #expect(report.json["created"]?.exactInt64 == Int64(expected), "\(report.text)")
                #expect(report.json["priced"]?.exactInt64 == Int64(expected) && expected > 5)
                #expect(report.json["skipped"]?.exactInt64 == 0)
            }
        }
    }

    @Test("a file that is none, one for a provider nobody knows, and a start in the past are refused")
    func refusals() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/model-imports"
            func pointers(_ body: JSONValue) async throws -> [String] {
                try await server.send(.post, base, token: world.admin, body: body).pointers
            }
            let mine = JSONValue.string(world.acme.provider)
            #expect(try await pointers(["provider": mine, "document": "[1]"]) == ["/document"])
            for wrong in [
                "{", "{\"a\": {}} x", "{\"a\" {}}", "{\"a\": {},}", "{\"a\": {\"b\": 1, \"b\": 1}}",
            ] {
                #expect(try await pointers(["provider": mine, "document": .string(wrong)]) == ["/document"])
            }
            let inner = try await server.send(
                .post, base, token: world.admin,
                body: ["provider": mine, "document": "{\"a\": {\"b\": 1, \"b\": 1}}"])
            #expect(inner.text.contains("the same name twice in one object at byte 15"), "\(inner.text)")
            let many = "{\"a\": [" + String(repeating: "1,", count: 200_000) + "1]}"
            #expect(try await pointers(["provider": mine, "document": .string(many)]) == ["/document"])
            #expect(
                try await pointers(["provider": mine, "document": "{}", "vendor": "openai"]) == [])
            #expect(try await pointers(["provider": .string(world.other.provider)]) == ["/provider"])
            #expect(
                try await pointers(["provider": mine, "effective_from": "2020-01-01T00:00:00Z"])
                    == ["/effective_from"])
            let free = try await world.make(
                "/api/v1/tenants/\(world.acme.tenant)/providers",
                ["name": "own", "kind": "openai_compatible", "base_url": "https://llm.example.com/v1"])
            #expect(try await pointers(["provider": .string(free)]) == ["/vendor"])
            let named = try await server.send(
                .post, base, token: world.admin, body: ["provider": .string(free), "vendor": "openai"])
            #expect(named.status == 200)
        }
    }

    @Test("only the platform sets a tenant's markup; the tenant sees it")
    func markup() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/tenants/\(world.acme.tenant)/markup"
            let none = try await server.send(.get, path, token: world.tokens["viewer"])
            #expect(none.string("percent") == "0")
            let own = try await server.send(
                .put, path, token: world.tokens["tenant-owner"], body: ["percent": "0"])
            #expect(own.status == 403)
            let set = try await server.send(.put, path, token: world.admin, body: ["percent": "12.5"])
            #expect(set.status == 200 && set.string("percent") == "12.5")
            let seen = try await server.send(.get, path, token: world.tokens["viewer"])
            #expect(seen.string("percent") == "12.5")
            for wrong in ["-1", "1000.01", "0.001", "x"] {
                let refused = try await server.send(
                    .put, path, token: world.admin, body: ["percent": .string(wrong)])
                #expect(refused.pointers == ["/percent"], "\(wrong)")
            }
        }
    }
}
