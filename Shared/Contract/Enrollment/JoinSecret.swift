package import Cryptography

/// A join token as it is written: `ejt_` and 43 base64url characters of 32 random bytes. Shown once, used
/// once.
package struct JoinSecret: Sendable {
    private let text: String

    package static let prefix = "ejt_"
    private static let byteCount = 32

    /// A new random token.
    package init() { text = Self.prefix + Base64.encodeURL(randomBytes(Self.byteCount)) }

    /// The token of a text, or nil when it has not the form of one.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), text.utf8.count == 47,
            Base64.decodeURL(String(text.dropFirst(Self.prefix.count)))?.count == Self.byteCount
        else { return nil }
        self.text = text
    }

    /// What the control plane keeps instead of the token.
    package var digest: SHA256Digest { sha256(text) }

    /// The token itself: for the one answer that shows it, and for the join request.
    package func reveal() -> String { text }
}

extension JoinSecret: CustomStringConvertible, CustomReflectable {
    /// The prefix only.
    package var description: String { "\(Self.prefix)…" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
