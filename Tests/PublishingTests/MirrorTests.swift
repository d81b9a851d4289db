import Contract
import Cryptography
import Domain
import EventLoops
import Policy
import PostgresDriver
import TestSupport
import Testing

@testable import Feed
@testable import Publishing

@Suite("static mirror")
struct MirrorTests {
    @Test(
        "a node with no cache and no control plane boots from the mirror, and believes it no more than it may"
    )
    func boot() async throws {
        let folder = TemporaryDirectory()
        try await withControlPlane(mirror: SnapshotMirror(folder: folder.path)) { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            try await tenancy.revoke(id, at: now, pool)
            let (second, _) = try await tenancy.addKey(at: now, pool)
            try await rig.publisher.reconcile()
            await loop.until { folder.content("manifest").count > 100 && !rig.publisher.isMirroring }
            rig.publisher.restate()
            await loop.until { !rig.publisher.isMirroring }
            try rig.listen()
            let bundle = try await rig.bundle()
            let first = TemporaryDirectory()
            // Joined, then cut off, and its cache is gone.
            try await NodeRig.start(bundle, in: first, on: loop, follows: false).close()
            await rig.stopListening()
            let node = try await NodeRig.start(
                nil, in: first, on: loop, mirror: SnapshotMirrorSource(folder.path))
            await loop.until { node.live.current != nil }
            #expect(node.refuses(key) == .revoked)
            #expect(node.refuses(second) == nil)
            #expect(
                node.live.current?.credentials(of: tenancy.provider).first?.secret == Secret(utf8: "sk-acme"))
            node.close()
            // A mirror that says something else is not believed.
            var manifest = folder.content("manifest")
            manifest[60] ^= 1  // inside what is signed
            folder.replace("manifest", manifest)
            let wary = TemporaryDirectory()
            wary.replace("identity", first.content("identity"))
            let other = try await NodeRig.start(
                nil, in: wary, on: loop, mirror: SnapshotMirrorSource(folder.path))
            await loop.until { other.feed.snapshotMachine.rejection != nil || other.live.current != nil }
            #expect(other.live.current == nil)
            other.close()
        }
    }

    @Test("objects nobody names leave the mirror one version late")
    func cleanup() throws {
        let folder = TemporaryDirectory()
        let mirror = SnapshotMirror(folder: folder.path)
        let objects = (1...3 as ClosedRange<UInt8>).map { SnapshotObject(bytes: [$0]) }
        func names(_ list: [SnapshotObject]) -> [SHA256Digest: SnapshotObject] {
            Dictionary(uniqueKeysWithValues: list.map { ($0.address, $0) })
        }
        func isThere(_ object: SnapshotObject) -> Bool {
            SnapshotMirrorSource.read("\(folder.path)/objects/\(object.address.hexadecimal)", limit: 10)
                == object.bytes
        }
        try mirror.write(frame: [1], objects: names([objects[0]]), keeping: [])
        try mirror.write(frame: [2], objects: names([objects[1]]), keeping: [objects[0].address])
        #expect(isThere(objects[0]) && isThere(objects[1]))
        try mirror.write(frame: [3], objects: names([objects[2]]), keeping: [objects[1].address])
        #expect(!isThere(objects[0]) && isThere(objects[1]) && isThere(objects[2]))
        #expect(SnapshotMirrorSource.read("\(folder.path)/manifest", limit: 10) == [3])
        #expect(SnapshotMirrorSource.read("\(folder.path)/manifest", limit: 0) == nil, "above the limit")
        #expect(throws: SnapshotMirror.Failure.self) {
            try SnapshotMirror(folder: "\(folder.path)/manifest").write(frame: [1], objects: [:], keeping: [])
        }
    }
}
