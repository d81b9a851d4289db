package import Contract
import Cryptography
package import Domain
import JSONText
import Store

/// A node, what it last said of itself, and whether it is there.
package struct NodeState: Sendable {
    package let node: Node
    package let isConnected: Bool
    package let report: NodeStatus?

    package var running: SnapshotVersion? { report?.running }
    package var outboxEvents: Int64? { report?.outboxEvents }
    /// How old the running snapshot was when the node last reported.
    package var lagMilliseconds: Int64? {
        guard let issued = report?.runningIssuedAt, let seen = node.lastSeenAt else { return nil }
        return max(0, seen.microseconds(since: issued) / 1000)
    }
    /// Why it refused the newest snapshot; nil: it did not.
    package var lastError: String? { report?.rejected.map { "\($0.stage.rawValue): \($0.text)" } }

    init(_ node: Node, _ report: NodeStatus?, at now: Timestamp) {
        self.node = node
        self.report = report
        isConnected = node.isConnected(at: now)
    }

    init(_ listed: NodeStore.Listed, at now: Timestamp) { self.init(listed.node, listed.report, at: now) }
}

/// A revoked node, and the providers whose credentials it held.
package struct RevokedNode: Sendable {
    package let state: NodeState
    package let exposedProviders: [ProviderID]
}

/// Gateway nodes. Platform-wide.
package struct NodeOperations {
    let environment: OperationEnvironment

    package func list(
        where filter: NodeFilter = NodeFilter(), isConnected: Bool? = nil, _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<NodeState> {
        let now = environment.clock.now()
        return try await environment.read(.nodesRead, in: .platform, by: caller) { connection in
            ListPage(
                try await NodeStore.list(
                    where: filter, isConnected: isConnected.map { ($0, at: now) }, page.of(Node.self),
                    connection)
            ) { NodeState($0, at: now) }
        }
    }

    package func get(_ id: NodeID, by caller: Caller) async throws(OperationError) -> NodeState {
        let now = environment.clock.now()
        return try await environment.read(.nodesRead, in: .platform, by: caller) { connection in
            NodeState(try found(try await NodeStore.findListed(id, connection)), at: now)
        }
    }

    /// Revokes a node for good: its certificate is refused from now on, its stream is cut, the fleet key is
    /// replaced. The answer names the providers whose credentials it could open; they need new ones.
    package func revoke(
        _ id: NodeID, by caller: Caller
    ) async throws(OperationError) -> Changed<RevokedNode> {
        let (now, masterKey) = (environment.clock.now(), environment.keys.vault.masterKey)
        let changed = try await environment.write("nodes.revoke", .nodesRevoke, in: .platform, by: caller) {
            connection in
            let listed = try found(try await NodeStore.findListed(id, connection))
            if listed.node.status == .revoked { throw OperationError(.alreadyRevoked) }
            let node = try found(try await NodeStore.setStatus(.revoked, of: id, connection))
            try await Keyring(masterKey: masterKey, now: now, connection: connection).rotateFleetKey()
            return Recorded(
                NodeState(node, listed.report, at: now),
                AuditSubject("node", id, ["name": .string(node.name)]))
        }
        // Afterwards, so that no credential can slip in between unnamed.
        let exposed = try await environment.viewAcrossTenants { connection in
            try await ProviderStore.withCredentials(limit: 10_000, connection)
        }
        return Changed(RevokedNode(state: changed.value, exposedProviders: exposed), token: changed.token)
    }
}

/// A join token and what can only be said at a moment.
package struct JoinTokenState: Sendable {
    package let token: JoinToken
    package let standing: JoinToken.Standing

    init(_ token: JoinToken, at now: Timestamp) {
        self.token = token
        standing = token.standing(at: now)
    }
}

/// A join token with its secret, inside all a new node needs.
package struct IssuedJoinToken: Sendable {
    package let state: JoinTokenState
    package let bundle: JoinBundle
}

/// Single-use permits to enroll a node. Platform-wide.
package struct JoinTokenOperations {
    let environment: OperationEnvironment

    package func list(
        standing: JoinToken.Standing? = nil, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<JoinTokenState> {
        let now = environment.clock.now()
        return try await environment.read(.joinTokensRead, in: .platform, by: caller) { connection in
            ListPage(
                try await JoinTokenStore.list(
                    standing: standing.map { ($0, at: now) }, page.of(JoinToken.self), connection)
            ) { JoinTokenState($0, at: now) }
        }
    }

    /// Makes a token. Only its SHA-256 is kept; the bundle is in the answer and nowhere else.
    package func create(
        nodeName: String, region: String, lifetimeSeconds: Int64, by caller: Caller
    ) async throws(OperationError) -> IssuedJoinToken {
        var problems = [
            TextRule.slug.check(nodeName, at: "/node_name"), TextRule.slug.check(region, at: "/region"),
        ].compactMap(\.self)
        if !JoinToken.lifetimesSeconds.contains(lifetimeSeconds) {
            problems.append(ValidationError("/expires_in", .outOfRange, "must be 60 to 604800 seconds"))
        }
        try check(problems)
        let now = environment.clock.now()
        let secret = JoinSecret()
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: nodeName, region: region, createdBy: caller.user,
            createdAt: now,
            expires: now.advanced(bySeconds: lifetimeSeconds))
        _ = try await environment.write("join-tokens.create", .joinTokensCreate, in: .platform, by: caller) {
            connection in
            try await JoinTokenStore.create(token, hash: secret.digest, connection)
            return Recorded(
                token.id,
                AuditSubject(
                    "join_token", token.id, ["node_name": .string(nodeName), "region": .string(region)]))
        }
        let keys = environment.keys
        let bundle = JoinBundle(
            controlURL: environment.nodeURL, token: secret,
            authorityPEM: keys.certificateAuthority.certificatePEM, rootKey: keys.pinnedRoot)
        return IssuedJoinToken(state: JoinTokenState(token, at: now), bundle: bundle)
    }

    /// Takes an unused token back; a used one is `in_use`, since its node remembers it.
    package func delete(_ id: JoinTokenID, by caller: Caller) async throws(OperationError) {
        _ = try await environment.write("join-tokens.delete", .joinTokensDelete, in: .platform, by: caller) {
            connection in
            let token = try found(try await JoinTokenStore.find(id, connection))
            guard try await JoinTokenStore.delete(id, connection) else {
                _ = try found(try await JoinTokenStore.find(id, connection))
                throw OperationError(.inUse)
            }
            return Recorded(id, AuditSubject("join_token", id, ["node_name": .string(token.nodeName)]))
        }
    }
}
