package import Contract
package import Domain
import Synchronization

/// Does the pieces 0..<count of a computation, in any order and maybe several at once, and returns when all
/// are done.
package typealias PieceRunner = (_ count: Int, _ piece: @escaping @Sendable (Int) -> Void) -> Void

/// One piece after the other.
package func inOrder(_ count: Int, _ piece: @escaping @Sendable (Int) -> Void) {
    for index in 0..<count { piece(index) }
}

/// Buckets on their way from the threads that make them.
private final class MadeBuckets: Sendable {
    private let made = Mutex<[Int: (bucket: SnapshotBucket, problems: ProblemList)]>([:])

    func keep(_ bucket: SnapshotBucket, _ problems: ProblemList, at index: Int) {
        made.withLock { $0[index] = (bucket, problems) }
    }

    func take(_ index: Int, _ problems: inout ProblemList) -> SnapshotBucket? {
        guard let made = made.withLock({ $0[index] }) else { return nil }
        problems.add(made.problems)
        return made.bucket
    }
}

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
        _ assembly: SnapshotAssembly, previous: CompiledSnapshot? = nil, by run: PieceRunner = inOrder
    ) throws(InvalidSnapshot) {
        let base = assembly.previous.isEmpty ? nil : previous
        guard assembly.isComplete, assembly.previous == base?.addresses ?? [] else {
            throw InvalidSnapshot(problems: [
                SnapshotProblem(.mismatched, "\(assembly.verified.manifest.version)")
            ])
        }
        try self.init(
            assembly.verified.manifest, addresses: assembly.addresses, changed: assembly.changed, on: base,
            by: run)
    }

    /// The snapshot a publisher is about to sign: the same checks a node will make.
    package convenience init(_ built: BuiltSnapshot) throws(InvalidSnapshot) {
        let shards = built.addresses.enumerated().map { number, address in
            (number, ChangedShard(object: address.flatMap { built.objects[$0] }))
        }
        try self.init(
            built.manifest, addresses: built.addresses, changed: Dictionary(uniqueKeysWithValues: shards),
            on: nil, by: inOrder)
    }

    private init(
        _ manifest: Manifest, addresses: SnapshotAssembly.ShardAddresses, changed: [Int: ChangedShard],
        on base: CompiledSnapshot?, by run: PieceRunner
    ) throws(InvalidSnapshot) {
        var problems = ProblemList()
        let (layout, fleetKey) = (manifest.layout, manifest.fleetKey)
        let platformShard = changed[ShardLayout.platformShard].map {
            Self.opened($0, number: ShardLayout.platformShard, &problems)
        }
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
        // Opened by and by: all of them at once would take several times the memory.
        let full = changed.filter { $0.key != ShardLayout.platformShard && !$0.value.isEmpty }.map { $0 }
        let made = MadeBuckets()
        run(full.count) { piece in
            let (number, shard) = full[piece]
            var problems = ProblemList()
            let bucket = SnapshotBucket(
                Self.opened(shard, number: number, &problems), number: number, layout: layout,
                platform: platform, fleetKey: fleetKey, &problems)
            made.keep(bucket, problems, at: number - 1)
        }
        for index in buckets.indices {
            if changed[index + 1] != nil {
                buckets[index] = made.take(index, &problems)
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

    private static func opened(
        _ shard: ChangedShard, number: Int, _ problems: inout ProblemList
    ) -> Shard {
        do throws(CodecError) { return try shard.opened() } catch {
            problems.add(.unreadable, "shard \(number): \(error)")
            return Shard()
        }
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
    private func checkKeyOwners(
        changed: [Int: ChangedShard], base: CompiledSnapshot?, _ problems: inout ProblemList
    ) {
        let mayDangle = base.map { base in
            changed.keys.contains { number in
                guard number > 0, let old = base.buckets[number - 1] else { return false }
                return !old.tenants.values.allSatisfy { tenant in
                    self.tenant(tenant.id)?.workspaces.isSuperset(of: tenant.workspaces) == true
                }
            }
        }
        var known = KnownWorkspaces()
        for (index, bucket) in buckets.enumerated() {
            guard let bucket, mayDangle != false || changed[index + 1] != nil else { continue }
            for position in 0..<bucket.keys.count {
                let key = bucket.keys[position]
                if known.contains(key.workspace, of: key.tenant) { continue }
                let isOwned = tenant(key.tenant)?.workspaces.contains(key.workspace) == true
                problems.check(isOwned, .dangling, "\(key.id) → \(key.workspace)")
                if isOwned { known.insert(key.workspace, of: key.tenant) }
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

/// Workspaces that were found lately: of a million keys most lie in one of these. Positions by the low bits.
private struct KnownWorkspaces {
    private static let count = 16_384
    private var places = [(tenant: TenantID, workspace: WorkspaceID)](
        repeating: (TenantID(high: 0, low: 0), WorkspaceID(high: 0, low: 0)), count: count)

    private func place(_ workspace: WorkspaceID) -> Int {
        Int(truncatingIfNeeded: (workspace.low ^ workspace.high) & UInt64(Self.count - 1))
    }

    func contains(_ workspace: WorkspaceID, of tenant: TenantID) -> Bool {
        places[place(workspace)] == (tenant, workspace)
    }

    mutating func insert(_ workspace: WorkspaceID, of tenant: TenantID) {
        places[place(workspace)] = (tenant, workspace)
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

    /// Whose entries hold something sealed under the fleet key.
    package var secretOwners: Set<TenantID?> {
        let guarded = tenants.filter { $0.guardrails.contains { $0.entry.secret != nil } }
        return Set(providers.map(\.entry.tenant)).union(guarded.map(\.id))
    }

    /// Bytes that the keys keep resident.
    package var keyBytes: Int { buckets.reduce(0) { $0 + ($1?.keys.residentBytes ?? 0) } }

    /// The key of a public id, where its record lies; nil when unknown. Allocates nothing.
    package func find(_ publicID: KeyPublicID) -> (segment: KeySegment, index: Int)? {
        let mixed = ShardLayout.mixed(publicID.high, publicID.low)
        guard let segment = buckets[layout.shard(ofMixed: mixed) - 1]?.keys,
            let index = segment.index(of: publicID, mixed: mixed)
        else { return nil }
        return (segment, index)
    }

    package func isKilled(_ key: KeyID) -> Bool { kills.contains(key) }
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
