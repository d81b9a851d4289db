/// One gateway process identity: its registered public keys are who it is.
package struct Node: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable {
        case active
        /// Serves what it has and takes no new calls.
        case draining
        /// Its certificate is refused; never active again.
        case revoked
    }

    package let id: NodeID
    package var name: String
    package var region: String
    package var status: Status
    /// Ed25519, 32 bytes: the node is whoever holds the private half.
    package let identityKey: [UInt8]
    /// X25519, 32 bytes: the fleet key is sealed to it.
    package let sealingKey: [UInt8]
    /// The release it runs, as it says itself.
    package var softwareVersion: String
    package let joinedAt: Timestamp
    package var lastSeenAt: Timestamp?

    package init(
        id: NodeID, name: String, region: String, status: Status = .active, identityKey: [UInt8],
        sealingKey: [UInt8], softwareVersion: String, joinedAt: Timestamp, lastSeenAt: Timestamp? = nil
    ) {
        self.id = id
        self.name = name
        self.region = region
        self.status = status
        self.identityKey = identityKey
        self.sealingKey = sealingKey
        self.softwareVersion = softwareVersion
        self.joinedAt = joinedAt
        self.lastSeenAt = lastSeenAt
    }

    /// A node that was not heard from for this long counts as gone: three heartbeats.
    package static let silenceLimitSeconds: Int64 = 30

    package func isConnected(at now: Timestamp) -> Bool {
        guard let lastSeenAt, status != .revoked else { return false }
        return now.microseconds(since: lastSeenAt) <= Self.silenceLimitSeconds * 1_000_000
    }

    package static func problems(name: String, region: String) -> [ValidationError] {
        [TextRule.slug.check(name, at: "/name"), TextRule.slug.check(region, at: "/region")].compactMap(
            \.self)
    }
}

/// A single-use permit to enroll one node. The token itself is shown once; only its SHA-256 is kept.
package struct JoinToken: Hashable, Sendable {
    package enum Standing: String, Sendable, CaseIterable {
        case open
        case used
        case expired
    }

    package let id: JoinTokenID
    /// The name the node will have.
    package let nodeName: String
    package let region: String
    package let createdBy: UserID?
    package let createdAt: Timestamp
    package let expires: Timestamp
    package var usedAt: Timestamp?
    package var usedBy: NodeID?

    package init(
        id: JoinTokenID, nodeName: String, region: String, createdBy: UserID?, createdAt: Timestamp,
        expires: Timestamp, usedAt: Timestamp? = nil, usedBy: NodeID? = nil
    ) {
        self.id = id
        self.nodeName = nodeName
        self.region = region
        self.createdBy = createdBy
        self.createdAt = createdAt
        self.expires = expires
        self.usedAt = usedAt
        self.usedBy = usedBy
    }

    /// The token in random bytes, before its base64url form.
    package static let secretLength = 32
    package static let defaultLifetimeSeconds: Int64 = 900
    package static let lifetimesSeconds: ClosedRange<Int64> = 60...604_800

    package func standing(at now: Timestamp) -> Standing {
        if usedAt != nil { return .used }
        return now >= expires ? .expired : .open
    }
}
