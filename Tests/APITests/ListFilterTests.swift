import HTTPWire
import JSONText
import TestSupport
import Testing

/// Lists asked for a part of what they have.
@Suite("Filters of lists")
struct ListFilterTests {
    @Test("a list can be asked for a time of making and the beginning of a name, page by page")
    func timesAndNames() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            var times: [String] = []
            for index in 0..<7 {
                server.clock.advance(seconds: 60)
                let name = index % 2 == 0 ? "Even \(index)" : "odd \(index)"
                let reply = try await server.send(
                    .post, "/api/v1/tenants", token: token,
                    body: ["slug": .string("t\(index)"), "name": .string(name)])
                times.append(reply.string("created_at"))
            }
            func slugs(_ query: String) async throws -> [String] {
                var seen: [String] = []
                var cursor = ""
                repeat {
                    let page = try await server.send(
                        .get, "/api/v1/tenants?limit=2\(query)\(cursor)", token: token)
                    #expect(page.status == 200, "\(page.text)")
                    seen += page.json["data"]?.array?.compactMap { $0["slug"]?.string } ?? []
                    cursor = page.json["next_cursor"]?.string.map { "&cursor=\($0)" } ?? ""
                } while !cursor.isEmpty
                return seen
            }
            #expect(try await slugs("&created_from=\(times[3])") == ["t6", "t5", "t4", "t3"])
            #expect(try await slugs("&created_before=\(times[2])") == ["t1", "t0"])
            #expect(
                try await slugs("&created_from=\(times[1])&created_before=\(times[4])") == ["t3", "t2", "t1"])
            #expect(try await slugs("&name_prefix=EVEN") == ["t6", "t4", "t2", "t0"])
            #expect(try await slugs("&name_prefix=odd%205&created_from=\(times[0])") == ["t5"])
            #expect(try await slugs("&name_prefix=%25") == [])
            let wrong = try await server.send(.get, "/api/v1/tenants?created_from=soon", token: token)
            #expect(wrong.pointers == ["created_from"])
            let unknown = try await server.send(
                .get, "/api/v1/provider-kinds?created_from=\(times[0])", token: token)
            #expect(unknown.status == 400)
        }
    }

    @Test("lists of providers, models and routes are filtered")
    func nouns() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let base = "/api/v1/tenants/\(world.acme.tenant)"
            let ollama = try await world.make(
                "\(base)/providers",
                ["name": "local", "kind": "ollama", "base_url": "https://llm.example.com", "enabled": false])
            let eye = try await world.make(
                "\(base)/models",
                ["provider": .string(ollama), "name": "eye", "capabilities": ["chat", "vision"]])
            let route = try await world.make(
                "\(base)/routes",
                ["name": "see", "enabled": false, "targets": [["model": .string(eye)]]])
            func ids(_ path: String) async throws -> [String] {
                let reply = try await server.send(.get, base + path, token: world.admin)
                #expect(reply.status == 200, "\(reply.text)")
                return reply.json["data"]?.array?.compactMap { $0["id"]?.string } ?? []
            }
            #expect(try await ids("/providers?kind=ollama") == [ollama])
            #expect(try await ids("/providers?enabled=false") == [ollama])
            #expect(try await ids("/providers?name=openai") == [world.acme.provider])
            #expect(try await ids("/models?provider=\(ollama)") == [eye])
            #expect(try await ids("/models?capability=vision") == [eye])
            #expect(try await ids("/models?name=shared-model") == [world.shared.model])
            #expect(try await ids("/models?name=nothing").isEmpty)
            #expect(try await ids("/routes?model=\(eye)") == [route])
            #expect(try await ids("/routes?enabled=true") == [world.acme.route])
            #expect(try await ids("/routes?name=see&enabled=true").isEmpty)
        }
    }
}
