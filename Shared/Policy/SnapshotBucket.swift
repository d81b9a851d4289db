import Contract
import Domain

/// The platform's own part of a snapshot: providers and prices every tenant may use.
final class PlatformPart: Sendable {
    let providers: [ProviderID: CompiledProvider]
    let prices: [ModelID: [PriceEntry]]

    init(_ shard: Shard, fleetKey: FleetKeyID?, _ problems: inout ProblemList) {
        let tenantEntries =
            shard.tenants.count + shard.workspaces.count + shard.keys.count + shard.routes.count
            + shard.limits.count + shard.groups.count + shard.guardrails.count
        problems.check(tenantEntries == 0, .misplaced, "tenant data in the platform shard")
        providers = compiledProviders(shard.providers, of: nil, fleetKey: fleetKey, &problems)
        prices = priceLists(shard.prices, of: nil, &problems)
    }
}

/// One bucket of a snapshot, shared between versions as long as its shard and the platform's do not change.
final class SnapshotBucket: Sendable {
    let keys: KeySegment
    let tenants: [TenantID: CompiledTenant]
    let providers: [ProviderID: CompiledProvider]
    /// The entries without keys: what is needed to compile again on another platform part.
    private let source: Shard

    init(
        _ shard: Shard, number: Int, layout: ShardLayout, platform: PlatformPart, fleetKey: FleetKeyID?,
        _ problems: inout ProblemList
    ) {
        checkHomes(shard, number: number, layout: layout, &problems)
        checkKeys(shard.keys, &problems)
        keys = KeySegment(shard.keys) { problems.add(.duplicate, "the public id of \($0.id)") }
        var source = shard
        source.keys = []
        self.source = source
        (tenants, providers) = Self.compiled(source, platform: platform, fleetKey: fleetKey, &problems)
    }

    private init(
        _ other: SnapshotBucket, platform: PlatformPart, fleetKey: FleetKeyID?, _ problems: inout ProblemList
    ) {
        keys = other.keys
        source = other.source
        (tenants, providers) = Self.compiled(source, platform: platform, fleetKey: fleetKey, &problems)
    }

    /// The same bucket on a changed platform part; the keys are shared.
    func relinked(
        to platform: PlatformPart, fleetKey: FleetKeyID?, _ problems: inout ProblemList
    ) -> SnapshotBucket {
        SnapshotBucket(self, platform: platform, fleetKey: fleetKey, &problems)
    }

    private static func compiled(
        _ shard: Shard, platform: PlatformPart, fleetKey: FleetKeyID?, _ problems: inout ProblemList
    ) -> (tenants: [TenantID: CompiledTenant], providers: [ProviderID: CompiledProvider]) {
        let routes = Dictionary(grouping: shard.routes, by: \.tenant)
        let workspaces = Dictionary(grouping: shard.workspaces, by: \.tenant)
        let limits = Dictionary(grouping: shard.limits, by: \.tenant)
        let groups = Dictionary(grouping: shard.groups, by: \.tenant)
        let guardrails = Dictionary(grouping: shard.guardrails, by: \.tenant)
        checkLimits(shard.limits, &problems)
        let ownProviders = Dictionary(grouping: shard.providers, by: \.tenant)
        let ownPrices = Dictionary(grouping: shard.prices, by: \.tenant)
        var tenants: [TenantID: CompiledTenant] = [:]
        var providers: [ProviderID: CompiledProvider] = [:]
        for tenant in shard.tenants {
            problems.check(tenants[tenant.id] == nil, .duplicate, "\(tenant.id)")
            let own = compiledProviders(
                ownProviders[tenant.id] ?? [], of: tenant.id, fleetKey: fleetKey, &problems)
            let prices = priceLists(ownPrices[tenant.id] ?? [], of: tenant.id, &problems)
            providers.merge(own) { first, _ in first }
            let linker = RouteLinker(
                providers: own, prices: prices, platform: platform, markup: tenant.markup)
            let entries = routes[tenant.id] ?? []
            tenants[tenant.id] = CompiledTenant(
                tenant, routes: linker.linked(entries, &problems),
                workspaces: Set((workspaces[tenant.id] ?? []).map(\.id)),
                limits: TenantLimits(limits[tenant.id] ?? [], groups[tenant.id] ?? []),
                guardrails: CompiledGuardrail.compiled(
                    guardrails[tenant.id] ?? [], fleetKey: fleetKey, &problems),
                providers: Array(own.values))
        }
        let owners =
            Array(routes.keys) + Array(workspaces.keys) + Array(limits.keys) + Array(groups.keys)
            + Array(guardrails.keys) + (Array(ownProviders.keys) + Array(ownPrices.keys)).compactMap(\.self)
        for owner in Set(owners) where tenants[owner] == nil {
            problems.add(.dangling, "entries of \(owner)")
        }
        let platformEntries = (ownProviders[nil]?.count ?? 0) + (ownPrices[nil]?.count ?? 0)
        problems.check(platformEntries == 0, .misplaced, "platform data in a tenant's shard")
        return (tenants, providers)
    }
}

private func compiledProviders(
    _ entries: [ProviderEntry], of owner: TenantID?, fleetKey: FleetKeyID?, _ problems: inout ProblemList
) -> [ProviderID: CompiledProvider] {
    var providers: [ProviderID: CompiledProvider] = [:]
    for entry in entries {
        problems.check(entry.tenant == owner, .misplaced, "\(entry.id)")
        problems.check(
            entry.credentials.allSatisfy { $0.sealed.fleetKey == fleetKey }, .fleetKey, "\(entry.id)")
        problems.check(
            entry.credentials.allSatisfy { ProviderCredential.weights.contains($0.weight) }
                && entry.kind.problems(entry.options).isEmpty, .invalid, "\(entry.id)")
        let rules = Provider.problems(
            name: "provider", baseURL: entry.baseURL.description, headers: entry.headers,
            timeouts: entry.timeouts)
        problems.check(rules.isEmpty, .invalid, "\(entry.id)")
        problems.check(
            providers.updateValue(CompiledProvider(entry), forKey: entry.id) == nil, .duplicate, "\(entry.id)"
        )
    }
    return providers
}

private func priceLists(
    _ entries: [PriceEntry], of owner: TenantID?, _ problems: inout ProblemList
) -> [ModelID: [PriceEntry]] {
    var ids: Set<PriceID> = []
    for entry in entries {
        problems.check(entry.tenant == owner, .misplaced, "\(entry.id)")
        problems.check(ids.insert(entry.id).inserted, .duplicate, "\(entry.id)")
    }
    return Dictionary(grouping: entries, by: \.model)
        .mapValues { $0.sorted { ($0.effectiveFrom, $0.id) < ($1.effectiveFrom, $1.id) } }
}

private func checkHomes(_ shard: Shard, number: Int, layout: ShardLayout, _ problems: inout ProblemList) {
    for entry in shard.tenants {
        problems.check(layout.shard(of: entry.id) == number, .misplaced, "\(entry.id)")
    }
    for entry in shard.keys {
        problems.check(layout.shard(of: entry.publicID) == number, .misplaced, "\(entry.id)")
    }
    var workspaces: Set<WorkspaceID> = []
    for entry in shard.workspaces {
        problems.check(workspaces.insert(entry.id).inserted, .duplicate, "\(entry.id)")
    }
}

/// A shard lists its keys in the order of ids: one that is there twice stands beside itself.
private func checkKeys(_ keys: [KeyEntry], _ problems: inout ProblemList) {
    var last: KeyID?
    for entry in keys {
        if let last { problems.check(last < entry.id, .duplicate, "\(entry.id)") }
        last = entry.id
        let permitted = entry.permitted
        let isBounded =
            permitted.routes.count <= KeyPermissions.maximumRoutes
            && permitted.models.count <= KeyPermissions.maximumModels
            && permitted.addresses.count <= KeyPermissions.maximumAddresses
            && entry.tags.count <= Key.maximumTags
        problems.check(isBounded, .invalid, "\(entry.id) has a list that is too long")
        checkLimits(entry.limits, of: entry, &problems)
    }
}

/// Limits of a tenant (`key` nil), or of a key: in range, each once, and where they belong.
private func checkLimits(
    _ limits: [LimitEntry], of key: KeyEntry? = nil, _ problems: inout ProblemList
) {
    if limits.isEmpty { return }
    var ids: Set<LimitID> = []
    for entry in limits {
        problems.check(ids.insert(entry.id).inserted, .duplicate, "\(entry.id)")
        let isHome =
            if let key {
                entry.subject == .key(key.id) && entry.tenant == key.tenant
            } else {
                entry.subject.kind != .key
            }
        problems.check(isHome, .misplaced, "\(entry.id)")
        let rules = Limit.problems(
            name: entry.name, match: entry.match, partition: entry.partition, metric: entry.metric,
            amount: entry.amount, period: entry.period, mode: entry.mode, thresholds: [])
        problems.check(rules.isEmpty, .invalid, "\(entry.id)")
    }
}
