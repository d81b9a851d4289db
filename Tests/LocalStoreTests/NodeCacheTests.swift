import Cryptography
import LocalStore
import TestSupport
import Testing

@Suite("node cache")
struct NodeCacheTests {
    private static func object(_ text: String) -> (digest: SHA256Digest, bytes: [UInt8]) {
        (sha256(text), Array(text.utf8))
    }
    private static func manifest(_ counter: UInt64) -> NodeCache.StoredManifest {
        .init(epoch: 1, counter: counter, envelope: [UInt8(counter)])
    }

    @Test("the active manifest, its objects and values are there after a restart")
    func restart() throws {
        let folder = TemporaryDirectory()
        let a = Self.object("a"), b = Self.object("b")
        let cache = try NodeCache(directory: folder.directory)
        #expect(try cache.manifest(.active) == nil)
        try cache.activate(Self.manifest(7), adding: [a, b])
        try cache.setValue("key-set", [1, 2])
        cache.close()
        let again = try NodeCache(directory: folder.directory)
        #expect(try again.manifest(.active) == Self.manifest(7))
        #expect(try again.manifest(.confirmed) == nil)
        #expect(try again.objects([a.digest, sha256("c")]) == [a.digest: a.bytes])
        #expect(try again.missing([a.digest, sha256("c")]) == [sha256("c")])
        #expect(try again.value("key-set") == [1, 2])
        #expect(try again.value("other") == nil)
        #expect(folder.mode("cache.db") == 0o600)
        again.close()
    }

    @Test("a confirmed manifest stays when a newer one becomes active, and dropped objects go")
    func confirming() throws {
        let cache = try NodeCache(directory: TemporaryDirectory().directory)
        let a = Self.object("a"), b = Self.object("b")
        try cache.activate(Self.manifest(1), adding: [a])
        try cache.confirmActive()
        try cache.activate(Self.manifest(2), adding: [b], dropping: [a.digest])
        #expect(try cache.manifest(.confirmed) == Self.manifest(1))
        #expect(try cache.manifest(.active) == Self.manifest(2))
        #expect(try cache.missing([a.digest, b.digest]) == [a.digest])
        try cache.activate(Self.manifest(3), adding: [a])
        try cache.retainOnly([a.digest])
        #expect(try cache.missing([a.digest, b.digest]) == [b.digest])
        try cache.retainOnly([a.digest])
        cache.close()
    }

    @Test("a full disk refuses the whole change and keeps what was there")
    func full() throws {
        let cache = try NodeCache(directory: TemporaryDirectory().directory, maximumBytes: 40 * 4_096)
        let a = Self.object("a")
        try cache.activate(Self.manifest(1), adding: [a])
        let large = [UInt8](repeating: 1, count: 400_000)
        let failure = #expect(throws: NodeCache.Failure.self) {
            try cache.activate(
                Self.manifest(2), adding: [Self.object("b"), (sha256(large), large)], dropping: [a.digest])
        }
        guard case .refused(let error) = failure else { return #expect(failure == nil) }
        #expect(error.kind == .full)
        #expect(try cache.manifest(.active) == Self.manifest(1))
        #expect(try cache.objects([a.digest, sha256("b")]) == [a.digest: a.bytes])
        cache.close()
    }

    @Test("a damaged file is renamed and an empty cache takes its place", arguments: [0, 20, 30, 4_096])
    func damaged(_ position: Int) throws {
        let folder = TemporaryDirectory()
        let cache = try NodeCache(directory: folder.directory)
        try cache.activate(Self.manifest(1), adding: (0..<200).map { Self.object("object \($0)") })
        cache.close()
        var bytes = folder.content("cache.db")
        for index in position..<min(position + 40, bytes.count) { bytes[index] = 0xff }
        folder.replace("cache.db", bytes)
        var reasons: [String] = []
        let again = try NodeCache(directory: folder.directory) { reasons.append("\($0): \($1)") }
        do throws(NodeCache.Failure) {
            // Damage that opening does not meet is met here.
            _ = try again.manifest(.active)
            _ = try again.objects((0..<200).map { sha256("object \($0)") })
        } catch {
            guard case .replaced(let reason) = error else { return #expect("\(error)" == "") }
            reasons.append(reason)
        }
        #expect(reasons.count == 1)
        #expect(folder.names.contains("cache.db.damaged-1"))
        #expect(try again.manifest(.active) == nil)
        try again.activate(Self.manifest(2), adding: [Self.object("new")])
        #expect(try again.manifest(.active) == Self.manifest(2))
        again.close()
    }

    @Test("a database of something else is not taken for a cache")
    func foreign() throws {
        let folder = TemporaryDirectory()
        try Outbox.opened(folder.directory, alarm: { _ in }).close()
        folder.replace("cache.db", folder.content("outbox.db"))
        let cache = try NodeCache(directory: folder.directory)
        #expect(try cache.manifest(.active) == nil)
        #expect(folder.names.contains("cache.db.damaged-1"))
        cache.close()
    }
}
