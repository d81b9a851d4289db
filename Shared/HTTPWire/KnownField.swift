/// Field names the product looks at, told apart while a head is parsed so that allow-lists are bit tests.
package enum KnownField: UInt8, Sendable, CaseIterable {
    case other
    // Framing and hop-by-hop (RFC 9110 §7.6.1)
    case host, connection, contentLength, transferEncoding, expect, upgrade, te, trailer, keepAlive
    case proxyConnection, proxyAuthorization, proxyAuthenticate
    // Credentials and identity
    case authorization, cookie, setCookie, apiKey, xAPIKey, xGoogAPIKey, wwwAuthenticate
    case openAIOrganization, openAIProject, forwarded, xForwardedFor, xForwardedHost, xForwardedProto, via
    // Content
    case contentType, contentEncoding, contentLanguage, contentRange, accept, acceptEncoding, acceptLanguage
    case range, userAgent
    // Correlation, retries and dialect versions
    case xRequestID, requestID, idempotencyKey, retryAfter, retryAfterMilliseconds, xShouldRetry
    case traceParent, traceState, anthropicVersion, anthropicBeta, openAIBeta, openAIVersion
    case openAIProcessingMilliseconds, xServerTimeout
    // Caching and browsers
    case date, server, location, entityTag, ifNoneMatch, ifModifiedSince, cacheControl, origin, referer
    case secFetchSite, altSvc, strictTransportSecurity, contentSecurityPolicy

    /// The canonical lower-case name; empty for ``other``.
    package var name: StaticString { Self.names[Int(rawValue)] }

    private static let names: [StaticString] = [
        "", "host", "connection", "content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer",
        "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "authorization",
        "cookie", "set-cookie", "api-key", "x-api-key", "x-goog-api-key", "www-authenticate",
        "openai-organization", "openai-project", "forwarded", "x-forwarded-for", "x-forwarded-host",
        "x-forwarded-proto", "via", "content-type", "content-encoding", "content-language", "content-range",
        "accept", "accept-encoding", "accept-language", "range", "user-agent", "x-request-id", "request-id",
        "idempotency-key", "retry-after", "retry-after-ms", "x-should-retry", "traceparent", "tracestate",
        "anthropic-version", "anthropic-beta", "openai-beta", "openai-version", "openai-processing-ms",
        "x-server-timeout", "date", "server", "location", "etag", "if-none-match", "if-modified-since",
        "cache-control", "origin", "referer", "sec-fetch-site", "alt-svc", "strict-transport-security",
        "content-security-policy",
    ]

    /// The known field of a name (any case), ``other`` when it is none of them.
    package init(name: String) {
        var name = name
        self = name.withUTF8 { bytes in
            bytes.baseAddress.map { knownFields.field($0, bytes.count) } ?? .other
        }
    }
}

/// A set of known fields as one word, for allow-lists.
package struct FieldSet: OptionSet, Sendable, Hashable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) { self.rawValue = rawValue }

    package init(_ fields: KnownField...) {
        rawValue = fields.reduce(0) { $0 | (1 << UInt64($1.rawValue)) }
    }

    @inline(__always)
    package func has(_ field: KnownField) -> Bool { rawValue & (1 &<< UInt64(field.rawValue)) != 0 }

    /// What RFC 9110 §7.6.1 and habit forbid to forward in either direction.
    package static let hopByHop = FieldSet(
        .connection, .transferEncoding, .upgrade, .te, .trailer, .keepAlive, .proxyConnection,
        .proxyAuthorization, .proxyAuthenticate)
}

/// Read it into a local once per call, like ``byteClasses``.
nonisolated(unsafe) let knownFields = KnownFieldTable()

/// A hash table from name to field: a hash of length, first, middle and last letter, then one compare.
struct KnownFieldTable {
    private struct Entry {
        var name: UnsafePointer<UInt8>?
        var count = 0
        var field = KnownField.other
    }
    private static let mask = 255
    private let entries: UnsafeMutablePointer<Entry>

    init() {
        entries = .allocate(capacity: Self.mask + 1)
        entries.initialize(repeating: Entry(), count: Self.mask + 1)
        for field in KnownField.allCases where field != .other {
            let name = field.name
            var index = Self.hash(name.utf8Start, name.utf8CodeUnitCount)
            while entries[index].name != nil { index = (index &+ 1) & Self.mask }
            entries[index] = Entry(name: name.utf8Start, count: name.utf8CodeUnitCount, field: field)
        }
    }

    @inline(__always)
    private static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let first = Int(name[0] | 0x20)
        let middle = Int(name[count &>> 1] | 0x20)
        let last = Int(name[count &- 1] | 0x20)
        return (count &* 7 &+ first &* 31 &+ middle &* 57 &+ last &* 113) & mask
    }

    /// The field these bytes name, compared without regard to case.
    @inline(__always)
    func field(_ name: UnsafePointer<UInt8>, _ count: Int) -> KnownField {
        guard count > 1 else { return .other }
        var index = Self.hash(name, count)
        while let candidate = entries[index].name {
            if entries[index].count == count && equalsIgnoringCase(name, candidate, count) {
                return entries[index].field
            }
            index = (index &+ 1) & Self.mask
        }
        return .other
    }

    @inline(__always)
    private func equalsIgnoringCase(
        _ bytes: UnsafePointer<UInt8>, _ expected: UnsafePointer<UInt8>, _ count: Int
    ) -> Bool {
        var index = 0
        while index < count {
            if lowercased(bytes[index]) != expected[index] { return false }
            index &+= 1
        }
        return true
    }
}
