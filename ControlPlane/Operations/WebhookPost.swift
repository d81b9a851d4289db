import Cryptography
import Domain

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
        self.url = url.description
        self.body = body
        fields = WebhookSecret.fields(
            id: id, timestamp: now.microseconds / 1_000_000, body: body, signedBy: secrets)
    }
}
