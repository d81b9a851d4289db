package import Contract
import Cryptography
import Domain
import PostgresDriver
import Store

/// What one snapshot has that another has not, by ids.
package struct SnapshotDifference: Sendable {
    package static let maximumEntries = 1000

    package let from: SnapshotVersion
    package let to: SnapshotVersion
    package internal(set) var added: [String] = []
    package internal(set) var removed: [String] = []
    package internal(set) var changed: [String] = []
    /// Whether there is more than the lists have room for.
    package internal(set) var isTruncated = false

    init(from: SnapshotVersion, to: SnapshotVersion) {
        self.from = from
        self.to = to
    }

    mutating func note(from old: [String: Int], to new: [String: Int]) {
        for (id, hash) in new {
            if let before = old[id] {
                if before != hash { add(id, to: \.changed) }
            } else {
                add(id, to: \.added)
            }
        }
        for id in old.keys where new[id] == nil { add(id, to: \.removed) }
    }

    private mutating func add(_ id: String, to list: WritableKeyPath<SnapshotDifference, [String]>) {
        guard self[keyPath: list].count < Self.maximumEntries else {
            isTruncated = true
            return
        }
        self[keyPath: list].append(id)
    }

    mutating func sort() {
        added.sort()
        removed.sort()
        changed.sort()
    }
}

extension RolloutOperations {
    /// What a version has that an earlier or later one has not. Opens only the shards that differ.
    package func difference(
        from: SnapshotVersion, to: SnapshotVersion, by caller: Caller
    ) async throws(OperationError) -> SnapshotDifference {
        try await environment.read(.snapshotsRead, in: .platform, by: caller) { connection in
            let old = try await entries(of: from, connection), new = try await entries(of: to, connection)
            var difference = SnapshotDifference(from: from, to: to)
            let shared = Set(old.shards).intersection(new.shards)
            let before = try await old.open(besides: shared, connection)
            let after = try await new.open(besides: shared, connection)
            difference.note(from: before, to: after)
            difference.sort()
            return difference
        }
    }

    private struct Stored {
        let shards: [SHA256Digest]

        /// Every entry of the shards that are not shared, by id, with a hash of what it says.
        func open(
            besides shared: Set<SHA256Digest>, _ connection: PostgresConnection
        ) async throws -> [String: Int] {
            let wanted = shards.filter { !shared.contains($0) }
            var entries: [String: Int] = [:]
            for bytes in try await SnapshotStore.objects(wanted, connection).values {
                let shard = try Shard(object: SnapshotObject(bytes: bytes))
                for entry in shard.tenants { entries[entry.id.description] = entry.hashValue }
                for entry in shard.workspaces { entries[entry.id.description] = entry.hashValue }
                for entry in shard.keys { entries[entry.id.description] = entry.hashValue }
                for entry in shard.providers { entries[entry.id.description] = entry.hashValue }
                for entry in shard.routes { entries[entry.id.description] = entry.hashValue }
                for entry in shard.prices { entries[entry.id.description] = entry.hashValue }
                for entry in shard.guardrails { entries[entry.id.description] = entry.hashValue }
            }
            return entries
        }
    }

    private func entries(
        of version: SnapshotVersion, _ connection: PostgresConnection
    ) async throws -> Stored {
        let published = try found(try await SnapshotStore.find(version, connection))
        // Kept by ourselves under its hash's name; nodes are who must check the signature.
        let manifest = try Manifest(encoded: try SignedEnvelope(encoded: published.manifest).payload)
        let pages = try await SnapshotStore.objects(manifest.pages, connection)
        let shards = try pages.values.flatMap { bytes in
            try ManifestPage(encoded: bytes).references.compactMap { $0?.address }
        }
        return Stored(shards: shards)
    }
}
