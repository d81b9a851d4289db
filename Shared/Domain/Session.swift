/// One sign-in on one device: the family of all refresh tokens that followed from it.
package struct Session: Hashable, Sendable {
    package let id: SessionID
    package let user: UserID
    package let userAgent: String
    package let address: String
    package let createdAt: Timestamp
    package let lastSeenAt: Timestamp
    package let expires: Timestamp
    package let revoked: Timestamp?
    /// The one tenant where it counts; nil: everywhere.
    package let onlyTenant: TenantID?

    package init(
        id: SessionID, user: UserID, userAgent: String, address: String, createdAt: Timestamp,
        lastSeenAt: Timestamp, expires: Timestamp, revoked: Timestamp? = nil, onlyTenant: TenantID? = nil
    ) {
        self.id = id
        self.user = user
        self.userAgent = userAgent
        self.address = address
        self.createdAt = createdAt
        self.lastSeenAt = lastSeenAt
        self.expires = expires
        self.revoked = revoked
        self.onlyTenant = onlyTenant
    }
}
