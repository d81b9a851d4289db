/// A service account's credential for the admin API as it is written: `est_<16 public id>_<32 secret><6
/// checksum>`, all base62. No key of an application has this form, and no such token that of a key.
///
/// Holds a secret: printing shows the public half only; it is never stored, and is shown once through
/// `reveal()`.
package struct ManagementTokenText: Sendable {
    package static let prefix = "est_"
    package static let length = 59
    private static let secretLength = 32
    private static let checksumLength = 6

    package let publicID: KeyPublicID
    private let secret: String

    /// `generator` must be a secure one.
    package init(using generator: inout some RandomNumberGenerator) {
        func digits(_ count: Int) -> String {
            String(
                decoding: (0..<count).map { _ in Base62.digit(UInt64.random(in: 0..<62, using: &generator)) },
                as: UTF8.self)
        }
        var id = KeyPublicID(digits(KeyPublicID.length))
        while id == nil { id = KeyPublicID(digits(KeyPublicID.length)) }
        publicID = id ?? KeyPublicID(high: 0, low: 0)
        secret = digits(Self.secretLength)
    }

    /// The token a client sent, or nil when the form or the checksum is wrong.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == Self.length, text.hasPrefix(Self.prefix), bytes[20] == UInt8(ascii: "_"),
            let publicID = KeyPublicID(String(decoding: bytes[4..<20], as: UTF8.self))
        else { return nil }
        let secret = bytes[21..<53]
        guard secret.allSatisfy(Base62.isDigit) else { return nil }
        self.publicID = publicID
        self.secret = String(decoding: secret, as: UTF8.self)
        guard reveal() == text else { return nil }
    }

    /// The whole text: for the one answer that shows it, and for hashing.
    package func reveal() -> String {
        let head = "\(Self.prefix)\(publicID)_\(secret)"
        return head + Base62.text(UInt64(CRC32.checksum(of: head)), width: Self.checksumLength)
    }
}

// Neither a log line nor a failed expectation shows the secret.
extension ManagementTokenText: CustomStringConvertible, CustomReflectable {
    package var description: String { "\(Self.prefix)\(publicID)_…" }
    package var customMirror: Mirror { Mirror(self, children: ["publicID": publicID]) }
}

/// What is kept of a management token.
package struct ManagementToken: Hashable, Sendable {
    package enum Standing: String, Sendable, CaseIterable { case active, revoked, expired }

    package let id: ManagementTokenID
    package let tenant: TenantID
    package let serviceAccount: ServiceAccountID
    package let name: String
    package let publicID: KeyPublicID
    package let expires: Timestamp?
    package let revoked: Timestamp?
    /// To the minute.
    package let lastUsedAt: Timestamp?
    package let createdAt: Timestamp

    package init(
        id: ManagementTokenID, tenant: TenantID, serviceAccount: ServiceAccountID, name: String,
        publicID: KeyPublicID, expires: Timestamp?, revoked: Timestamp? = nil, lastUsedAt: Timestamp? = nil,
        createdAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.serviceAccount = serviceAccount
        self.name = name
        self.publicID = publicID
        self.expires = expires
        self.revoked = revoked
        self.lastUsedAt = lastUsedAt
        self.createdAt = createdAt
    }

    package func standing(at now: Timestamp) -> Standing {
        if revoked != nil { return .revoked }
        return expires.map { now >= $0 } ?? false ? .expired : .active
    }
}
