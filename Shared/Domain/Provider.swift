/// A configured upstream account. Its credential is not here: it is sealed in the store and in snapshots.
package struct Provider: Hashable, Sendable {
    package let id: ProviderID
    /// nil: owned by the platform and shared by all tenants.
    package let tenant: TenantID?
    /// A slug, unique among its owner's providers.
    package var name: String
    package var kind: ProviderKind
    package var baseURL: BaseURL
    /// What its kind asks for besides: a region, a project, a version of the API.
    package var options: [String: String]
    /// Extra request headers, in order; never credentials.
    package var headers: [ExtraHeader]
    package var timeouts: ProviderTimeouts
    /// nil: calls go straight to it.
    package var proxy: EgressProxy?
    package var isEnabled: Bool
    /// The last four characters of its first credential, so that people can tell two apart; nil when there is
    /// none.
    package var credentialHint: String?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: ProviderID, tenant: TenantID?, name: String, kind: ProviderKind, baseURL: BaseURL,
        options: [String: String] = [:], headers: [ExtraHeader] = [],
        timeouts: ProviderTimeouts = .standard, proxy: EgressProxy? = nil, isEnabled: Bool = true,
        credentialHint: String? = nil,
        createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.kind = kind
        self.baseURL = baseURL
        self.options = options
        self.headers = headers
        self.timeouts = timeouts
        self.proxy = proxy
        self.isEnabled = isEnabled
        self.credentialHint = credentialHint
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let maximumHeaders = 20
    /// A credential in bytes.
    package static let credentialLengths = 1...8192

    /// What is wrong with a name, a base URL text, headers and timeouts.
    package static func problems(
        name: String, baseURL: String, headers: [ExtraHeader], timeouts: ProviderTimeouts
    ) -> [ValidationError] {
        var found = [TextRule.slug.check(name, at: "/name")].compactMap(\.self)
        if BaseURL(baseURL) == nil {
            found.append(
                ValidationError(
                    "/base_url", .invalidFormat,
                    "must be an https:// or http:// URL with a host and no user, query or fragment"))
        }
        if headers.count > maximumHeaders {
            found.append(ValidationError("/headers", .tooLong, "must have at most \(maximumHeaders) entries"))
        }
        return found + headers.compactMap { $0.problem(at: "/headers") } + timeouts.problems(at: "/timeouts")
    }
}

/// A request header an administrator adds to every call to a provider.
package struct ExtraHeader: Hashable, Sendable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// Headers that frame the message or carry credentials: never settable as text.
    package static let reserved: Set<String> = [
        "authorization", "api-key", "connection", "content-encoding", "content-length", "content-type",
        "cookie",
        "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "x-api-key", "x-goog-api-key", "accept-encoding",
    ]

    func problem(at pointer: String) -> ValidationError? {
        let place = "\(pointer)/\(name)"
        let marks = Array("!#$%&'*+-.^_`|~".utf8)
        guard (1...64).contains(name.utf8.count),
            name.utf8.allSatisfy({ Base62.isDigit($0) || marks.contains($0) })
        else { return ValidationError(pointer, .invalidFormat, "must have HTTP header names as members") }
        if Self.reserved.contains(name.lowercased()) {
            return ValidationError(place, .notAllowed, "is set by the gateway and cannot be configured")
        }
        // RFC 9110 field-value without obs-text: visible ASCII and inner blanks.
        guard value.utf8.count <= 1024, value.utf8.allSatisfy({ (32...126).contains($0) }),
            value.first != " ", value.last != " "
        else {
            return ValidationError(place, .invalidFormat, "must be at most 1024 visible ASCII characters")
        }
        return nil
    }
}

/// How long a call to a provider may take, in milliseconds.
package struct ProviderTimeouts: Hashable, Sendable {
    package var connect: Int32
    /// From the end of the request to the first byte of the answer.
    package var firstByte: Int32
    /// Between two pieces of a stream.
    package var betweenChunks: Int32
    package var total: Int32

    /// 5 s to connect, 10 min to the first byte, 2 min between chunks, 30 min in all: models think for
    /// minutes.
    package static let standard = ProviderTimeouts(
        connect: 5000, firstByte: 600_000, betweenChunks: 120_000, total: 1_800_000)

    package static let allowed: ClosedRange<Int32> = 1...7_200_000

    package init(connect: Int32, firstByte: Int32, betweenChunks: Int32, total: Int32) {
        self.connect = connect
        self.firstByte = firstByte
        self.betweenChunks = betweenChunks
        self.total = total
    }

    package func problems(at pointer: String) -> [ValidationError] {
        let named = [
            ("connect_ms", connect), ("first_byte_ms", firstByte), ("between_chunks_ms", betweenChunks),
            ("total_ms", total),
        ]
        return named.filter { !Self.allowed.contains($0.1) }.map {
            ValidationError(
                "\(pointer)/\($0.0)", .outOfRange, "must be 1 to \(Self.allowed.upperBound) milliseconds")
        }
    }
}
