import Contract
import Cryptography
import Domain
import Store

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
        try self.init(content, layout: ShardLayout(forKeyCount: content.keys.count))
    }

    private init(_ content: SnapshotContent, layout: ShardLayout) throws(CodecError) {
        self.init(empty: layout)
        for (number, shard) in content.shards(in: layout).enumerated() {
            try set(shard, at: number, replacing: Shard())
        }
        pages = Self.pages(of: shards, in: layout)
    }

    /// A snapshot somebody published, from its complete assembly and the objects that were put into it.
    init(
        adopting assembly: SnapshotAssembly, objects: [SHA256Digest: SnapshotObject]
    ) throws(CodecError) {
        self.init(empty: assembly.verified.manifest.layout)
        shards = assembly.addresses.map { $0.flatMap { objects[$0] } }
        for (number, shard) in assembly.changed {
            count(keys: try shard.opened().keys, removed: [], at: number)
        }
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

    /// What a replacement did.
    struct Replacement {
        var tightening = Tightening()
        /// Shards that were opened, and those of them that are other objects now.
        var opened = 0
        var changed = 0
        /// Whether providers (but for their credentials), routes or prices differ: what travels by canary.
        var hasOtherSettings = false
    }

    /// Puts the content in the place of everything there was of a scope; nil: of everything. Opens the shards
    /// where the scope lies, and encodes again those that differ.
    mutating func replace(
        _ scope: SnapshotScope?, with content: SnapshotContent
    ) throws(CodecError) -> Replacement {
        var result = Replacement()
        let fresh = content.shards(in: layout)
        for number in affected(by: scope, fresh).sorted() {
            result.opened += 1
            let old = try opened(number)
            var new = scope.map { old.without($0) } ?? Shard()
            new.append(fresh[number])
            new = new.sorted()
            if new == old { continue }
            try set(new, at: number, replacing: old)
            result.changed += 1
            result.tightening.note(from: old, to: new)
            if !result.hasOtherSettings { result.hasOtherSettings = old.settings != new.settings }
        }
        if result.changed == 0 { return result }
        pages = Self.pages(of: shards, in: layout)
        try layOutAnew()
        return result
    }

    /// As `replace`, but providers, routes and prices stay as they are here: keys, tenants, workspaces and
    /// limits are always current, and so are credentials and what was taken away from providers.
    mutating func replaceKeepingSettings(
        _ scope: SnapshotScope?, with content: SnapshotContent, fleetKey: FleetKeyID
    ) throws(CodecError) -> Replacement {
        var kept = content
        if scope?.owners.isEmpty != true {
            kept.takeSettings(from: try settings(of: scope?.owners), fleetKey: fleetKey)
        }
        return try replace(scope, with: kept)
    }

    /// Everything of some owners but their keys; nil: of everybody.
    func settings(of owners: Set<TenantID?>?) throws(CodecError) -> SnapshotContent {
        let all = Set(shards.indices)
        let numbers =
            owners.map { Set($0.map { $0.map { layout.shard(of: $0) } ?? ShardLayout.platformShard }) } ?? all
        var content = SnapshotContent()
        for number in numbers.sorted() {
            var shard = try opened(number)
            shard.keys = []
            if let owners { shard = shard.only(owners) }
            content.append(shard)
        }
        return content
    }

    private func opened(_ number: Int) throws(CodecError) -> Shard {
        try shards[number].map { object throws(CodecError) in try Shard(object: object) } ?? Shard()
    }

    /// Deals everything out again when the number of keys asks for another number of buckets; back to fewer
    /// only when they are half of that, or a key made and revoked would move everything each time.
    private mutating func layOutAnew() throws(CodecError) {
        let wanted = ShardLayout(forKeyCount: keyCount)
        let isFewer = wanted.bucketCount < layout.bucketCount
        if wanted == layout || isFewer && ShardLayout(forKeyCount: keyCount * 2) == layout { return }
        var content = SnapshotContent()
        for number in shards.indices { content.append(try opened(number)) }
        self = try ShardedSnapshot(content, layout: wanted)
    }

    private func affected(by scope: SnapshotScope?, _ fresh: [Shard]) -> Set<Int> {
        guard let scope else { return Set(0..<layout.shardCount) }
        var numbers = Set(fresh.indices.filter { !fresh[$0].isEmpty })
        for owner in scope.owners {
            numbers.insert(owner.map { layout.shard(of: $0) } ?? ShardLayout.platformShard)
        }
        for owner in scope.keyOwners { numbers.formUnion(keyShards[owner] ?? []) }
        for key in scope.keys { numbers.insert(layout.shard(of: key)) }
        return numbers
    }

    /// Tenants with keys here, from an id on, up to another: also those the database does not know any more.
    func keyOwners(after first: TenantID?, through last: TenantID?) -> [TenantID] {
        keyShards.keys.filter { id in
            first.map { $0 < id } ?? true && last.map { id <= $0 } ?? true
        }
    }

    private mutating func set(_ new: Shard, at number: Int, replacing old: Shard) throws(CodecError) {
        shards[number] = new.isEmpty ? nil : try new.object()
        count(keys: new.keys, removed: old.keys, at: number)
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
    /// The shard without everything of a scope.
    fileprivate func without(_ scope: SnapshotScope) -> Shard {
        var shard = self
        let owners = scope.owners
        if !owners.isEmpty {
            shard.tenants.removeAll { owners.contains($0.id) }
            shard.workspaces.removeAll { owners.contains($0.tenant) }
            shard.providers.removeAll { owners.contains($0.tenant) }
            shard.routes.removeAll { owners.contains($0.tenant) }
            shard.prices.removeAll { owners.contains($0.tenant) }
            shard.limits.removeAll { owners.contains($0.tenant) }
            shard.groups.removeAll { owners.contains($0.tenant) }
            shard.guardrails.removeAll { owners.contains($0.tenant) }
        }
        shard.keys.removeAll { scope.contains($0.publicID, of: $0.tenant) }
        return shard
    }

    /// Only the settings of these owners.
    fileprivate func only(_ owners: Set<TenantID?>) -> Shard {
        var shard = self
        shard.tenants.removeAll { !owners.contains($0.id) }
        shard.workspaces.removeAll { !owners.contains($0.tenant) }
        shard.providers.removeAll { !owners.contains($0.tenant) }
        shard.routes.removeAll { !owners.contains($0.tenant) }
        shard.prices.removeAll { !owners.contains($0.tenant) }
        shard.limits.removeAll { !owners.contains($0.tenant) }
        shard.groups.removeAll { !owners.contains($0.tenant) }
        shard.guardrails.removeAll { !owners.contains($0.tenant) }
        return shard
    }

    /// What travels by canary.
    fileprivate var settings: Shard {
        var shard = Shard()
        shard.providers = providers.map { $0.with(credentials: [], isEnabled: $0.isEnabled) }
        shard.routes = routes
        shard.prices = prices
        return shard
    }

    fileprivate mutating func append(_ other: Shard) {
        tenants += other.tenants
        workspaces += other.workspaces
        keys += other.keys
        providers += other.providers
        routes += other.routes
        prices += other.prices
        limits += other.limits
        groups += other.groups
        guardrails += other.guardrails
    }
}

extension ProviderEntry {
    fileprivate func with(credentials: [CredentialEntry], isEnabled: Bool) -> ProviderEntry {
        ProviderEntry(
            id: id, tenant: tenant, name: name, kind: kind, baseURL: baseURL, credentials: credentials,
            options: options, headers: headers, timeouts: timeouts, proxy: proxy, isEnabled: isEnabled)
    }
}

extension SnapshotContent {
    /// Puts the providers, routes and prices of another moment in the place of these, as far as their tenants
    /// are still there. A provider that is gone or disabled now stays so, and has no credentials but its
    /// current ones.
    mutating func takeSettings(from other: SnapshotContent, fleetKey: FleetKeyID) {
        let present = Set<TenantID?>(tenants.map(\.id) + [nil])
        let current = Dictionary(providers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        providers = other.providers.filter { present.contains($0.tenant) }.map { old in
            let credentials = current[old.id]?.credentials ?? []
            return old.with(
                credentials: credentials.filter { $0.sealed.fleetKey == fleetKey },
                isEnabled: old.isEnabled && current[old.id]?.isEnabled == true)
        }
        routes = other.routes.filter { present.contains($0.tenant) }
        prices = other.prices.filter { present.contains($0.tenant) }
    }

    fileprivate mutating func append(_ shard: Shard) {
        tenants += shard.tenants
        workspaces += shard.workspaces
        keys += shard.keys
        providers += shard.providers
        routes += shard.routes
        prices += shard.prices
        limits += shard.limits
        groups += shard.groups
        guardrails += shard.guardrails
    }
}
