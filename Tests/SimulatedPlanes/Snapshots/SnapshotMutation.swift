/// A rule of snapshots that is broken on purpose, to show that the invariants notice.
package enum SnapshotMutation: String, CaseIterable, CustomStringConvertible {
    /// Whoever signs is believed.
    case strangersAreTrusted
    /// A snapshot older than the running one is run.
    case olderIsTaken
    /// What a manifest takes away waits for its shards.
    case killsWaitForShards
    /// A publisher stores its version without looking whether another had it first.
    case versionsAreReused
    /// A restored control plane goes on in its old epoch.
    case epochIsNotRaised
    /// A snapshot serves before it is on disk, and is not written at all.
    case servesWithoutKeeping
    /// An object is taken for what was asked, whatever it is.
    case objectsAreNotProved
    /// A key is published under another tenant.
    case tenantsAreMixed
    /// A change that came while another was published is forgotten.
    case changesAreLost

    package var description: String { rawValue }
}
