package import HTTPWire

/// Which web pages of other origins may use a server: none, but for those the operator names. They use
/// bearer tokens; cookies are never allowed along.
package struct CrossOrigin: Sendable {
    /// Exact origins, such as `https://console.example.com`.
    private let origins: Set<String>
    private let methods: String
    private let requestFields: String
    private let answerFields: String

    /// `methods`, and fields apart by commas: what such pages may send and may read.
    package init(origins: [String], methods: String, requestFields: String, answerFields: String) {
        self.origins = Set(origins)
        self.methods = methods
        self.requestFields = requestFields
        self.answerFields = answerFields
    }

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
    package func allowed(_ exchange: Exchange) -> String? {
        guard !origins.isEmpty, let origin = exchange.fieldText(.origin), origins.contains(origin) else {
            return nil
        }
        return origin
    }

    /// Whether a browser asks if it may ask.
    package static func isPreflight(_ exchange: Exchange) -> Bool {
        exchange.method == .options && exchange.field("access-control-request-method") != nil
    }

    /// What every answer to such a page says.
    package func fields(for origin: String) -> HeaderFields {
        [
            "access-control-allow-origin": origin, "vary": "origin",
            "access-control-expose-headers": answerFields,
        ]
    }

    /// What the answer to a preflight says besides.
    package var preflightFields: HeaderFields {
        [
            "access-control-allow-methods": methods, "access-control-allow-headers": requestFields,
            "access-control-max-age": "600",
        ]
    }
}
