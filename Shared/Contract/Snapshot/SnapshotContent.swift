package import Cryptography
package import Domain

/// Everything a snapshot says, in flat lists: what the publisher reads from the database in one transaction.
package struct SnapshotContent: Hashable, Sendable {
    package var tenants: [TenantEntry] = []
    package var workspaces: [WorkspaceEntry] = []
    package var keys: [KeyEntry] = []
    package var providers: [ProviderEntry] = []
    package var routes: [RouteEntry] = []
    package var prices: [PriceEntry] = []
    package var limits: [LimitEntry] = []
    package var groups: [GroupEntry] = []
    package var guardrails: [GuardrailEntry] = []

    package init() {}

    /// The entries dealt out to their shards; the index is the shard's number.
    package func shards(in layout: ShardLayout) -> [Shard] {
        var shards = [Shard](repeating: Shard(), count: layout.shardCount)
        func home(_ tenant: TenantID?) -> Int {
            tenant.map { layout.shard(of: $0) } ?? ShardLayout.platformShard
        }
        for entry in tenants { shards[home(entry.id)].tenants.append(entry) }
        for entry in workspaces { shards[home(entry.tenant)].workspaces.append(entry) }
        for entry in keys { shards[layout.shard(of: entry.publicID)].keys.append(entry) }
        for entry in providers { shards[home(entry.tenant)].providers.append(entry) }
        for entry in routes { shards[home(entry.tenant)].routes.append(entry) }
        for entry in prices { shards[home(entry.tenant)].prices.append(entry) }
        for entry in limits { shards[home(entry.tenant)].limits.append(entry) }
        for entry in groups { shards[home(entry.tenant)].groups.append(entry) }
        for entry in guardrails { shards[home(entry.tenant)].guardrails.append(entry) }
        return shards
    }
}

/// A snapshot ready to publish: the unsigned manifest and every object it names.
package struct BuiltSnapshot: Sendable {
    package let manifest: Manifest
    package let shards: [Shard]
    /// The object of every shard; nil where the shard is empty.
    package let addresses: SnapshotAssembly.ShardAddresses
    /// Shards and pages, by address.
    package let objects: [SHA256Digest: SnapshotObject]

    /// Builds all shards and pages of a content. Pure: equal content, version and time give equal bytes.
    ///
    /// Costs about a microsecond an entry and one SHA-256 and zstd run a shard.
    package init(
        _ content: SnapshotContent, version: SnapshotVersion, issuedAt: Timestamp, kills: [KillEntry] = [],
        fleetKey: FleetKeyID?, layout: ShardLayout? = nil
    ) throws(CodecError) {
        guard kills.count <= Manifest.maximumKills else { throw .tooLarge("more than 1000 kills") }
        let layout = layout ?? ShardLayout(forKeyCount: content.keys.count)
        shards = content.shards(in: layout).map { $0.sorted() }
        var objects: [SHA256Digest: SnapshotObject] = [:]
        var references: [ManifestPage.Reference?] = []
        for shard in shards {
            guard !shard.isEmpty else {
                references.append(nil)
                continue
            }
            let object = try shard.object()
            objects[object.address] = object
            references.append(ManifestPage.Reference(object))
        }
        var pages: [SHA256Digest] = []
        for first in stride(from: 0, to: references.count, by: ManifestPage.shardsPerPage) {
            let end = min(first + ManifestPage.shardsPerPage, references.count)
            let page = ManifestPage(firstShard: first, references: Array(references[first..<end])).object
            objects[page.address] = page
            pages.append(page.address)
        }
        self.objects = objects
        addresses = references.map { $0?.address }
        manifest = Manifest(
            version: version, issuedAt: issuedAt,
            freshUntil: issuedAt.advanced(bySeconds: Manifest.freshSeconds),
            layout: layout, pages: pages, kills: kills, fleetKey: fleetKey)
    }
}
