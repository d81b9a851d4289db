import Contract
import Cryptography
import Domain
import LocalStore
import Policy
import TestSupport
import Testing

@testable import Feed

@Suite("cached snapshot")
struct CachedSnapshotTests {
    private struct Stored {
        var fixture: SnapshotFixture
        let parts: SnapshotFixture.Parts
        let cache: NodeCache
        let built: BuiltSnapshot
        var envelope: [UInt8]

        init() throws {
            (fixture, parts) = SnapshotFixture.small()
            cache = try NodeCache(directory: TemporaryDirectory().directory)
            built = try fixture.built(counter: 7)
            envelope = fixture.envelope(of: built).encoded
            try cache.setValue(CachedSnapshot.trustName, CachedSnapshot.encodeTrust([fixture.keySetEnvelope]))
            try cache.activate(manifest(envelope), adding: built.objects.map { ($0.key, $0.value.bytes) })
        }

        func manifest(_ envelope: [UInt8], counter: UInt64 = 7) -> NodeCache.StoredManifest {
            NodeCache.StoredManifest(epoch: 1, counter: counter, envelope: envelope)
        }

        func load() -> (trust: TrustedKeys?, snapshot: CachedSnapshot?, passedOver: [String]) {
            var passedOver: [String] = []
            let (trust, snapshot) = CachedSnapshot.load(
                from: cache, pinned: [fixture.rootKey.publicKey], fleetKey: fixture.fleetKey
            ) { slot, reason in passedOver.append("\(slot): \(reason)") }
            return (trust, snapshot, passedOver)
        }
    }

    @Test("what was stored is what runs after a restart, its credentials opened")
    func sound() throws {
        let stored = try Stored()
        let (trust, snapshot, passedOver) = stored.load()
        #expect(trust?.current.version == 1)
        #expect(snapshot?.serving.version.counter == 7)
        #expect(
            snapshot?.serving.credentials(of: stored.parts.provider).first?.secret == Secret(utf8: "sk-test"))
        #expect(snapshot?.verified.manifest == stored.built.manifest)
        #expect(passedOver.isEmpty)
    }

    @Test("a snapshot over which the node died three times is passed over, for the one confirmed before it")
    func quarantine() throws {
        var stored = try Stored()
        try stored.cache.confirmActive()
        let key = stored.fixture.addKey(stored.parts.tenant, stored.parts.workspace)
        let next = try stored.fixture.built(counter: 8)
        try stored.cache.activate(
            stored.manifest(stored.fixture.envelope(of: next).encoded, counter: 8),
            adding: next.objects.map { ($0.key, $0.value.bytes) })
        // Three starts end in a crash; the fourth stays away from it, and so does the fifth.
        for _ in 1...3 { #expect(stored.load().snapshot?.serving.version.counter == 8) }
        for _ in 1...2 {
            let (_, snapshot, passedOver) = stored.load()
            #expect(snapshot?.serving.version.counter == 7)
            #expect(passedOver.first?.contains("died over it") == true)
        }
        // A newer version is a new attempt.
        let later = try stored.fixture.built(counter: 9)
        try stored.cache.activate(
            stored.manifest(stored.fixture.envelope(of: later).encoded, counter: 9), adding: [])
        #expect(stored.load().snapshot?.serving.version.counter == 9)
        #expect(stored.load().snapshot?.serving.compiled.keyCount == 2, "\(key.id)")
    }

    @Test("deaths over something that ended in good order or was confirmed do not count")
    func goodOrder() throws {
        let stored = try Stored()
        for _ in 1...3 { #expect(stored.load().snapshot != nil) }
        try stored.cache.setAttempt(nil)
        for _ in 1...3 { #expect(stored.load().snapshot?.serving.version.counter == 7) }
        try stored.cache.confirmActive()
        #expect(try stored.cache.attempt() == nil)
        for _ in 1...3 { #expect(stored.load().passedOver.isEmpty) }
        // With nothing else to run, what may be poison is better than nothing.
        for _ in 1...3 { #expect(stored.load().snapshot?.serving.version.counter == 7) }
    }

    @Test("three confirmed snapshots are kept with all their objects; the fourth pushes the first out")
    func ring() throws {
        var stored = try Stored()
        var builds = [stored.built]
        try stored.cache.confirmActive()
        for counter in 8...10 as ClosedRange<UInt64> {
            _ = stored.fixture.addKey(stored.parts.tenant, stored.parts.workspace)
            let next = try stored.fixture.built(counter: counter)
            builds.append(next)
            try stored.cache.activate(
                stored.manifest(stored.fixture.envelope(of: next).encoded, counter: counter),
                adding: next.objects.map { ($0.key, $0.value.bytes) })
            try stored.cache.confirmActive()
            try stored.cache.confirmActive()  // the same again takes no place
        }
        let counters = try NodeCache.Slot.allCases.map { try stored.cache.manifest($0)?.counter }
        #expect(counters == [10, 10, 9, 8])
        let named = try CachedSnapshot.named(in: stored.cache)
        #expect(builds[1...].allSatisfy { named.isSuperset(of: $0.objects.keys) })
        #expect(!named.isSuperset(of: builds[0].objects.keys))
        // The newest two are damaged: the oldest is run.
        for slot in [NodeCache.Slot.active, .confirmed, .confirmedBefore] {
            let counter = try stored.cache.manifest(slot)?.counter ?? 0
            let build = try #require(builds.first { $0.manifest.version.counter == counter })
            let unshared = Set(build.objects.keys).subtracting(builds[1].objects.keys)
            try stored.cache.retainOnly(
                try CachedSnapshot.named(in: stored.cache).subtracting(unshared))
        }
        #expect(stored.load().snapshot?.serving.version.counter == 8)
    }

    @Test("an empty cache gives nothing and complains of nothing")
    func empty() throws {
        let fixture = SnapshotFixture()
        let cache = try NodeCache(directory: TemporaryDirectory().directory)
        let (trust, snapshot) = CachedSnapshot.load(
            from: cache, pinned: [fixture.rootKey.publicKey], fleetKey: fixture.fleetKey
        ) { _, reason in Issue.record("\(reason)") }
        #expect(trust == nil)
        #expect(snapshot == nil)
    }

    @Test("a manifest with any bit of any byte flipped, or cut anywhere, is not run")
    func damagedManifest() throws {
        let stored = try Stored()
        for position in stored.envelope.indices {
            var damaged = stored.envelope
            damaged[position] ^= 1 << UInt8(position % 8)
            try stored.cache.activate(stored.manifest(damaged), adding: [])
            let (_, snapshot, _) = stored.load()
            // A flip in an unknown field's number changes nothing that is signed; then it must be the same
            // snapshot.
            #expect(
                snapshot == nil || snapshot?.verified.manifest == stored.built.manifest, "byte \(position)")
        }
        for length in 0..<stored.envelope.count {
            try stored.cache.activate(stored.manifest(Array(stored.envelope.prefix(length))), adding: [])
            #expect(stored.load().snapshot == nil, "cut to \(length)")
        }
    }

    @Test("an object with any byte flipped is as good as none: the snapshot is not run")
    func damagedObject() throws {
        let stored = try Stored()
        for object in stored.built.objects.values {
            for position in stride(from: 0, to: object.bytes.count, by: 3) {
                var damaged = object.bytes
                damaged[position] ^= 0x40
                try stored.cache.activate(
                    stored.manifest(stored.envelope), adding: [(object.address, damaged)])
                #expect(stored.load().snapshot == nil)
            }
            try stored.cache.activate(
                stored.manifest(stored.envelope), adding: [(object.address, object.bytes)])
        }
        #expect(stored.load().snapshot != nil)
    }

    @Test("when the active snapshot does not stand, the confirmed one runs")
    func confirmed() throws {
        var stored = try Stored()
        try stored.cache.confirmActive()
        _ = stored.fixture.addKey(stored.parts.tenant, stored.parts.workspace)
        let next = try stored.fixture.built(counter: 8)
        let envelope = stored.fixture.envelope(of: next).encoded
        // Its objects never came.
        try stored.cache.activate(stored.manifest(envelope, counter: 8), adding: [])
        let (_, snapshot, passedOver) = stored.load()
        #expect(snapshot?.serving.version.counter == 7)
        #expect(passedOver.count == 1)
        #expect(passedOver.first?.contains("not in the cache") == true)
    }

    @Test("a key set of another root, or a damaged one, is no trust")
    func trust() throws {
        let stored = try Stored()
        let other = SnapshotFixture()
        #expect(CachedSnapshot.loadTrust(from: stored.cache, pinned: [other.rootKey.publicKey]) == nil)
        try stored.cache.setValue(CachedSnapshot.trustName, [1, 2, 3])
        #expect(stored.load().trust == nil)
        #expect(stored.load().snapshot == nil)
    }

    @Test("without the fleet key that sealed the credentials nothing runs, and nothing of them can be read")
    func otherFleetKey() throws {
        let stored = try Stored()
        var reasons: [String] = []
        let (_, snapshot) = CachedSnapshot.load(
            from: stored.cache, pinned: [stored.fixture.rootKey.publicKey],
            fleetKey: FleetKey(id: stored.fixture.fleetKey.id, key: SymmetricKey())
        ) { _, reason in reasons.append(reason) }
        #expect(snapshot == nil)
        #expect(reasons.first?.contains("does not open") == true)
    }
}

@Suite("node identity")
struct NodeIdentityTests {
    private static func identity() -> NodeIdentity {
        NodeIdentity(
            joining: JoinBundle(
                controlURL: "https://control.example:7071", token: JoinSecret(), authorityPEM: "PEM",
                rootKey: Ed25519PrivateKey().publicKey))
    }

    private static func credentials(
        for identity: NodeIdentity, node: NodeID = NodeID(high: 1, low: 2), key: Ed25519PublicKey? = nil,
        sealedTo: X25519PublicKey? = nil
    ) throws -> NodeCredentials {
        let authority = try CertificateAuthority.make(
            commonName: "Test", validity: CertificateValidity(notBefore: 0, notAfter: 4_000_000_000))
        let certificate = try authority.issueClientCertificate(
            publicKey: key ?? identity.identityKey.publicKey, commonName: "node",
            validity: CertificateValidity(notBefore: 0, notAfter: 3_000_000_000))
        let fleetKey = FleetKey(id: FleetKeyID(high: 3, low: 3), key: SymmetricKey())
        return NodeCredentials(
            node: node, name: "n", region: "r", certificatePEM: certificate.pem,
            certificateExpires: Timestamp(microseconds: 3_000_000_000_000_000),
            authorityPEM: authority.certificatePEM,
            fleetKey: try fleetKey.sealed(to: sealedTo ?? identity.sealingKey.publicKey))
    }

    private static let now = Timestamp(microseconds: 1_800_000_000_000_000)

    @Test("an identity is the same after a restart, before and after enrollment")
    func roundTrip() throws {
        let directory = try TemporaryDirectory().directory
        var identity = Self.identity()
        #expect(try NodeIdentity.load(from: directory) == nil)
        try identity.save(to: directory)
        let fresh = try #require(try NodeIdentity.load(from: directory))
        #expect(fresh.identityKey.publicKey == identity.identityKey.publicKey)
        #expect(fresh.sealingKey.publicKey == identity.sealingKey.publicKey)
        #expect(fresh.enrolled == nil)
        #expect(fresh.controlURL == identity.controlURL)
        try identity.adopt(try Self.credentials(for: identity), at: Self.now)
        try identity.save(to: directory)
        let enrolled = try #require(try NodeIdentity.load(from: directory))
        #expect(enrolled.node == NodeID(high: 1, low: 2))
        #expect(enrolled.enrolled?.fleetKey == identity.enrolled?.fleetKey)
        #expect(enrolled.enrolled?.receivedAt == Self.now)
    }

    @Test("a flipped or missing byte of the file is noticed; the node does not silently become another")
    func damaged() throws {
        let folder = TemporaryDirectory()
        let directory = try folder.directory
        try Self.identity().save(to: directory)
        let file = folder.content("identity")
        for position in stride(from: 0, to: file.count, by: 5) {
            var damaged = file
            damaged[position] ^= 2
            folder.replace("identity", damaged)
            #expect(throws: NodeIdentity.Failure.self) { try NodeIdentity.load(from: directory) }
        }
        for length in [0, 31, 32, 40, file.count - 1] {
            folder.replace("identity", Array(file.prefix(length)))
            #expect(throws: NodeIdentity.Failure.self) { try NodeIdentity.load(from: directory) }
        }
    }

    @Test("credentials for another key, another node, or sealed to somebody else are not adopted")
    func foreignCredentials() throws {
        var identity = Self.identity()
        let stranger = Ed25519PrivateKey().publicKey
        for credentials in [
            try Self.credentials(for: identity, key: stranger),
            try Self.credentials(for: identity, sealedTo: X25519KeyPair().publicKey),
        ] {
            #expect(throws: NodeIdentity.Failure.self) { try identity.adopt(credentials, at: Self.now) }
        }
        #expect(identity.enrolled == nil)
        try identity.adopt(try Self.credentials(for: identity), at: Self.now)
        let other = try Self.credentials(for: identity, node: NodeID(high: 9, low: 9))
        #expect(throws: NodeIdentity.Failure.self) { try identity.adopt(other, at: Self.now) }
        #expect(identity.node == NodeID(high: 1, low: 2))
    }

    @Test("every failure says what to do")
    func descriptions() {
        let failures: [NodeEnrollment.Failure] = [
            .noBundle(directory: "/data"), .identity(.damaged(path: "/data/identity")),
            .refused(status: 401, code: "join_token_invalid"), .unusable("no https address"),
            .identity(.unusable("it is for another node")),
        ]
        for failure in failures { #expect(failure.description.count > 20) }
        #expect(failures[0].description.contains("join token"))
    }
}
