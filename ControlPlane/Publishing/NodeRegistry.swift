package import Domain
package import EventLoops
package import PostgresDriver
import Store

/// Why a node is not served.
package enum NodeRefusal: Error, Sendable, Equatable {
    /// No node is registered with this key.
    case unknown
    case revoked
    /// The database is away, and the key has not been seen lately.
    case unavailable

    package var errorCode: ErrorCode {
        switch self {
        case .unknown: .nodeUnknown
        case .revoked: .nodeRevoked
        case .unavailable: .unavailable
        }
    }
}

/// Who the holder of a client certificate is: a node is its registered public key. Loop thread.
package final class NodeRegistry {
    /// How old an answer may be.
    package enum Freshness: Sendable {
        /// From the database, now.
        case now
        /// A few seconds old, or, while the database is away, the last one there was: for what is served
        /// without it.
        case recent
    }

    private static let recentNanoseconds: Int64 = 5_000_000_000
    private static let maximumKnown = 20_000

    private let loop: EventLoop
    private let database: PostgresPool
    private var known: [[UInt8]: (node: Node, seenAt: Int64)] = [:]

    package init(loop: EventLoop, database: PostgresPool) {
        self.loop = loop
        self.database = database
    }

    /// The node that owns the key.
    package func node(
        identityKey: [UInt8], _ freshness: Freshness
    ) async throws(NodeRefusal) -> Node {
        if freshness == .recent, let (node, seenAt) = known[identityKey],
            loop.now - seenAt < Self.recentNanoseconds
        {
            return try checked(node)
        }
        let found: Node?
        do {
            found = try await database.withConnection {
                try await NodeStore.find(identityKey: identityKey, $0)
            }
        } catch {
            guard freshness == .recent, let (node, _) = known[identityKey] else { throw .unavailable }
            return try checked(node)
        }
        guard let found else {
            known[identityKey] = nil
            throw .unknown
        }
        if known.count >= Self.maximumKnown { known.removeAll() }
        known[identityKey] = (found, loop.now)
        return try checked(found)
    }

    /// How often `forget` was called: whoever was admitted before asks again.
    package private(set) var generation: UInt64 = 0

    /// Believes nothing it has seen: nodes were changed.
    package func forget() {
        generation += 1
        // Kept for the time without a database, but older than any question accepts.
        for key in known.keys { known[key]?.seenAt = -Self.recentNanoseconds }
    }

    private func checked(_ node: Node) throws(NodeRefusal) -> Node {
        if node.status == .revoked { throw .revoked }
        return node
    }
}
