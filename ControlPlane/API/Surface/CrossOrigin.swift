import HTTPServing
import HTTPWire

/// Which web pages of other origins may use the API: none, but for those the operator names. They use
/// bearer tokens; cookies are never allowed along.
package struct CrossOrigin: Sendable {
    /// Exact origins, such as `https://console.example.com`.
    private let origins: Set<String>

    package init(origins: [String]) { self.origins = Set(origins) }

    /// What is wrong with a text as an origin; nil: nothing.
    package static func problem(_ origin: String) -> String? {
        let parts = origin.split(separator: "/", omittingEmptySubsequences: false)
        let isOrigin =
            parts.count == 3 && (parts[0] == "https:" || parts[0] == "http:") && parts[1].isEmpty
            && !parts[2].isEmpty && origin == origin.lowercased()
            && origin.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2a && $0 != 0x3f && $0 != 0x23 }
        return isOrigin ? nil : "must be an origin such as https://console.example.com, in lowercase"
    }

    /// The origin of a request from a page that may ask; nil for every other request.
    func allowed(_ exchange: Exchange) -> String? {
        guard !origins.isEmpty, let origin = exchange.fieldText(.origin), origins.contains(origin) else {
            return nil
        }
        return origin
    }

    /// Whether a browser asks if it may ask.
    static func isPreflight(_ exchange: Exchange) -> Bool {
        exchange.method == .options && exchange.field("access-control-request-method") != nil
    }

    /// What every answer to such a page says.
    static func addFields(for origin: String, to fields: inout HeaderFields) {
        fields.append("access-control-allow-origin", origin)
        fields.append("vary", "origin")
        fields.append(
            "access-control-expose-headers",
            "etag, eclusa-change, eclusa-dry-run, idempotency-replayed, retry-after, x-request-id")
    }

    static func preflightFields() -> HeaderFields {
        [
            "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
            "access-control-allow-headers":
                "authorization, content-type, if-match, idempotency-key, last-event-id",
            "access-control-max-age": "600",
        ]
    }
}
