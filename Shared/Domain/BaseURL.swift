/// Where a provider is reached: scheme, host, port and a path prefix, taken apart once.
///
/// No user information, query or fragment; the host is a name or an address literal. Whether it may be
/// dialled is decided by the egress policy at connect time, not here.
package struct BaseURL: Hashable, Sendable {
    package let isSecure: Bool
    /// Lowercase; an IPv6 literal without its brackets.
    package let host: String
    package let port: UInt16
    /// Empty, or begins with `/` and does not end with one.
    package let path: String

    package static let maximumLength = 512

    /// The parts of a text such as `https://api.openai.com/v1`; a trailing `/` of the path is dropped.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumLength else { return nil }
        let lowered = text.prefix(8).lowercased()
        let rest: Substring
        if lowered == "https://" {
            (isSecure, rest) = (true, text.dropFirst(8))
        } else if lowered.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst(7))
        } else {
            return nil
        }
        let authority = rest.prefix { $0 != "/" }
        guard let (host, port) = Self.split(authority) else { return nil }
        var path = rest.dropFirst(authority.count)
        while path.last == "/" { path = path.dropLast() }
        guard Self.isPath(path) else { return nil }
        self.host = host
        self.port = port ?? (isSecure ? 443 : 80)
        self.path = String(path)
    }

    private static func split(_ authority: Substring) -> (host: String, port: UInt16?)? {
        let host: String
        var rest: Substring
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end].lowercased()
            rest = authority[authority.index(after: end)...]
            let digits = Array("0123456789abcdef:.".utf8)
            guard (2...45).contains(host.utf8.count), host.contains(":"),
                host.utf8.allSatisfy(digits.contains)
            else { return nil }
        } else {
            host = authority.prefix { $0 != ":" }.lowercased()
            rest = authority.dropFirst(host.count)
            guard isHostName(host) else { return nil }
        }
        guard !rest.isEmpty else { return (host, nil) }
        guard rest.removeFirst() == ":", (1...5).contains(rest.utf8.count),
            rest.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(rest), port > 0
        else { return nil }
        return (host, port)
    }

    private static func isPath(_ path: Substring) -> Bool {
        let marks = Array("/-._~!$&'()*+,;=:@".utf8)
        guard path.utf8.allSatisfy({ Base62.isDigit($0) || marks.contains($0) }) else { return false }
        return !path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
            .contains { $0 == "." || $0 == ".." || ($0.isEmpty && !path.isEmpty) }
    }

    /// Whether a text is a host name or an IPv4 literal: labels of letters, digits, inner hyphens and
    /// underscores.
    static func isHostName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        let hyphen = UInt8(ascii: "-")
        return text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
            label in
            (1...63).contains(label.count) && label.first != hyphen && label.last != hyphen
                && label.allSatisfy { Base62.isDigit($0) || $0 == hyphen || $0 == UInt8(ascii: "_") }
        }
    }
}

extension BaseURL: CustomStringConvertible {
    /// The URL in its one spelling: default ports left out.
    package var description: String {
        "\(isSecure ? "https" : "http")://\(authority)\(path)"
    }

    /// What the Host field of a request says.
    package var authority: String {
        let isDefault = port == (isSecure ? 443 : 80)
        let shownHost = host.contains(":") ? "[\(host)]" : host
        return "\(shownHost)\(isDefault ? "" : ":\(port)")"
    }
}
