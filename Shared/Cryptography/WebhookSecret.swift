/// What signs the messages of a webhook, in the form of the Standard Webhooks specification: `whsec_` and the
/// bytes of the key in base64; ours have 32.
package struct WebhookSecret: Sendable {
    package static let prefix = "whsec_"
    package static let length = 50
    /// How long a secret of somebody else's making may be. Unit: bytes of text.
    package static let lengths = 38...94
    /// What the header field of signatures begins each with.
    static let scheme = "v1"

    package let text: String
    private let key: Secret

    package init() {
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

    /// The fields of a message with `id`, signed by each of the secrets. `timestamp` in seconds.
    package static func fields(
        id: String, timestamp: Int64, body: [UInt8], signedBy secrets: [WebhookSecret]
    ) -> [(name: String, value: String)] {
        let signatures = secrets.map { $0.signature(id: id, timestamp: timestamp, body: body) }
        return [
            ("content-type", "application/json"), ("user-agent", "eclusa"), ("webhook-id", id),
            ("webhook-timestamp", String(timestamp)),
            ("webhook-signature", signatures.joined(separator: " ")),
        ]
    }
}
