/// Which snapshot: an epoch that only the root keys raise (after a restore), and a counter inside it.
///
/// Ordered by epoch first. A version is born when a snapshot is published and never used twice.
package struct SnapshotVersion: Hashable, Comparable, Sendable {
    package let epoch: UInt32
    package let counter: UInt64

    package init(epoch: UInt32, counter: UInt64) {
        self.epoch = epoch
        self.counter = counter
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.epoch != right.epoch ? left.epoch < right.epoch : left.counter < right.counter
    }

    /// The version after this one in the same epoch.
    package var next: SnapshotVersion { SnapshotVersion(epoch: epoch, counter: counter &+ 1) }
}

extension SnapshotVersion: LosslessStringConvertible {
    /// `1.42`: what headers, logs and the API show.
    package var description: String { "\(epoch).\(counter)" }

    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = UInt32(Substring(parts[0])),
            let counter = UInt64(Substring(parts[1])),
            SnapshotVersion(epoch: epoch, counter: counter).description == text
        else { return nil }
        self.init(epoch: epoch, counter: counter)
    }
}
