package import Contract
package import Cryptography
import Synchronization

/// What nodes are told now, and who is listening. Any thread.
package final class SnapshotStreams: Sendable {
    /// The newest statement, as frames.
    package struct Statement: Sendable {
        /// Rises with every statement.
        package let number: UInt64
        package let version: SnapshotVersion
        /// For a stream that begins: with the key sets.
        package let first: [UInt8]
        /// For one that has had the key sets.
        package let next: [UInt8]
    }

    private struct State {
        var statement: Statement?
        var objects: [SHA256Digest: SnapshotObject] = [:]
        /// Of the version before: a node may be in the middle of it.
        var previousObjects: [SHA256Digest: SnapshotObject] = [:]
        var listeners: [UInt64: @Sendable () -> Void] = [:]
        var lastListener: UInt64 = 0
        var isClosed = false
    }
    private let state = Mutex(State())

    package init() {}

    package var current: Statement? { state.withLock { $0.statement } }
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

    /// States a signed manifest. `objects`: of a new version; nil when the version is the one stated before.
    func state(
        _ manifest: VerifiedManifest, keySets: [SignedEnvelope],
        objects: [SHA256Digest: SnapshotObject]? = nil
    ) {
        let frame = StreamFrame(manifest: manifest.envelope)
        let first = StreamFrame(manifest: manifest.envelope, keySets: keySets).framed, next = frame.framed
        let signals = state.withLock { state in
            let number = (state.statement?.number ?? 0) + 1
            state.statement = Statement(
                number: number, version: manifest.manifest.version, first: first, next: next)
            if let objects {
                state.previousObjects = state.objects
                state.objects = objects
            }
            return Array(state.listeners.values)
        }
        for signal in signals { signal() }
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
