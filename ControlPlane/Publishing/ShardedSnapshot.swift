import Contract
import Cryptography
import Domain

/// All objects of one snapshot, and how to change the entries of some owners without touching the others.
///
/// Keeps the compressed objects only; a shard is opened when it changes. A value: a failed change leaves the
/// old one.
struct ShardedSnapshot: Sendable {
    let layout: ShardLayout
    /// By shard number; nil where the shard is empty.
    private(set) var shards: [SnapshotObject?]
    private(set) var pages: [SnapshotObject]
    /// Where the keys of a tenant lie: keys spread over all buckets.
    private var keyShards: [TenantID: Set<Int>] = [:]
    private(set) var keyCount = 0

    /// Builds every shard. About a microsecond an entry and one SHA-256 and zstd run a shard.
    init(_ content: SnapshotContent) throws(CodecError) {
        self.init(empty: ShardLayout(forKeyCount: content.keys.count))
        for (number, shard) in content.shards(in: layout).enumerated() {
            try set(shard, at: number, replacing: Shard())
        }
        pages = Self.pages(of: shards, in: layout)
    }

    /// A snapshot somebody published, from its complete assembly and the objects that were put into it.
    init(adopting assembly: SnapshotAssembly, objects: [SHA256Digest: SnapshotObject]) {
        self.init(empty: assembly.verified.manifest.layout)
        shards = assembly.addresses.map { $0.flatMap { objects[$0] } }
        for (number, shard) in assembly.changed { count(keys: shard.keys, removed: [], at: number) }
        pages = assembly.verified.manifest.pages.compactMap { objects[$0] }
    }

    private init(empty layout: ShardLayout) {
        self.layout = layout
        shards = Array(repeating: nil, count: layout.shardCount)
        pages = []
    }

    /// Every object by its address.
    var objects: [SHA256Digest: SnapshotObject] {
        var objects: [SHA256Digest: SnapshotObject] = [:]
        for object in shards.compactMap(\.self) + pages { objects[object.address] = object }
        return objects
    }

    func manifest(
        _ version: SnapshotVersion, issuedAt: Timestamp, kills: [KillEntry], fleetKey: FleetKeyID?
    ) -> Manifest {
        Manifest(
            version: version, issuedAt: issuedAt,
            freshUntil: issuedAt.advanced(bySeconds: Manifest.freshSeconds),
            layout: layout, pages: pages.map(\.address), kills: kills, fleetKey: fleetKey)
    }

    // MARK: Change

    /// Puts the content in the place of everything the owners had; nil: of everything there is.
    mutating func replace(
        _ owners: Set<TenantID?>?, with content: SnapshotContent
    ) throws(CodecError) -> Tightening {
        var tightening = Tightening()
        if owners == nil, ShardLayout(forKeyCount: content.keys.count) != layout {
            // Every shard is another one: what was taken away is told by the shards alone.
            self = try ShardedSnapshot(content)
            return tightening
        }
        let fresh = content.shards(in: layout)
        for number in affected(by: owners, fresh) {
            let old =
                try shards[number].map { object throws(CodecError) in try Shard(object: object) } ?? Shard()
            var new = owners.map { old.without($0) } ?? Shard()
            new.append(fresh[number])
            if try set(new, at: number, replacing: old) { tightening.note(from: old, to: new) }
        }
        pages = Self.pages(of: shards, in: layout)
        return tightening
    }

    private func affected(by owners: Set<TenantID?>?, _ fresh: [Shard]) -> Set<Int> {
        guard let owners else { return Set(0..<layout.shardCount) }
        var numbers = Set(fresh.indices.filter { !fresh[$0].isEmpty })
        for owner in owners {
            guard let owner else {
                numbers.insert(ShardLayout.platformShard)
                continue
            }
            numbers.insert(layout.shard(of: owner))
            numbers.formUnion(keyShards[owner] ?? [])
        }
        return numbers
    }

    /// Whether the shard is another object now.
    @discardableResult
    private mutating func set(_ new: Shard, at number: Int, replacing old: Shard) throws(CodecError) -> Bool {
        let object = new.isEmpty ? nil : try new.object()
        guard object?.address != shards[number]?.address else { return false }
        shards[number] = object
        count(keys: new.keys, removed: old.keys, at: number)
        return true
    }

    private mutating func count(keys: [KeyEntry], removed: [KeyEntry], at number: Int) {
        keyCount += keys.count - removed.count
        for tenant in Set(removed.map(\.tenant)) {
            keyShards[tenant]?.remove(number)
            if keyShards[tenant]?.isEmpty == true { keyShards[tenant] = nil }
        }
        for tenant in Set(keys.map(\.tenant)) { keyShards[tenant, default: []].insert(number) }
    }

    private static func pages(of shards: [SnapshotObject?], in layout: ShardLayout) -> [SnapshotObject] {
        stride(from: 0, to: layout.shardCount, by: ManifestPage.shardsPerPage).map { first in
            let end = min(first + ManifestPage.shardsPerPage, layout.shardCount)
            return ManifestPage(
                firstShard: first, references: shards[first..<end].map { $0.map(ManifestPage.Reference.init) }
            ).object
        }
    }
}

extension Shard {
    /// The shard without everything these owners have in it.
    fileprivate func without(_ owners: Set<TenantID?>) -> Shard {
        var shard = self
        shard.tenants.removeAll { owners.contains($0.id) }
        shard.workspaces.removeAll { owners.contains($0.tenant) }
        shard.keys.removeAll { owners.contains($0.tenant) }
        shard.providers.removeAll { owners.contains($0.tenant) }
        shard.routes.removeAll { owners.contains($0.tenant) }
        shard.prices.removeAll { owners.contains($0.tenant) }
        return shard
    }

    fileprivate mutating func append(_ other: Shard) {
        tenants += other.tenants
        workspaces += other.workspaces
        keys += other.keys
        providers += other.providers
        routes += other.routes
        prices += other.prices
    }
}
