package import Domain

/// A part of what nodes are told: the settings of some owners, and some keys.
package struct SnapshotScope: Hashable, Sendable {
    /// Whose everything but keys is meant; nil among them stands for the platform.
    package var owners: Set<TenantID?> = []
    /// Tenants all of whose keys are meant.
    package var keyOwners: Set<TenantID> = []
    /// Single keys.
    package var keys: Set<KeyPublicID> = []

    package init() {}

    /// Everything the owners have, keys too.
    package init(of owners: some Sequence<TenantID?>) {
        self.owners = Set(owners)
        keyOwners = Set(self.owners.compactMap(\.self))
    }

    package var isEmpty: Bool { owners.isEmpty && keyOwners.isEmpty && keys.isEmpty }

    package mutating func formUnion(_ other: SnapshotScope) {
        owners.formUnion(other.owners)
        keyOwners.formUnion(other.keyOwners)
        keys.formUnion(other.keys)
    }

    /// Whether a key is meant, by itself or with all of its tenant.
    package func contains(_ key: KeyPublicID, of tenant: TenantID) -> Bool {
        keyOwners.contains(tenant) || keys.contains(key)
    }
}
