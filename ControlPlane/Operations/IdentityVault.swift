package import Cryptography
package import Domain

/// Seals what belongs to people rather than to tenants: messages that wait to be sent, secrets of second
/// factors, client secrets of identity providers. Each opens only at the place it was sealed for.
package struct IdentityVault: Sendable {
    let key: SymmetricKey

    func seal(_ secret: Secret, for place: String) -> [UInt8] {
        key.seal(secret, associatedData: Self.data(place))
    }

    func open(_ sealed: [UInt8], for place: String) throws(CryptographyError) -> Secret {
        try key.openSecret(sealed, associatedData: Self.data(place))
    }

    /// The content of a queued message: a JSON object with `subject` and `text`.
    package func openMail(_ id: MailID, _ sealed: [UInt8]) throws(CryptographyError) -> Secret {
        try open(sealed, for: Self.place(of: id))
    }

    static func place(of mail: MailID) -> String { "mail/\(mail)" }

    private static func data(_ place: String) -> [UInt8] { Array("eclusa identity secret 1\n\(place)".utf8) }
}
