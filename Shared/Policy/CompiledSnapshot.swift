package import Contract
package import Domain

/// One immutable configuration, ready to be asked on every call: keys by public id, routes by name, providers
/// found.
///
/// Versions share everything that did not change: one key edit compiles one bucket again, so a swap costs
/// microseconds whatever the size. Any thread.
package final class CompiledSnapshot: Sendable {
    package let manifest: Manifest
    /// Which object every shard is: `previous` of the next `SnapshotAssembly`.
    package let addresses: SnapshotAssembly.ShardAddresses
    /// Keys in all shards, revoked ones too.
    package let keyCount: Int
    private let layout: ShardLayout
    private let platform: PlatformPart
    /// By shard number minus one; nil where the shard is empty.
    private let buckets: [SnapshotBucket?]
    private let kills: KillSet

    package var version: SnapshotVersion { manifest.version }

    /// The snapshot of a complete assembly; throws every problem, and then nothing may run it.
    ///
    /// - Parameter previous: the running snapshot whose addresses the assembly was made with; its unchanged
    ///   buckets are shared. Costs about a microsecond an entry of the changed shards; run it off the loops.
    package convenience init(
        _ assembly: SnapshotAssembly, previous: CompiledSnapshot? = nil
    ) throws(InvalidSnapshot) {
        let base = assembly.previous.isEmpty ? nil : previous
        guard assembly.isComplete, assembly.previous == base?.addresses ?? [] else {
            throw InvalidSnapshot(problems: [
                SnapshotProblem(.mismatched, "\(assembly.verified.manifest.version)")
            ])
        }
        try self.init(
            assembly.verified.manifest, addresses: assembly.addresses, changed: assembly.changed, on: base)
    }

    /// The snapshot a publisher is about to sign: the same checks a node will make.
    package convenience init(_ built: BuiltSnapshot) throws(InvalidSnapshot) {
        let shards = Dictionary(
            uniqueKeysWithValues: built.shards.enumerated().map { ($0.offset, $0.element) })
        try self.init(built.manifest, addresses: built.addresses, changed: shards, on: nil)
    }

    private init(
        _ manifest: Manifest, addresses: SnapshotAssembly.ShardAddresses, changed: [Int: Shard],
        on base: CompiledSnapshot?
    ) throws(InvalidSnapshot) {
        var problems = ProblemList()
        let (layout, fleetKey) = (manifest.layout, manifest.fleetKey)
        let platformShard = changed[ShardLayout.platformShard]
        let keepsPlatform = platformShard == nil && base?.manifest.fleetKey == fleetKey
        let platform: PlatformPart
        if let base, keepsPlatform {
            platform = base.platform
        } else if let shard = platformShard ?? base.map(\.platformShard) {
            platform = PlatformPart(shard, fleetKey: fleetKey, &problems)
        } else {
            platform = PlatformPart(Shard(), fleetKey: fleetKey, &problems)
        }
        var buckets = base?.buckets ?? Array(repeating: nil, count: layout.bucketCount)
        for index in buckets.indices {
            if let shard = changed[index + 1] {
                buckets[index] =
                    shard.isEmpty
                    ? nil
                    : SnapshotBucket(
                        shard, number: index + 1, layout: layout, platform: platform, fleetKey: fleetKey,
                        &problems)
            } else if !keepsPlatform {
                buckets[index] = buckets[index]?.relinked(to: platform, fleetKey: fleetKey, &problems)
            }
        }
        self.manifest = manifest
        self.addresses = addresses
        self.layout = layout
        self.platform = platform
        self.buckets = buckets
        kills = KillSet(manifest.kills)
        keyCount = buckets.reduce(0) { $0 + ($1?.keys.count ?? 0) }
        checkKeyOwners(changed: changed, base: base, &problems)
        if !problems.problems.isEmpty { throw InvalidSnapshot(problems: problems.problems) }
    }

    private init(_ other: CompiledSnapshot, manifest: Manifest) {
        self.manifest = manifest
        addresses = other.addresses
        keyCount = other.keyCount
        layout = other.layout
        platform = other.platform
        buckets = other.buckets
        kills = KillSet(manifest.kills + other.manifest.kills)
    }

    /// This snapshot with what a newer manifest takes away, before any of its shards are here.
    ///
    /// The manifest's kills are added to the ones in force; keys, routes and addresses stay as they are.
    package func taking(away manifest: VerifiedManifest) -> CompiledSnapshot {
        let current = self.manifest
        let kills = Array(Set(current.kills).union(manifest.manifest.kills))
        let combined = Manifest(
            version: current.version, issuedAt: current.issuedAt, freshUntil: current.freshUntil,
            minimumSchema: current.minimumSchema, layout: current.layout, pages: current.pages, kills: kills,
            fleetKey: current.fleetKey)
        return CompiledSnapshot(self, manifest: combined)
    }

    /// Every key belongs to a tenant and workspace that are there. Old segments are walked again only when
    /// something may have gone away under them.
    private func checkKeyOwners(changed: [Int: Shard], base: CompiledSnapshot?, _ problems: inout ProblemList)
    {
        let mayDangle = base.map { base in
            changed.keys.contains { number in
                guard number > 0, let old = base.buckets[number - 1] else { return false }
                return !old.tenants.values.allSatisfy { tenant in
                    self.tenant(tenant.id)?.workspaces.isSuperset(of: tenant.workspaces) == true
                }
            }
        }
        for (index, bucket) in buckets.enumerated() {
            guard let bucket, mayDangle != false || changed[index + 1] != nil else { continue }
            for position in 0..<bucket.keys.count {
                let key = bucket.keys[position]
                let isOwned = tenant(key.tenant)?.workspaces.contains(key.workspace) == true
                problems.check(isOwned, .dangling, "\(key.id) → \(key.workspace)")
            }
        }
    }

    private var platformShard: Shard {
        var shard = Shard()
        shard.providers = platform.providers.values.map(\.entry)
        shard.prices = platform.prices.values.flatMap(\.self)
        return shard
    }
}

// MARK: - Questions

extension CompiledSnapshot {
    package func tenant(_ id: TenantID) -> CompiledTenant? {
        buckets[layout.shard(of: id) - 1]?.tenants[id]
    }

    /// Every provider, the platform's and the tenants': what a node opens credentials for.
    package var providers: [CompiledProvider] {
        Array(platform.providers.values) + buckets.flatMap { $0.map { Array($0.providers.values) } ?? [] }
    }

    /// Every tenant, in no order.
    package var tenants: [CompiledTenant] { buckets.flatMap { $0.map { Array($0.tenants.values) } ?? [] } }

    /// Bytes that the keys keep resident.
    package var keyBytes: Int { buckets.reduce(0) { $0 + ($1?.keys.residentBytes ?? 0) } }

    /// The key of a public id, where its record lies; nil when unknown. Allocates nothing.
    func find(_ publicID: KeyPublicID) -> (segment: KeySegment, index: Int)? {
        let mixed = ShardLayout.mixed(publicID.high, publicID.low)
        guard let segment = buckets[layout.shard(ofMixed: mixed) - 1]?.keys,
            let index = segment.index(of: publicID, mixed: mixed)
        else { return nil }
        return (segment, index)
    }

    func isKilled(_ key: KeyID) -> Bool { kills.contains(key) }
    func isKilled(_ tenant: TenantID) -> Bool { kills.contains(tenant) }
    func isKilled(_ provider: ProviderID) -> Bool { kills.contains(provider) }
}

/// What stops a built snapshot from being published; empty when nothing does. Publisher and node ask the same
/// code.
package func validate(_ built: BuiltSnapshot) -> [SnapshotProblem] {
    var problems: [SnapshotProblem] = []
    for (number, shard) in built.shards.enumerated() {
        let object = built.addresses[number].flatMap { built.objects[$0] }
        // What is published must read back as what was meant, within the reader's limits.
        let readBack: Shard?
        do throws(CodecError) { readBack = try object.map(Shard.init(object:)) ?? Shard() } catch {
            readBack = nil
        }
        if readBack != shard {
            problems.append(SnapshotProblem(.invalid, "shard \(number) cannot be read back"))
        }
    }
    do throws(InvalidSnapshot) { _ = try CompiledSnapshot(built) } catch { problems += error.problems }
    return Array(problems.prefix(InvalidSnapshot.maximumProblems))
}
