import Domain

/// Notices two live processes with one node's identity: a nonce that another had replaced speaks again. Pure.
///
/// A restart replaces the nonce once and for all; two clones take turns.
struct ProcessWatch {
    private static let maximumNodes = 20_000
    private static let remembered = 4

    private var processes: [NodeID: (current: String, replaced: [String])] = [:]

    init() {}

    /// Notes a report; false when it comes from a process that another one had replaced.
    mutating func note(_ node: NodeID, nonce: String) -> Bool {
        guard let (current, replaced) = processes[node] else {
            if processes.count >= Self.maximumNodes { processes.removeAll() }
            processes[node] = (nonce, [])
            return true
        }
        if nonce == current { return true }
        processes[node] = (
            nonce, Array(([current] + replaced.filter { $0 != nonce }).prefix(Self.remembered))
        )
        return !replaced.contains(nonce)
    }
}
