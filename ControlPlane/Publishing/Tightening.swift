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

/// What manifests take away ahead of their shards: each entry until every node that is there runs a snapshot
/// whose shards say it too, and for half a minute at least, so that one departure takes many along.
package struct KillList: Equatable, Sendable {
    static let leastSeconds: Int64 = 30

    private struct Entry: Equatable {
        let since: Timestamp
        /// Whose shards say it; nil: not published yet.
        var version: SnapshotVersion?
    }

    private var listed: [KillEntry: Entry] = [:]

    init() {}

    /// The list of a manifest somebody published; its entries live from now on.
    init(adopting entries: [KillEntry], of version: SnapshotVersion, at now: Timestamp) {
        for entry in entries { listed[entry] = Entry(since: now, version: version) }
    }

    var isEmpty: Bool { listed.isEmpty }

    mutating func apply(_ change: Tightening, at now: Timestamp) {
        for entry in change.added { listed[entry] = Entry(since: now) }
        for entry in change.lifted { listed[entry] = nil }
    }

    /// Notes the version that has the new entries in its shards.
    mutating func published(in version: SnapshotVersion) {
        for (entry, place) in listed where place.version == nil { listed[entry]?.version = version }
    }

    /// Drops what every node has in its shards; whether anything was.
    ///
    /// - Parameter running: the oldest version a node runs that is there; nil: nobody knows.
    mutating func expire(at now: Timestamp, running: SnapshotVersion?) -> Bool {
        guard let running else { return false }
        let before = listed.count
        listed = listed.filter { _, entry in
            let isConfirmed = entry.version.map { $0 <= running } ?? false
            return !isConfirmed || now.microseconds(since: entry.since) < Self.leastSeconds * 1_000_000
        }
        return listed.count != before
    }

    /// At most 1,000, the youngest of more; in an order that depends on nothing but the entries.
    var entries: [KillEntry] {
        var entries = listed.sorted { ($0.value.since, $0.key.order) > ($1.value.since, $1.key.order) }
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
