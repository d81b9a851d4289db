import Contract
import Cryptography
import Domain
import TestSupport
import Testing

@Suite("building and assembling snapshots")
struct SnapshotTests {
    /// A few tenants with keys, spread over many shards.
    static func crowd(tenants: Int = 20, keys: Int = 25) -> SnapshotFixture {
        var fixture = SnapshotFixture()
        let provider = fixture.addProvider()
        let model = fixture.addModel().model
        for _ in 0..<tenants {
            let (tenant, workspace) = fixture.addTenant()
            _ = fixture.addRoute("gpt-test", of: tenant, to: [(provider, model)])
            for _ in 0..<keys { _ = fixture.addKey(tenant, workspace) }
        }
        return fixture
    }

    @Test("equal content gives equal bytes, in whatever order it was read")
    func deterministic() throws {
        let fixture = Self.crowd()
        var shuffled = fixture
        shuffled.content.keys.shuffle()
        shuffled.content.tenants.shuffle()
        shuffled.content.routes.shuffle()
        let (one, other) = (try fixture.built(), try shuffled.built())
        #expect(one.manifest == other.manifest)
        #expect(Set(one.objects.keys) == Set(other.objects.keys))
    }

    @Test("one key edit moves one shard and one page")
    func oneEdit() throws {
        var fixture = Self.crowd()
        let before = try fixture.built(counter: 1)
        let key = fixture.content.keys[77]
        fixture.content.keys[77] = KeyEntry(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: key.secretHash, revoked: fixture.now)
        let after = try fixture.built(counter: 2)
        let moved = Set(after.objects.keys).subtracting(before.objects.keys)
        #expect(moved.count == 2)
        #expect(zip(before.manifest.pages, after.manifest.pages).count { $0 != $1 } == 1)
        // The node asks for exactly those two, and gets one changed shard.
        let assembly = try fixture.assembly(of: after, previous: before.addresses)
        #expect(assembly.changed.count == 1)
        #expect(assembly.changed.keys.first == before.manifest.layout.shard(of: key.publicID))
        #expect(assembly.addresses == after.addresses)
    }

    @Test(
        "a whole snapshot assembles to what was built, in any order of arrival",
        arguments: SeededGenerator.seeds)
    func assemble(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let fixture = Self.crowd()
        let built = try fixture.built()
        let verified = try VerifiedManifest.verify(
            received: fixture.envelope(of: built), trusting: try fixture.trustedKeys(), running: nil,
            at: fixture.now)
        var assembly = SnapshotAssembly(verified)
        #expect(!assembly.isComplete)
        var fetched = 0
        while let address = assembly.missing.randomElement(using: &generator) {
            let object = try #require(built.objects[address])
            #expect(object.bytes.count <= assembly.byteLimit(of: address))
            try assembly.add(object)
            fetched += 1
        }
        #expect(assembly.isComplete)
        #expect(fetched == built.objects.count)
        #expect(assembly.addresses == built.addresses)
        #expect(assembly.allAddresses == Set(built.objects.keys))
        for (number, shard) in built.shards.enumerated() {
            #expect(try assembly.changed[number]?.opened() == shard)
        }
    }

    @Test("bytes nobody asked for, damaged or not, are refused and change nothing")
    func foreignBytes() throws {
        let fixture = Self.crowd(tenants: 2, keys: 2)
        let built = try fixture.built()
        let verified = try VerifiedManifest.verify(
            received: fixture.envelope(of: built), trusting: try fixture.trustedKeys(), running: nil,
            at: fixture.now)
        var assembly = SnapshotAssembly(verified)
        let missing = assembly.missing
        // A shard before its page is known, and any flipped object.
        for object in built.objects.values {
            var damaged = object.bytes
            damaged[damaged.count / 2] ^= 1
            let wrong = SnapshotObject(bytes: damaged)
            #expect(throws: SnapshotAssembly.Failure.unexpected(wrong.address)) { try assembly.add(wrong) }
        }
        #expect(assembly.missing == missing)
        #expect(assembly.byteLimit(of: sha256([9])) == 0)
    }

    /// A manifest over pages made by hand, signed and verified.
    static func assembly(pages: [[UInt8]], _ fixture: SnapshotFixture) throws -> SnapshotAssembly {
        let manifest = Manifest(
            version: SnapshotVersion(epoch: 1, counter: 1), issuedAt: fixture.now, freshUntil: fixture.now,
            layout: .small, pages: pages.map { sha256($0) }, fleetKey: nil)
        let envelope = manifest.signed(by: fixture.snapshotKey)
        return SnapshotAssembly(
            try VerifiedManifest.verify(cached: envelope, trusting: try fixture.trustedKeys()))
    }

    static func page(_ first: Int, _ count: Int, _ reference: ManifestPage.Reference? = nil) -> [UInt8] {
        ManifestPage(firstShard: first, references: Array(repeating: reference, count: count)).encoded
    }

    @Test("pages out of their place, too long, unreadable, or one for two are refused")
    func badPages() throws {
        let fixture = SnapshotFixture()
        let good = (0..<5).map { Self.page($0 * 64, $0 == 4 ? 1 : 64) }
        var cases: [[UInt8]] = [Self.page(64, 64), Self.page(0, 63), [0xFF]]
        cases.append([UInt8](repeating: 0, count: ManifestPage.maximumBytes + 1))
        for bytes in cases {
            var assembly = try Self.assembly(pages: [bytes] + good.dropFirst(), fixture)
            #expect(throws: SnapshotAssembly.Failure.self) { try assembly.add(SnapshotObject(bytes: bytes)) }
        }
        var twice = try Self.assembly(pages: [good[0], good[0]] + good.dropFirst(2), fixture)
        #expect(throws: SnapshotAssembly.Failure.inconsistent(sha256(good[0]))) {
            try twice.add(SnapshotObject(bytes: good[0]))
        }
        var whole = try Self.assembly(pages: good, fixture)
        for bytes in good { try whole.add(SnapshotObject(bytes: bytes)) }
        #expect(whole.isComplete)
        #expect(whole.changed.values.allSatisfy { $0.isEmpty })
    }

    @Test("a shard that is no shard, or not as long as its page says, is refused")
    func badShards() throws {
        let fixture = SnapshotFixture()
        for bytes in [[0xFF, 1, 2], try Zstandard.compress([0xFF])] {
            let object = SnapshotObject(bytes: bytes)
            let pages = (0..<5).map { Self.page($0 * 64, $0 == 4 ? 1 : 64, .init(object)) }
            var assembly = try Self.assembly(pages: pages, fixture)
            for bytes in pages { try assembly.add(SnapshotObject(bytes: bytes)) }
            #expect(assembly.missing == [object.address])
            // Kept as it came; whoever opens it is told.
            try assembly.add(object)
            #expect(throws: CodecError.self) { try assembly.changed[0]?.opened() }
        }
        // The same address with another size.
        let shard = try Shard().object()
        var writer = FieldWriter()
        writer.number(1, 256 as UInt32)
        writer.record(2) { inner in
            inner.digest(1, shard.address)
            inner.number(2, UInt32(shard.bytes.count + 1))
        }
        let pages = (0..<4).map { Self.page($0 * 64, 64) } + [writer.bytes]
        var assembly = try Self.assembly(pages: pages, fixture)
        for bytes in pages { try assembly.add(SnapshotObject(bytes: bytes)) }
        #expect(throws: SnapshotAssembly.Failure.inconsistent(shard.address)) { try assembly.add(shard) }
    }

    @Test("one object may be several shards, and a shard that went away is empty")
    func sharedAndGone() throws {
        var fixture = Self.crowd(tenants: 3, keys: 3)
        let before = try fixture.built(counter: 1)
        fixture.content = SnapshotContent()
        let after = try fixture.built(counter: 2)
        let assembly = try fixture.assembly(of: after, previous: before.addresses)
        #expect(assembly.changed.values.allSatisfy { $0.isEmpty })
        #expect(
            Set(assembly.changed.keys) == Set(before.addresses.indices.filter { before.addresses[$0] != nil })
        )
        let object = try before.shards[0].object()
        let pages = (0..<5).map { Self.page($0 * 64, $0 == 4 ? 1 : 64, .init(object)) }
        var shared = try Self.assembly(pages: pages, fixture)
        for bytes in pages { try shared.add(SnapshotObject(bytes: bytes)) }
        try shared.add(object)
        #expect(shared.isComplete)
        #expect(shared.changed.count == 257)
    }

    @Test("a previous snapshot of another layout is set aside")
    func otherLayout() throws {
        let fixture = Self.crowd(tenants: 2, keys: 2)
        let small = try fixture.built(counter: 1)
        let large = try fixture.built(counter: 2, layout: ShardLayout(bucketCount: 4096))
        let assembly = try fixture.assembly(of: large, previous: small.addresses)
        #expect(assembly.previous.isEmpty)
        #expect(assembly.changed.count == 4097)
    }

    @Test("more than a thousand kills are not built")
    func tooManyKills() {
        var fixture = SnapshotFixture()
        fixture.kills = (0...1000).map { .key(KeyID(high: 0, low: $0)) }
        #expect(throws: CodecError.self) { try fixture.built() }
    }

    @Test("the home of a tenant and of a key never changes")
    func pinnedHomes() throws {
        let large = try #require(ShardLayout(bucketCount: 4096))
        let tenant = try #require(TenantID("tenant_01h455vb4pex5vsknk084sn02q"))
        let key = try #require(KeyPublicID("0123456789ABCDEF"))
        #expect(ShardLayout.small.shard(of: tenant) == 98)
        #expect(large.shard(of: tenant) == 1378)
        #expect(ShardLayout.small.shard(of: key) == 160)
        #expect(large.shard(of: key) == 2464)
    }

    @Test("keys spread evenly over the buckets", arguments: SeededGenerator.seeds)
    func spread(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var counts = [Int](repeating: 0, count: 257)
        for _ in 0..<25_600 { counts[ShardLayout.small.shard(of: KeyText(using: &generator).publicID)] += 1 }
        #expect(counts[0] == 0)
        #expect(counts.dropFirst().allSatisfy { (40...180).contains($0) })
    }
}

@Suite("secrets in snapshots")
struct SnapshotSecretTests {
    @Test("a secret's hash fits its own key only")
    func hashes() throws {
        var generator = SeededGenerator(seed: 8)
        let (key, other) = (KeyText(using: &generator), KeyText(using: &generator))
        let hash = SecretHash(of: key)
        #expect(hash.matches(key))
        #expect(!hash.matches(other))
        #expect(!SecretHash.unknown.matches(key))
        #expect(hash.digest == sha256(String(key.reveal().dropFirst(20).prefix(32))))
    }

    @Test("neither a key's secret nor a provider's credential stands in anything that is sent")
    func nothingSecret() throws {
        let (fixture, parts) = SnapshotFixture.small()
        let built = try fixture.built()
        let shards = built.shards.map(\.encoded)
        let sent = shards + built.objects.values.map(\.bytes) + [fixture.frame(of: built).framed]
        let secret = parts.key.withSecretBytes { Array($0) }
        let fleetKey = fixture.fleetKey.key.secret.withBytes { Array($0) }
        func stands(_ needle: [UInt8]) -> Bool {
            sent.contains { bytes in bytes.indices.contains { bytes[$0...].starts(with: needle) } }
        }
        #expect(stands(Array(parts.key.publicID.description.utf8)))
        #expect(stands(SecretHash(of: parts.key).digest.bytes))
        #expect(!stands(secret))
        #expect(!stands(fleetKey))
        #expect(!stands(Array("sk-test".utf8)))
    }

    @Test("entries are made of nouns without losing what a node needs")
    func entriesOfNouns() throws {
        var generator = SeededGenerator(seed: 6)
        let text = KeyText(using: &generator)
        let tenant = TenantID(high: 1, low: 1)
        let key = Key(
            id: KeyID(high: 1, low: 2), tenant: tenant, workspace: WorkspaceID(high: 1, low: 3), name: "k",
            publicID: text.publicID, permitted: KeyPermissions(endpoints: EndpointSet([.chat])),
            notBefore: .epoch,
            expires: .distantFuture, revoked: Sample.time, createdAt: .epoch)
        let entry = KeyEntry(key, secretHash: SecretHash(of: text))
        #expect((entry.id, entry.tenant, entry.workspace) == (key.id, key.tenant, key.workspace))
        #expect((entry.publicID, entry.permitted) == (key.publicID, key.permitted))
        #expect(
            [entry.notBefore, entry.expires, entry.revoked] == [key.notBefore, key.expires, key.revoked])
        let provider = Provider(
            id: ProviderID(high: 1, low: 4), tenant: nil, name: "p", kind: .anthropic,
            baseURL: try #require(BaseURL("https://a.example")),
            headers: [ExtraHeader(name: "x", value: "y")],
            timeouts: ProviderTimeouts(connect: 1, firstByte: 2, betweenChunks: 3, total: 4),
            isEnabled: false,
            credentialHint: "1234", createdAt: .epoch, updatedAt: .epoch)
        let made = ProviderEntry(provider, credentials: [])
        #expect((made.id, made.tenant, made.kind) == (provider.id, nil, .anthropic))
        #expect((made.baseURL, made.headers) == (provider.baseURL, provider.headers))
        #expect((made.timeouts, made.isEnabled) == (provider.timeouts, false))
        let rates = try #require(PriceRates(input: 1, output: 2))
        let price = Price(
            id: PriceID(high: 1, low: 5), model: ModelID(high: 1, low: 6), tenant: tenant, rates: rates,
            effectiveFrom: Sample.time, createdAt: .epoch)
        #expect(
            PriceEntry(price)
                == PriceEntry(
                    id: price.id, model: price.model, tenant: tenant, effectiveFrom: Sample.time, rates: rates
                ))
    }

    @Test("a credential opens with its fleet key, as its provider's, unchanged")
    func credentials() throws {
        let provider = ProviderID(high: 1, low: 1)
        let key = FleetKey(id: FleetKeyID(high: 1, low: 1), key: SymmetricKey())
        let sealed = SealedCredential(Secret(utf8: "sk-secret"), of: provider, under: key)
        #expect(try sealed.open(of: provider, with: key) == Secret(utf8: "sk-secret"))
        #expect(throws: CryptographyError.notAuthentic) {
            try sealed.open(of: ProviderID(high: 1, low: 2), with: key)
        }
        let sameName = FleetKey(id: key.id, key: SymmetricKey())
        #expect(throws: CryptographyError.notAuthentic) { try sealed.open(of: provider, with: sameName) }
        let sameKey = FleetKey(id: FleetKeyID(high: 2, low: 1), key: key.key)
        #expect(throws: CryptographyError.notAuthentic) { try sealed.open(of: provider, with: sameKey) }
        #expect(!String(decoding: sealed.encoded, as: UTF8.self).contains("sk-secret"))
    }

    @Test("a fleet key sealed to a node opens with that node's key only")
    func fleetKeys() throws {
        let key = FleetKey(id: FleetKeyID(high: 1, low: 1), key: SymmetricKey())
        let node = X25519KeyPair()
        let sealed = try key.sealed(to: node.publicKey)
        #expect(sealed.sealed.count == SealedFleetKey.byteCount)
        #expect(try sealed.open(with: node) == key)
        #expect(throws: CryptographyError.notAuthentic) { try sealed.open(with: X25519KeyPair()) }
        let short = SealedFleetKey(id: key.id, sealed: try node.publicKey.seal(Secret(utf8: "short")))
        #expect(throws: CryptographyError.malformed("a 32-byte fleet key")) { try short.open(with: node) }
    }
}
