import Contract
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import Policy
import PostgresDriver
import Store
import TestSupport
import Testing

@testable import Feed
@testable import Publishing

/// Keys that change and nodes that are thrown out while everything runs.
@Suite("trust between the planes")
struct TrustTests {
    @Test("a revoked node's stream is cut at once, not with the next heartbeat, and it gets none again")
    func revokedNode() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            let other = try await NodeRig.start(try await rig.bundle("node-2"), on: loop)
            await loop.until { rig.streams.listenerCount == 2 && node.counter != nil }
            let id = node.node
            _ = try await pool.withConnection { try await NodeStore.setStatus(.revoked, of: id, $0) }
            // The rig's heartbeat comes once an hour: only the word that nodes have changed can have cut it.
            await loop.until { rig.streams.listenerCount == 1 }
            await #expect(
                throws: ControlPlaneError.refused(
                    status: 403, code: "node_revoked", retryAfterNanoseconds: nil)
            ) { try await node.feed.control.openStream().close() }
            #expect(await !node.feed.renew())
            await loop.until { other.feed.isFollowing }
            node.close()
            other.close()
        }
    }

    @Test("a new fleet key and a new snapshot key are taken over by a node that follows, and by a stranger")
    func rotation() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            let judge = try await tenancy.addWebhook(fleet: rig.keys.fleet, at: now, pool)
            try rig.listen()
            rig.start()
            let folder = TemporaryDirectory()
            let node = try await NodeRig.start(try await rig.bundle(), in: folder, on: loop)
            await loop.until { node.refuses(key) == nil }
            let old = rig.keys.fleet.id
            rig.live.keys.rotate(at: now.advanced(bySeconds: 1))
            rig.publisher.wake()
            await loop.until { node.live.current?.compiled.manifest.fleetKey == rig.keys.fleet.id }
            #expect(node.feed.identity.enrolled?.fleetKey.id != old)
            #expect(
                node.live.current?.credentials(of: tenancy.provider).first?.secret == Secret(utf8: "sk-acme"))
            #expect(node.live.current?.webhookSecrets(of: judge).map(\.text) == [Tenancy.webhookSecret])
            #expect(node.feed.snapshotMachine.trust?.current.version == 2)
            #expect(node.feed.snapshotMachine.rejection == nil)
            // What the new key signs is followed; a restart walks the whole chain again.
            try await tenancy.revoke(id, at: rig.clock.now(), pool)
            await loop.until { node.refuses(key) == .revoked }
            await loop.until { node.counter == rig.publisher.version?.counter }
            node.close()
            let again = try await NodeRig.start(nil, in: folder, on: loop, follows: false)
            #expect(again.refuses(key) == .revoked)
            again.close()
            let stranger = try await NodeRig.start(try await rig.bundle("node-2"), on: loop)
            await loop.until { stranger.refuses(key) == .revoked }
            stranger.close()
        }
    }

    @Test("a node that is told of its double says so to its program")
    func drained() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try rig.listen()
            let first = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { rig.streams.listenerCount == 1 }
            let clone = TemporaryDirectory()
            clone.replace("identity", first.folder.content("identity"))
            let second = try await NodeRig.start(nil, in: clone, on: loop)
            var told: Set<String> = []
            first.feed.duplicated = { told.insert("first") }
            second.feed.duplicated = { told.insert("second") }
            // Both go on reporting, and each takes the other's place.
            await loop.until {
                first.feed.report()
                second.feed.report()
                return told.count == 2
            }
            first.close()
            second.close()
        }
    }
}
