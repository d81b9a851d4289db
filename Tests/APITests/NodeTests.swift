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

@Suite("Nodes and changes")
struct NodeTests {
    @Test("a join token's bundle is shown once and pins this installation's authority and root key")
    func joinToken() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let made = try await server.send(
                .post, "/api/v1/join-tokens", token: token,
                body: ["node_name": "gateway-1", "region": "br-south"])
            #expect(made.status == 201)
            let bundle = try JoinBundle(made.string("bundle"))
            #expect(bundle.controlURL == "https://control.example.com:7071")
            #expect(bundle.authorityPEM == server.keys.certificateAuthority.certificatePEM)
            #expect(bundle.rootKey == server.keys.rootKey.publicKey)
            let list = try await server.send(.get, "/api/v1/join-tokens", token: token)
            #expect(list.json["data"]?[0]?["standing"]?.string == "open")
            #expect(list.json["data"]?[0]?["region"]?.string == "br-south")
            #expect(!list.text.contains(bundle.token.reveal()))
            server.clock.advance(seconds: 901)
            let fresh = try await server.signIn()
            let later = try await server.send(.get, "/api/v1/join-tokens", token: fresh)
            #expect(later.json["data"]?[0]?["standing"]?.string == "expired")
        }
    }

    @Test("what is wrong with a join token is said at its place")
    func joinTokenProblems() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let reply = try await server.send(
                .post, "/api/v1/join-tokens", token: token,
                body: ["node_name": "No Slug", "region": "-", "expires_in": 5])
            #expect(reply.pointers == ["/node_name", "/region", "/expires_in"])
        }
    }

    @Test("an unused join token can be taken back, a used one cannot")
    func deleteToken() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let made = try await server.send(
                .post, "/api/v1/join-tokens", token: world.admin, body: ["node_name": "gateway-1"])
            let path = "/api/v1/join-tokens/\(made.string("join_token", "id"))"
            #expect(try await server.send(.delete, path, token: world.admin).status == 204)
            #expect(try await server.send(.delete, path, token: world.admin).status == 404)
            _ = try await world.node()
            let list = try await server.send(.get, "/api/v1/join-tokens", token: world.admin)
            let used = try #require(list.json["data"]?[0]?["id"]?.string)
            let refused = try await server.send(.delete, "/api/v1/join-tokens/\(used)", token: world.admin)
            #expect(refused.code == "in_use")
        }
    }

    @Test("a node shows what it last said of itself, and whether it is there")
    func nodes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let node = try await world.node()
            let path = "/api/v1/nodes/\(node)"
            let silent = try await server.send(.get, path, token: world.admin)
            #expect(silent.json["connected"]?.boolean == false)
            #expect(silent.json["running_version"] == .null)
            try await server.report(node, running: SnapshotVersion(epoch: 1, counter: 3), lagSeconds: 2)
            let shown = try await server.send(.get, path, token: world.admin)
            #expect(shown.json["connected"]?.boolean == true)
            #expect(shown.string("running_version") == "1.3")
            #expect(shown.json["lag_ms"]?.exactInt64 == 2000)
            #expect(shown.json["outbox_events"]?.exactInt64 == 5)
            #expect(shown.string("last_error") == "verified: wrong signer")
            server.clock.advance(seconds: 31)
            let gone = try await server.send(.get, "/api/v1/nodes", token: world.admin)
            #expect(gone.json["data"]?[0]?["connected"]?.boolean == false)
        }
    }

    @Test("revoking a node names the providers whose credentials it held")
    func revoke() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let path = "/api/v1/nodes/\(try await world.node())"
            let revoked = try await server.send(.post, "\(path)/revoke", token: world.admin)
            #expect(revoked.string("node", "status") == "revoked")
            let exposed = Set(revoked.json["exposed_providers"]?.array?.compactMap(\.string) ?? [])
            #expect(exposed == [world.acme.provider, world.other.provider, world.shared.provider])
            let again = try await server.send(.post, "\(path)/revoke", token: world.admin)
            #expect(again.code == "already_revoked")
        }
    }

    @Test("a change is complete when every connected node runs a snapshot that has it")
    func changes() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let node = try await world.node()
            let first = SnapshotVersion(epoch: 1, counter: 1)
            try await server.report(node, running: first)
            let renamed = try await server.send(
                .patch, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin, body: ["name": "New"])
            let path = "/api/v1/changes/\(try #require(renamed.change))"
            try await server.publish(
                SnapshotVersion(epoch: 1, counter: 2), after: SnapshotVersion(epoch: 1, counter: 0))
            let published = try await server.send(.get, path, token: world.admin)
            #expect(published.string("version") == "1.2")
            #expect(published.json["nodes"]?.exactInt64 == 1)
            #expect(published.json["nodes_current"]?.exactInt64 == 0)
            #expect(published.json["complete"]?.boolean == false)
            try await server.report(node, running: SnapshotVersion(epoch: 1, counter: 2))
            let complete = try await server.send(.get, path, token: world.admin)
            #expect(complete.json["complete"]?.boolean == true)
            // A later write is not in that snapshot.
            let later = try await server.send(
                .patch, "/api/v1/tenants/\(world.acme.tenant)", token: world.admin, body: ["name": "Newer"])
            let pending = try await server.send(
                .get, "/api/v1/changes/\(try #require(later.change))", token: world.admin)
            #expect(pending.json["version"] == .null)
        }
    }

    @Test(
        "the snapshot key is replaced thirty days before it ends, once, and the log says that nobody did it")
    func renewal() async throws {
        try await withAdminServer { server in
            let trust = server.operations.trust
            let before = server.keys.snapshotKey.publicKey
            #expect(try await !trust.renewSnapshotKey())
            server.clock.advance(seconds: 61 * 86_400)
            #expect(try await trust.renewSnapshotKey())
            #expect(try await !trust.renewSnapshotKey())
            #expect(server.keys.snapshotKey.publicKey != before)
            let last = try await server.audit(of: nil).last
            #expect(last?.action == "trust.rotate-snapshot-key" && last?.actor == .system)
        }
    }
}

extension AdminServer {
    /// What a node would send.
    func report(_ node: String, running: SnapshotVersion, lagSeconds: Int64 = 0) async throws {
        let id = try #require(NodeID(node))
        let now = clock.now
        var status = NodeStatus(
            softwareVersion: "0.1.0", processNonce: "n", startedAt: now, running: running,
            runningIssuedAt: now.advanced(bySeconds: -lagSeconds))
        status.rejected = NodeStatus.Rejection(version: nil, stage: .verified, text: "wrong signer")
        status.outboxEvents = 5
        let report = status
        try await database.pool.withConnection { connection in
            _ = try await NodeStore.report(report, of: id, at: now, connection)
        }
    }

    /// What the publisher would do, without any content.
    func publish(_ version: SnapshotVersion, after expected: SnapshotVersion) async throws {
        let now = clock.now
        try await database.pool.withTransaction { connection in
            let visibility = try await SnapshotStore.visibility(connection)
            let publication = SnapshotStore.Publication(
                version: version, manifest: [1], objects: [], newObjects: [], builtFrom: visibility)
            let isDone = try await SnapshotStore.publish(publication, expected: expected, at: now, connection)
            #expect(isDone)
        }
    }
}
