package import Cryptography
package import Domain

/// Where an entry lives: shard 0 holds what belongs to the platform; tenants and keys spread over the buckets
/// 1…n.
///
/// Tenants go by their id, keys by their public id, so a tenant with many keys spreads over all buckets and
/// one key edit moves one shard.
package struct ShardLayout: Hashable, Sendable {
    /// Buckets, a power of two.
    package let bucketCount: Int

    package static let platformShard = 0
    package static let bucketCounts = [256, 4096]
    package static let small = ShardLayout(checked: 256)

    private init(checked bucketCount: Int) { self.bucketCount = bucketCount }

    /// nil unless the count is one this release knows.
    package init?(bucketCount: Int) {
        guard Self.bucketCounts.contains(bucketCount) else { return nil }
        self.bucketCount = bucketCount
    }

    /// 256 buckets, 4,096 above 100,000 keys: about 25–400 keys a shard.
    package init(forKeyCount count: Int) { self.init(checked: count > 100_000 ? 4096 : 256) }

    package var shardCount: Int { bucketCount + 1 }
    package var pageCount: Int { (shardCount + ManifestPage.shardsPerPage - 1) / ManifestPage.shardsPerPage }

    package func shard(of tenant: TenantID) -> Int { shard(ofMixed: Self.mixed(tenant.high, tenant.low)) }
    package func shard(of key: KeyPublicID) -> Int { shard(ofMixed: Self.mixed(key.high, key.low)) }

    /// The bucket of a mixed identifier: its low bits.
    package func shard(ofMixed mixed: UInt64) -> Int {
        1 + Int(truncatingIfNeeded: mixed & UInt64(bucketCount - 1))
    }

    /// Sixteen bytes mixed into eight, by the finalizer of SplitMix64; both planes must agree on it for ever.
    package static func mixed(_ high: UInt64, _ low: UInt64) -> UInt64 {
        var mixed = high &* 0x9E37_79B9_7F4A_7C15 ^ low
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// One content-addressed piece of a snapshot.
package struct Shard: Hashable, Sendable, BinaryRecord {
    package var tenants: [TenantEntry] = []
    package var workspaces: [WorkspaceEntry] = []
    package var keys: [KeyEntry] = []
    package var providers: [ProviderEntry] = []
    package var routes: [RouteEntry] = []
    package var prices: [PriceEntry] = []
    /// Those whose subject is not a key: these are with their keys.
    package var limits: [LimitEntry] = []
    /// Those that are the subject of a limit.
    package var groups: [GroupEntry] = []
    package var guardrails: [GuardrailEntry] = []

    /// Entries of one kind in one shard.
    package static let maximumEntries = 65_536
    /// Bytes of a shard, compressed and not.
    package static let maximumObjectBytes = 8 << 20
    package static let maximumContentBytes = 32 << 20

    package init() {}

    package var isEmpty: Bool { self == Shard() }

    package func encode(into writer: inout FieldWriter) {
        writer.values(1, tenants)
        writer.values(2, workspaces)
        writer.values(3, keys)
        writer.values(4, providers)
        writer.values(5, routes)
        writer.values(6, prices)
        writer.values(7, limits)
        writer.values(8, groups)
        writer.values(9, guardrails)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        let limit = Self.maximumEntries
        while let field = try reader.next() {
            switch field.tag {
            case 1: try tenants.append(TenantEntry(field), upTo: limit, "tenants in a shard")
            case 2: try workspaces.append(WorkspaceEntry(field), upTo: limit, "workspaces in a shard")
            case 3: try keys.append(KeyEntry(field), upTo: limit, "keys in a shard")
            case 4: try providers.append(ProviderEntry(field), upTo: limit, "providers in a shard")
            case 5: try routes.append(RouteEntry(field), upTo: limit, "routes in a shard")
            case 6: try prices.append(PriceEntry(field), upTo: limit, "prices in a shard")
            case 7: try limits.append(LimitEntry(field), upTo: limit, "limits in a shard")
            case 8: try groups.append(GroupEntry(field), upTo: limit, "groups in a shard")
            case 9: try guardrails.append(GuardrailEntry(field), upTo: limit, "guardrails in a shard")
            default: continue
            }
        }
    }

    /// The shard with every list in the order of ids: equal content gives equal bytes, hence one address.
    package func sorted() -> Shard {
        var shard = self
        shard.tenants.sort { $0.id < $1.id }
        shard.workspaces.sort { $0.id < $1.id }
        shard.keys.sort { $0.id < $1.id }
        shard.providers.sort { $0.id < $1.id }
        shard.routes.sort { $0.id < $1.id }
        shard.prices.sort { $0.id < $1.id }
        shard.limits.sort { $0.id < $1.id }
        shard.groups.sort { $0.id < $1.id }
        shard.guardrails.sort { $0.id < $1.id }
        return shard
    }

    /// The object that is stored and fetched: sorted, encoded, compressed.
    package func object() throws(CodecError) -> SnapshotObject {
        let counts = [
            tenants.count, workspaces.count, keys.count, providers.count, routes.count, prices.count,
            limits.count, groups.count, guardrails.count,
        ]
        guard counts.allSatisfy({ $0 <= Self.maximumEntries }) else {
            throw .tooLarge("more than \(Self.maximumEntries) entries in a shard")
        }
        let content = sorted().encoded
        guard content.count <= Self.maximumContentBytes else {
            throw .tooLarge("a shard above \(Self.maximumContentBytes) bytes")
        }
        let object = SnapshotObject(bytes: try Zstandard.compress(content))
        guard object.bytes.count <= Self.maximumObjectBytes else {
            throw .tooLarge("a compressed shard above \(Self.maximumObjectBytes) bytes")
        }
        return object
    }

    /// The shard an object holds. The caller has checked the object's address.
    package init(object: SnapshotObject) throws(CodecError) {
        guard object.bytes.count <= Self.maximumObjectBytes else {
            throw .tooLarge("a compressed shard above \(Self.maximumObjectBytes) bytes")
        }
        try self.init(encoded: try Zstandard.decompress(object.bytes, limit: Self.maximumContentBytes))
    }
}

/// Immutable bytes named by their own hash: shards and manifest pages as they are stored, cached and fetched.
package struct SnapshotObject: Hashable, Sendable {
    package let bytes: [UInt8]
    package let address: SHA256Digest

    package init(bytes: [UInt8]) {
        self.bytes = bytes
        address = sha256(bytes)
    }
}
