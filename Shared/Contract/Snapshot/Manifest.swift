package import Cryptography
package import Domain

/// What is taken away at once, before any shard arrives: checked on every call, applied right after the
/// signature.
package enum KillEntry: Hashable, Sendable {
    case key(KeyID)
    case tenant(TenantID)
    case provider(ProviderID)
}

/// The signed root of a snapshot: it names every page of shard addresses, and carries what must not wait.
package struct Manifest: Hashable, Sendable, BinaryRecord {
    package static let payloadType = "application/vnd.eclusa.manifest.v1"
    /// The schema this release writes and the newest it can read.
    package static let schema: UInt32 = 1
    package static let maximumKills = 1000
    /// How long a manifest counts as fresh: six heartbeats.
    package static let freshSeconds: Int64 = 60

    package let version: SnapshotVersion
    package let issuedAt: Timestamp
    package let freshUntil: Timestamp
    /// Nodes that read only older schemas must refuse it and keep what they have.
    package let minimumSchema: UInt32
    package let layout: ShardLayout
    /// Addresses of the pages, in order.
    package let pages: [SHA256Digest]
    package let kills: [KillEntry]
    /// Which fleet key seals the provider credentials; nil when there is none to open.
    package let fleetKey: FleetKeyID?

    package init(
        version: SnapshotVersion, issuedAt: Timestamp, freshUntil: Timestamp,
        minimumSchema: UInt32 = Manifest.schema,
        layout: ShardLayout, pages: [SHA256Digest], kills: [KillEntry] = [], fleetKey: FleetKeyID?
    ) {
        self.version = version
        self.issuedAt = issuedAt
        self.freshUntil = freshUntil
        self.minimumSchema = minimumSchema
        self.layout = layout
        self.pages = pages
        self.kills = kills
        self.fleetKey = fleetKey
    }

    /// The same snapshot stated again: the heartbeat.
    package func reissued(at now: Timestamp) -> Manifest {
        Manifest(
            version: version, issuedAt: now, freshUntil: now.advanced(bySeconds: Self.freshSeconds),
            minimumSchema: minimumSchema, layout: layout, pages: pages, kills: kills, fleetKey: fleetKey)
    }

    /// What the snapshot says, whenever it was issued: two manifests of one version must agree on it.
    package var contentDigest: SHA256Digest {
        var writer = FieldWriter()
        encodeContent(into: &writer)
        return sha256(writer.bytes)
    }

    package func signed(by key: Ed25519PrivateKey) -> SignedEnvelope {
        SignedEnvelope(payloadType: Self.payloadType, payload: encoded, signedBy: [key])
    }

    package func encode(into writer: inout FieldWriter) {
        writer.time(1, issuedAt)
        writer.time(2, freshUntil)
        encodeContent(into: &writer)
    }

    private func encodeContent(into writer: inout FieldWriter) {
        writer.number(3, version.epoch)
        writer.number(4, version.counter)
        writer.number(5, minimumSchema)
        writer.number(6, UInt32(layout.bucketCount))
        for page in pages { writer.digest(7, page) }
        for kill in kills {
            writer.record(8) { inner in
                switch kill {
                case .key(let id): inner.id(1, id)
                case .tenant(let id): inner.id(2, id)
                case .provider(let id): inner.id(3, id)
                }
            }
        }
        writer.id(9, fleetKey)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var issuedAt: Timestamp?
        var freshUntil: Timestamp?
        var epoch: UInt32 = 0
        var counter: UInt64 = 0
        var minimumSchema: UInt32?
        var layout: ShardLayout?
        var pages: [SHA256Digest] = []
        var kills: [KillEntry] = []
        var fleetKey: FleetKeyID?
        while let field = try reader.next() {
            switch field.tag {
            case 1: issuedAt = try field.time()
            case 2: freshUntil = try field.time()
            case 3: epoch = try field.number(upTo: .max)
            case 4: counter = try field.number()
            case 5: minimumSchema = try field.number(upTo: .max)
            case 6: layout = ShardLayout(bucketCount: Int(try field.number(upTo: UInt32(1 << 20))))
            case 7: try pages.append(field.digest(), upTo: 1024, "pages")
            case 8:
                guard let kill = try Self.kill(field) else { continue }
                try kills.append(kill, upTo: Self.maximumKills, "kills")
            case 9: fleetKey = try field.id()
            default: continue
            }
        }
        self.issuedAt = try Self.required(issuedAt, 1)
        self.freshUntil = try Self.required(freshUntil, 2)
        version = SnapshotVersion(epoch: epoch, counter: counter)
        self.minimumSchema = try Self.required(minimumSchema, 5)
        guard let layout, pages.count == layout.pageCount else { throw .malformed("layout of shards") }
        self.layout = layout
        self.pages = pages
        self.kills = kills
        self.fleetKey = fleetKey
    }

    /// nil for a kind of a later release: what it takes away also leaves its shard.
    private static func kill(_ field: Field) throws(CodecError) -> KillEntry? {
        var reader = try field.record()
        while let field = try reader.next() {
            switch field.tag {
            case 1: return .key(try field.id())
            case 2: return .tenant(try field.id())
            case 3: return .provider(try field.id())
            default: continue
            }
        }
        return nil
    }
}

/// The addresses of up to 64 neighbouring shards.
package struct ManifestPage: Hashable, Sendable, BinaryRecord {
    package struct Reference: Hashable, Sendable {
        package let address: SHA256Digest
        /// Bytes of the object: known before it is fetched.
        package let byteCount: UInt32

        package init(_ object: SnapshotObject) {
            address = object.address
            byteCount = UInt32(object.bytes.count)
        }
        fileprivate init(address: SHA256Digest, byteCount: UInt32) {
            self.address = address
            self.byteCount = byteCount
        }
    }

    package static let shardsPerPage = 64
    /// More than any page has, in bytes.
    package static let maximumBytes = 8192

    /// The shard of the first reference.
    package let firstShard: Int
    /// nil: the shard is empty and has no object.
    package let references: [Reference?]

    package init(firstShard: Int, references: [Reference?]) {
        self.firstShard = firstShard
        self.references = references
    }

    package var object: SnapshotObject { SnapshotObject(bytes: encoded) }

    package func encode(into writer: inout FieldWriter) {
        writer.number(1, UInt32(firstShard))
        for reference in references {
            writer.record(2) { inner in
                guard let reference else { return }
                inner.digest(1, reference.address)
                inner.number(2, reference.byteCount)
            }
        }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var firstShard: UInt32 = 0
        var references: [Reference?] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: firstShard = try field.number(upTo: UInt32(1 << 20))
            case 2: try references.append(Self.reference(field), upTo: Self.shardsPerPage, "shards in a page")
            default: continue
            }
        }
        self.firstShard = Int(firstShard)
        self.references = references
    }

    private static func reference(_ field: Field) throws(CodecError) -> Reference? {
        var reader = try field.record()
        var address: SHA256Digest?
        var byteCount: UInt32 = 0
        while let field = try reader.next() {
            switch field.tag {
            case 1: address = try field.digest()
            case 2: byteCount = try field.number(upTo: UInt32(Shard.maximumObjectBytes))
            default: continue
            }
        }
        return address.map { Reference(address: $0, byteCount: byteCount) }
    }
}
