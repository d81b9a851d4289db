import API
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing
import Transport

/// `GET /api/v1/events`: what happens, as it happens, for those who may read it.
@Suite("Streams of events")
struct EventTests {
    @Test("a write shows up as an audit event; whoever comes back with its id gets what came after")
    func audit() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = "/api/v1/tenants/\(world.acme.tenant)"
            let watch = try await server.watch("?tenant=\(world.acme.tenant)", token: world.admin)
            try await watch.read { $0.contains("retry: ") }
            _ = try await server.send(.patch, tenant, token: world.admin, body: ["name": "Seen"])
            let text = try await watch.read { $0.contains("tenants.update") }
            watch.close()
            let id = try #require(text.matches(of: /id: ([0-9]+)\nevent: audit/).last?.1)
            #expect(text.contains("event: audit\ndata: {"))

            _ = try await server.send(.patch, tenant, token: world.admin, body: ["name": "Missed"])
            let again = try await server.watch(
                "?tenant=\(world.acme.tenant)", token: world.admin, lastEventID: String(id))
            let missed = try await again.read { $0.contains("tenants.update") }
            again.close()
            #expect(missed.contains("id: \((Int(id) ?? 0) + 1)\n"))
            #expect(!missed.contains("id: \(id)\n"))
        }
    }

    @Test("each gets what they may read, and strangers nothing")
    func permissions() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            _ = try await world.node()
            let path = "?tenant=\(world.acme.tenant)"
            let admin = try await server.watch(path, token: world.admin)
            let seen = try await admin.read { $0.contains("event: node") && $0.contains("event: usage") }
            #expect(seen.contains("identity_key"))
            admin.close()
            let viewer = try await server.watch(path, token: world.tokens["viewer"])
            try await viewer.read { $0.contains("event: usage") }
            _ = try await server.send(
                .patch, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin, body: ["name": "X"])
            let text = try await viewer.read { $0.contains(": here") }
            viewer.close()
            #expect(!text.contains("event: node") && !text.contains("event: audit"))

            let stranger = try await server.send(.get, "/api/v1/events\(path)", token: world.stranger)
            #expect(stranger.status == 404)
            #expect(try await server.send(.get, "/api/v1/events").status == 401)
        }
    }

    @Test("a loop serves so many streams and no more, and one that ends makes room")
    func bounded() async throws {
        try await withAdminServer(options: .init(eventStreams: 2)) { server in
            let token = try await server.administrator()
            let first = try await server.watch("", token: token)
            try await first.read { $0.contains("retry: ") }
            let second = try await server.watch("", token: token)
            try await second.read { $0.contains("retry: ") }
            let third = try await server.send(.get, "/api/v1/events", token: token)
            #expect(third.status == 503)
            #expect(third.code == "overloaded")
            first.close()
            for _ in 0..<500 {
                let watch = try await server.watch("", token: token)
                let isThere = watch.status == 200
                watch.close()
                if isThere { return }
                await server.database.loop.sleep(nanoseconds: 20_000_000)
            }
            Issue.record("no room was made")
        }
    }

    @Test("a stream ends with the session")
    func session() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let watch = try await server.watch("", token: token)
            try await watch.read { $0.contains("retry: ") }
            server.clock.advance(seconds: 601)
            // The last chunk: it ended whole.
            try await watch.read { $0.hasSuffix("0\r\n\r\n") }
            watch.close()
        }
    }
}

/// One open stream of events. On the server's loop.
final class EventWatch {
    private let connection: Connection
    let status: Int
    private var text = ""

    fileprivate init(_ connection: Connection) async throws {
        self.connection = connection
        while !text.contains("\r\n\r\n") {
            guard try await connection.fill() else { break }
            text += String(decoding: connection.buffered, as: UTF8.self)
            connection.consume(connection.buffered.count)
        }
        status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    /// All that came so far, once it is as wanted.
    @discardableResult
    func read(until isEnough: (String) -> Bool) async throws -> String {
        while !isEnough(text) {
            guard try await connection.fill() else {
                Issue.record("the stream ended: \(text)")
                break
            }
            text += String(decoding: connection.buffered, as: UTF8.self)
            connection.consume(connection.buffered.count)
        }
        return text
    }

    func close() { connection.close() }
}

extension AdminServer {
    /// Opens a stream of events; `query` with its question mark.
    func watch(_ query: String, token: String?, lastEventID: String? = nil) async throws -> EventWatch {
        var head =
            "GET /api/v1/events\(query) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(token ?? "")\r\n"
        if let lastEventID { head += "Last-Event-ID: \(lastEventID)\r\n" }
        return try await EventWatch(try await open(head + "\r\n"))
    }
}
