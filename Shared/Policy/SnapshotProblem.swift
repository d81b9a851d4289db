/// Why a snapshot must not be published, and must not be run.
package struct SnapshotProblem: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable {
        /// An entry in a shard that is not its home.
        case misplaced
        /// Bytes that are no shard.
        case unreadable
        /// An identifier, public id or name that is there twice, or entries that are not in order.
        case duplicate
        /// A reference to something that is not there, or that belongs to another tenant.
        case dangling
        /// A value that breaks its own rule.
        case invalid
        /// A credential sealed under another fleet key than the manifest names.
        case fleetKey
        /// Changed shards that do not belong to the snapshot they are to be put on.
        case mismatched
    }

    package let kind: Kind
    /// Which entry, by id; never a secret.
    package let subject: String

    init(_ kind: Kind, _ subject: String) {
        self.kind = kind
        self.subject = subject
    }

    package var description: String { "\(kind.rawValue): \(subject)" }
}

/// The problems that stop a snapshot: at least one, at most a hundred.
package struct InvalidSnapshot: Error, Hashable, Sendable, CustomStringConvertible {
    package let problems: [SnapshotProblem]
    package static let maximumProblems = 100

    package var description: String { problems.map(\.description).joined(separator: "; ") }
}

/// Collects problems up to the limit.
struct ProblemList {
    private(set) var problems: [SnapshotProblem] = []

    mutating func add(_ kind: SnapshotProblem.Kind, _ subject: @autoclosure () -> String) {
        guard problems.count < InvalidSnapshot.maximumProblems else { return }
        problems.append(SnapshotProblem(kind, subject()))
    }

    mutating func add(_ others: ProblemList) {
        problems += others.problems.prefix(InvalidSnapshot.maximumProblems - problems.count)
    }

    mutating func check(_ condition: Bool, _ kind: SnapshotProblem.Kind, _ subject: @autoclosure () -> String)
    {
        if !condition { add(kind, subject()) }
    }
}
