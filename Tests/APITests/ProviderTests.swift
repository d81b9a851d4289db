import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("Providers in full")
struct ProviderTests {
    @Test("each kind asks for what it needs, and takes nothing else")
    func kinds() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers"
            let credential = JSONValue.string("sk-kind-0123456789abcd")
            let cases: [(JSONValue, [String])] = [
                (["name": "b", "kind": "bedrock", "credential": credential], ["/options/region"]),
                (
                    ["name": "v", "kind": "vertex", "options": ["project": "p"], "credential": credential],
                    ["/options/location"]
                ),
                (["name": "a", "kind": "azure_openai", "credential": credential], ["/base_url"]),
                (["name": "c", "kind": "openai_compatible"], ["/base_url"]),
                (
                    ["name": "o", "kind": "openai", "options": ["region": "x"], "credential": credential],
                    ["/options"]
                ),
                (
                    ["name": "o", "kind": "bedrock", "options": ["region": "no blanks"]],
                    ["/options/region"]
                ),
            ]
            for (body, pointers) in cases {
                let reply = try await server.send(.post, base, token: world.admin, body: body)
                #expect(reply.pointers == pointers, "\(body.text): \(reply.text)")
            }
            let bedrock = try await server.send(
                .post, base, token: world.admin,
                body: ["name": "b", "kind": "bedrock", "options": ["region": "eu-central-1"]])
            #expect(bedrock.string("base_url") == "https://bedrock-runtime.eu-central-1.amazonaws.com")
            #expect(bedrock.json["options"]?["region"]?.string == "eu-central-1")
            let kinds = try await server.send(.get, "/api/v1/provider-kinds", token: world.tokens["viewer"])
            #expect(kinds.json["data"]?.array?.count == ProviderKind.allCases.count)
        }
    }

    @Test(
        "credentials are added, weighed, replaced and removed one by one; none is ever shown"
    )
    func credentials() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers/\(world.acme.provider)/credentials"
            let texts = ["sk-second-0123456789wxyz", "sk-third-0123456789stuv"]
            let second = try await server.send(
                .post, base, token: world.admin,
                body: ["credential": .string(texts[0]), "name": "second", "weight": 300])
            #expect(second.status == 201 && second.string("hint") == "wxyz")
            let id = second.string("id")
            let replaced = try await server.send(
                .patch, "\(base)/\(id)", token: world.admin,
                body: ["credential": .string(texts[1]), "weight": 50])
            #expect(replaced.string("hint") == "stuv" && replaced.string("name") == "second")
            let list = try await server.send(.get, base, token: world.admin)
            let hints = (list.json["data"]?.array ?? []).compactMap { $0["hint"]?.string }
            #expect(hints.sorted() == ["abcd", "stuv"])
            let one = try await server.send(.get, "\(base)/\(id)", token: world.admin)
            #expect(one.json == replaced.json && one.fields["etag"] == replaced.fields["etag"])
            let stale = try await server.send(
                .patch, "\(base)/\(id)", token: world.admin, body: ["weight": 60],
                fields: ["if-match": try #require(second.fields["etag"])])
            #expect(stale.status == 412)
            func exported() async throws -> [Int32] {
                let all = try await server.database.pool.withTransaction(.readOnlySnapshot) {
                    try await SnapshotExport.providers($0)
                }
                let provider = all.first { $0.provider.id.description == world.acme.provider }
                return (provider?.credentials.map(\.weight) ?? []).sorted(by: >)
            }
            #expect(try await exported() == [100, 50])
            _ = try await server.send(
                .patch, "\(base)/\(id)", token: world.admin, body: ["enabled": false])
            #expect(try await exported() == [100])
            let removed = try await server.send(.delete, "\(base)/\(id)", token: world.admin)
            #expect(removed.status == 200)
            #expect(try await server.send(.delete, "\(base)/\(id)", token: world.admin).status == 404)
            let wrong = try await server.send(
                .post, base, token: world.admin, body: ["credential": "has blanks", "weight": 1001])
            #expect(wrong.pointers == ["/weight"])
            let dump = try await server.dump()
            for text in texts {
                #expect(!server.answered.contains(text) && !server.logged.all.contains(text))
                #expect(!dump.contains(text) && !dump.contains(Base64.encode(Array(text.utf8)).prefix(20)))
            }
        }
    }

    @Test("a test says what came of a real call, and keeps it; the credential is in no text")
    func tests() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers/\(world.acme.provider)"
            let none = try await server.send(.get, "\(base)/health", token: world.admin)
            #expect(none.json["last_test"] == .null)
            var asked: [ProviderProbe] = []
            func test(_ answer: ProviderProbe.Answer) async throws -> Reply {
                server.probe = {
                    asked.append($0)
                    return answer
                }
                return try await server.send(.post, "\(base)/test", token: world.admin, body: [:])
            }
            let list = Array(#"{"data":[{"id":"gpt-4o"},{"id":"gpt-4o-mini"},{"id":"no good"}]}"#.utf8)
            let passed = try await test(.answered(status: 200, body: list, milliseconds: 12))
            #expect(passed.string("test", "outcome") == "passed")
            #expect(passed.json["models"]?.text == #"["gpt-4o","gpt-4o-mini"]"#)
            #expect(asked.first?.url == "https://api.example.com/v1/models")
            #expect(asked.first?.credential == Secret(utf8: "sk-test-0123456789abcd"))
            #expect(asked.first?.credentialField == "authorization")
            #expect((asked.first?.timeoutMilliseconds ?? .max) <= ProviderProbe.longestMilliseconds)
            let health = try await server.send(.get, "\(base)/health", token: world.admin)
            #expect(health.string("last_test", "outcome") == "passed")
            let cases: [(ProviderProbe.Answer, String)] = [
                (.answered(status: 401, body: [], milliseconds: 1), "credential_rejected"),
                (.answered(status: 500, body: [], milliseconds: 1), "failed"),
                (.answered(status: 200, body: Array("<html>".utf8), milliseconds: 1), "failed"),
                (.unreachable("no route"), "unreachable"),
            ]
            for (answer, outcome) in cases {
                let reply = try await test(answer)
                #expect(reply.status == 200 && reply.string("test", "outcome") == outcome, "\(reply.text)")
                #expect(!reply.string("test", "problem").isEmpty)
            }
            #expect(!server.answered.contains("sk-test-0123456789abcd"))
            let strange = try await server.send(
                .post, "\(base)/test", token: world.admin,
                body: ["credential": .string(CredentialID(at: server.clock.now).description)])
            #expect(strange.pointers == ["/credential"])
        }
    }

    @Test("Bedrock is asked with a signature, Vertex with a token that was exchanged; neither shows a secret")
    func clouds() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)/providers"
            for (kind, options, credential) in [
                ("bedrock", ["region": "eu-central-1"], "AKID:secret:token:more"),
                ("bedrock", ["region": "eu-central-1"], "not an id:secret"),
                ("vertex", ["project": "p", "location": "global"], #"{"type":"service_account"}"#),
            ] as [(String, JSONValue, String)] {
                let refused = try await server.send(
                    .post, base, token: world.admin,
                    body: [
                        "name": "c", "kind": .string(kind), "options": options,
                        "credential": .string(credential),
                    ])
                #expect(refused.pointers == ["/credential"], "\(refused.text)")
            }
            let id = try await world.make(
                base,
                [
                    "name": "b", "kind": "bedrock", "options": ["region": "eu-central-1"],
                    "credential": "AKIDEXAMPLE:a-secret-of-aws:a-session-token",
                ])
            var asked: [ProviderProbe] = []
            server.probe = {
                asked.append($0)
                let list = #"{"modelSummaries":[{"modelId":"anthropic.claude-v1:0"}]}"#
                return .answered(status: 200, body: Array(list.utf8), milliseconds: 1)
            }
            let passed = try await server.send(
                .post, "\(base)/\(id)/test", token: world.admin, body: [:])
            #expect(passed.string("test", "outcome") == "passed", "\(passed.text)")
            #expect(passed.json["models"]?.text == #"["anthropic.claude-v1:0"]"#)
            let probe = try #require(asked.first)
            #expect(probe.url == "https://bedrock.eu-central-1.amazonaws.com/foundation-models")
            let told = probe.credential?.withBytes { String(decoding: $0, as: UTF8.self) } ?? ""
            #expect(told.hasPrefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"))
            #expect(told.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"))
            #expect(probe.headers.map(\.name) == ["x-amz-date", "x-amz-security-token"])
            let shown = try await server.send(.get, "\(base)/\(id)", token: world.admin)
            #expect(shown.string("credential_hint") == "MPLE")
            for secret in ["a-secret-of-aws", "a-session-token"] {
                #expect(!server.answered.contains(secret) && !server.logged.all.contains(secret))
            }
        }
    }

    @Test("a provider whose models a route needs is in use; any other goes with all it has")
    func deletion() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let used = try await server.send(
                .delete, "\(base)/providers/\(world.acme.provider)", token: world.admin)
            #expect(used.code == "in_use")
            let spare = try await world.make("\(base)/providers", World.provider("spare"))
            _ = try await world.make("\(base)/models", ["provider": .string(spare), "name": "m"])
            let gone = try await server.send(.delete, "\(base)/providers/\(spare)", token: world.admin)
            #expect(gone.status == 200 && gone.string("id") == spare)
            let again = try await server.send(.get, "\(base)/providers/\(spare)", token: world.admin)
            #expect(again.status == 404)
        }
    }
}
