import Contract
import Domain

/// What a change takes away, and what it gives back: the difference of two states of one shard.
struct Tightening: Equatable {
    private(set) var added: Set<KillEntry> = []
    private(set) var lifted: Set<KillEntry> = []

    var isEmpty: Bool { added.isEmpty && lifted.isEmpty }

    /// Notes a shard's change: keys revoked or gone, tenants suspended or gone, providers disabled or gone.
    mutating func note(from old: Shard, to new: Shard) {
        let keys = Dictionary(new.keys.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for key in old.keys where key.revoked == nil {
            if keys[key.id]?.revoked != nil || keys[key.id] == nil { added.insert(.key(key.id)) }
        }
        let tenants = Dictionary(new.tenants.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for tenant in old.tenants {
            let wasActive = !tenant.isSuspended, isActive = tenants[tenant.id]?.isSuspended == false
            if wasActive && !isActive { added.insert(.tenant(tenant.id)) }
            if !wasActive && isActive { lifted.insert(.tenant(tenant.id)) }
        }
        let providers = Dictionary(new.providers.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for provider in old.providers {
            let wasActive = provider.isEnabled, isActive = providers[provider.id]?.isEnabled == true
            if wasActive && !isActive { added.insert(.provider(provider.id)) }
            if !wasActive && isActive { lifted.insert(.provider(provider.id)) }
        }
    }
}

/// What manifests take away ahead of their shards: the newest entries, each for a while.
///
/// A connected node has the shard within a second, so an entry has done its work long before it leaves.
struct KillList: Equatable, Sendable {
    static let lifetimeSeconds: Int64 = 300

    private var since: [KillEntry: Timestamp] = [:]

    init() {}

    /// The list of a manifest somebody published; its entries live from now on.
    init(adopting entries: [KillEntry], at now: Timestamp) {
        for entry in entries { since[entry] = now }
    }

    mutating func apply(_ change: Tightening, at now: Timestamp) {
        for entry in change.added { since[entry] = now }
        for entry in change.lifted { since[entry] = nil }
    }

    /// Drops what has lived long enough; whether anything was.
    mutating func expire(at now: Timestamp) -> Bool {
        let before = since.count
        since = since.filter { now.microseconds(since: $0.value) < Self.lifetimeSeconds * 1_000_000 }
        return since.count != before
    }

    /// At most 1,000, the youngest of more; in an order that depends on nothing but the entries.
    var entries: [KillEntry] {
        var entries = since.sorted { ($0.value, $0.key.order) > ($1.value, $1.key.order) }
        entries.removeLast(max(0, entries.count - Manifest.maximumKills))
        return entries.map(\.key).sorted { $0.order < $1.order }
    }
}

extension KillEntry {
    fileprivate var order: (Int, UInt64, UInt64) {
        switch self {
        case .key(let id): (0, id.high, id.low)
        case .tenant(let id): (1, id.high, id.low)
        case .provider(let id): (2, id.high, id.low)
        }
    }
}

private func > (
    left: (Timestamp, (Int, UInt64, UInt64)), right: (Timestamp, (Int, UInt64, UInt64))
) -> Bool {
    left.0 != right.0 ? left.0 > right.0 : left.1 > right.1
}
