import Contract
import Cryptography
import Domain
import TestSupport
import Testing

@Suite("manifests")
struct ManifestTests {
    static let (fixture, parts) = SnapshotFixture.small()

    static func manifest(
        _ counter: UInt64 = 5, epoch: UInt32 = 1, issuedAt: Timestamp = fixture.now, kills: [KillEntry] = [],
        schema: UInt32 = Manifest.schema
    ) -> Manifest {
        Manifest(
            version: SnapshotVersion(epoch: epoch, counter: counter), issuedAt: issuedAt,
            freshUntil: issuedAt.advanced(bySeconds: 60), minimumSchema: schema, layout: .small,
            pages: (0..<5).map { sha256([$0]) }, kills: kills, fleetKey: fixture.fleetKey.id)
    }

    static func refusal(
        _ envelope: SignedEnvelope, running: Manifest? = nil, at now: Timestamp = fixture.now
    ) -> VerifiedManifest.Refusal? {
        guard let trusted = try? fixture.trustedKeys() else { return .signature }
        do throws(VerifiedManifest.Refusal) {
            _ = try VerifiedManifest.verify(
                received: envelope, trusting: trusted, running: running.map(VerifiedManifest.Frontier.init),
                at: now)
            return nil
        } catch { return error }
    }

    static func sign(_ manifest: Manifest) -> SignedEnvelope { manifest.signed(by: fixture.snapshotKey) }

    @Test("a newer version, the same stated again, and a higher counter are taken")
    func taken() {
        #expect(Self.refusal(Self.sign(Self.manifest(5))) == nil)
        #expect(Self.refusal(Self.sign(Self.manifest(6)), running: Self.manifest(5)) == nil)
        #expect(Self.refusal(Self.sign(Self.manifest(5)), running: Self.manifest(5)) == nil)
        let again = Self.manifest(5).reissued(at: Self.fixture.now.advanced(bySeconds: 10))
        #expect(Self.refusal(Self.sign(again), running: Self.manifest(5)) == nil)
        #expect(again.contentDigest == Self.manifest(5).contentDigest)
        #expect(again.freshUntil == Self.fixture.now.advanced(bySeconds: 70))
    }

    @Test("a wrong signer, an older, conflicting, replayed, expired, foreign or future one is refused")
    func refused() {
        let now = Self.fixture.now
        let rogue = Ed25519PrivateKey()
        #expect(Self.refusal(Self.manifest().signed(by: rogue)) == .signature)
        #expect(Self.refusal(Self.manifest().signed(by: Self.fixture.rootKey)) == .signature)
        let mistyped = SignedEnvelope(
            payloadType: KeySet.payloadType, payload: Self.manifest().encoded,
            signedBy: [Self.fixture.snapshotKey])
        #expect(Self.refusal(mistyped) == .signature)
        #expect(
            Self.refusal(Self.sign(Self.manifest(4)), running: Self.manifest(5))
                == .older(SnapshotVersion(epoch: 1, counter: 4)))
        #expect(
            Self.refusal(
                Self.sign(Self.manifest(5, kills: [.key(Self.parts.keyID)])), running: Self.manifest(5))
                == .conflicting(SnapshotVersion(epoch: 1, counter: 5)))
        let earlier = now.advanced(bySeconds: -1)
        #expect(
            Self.refusal(Self.sign(Self.manifest(5, issuedAt: earlier)), running: Self.manifest(5))
                == .replayed(earlier))
        #expect(Self.refusal(Self.sign(Self.manifest(5, epoch: 2))) == .epoch(2))
        #expect(Self.refusal(Self.sign(Self.manifest(5, schema: 2))) == .schema(2))
        let garbage = SignedEnvelope(
            payloadType: Manifest.payloadType, payload: [0xFF], signedBy: [Self.fixture.snapshotKey])
        #expect(Self.refusal(garbage) == .codec(.truncated))
    }

    @Test("a clock that is a day off does no harm, a manifest that is older still is refused")
    func clocks() {
        let envelope = Self.sign(Self.manifest())
        let fresh = Self.fixture.now.advanced(bySeconds: 60)
        #expect(Self.refusal(envelope, at: fresh.advanced(bySeconds: 86_400)) == nil)
        #expect(Self.refusal(envelope, at: fresh.advanced(bySeconds: 86_401)) == .expired(fresh))
        #expect(Self.refusal(envelope, at: .epoch) == nil)
    }

    @Test("from the cache age does not matter, everything else does")
    func cached() throws {
        let trusted = try Self.fixture.trustedKeys()
        let verified = try VerifiedManifest.verify(cached: Self.sign(Self.manifest()), trusting: trusted)
        #expect(verified.manifest == Self.manifest())
        #expect(throws: VerifiedManifest.Refusal.signature) {
            try VerifiedManifest.verify(
                cached: Self.manifest().signed(by: Ed25519PrivateKey()), trusting: trusted)
        }
    }

    @Test("a cached manifest of the key set before the last still counts, a received one does not")
    func cachedAcrossKeyChange() throws {
        let old = Self.fixture.keySet
        func next(_ version: UInt32, epoch: UInt32) -> SignedEnvelope {
            KeySet(
                version: version, epoch: epoch, issuedAt: .epoch, rootKeys: old.rootKeys,
                entries: [.init(role: .snapshot, key: Ed25519PrivateKey().publicKey, expires: .distantFuture)]
            ).signed(by: [Self.fixture.rootKey])
        }
        let envelope = Self.sign(Self.manifest())
        let trusted = try Self.fixture.trustedKeys().advanced(by: [next(2, epoch: 2)])
        #expect(try VerifiedManifest.verify(cached: envelope, trusting: trusted).manifest == Self.manifest())
        #expect(throws: VerifiedManifest.Refusal.signature) {
            try VerifiedManifest.verify(
                received: envelope, trusting: trusted, running: nil, at: Self.fixture.now)
        }
        let later = try trusted.advanced(by: [next(3, epoch: 2)])
        #expect(throws: VerifiedManifest.Refusal.signature) {
            try VerifiedManifest.verify(cached: envelope, trusting: later)
        }
        #expect(throws: VerifiedManifest.Refusal.epoch(9)) {
            try VerifiedManifest.verify(cached: Self.sign(Self.manifest(epoch: 9)), trusting: trusted)
        }
    }

    @Test("with any bit of the envelope flipped, or cut at any length, nothing is taken")
    func damaged() throws {
        let bytes = Self.sign(Self.manifest()).encoded
        for length in bytes.indices {
            guard let read = try? SignedEnvelope(encoded: Array(bytes[..<length])) else { continue }
            #expect(Self.refusal(read) == .signature)
        }
        for position in bytes.indices {
            var damaged = bytes
            damaged[position] ^= 1 << UInt8(position % 8)
            guard let read = try? SignedEnvelope(encoded: damaged) else { continue }
            #expect(Self.refusal(read) == .signature, "byte \(position)")
        }
    }

    @Test("a full kill list and every page fit the size of an envelope")
    func sizes() throws {
        let kills = (0..<Manifest.maximumKills).map { KillEntry.key(KeyID(high: .max, low: UInt64($0))) }
        let layout = try #require(ShardLayout(bucketCount: 4096))
        let manifest = Manifest(
            version: SnapshotVersion(epoch: .max, counter: .max), issuedAt: .distantFuture,
            freshUntil: .distantFuture,
            layout: layout, pages: (0..<layout.pageCount).map { sha256("\($0)") }, kills: kills,
            fleetKey: FleetKeyID(high: .max, low: .max))
        let bytes = Self.sign(manifest).encoded
        #expect(manifest.encoded.count <= SignedEnvelope.maximumPayload)
        #expect(try Manifest(encoded: try SignedEnvelope(encoded: bytes).payload) == manifest)
        let page = ManifestPage(
            firstShard: 4032,
            references: Array(repeating: .init(SnapshotObject(bytes: [1])), count: ManifestPage.shardsPerPage)
        )
        #expect(page.encoded.count <= ManifestPage.maximumBytes)
    }

    @Test("a layout with another number of pages, or one nobody knows, is refused")
    func layouts() throws {
        #expect(ShardLayout(bucketCount: 255) == nil)
        #expect(ShardLayout(forKeyCount: 100_000).bucketCount == 256)
        #expect(ShardLayout(forKeyCount: 100_001).bucketCount == 4096)
        let short = Manifest(
            version: SnapshotVersion(epoch: 1, counter: 1), issuedAt: .epoch, freshUntil: .epoch,
            layout: .small,
            pages: [sha256([1])], fleetKey: nil)
        #expect(throws: CodecError.malformed("layout of shards")) { try Manifest(encoded: short.encoded) }
    }

    @Test("a kill of a later kind is skipped")
    func laterKill() throws {
        var writer = FieldWriter()
        Self.manifest().encode(into: &writer)
        writer.record(8) { $0.id(99, RouteID(high: 1, low: 1)) }
        #expect(try Manifest(encoded: writer.bytes) == Self.manifest())
    }

    @Test(
        "versions order by epoch, then counter, and read back from their texts",
        arguments: [("0.0", 0, 0), ("1.42", 1, 42), ("4294967295.18446744073709551615", .max, .max)]
            as [(String, UInt32, UInt64)])
    func versions(_ text: String, _ epoch: UInt32, _ counter: UInt64) {
        let version = SnapshotVersion(epoch: epoch, counter: counter)
        #expect(version.description == text)
        #expect(SnapshotVersion(text) == version)
        #expect(version.next.counter == counter &+ 1)
    }

    @Test(
        "other texts are no versions",
        arguments: ["", "1", "1.", ".1", "01.1", "1.01", "+1.1", "1.1.1", "1.-1", "a.b"])
    func noVersions(_ text: String) {
        #expect(SnapshotVersion(text) == nil)
    }

    @Test("an epoch outweighs any counter")
    func order() {
        #expect(SnapshotVersion(epoch: 1, counter: .max) < SnapshotVersion(epoch: 2, counter: 0))
        #expect(SnapshotVersion(epoch: 2, counter: 1) < SnapshotVersion(epoch: 2, counter: 2))
    }

    @Test("refusals say what they mean")
    func descriptions() {
        let version = SnapshotVersion(epoch: 1, counter: 1)
        let refusals: [VerifiedManifest.Refusal] = [
            .signature, .codec(.truncated), .schema(2), .epoch(2), .older(version), .conflicting(version),
            .replayed(.epoch), .expired(.epoch),
        ]
        #expect(Set(refusals.map(\.description)).count == refusals.count)
    }
}
