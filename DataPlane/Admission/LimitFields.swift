import Domain
package import Policy

/// What is left of a limit, as a caller is told.
package struct LimitStanding {
    let limit: CompiledLimit
    let remaining: Int64
    let amount: Int64
    let resetNanoseconds: Int64

    package init(_ limit: CompiledLimit, remaining: Int64, amount: Int64, resetNanoseconds: Int64) {
        self.limit = limit
        self.remaining = remaining
        self.amount = amount
        self.resetNanoseconds = resetNanoseconds
    }
}

/// The fields of an answer that say how near its limits a caller is: those of the IETF draft "RateLimit
/// header fields for HTTP" and OpenAI's. Budgets of money are not told to applications.
package enum LimitFields {
    /// Limits named in one answer.
    static let maximumListed = 8

    /// Names and values, for the tightest limits of each kind.
    package static func fields(_ standings: [LimitStanding]) -> [(name: StaticString, value: String)] {
        let told = standings.filter { $0.limit.terms.metric != .cost && $0.limit.terms.mode != .shadow }
        if told.isEmpty { return [] }
        let tightest = told.sorted { $0.share < $1.share }
        let listed = tightest.prefix(maximumListed)
        var fields: [(name: StaticString, value: String)] = [
            ("ratelimit-policy", listed.map(\.policyItem).joined(separator: ", ")),
            ("ratelimit", listed.map(\.stateItem).joined(separator: ", ")),
        ]
        if let requests = tightest.first(where: { $0.limit.terms.metric == .requests }) {
            fields += [
                ("x-ratelimit-limit-requests", "\(requests.amount)"),
                ("x-ratelimit-remaining-requests", "\(requests.remaining)"),
                ("x-ratelimit-reset-requests", duration(requests.resetNanoseconds)),
            ]
        }
        if let tokens = tightest.first(where: { $0.limit.terms.metric.isTokens }) {
            fields += [
                ("x-ratelimit-limit-tokens", "\(tokens.amount)"),
                ("x-ratelimit-remaining-tokens", "\(tokens.remaining)"),
                ("x-ratelimit-reset-tokens", duration(tokens.resetNanoseconds)),
            ]
        }
        return fields
    }

    /// As OpenAI writes durations: `1s`, `6m0s`, `20ms`.
    static func duration(_ nanoseconds: Int64) -> String {
        let milliseconds = max(0, (nanoseconds + 999_999) / 1_000_000)
        if milliseconds < 1_000 { return "\(milliseconds)ms" }
        let seconds = (milliseconds + 999) / 1_000
        if seconds < 60 { return "\(seconds)s" }
        let minutes = seconds / 60
        return minutes < 60
            ? "\(minutes)m\(seconds % 60)s" : "\(minutes / 60)h\(minutes % 60)m\(seconds % 60)s"
    }
}

extension LimitMetric {
    var isTokens: Bool { self == .inputTokens || self == .outputTokens || self == .totalTokens }

    /// The quota unit of a policy; requests are the default.
    fileprivate var unit: String {
        switch self {
        case .requests: ""
        case .concurrency: ";qu=\"concurrent-requests\""
        case .inputTokens, .outputTokens, .totalTokens, .cost: ";qu=\"tokens\""
        }
    }
}

extension LimitStanding {
    /// What is left of each thousand.
    fileprivate var share: Int64 {
        amount > 0 ? Int64(Int128(max(0, remaining)) * 1_000 / Int128(amount)) : 0
    }

    private var window: Int64? { limit.terms.period.rateSeconds?.period }

    fileprivate var policyItem: String {
        "\(quotedName);q=\(amount)" + (window.map { ";w=\($0)" } ?? "") + limit.terms.metric.unit
    }

    fileprivate var stateItem: String {
        let seconds = (resetNanoseconds + 999_999_999) / 1_000_000_000
        return "\(quotedName);r=\(max(0, remaining))" + (window != nil ? ";t=\(seconds)" : "")
    }

    /// A structured-field string (RFC 9651 §3.3.3): visible ASCII.
    private var quotedName: String {
        var text = "\""
        for byte in limit.name.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                text.append("\\")
                text.unicodeScalars.append(Unicode.Scalar(byte))
            case 0x20...0x7E: text.unicodeScalars.append(Unicode.Scalar(byte))
            // One mark for a character of several bytes.
            case 0xC0...: text.append("?")
            default: break
            }
        }
        return text + "\""
    }
}
