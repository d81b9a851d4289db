import Cryptography
import Domain

/// What signs the messages of a webhook, in the form of the Standard Webhooks specification: `whsec_` and the
/// bytes of the key in base64; ours have 32.
package struct WebhookSecret: Sendable {
    package static let prefix = "whsec_"
    package static let length = 50
    /// What the header field of signatures begins each with.
    static let scheme = "v1"

    package let text: String
    private let key: Secret

    init() {
        let bytes = randomBytes(32)
        text = Self.prefix + Base64.encode(bytes)
        key = Secret(bytes)
    }

    /// nil: not such a text.
    package init?(_ text: String) {
        guard text.hasPrefix(Self.prefix), let bytes = Base64.decode(String(text.dropFirst(6))),
            (24...64).contains(bytes.count)
        else { return nil }
        self.text = text
        key = Secret(bytes)
    }

    /// `v1,` and the base64 of HMAC-SHA-256 over `id.timestamp.body`.
    package func signature(id: String, timestamp: Int64, body: [UInt8]) -> String {
        let signed = Array("\(id).\(timestamp).".utf8) + body
        return "\(Self.scheme),\(Base64.encode(hmacSHA256(key: key, message: signed).bytes))"
    }
}

/// One message to a webhook, signed.
package struct WebhookPost: Sendable {
    /// The longest an endpoint may take. Unit: milliseconds.
    package static let timeoutMilliseconds = 10_000
    /// The most bytes of an answer that are read; nothing is done with them.
    package static let maximumBody = 65_536

    package let url: String
    package let fields: [(name: String, value: String)]
    package let body: [UInt8]

    package enum Answer: Sendable {
        case answered(status: Int)
        /// Why there was no answer; names addresses, never secrets.
        case unreachable(String)
    }

    /// The message with `id`, signed at a moment by each of the secrets.
    init(to url: BaseURL, id: String, body: [UInt8], at now: Timestamp, signedBy secrets: [WebhookSecret]) {
        let timestamp = now.microseconds / 1_000_000
        let signatures = secrets.map { $0.signature(id: id, timestamp: timestamp, body: body) }
        self.url = url.description
        self.body = body
        fields = [
            ("content-type", "application/json"), ("user-agent", "eclusa"), ("webhook-id", id),
            ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }
}
