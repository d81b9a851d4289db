import Cryptography
import Domain
import Store

/// A secret for one use: a prefix that says what for, and 43 base64url characters of 32 random bytes. Only
/// its SHA-256 is kept.
struct OneTimeToken {
    enum Prefix: String {
        case invitation = "einv"
        case email = "eml"
        case challenge = "ech"
        case signInFlow = "eflow"
    }

    private let text: String

    /// For what belongs to a tenant the token names it, so that it can be looked up there.
    init(_ prefix: Prefix, of tenant: TenantID? = nil) {
        let place = tenant.map { "\($0)_" } ?? ""
        text = "\(prefix.rawValue)_\(place)" + Base64.encodeURL(randomBytes(32))
    }

    /// The tenant a token names; nil when it names none.
    static func tenant(of text: String, _ prefix: Prefix) -> TenantID? {
        let length = TenantID.platform.description.utf8.count
        return TenantID(String(text.dropFirst(prefix.rawValue.utf8.count + 1).prefix(length)))
    }

    var digest: SHA256Digest { sha256(text) }

    /// The token itself: for the one message or answer that shows it.
    func reveal() -> String { text }
}
