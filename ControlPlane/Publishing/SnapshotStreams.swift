package import Contract
package import Cryptography
package import Domain
import Synchronization

/// What nodes are told now, and who is listening. Any thread.
package final class SnapshotStreams: Sendable {
    /// The newest statement, as frames.
    package struct Statement: Sendable {
        /// Rises with every statement.
        package let number: UInt64
        package let version: SnapshotVersion
        /// How many key sets there are: a stream that has had fewer gets `first` again.
        package let keySetCount: Int
        /// For a stream that begins: with the key sets.
        package let first: [UInt8]
        /// For one that has had the key sets.
        package let next: [UInt8]
    }

    private struct State {
        var statement: Statement?
        /// For nodes that must not have the newest settings yet; nil: there are none.
        var held: Statement?
        /// Who gets `statement` although `held` is there.
        var advanced: Set<NodeID> = []
        var objects: [SHA256Digest: SnapshotObject] = [:]
        /// Of the version before: a node may be in the middle of it.
        var previousObjects: [SHA256Digest: SnapshotObject] = [:]
        var listeners: [UInt64: @Sendable () -> Void] = [:]
        var lastListener: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    package init() {}

    /// What everybody hears, or those that go first.
    package var current: Statement? { state.withLock { $0.statement } }

    /// What a node is to hear.
    package func statement(for node: NodeID) -> Statement? {
        state.withLock { state in
            guard let held = state.held, !state.advanced.contains(node) else { return state.statement }
            return held
        }
    }
    package var listenerCount: Int { state.withLock { $0.listeners.count } }
    /// Whether streams must end: the program stops.
    package var isClosed: Bool { state.withLock { $0.isClosed } }

    /// A page or shard of the newest version or the one before.
    package func object(_ address: SHA256Digest) -> SnapshotObject? {
        state.withLock { $0.objects[address] ?? $0.previousObjects[address] }
    }

    /// Calls `signal` after every statement, until `stop`. On the thread that makes the statement: only hand
    /// over.
    package func listen(_ signal: @escaping @Sendable () -> Void) -> UInt64 {
        state.withLock { state in
            state.lastListener += 1
            state.listeners[state.lastListener] = signal
            return state.lastListener
        }
    }

    package func stop(_ listener: UInt64) {
        state.withLock { _ = $0.listeners.removeValue(forKey: listener) }
    }

    /// States a signed manifest, and the held one with who is spared it. `objects`: of a new version; nil if
    /// the version is the one stated before.
    func state(
        _ manifest: VerifiedManifest, held: VerifiedManifest? = nil, advanced: Set<NodeID> = [],
        keySets: [SignedEnvelope], objects: [SHA256Digest: SnapshotObject]? = nil
    ) {
        let signals = state.withLock { state in
            let number = (state.statement?.number ?? 0) + 1
            state.statement = Statement(number, manifest, keySets)
            state.held = held.map { Statement(number, $0, keySets) }
            state.advanced = advanced
            if let objects {
                state.previousObjects = state.objects
                state.objects = objects
            }
            return Array(state.listeners.values)
        }
        for signal in signals { signal() }
    }

    /// Wakes every stream: who may listen has changed.
    package func nudge() {
        for signal in state.withLock({ Array($0.listeners.values) }) { signal() }
    }

    /// Ends all streams and begins no new ones.
    package func close() {
        let signals = state.withLock { state in
            state.isClosed = true
            return Array(state.listeners.values)
        }
        for signal in signals { signal() }
    }
}

extension SnapshotStreams.Statement {
    fileprivate init(_ number: UInt64, _ manifest: VerifiedManifest, _ keySets: [SignedEnvelope]) {
        let frame = StreamFrame(manifest: manifest.envelope)
        self.init(
            number: number, version: manifest.manifest.version, keySetCount: keySets.count,
            first: StreamFrame(manifest: manifest.envelope, keySets: keySets).framed, next: frame.framed)
    }
}
