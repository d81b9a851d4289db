/// An `http` or `https` URL taken apart once (RFC 3986), as an upstream address is configured or called.
package struct WebAddress: Sendable, Hashable, CustomStringConvertible {
    package let isSecure: Bool
    /// Lower case, without the brackets of an IPv6 address.
    package let host: String
    /// As written, or the scheme's default.
    package let port: UInt16
    /// Path and query for a request line; begins with `/`.
    package let target: String

    /// nil for other schemes, user information, fragments, spaces, controls, non-ASCII text and invalid
    /// hosts.
    package init?(_ text: String) {
        let isSecure: Bool
        let lowered = text.prefix(8).lowercased()
        var rest: Substring
        if lowered.hasPrefix("https://") {
            isSecure = true
            rest = text.dropFirst(8)
        } else if lowered.hasPrefix("http://") {
            isSecure = false
            rest = text.dropFirst(7)
        } else {
            return nil
        }
        guard text.utf8.count <= 8192 else { return nil }
        let classes = byteClasses
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        var authorityText = String(rest[..<authorityEnd])
        let parsed: (host: String, port: UInt16?)? = authorityText.withUTF8 { bytes in
            guard let authority = Authority(UnsafeRawBufferPointer(bytes)) else { return nil }
            return (String(decoding: authority.host, as: UTF8.self).lowercased(), authority.port)
        }
        guard let parsed, parsed.port != 0 else { return nil }
        rest = rest[authorityEnd...]
        let target = rest.hasPrefix("/") ? String(rest) : "/" + rest
        let query = target.utf8.firstIndex(of: Byte.questionMark) ?? target.utf8.endIndex
        guard target.utf8[..<query].allSatisfy({ classes[Int($0)] & ByteClass.path != 0 }),
            target.utf8[query...].allSatisfy({ classes[Int($0)] & ByteClass.query != 0 })
        else { return nil }
        let isBracketed = parsed.host.hasPrefix("[")
        self.isSecure = isSecure
        host = isBracketed ? String(parsed.host.dropFirst().dropLast()) : parsed.host
        port = parsed.port ?? (isSecure ? 443 : 80)
        self.target = target
    }

    /// What the Host field says: the port only when it is not the scheme's default.
    package var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    package var description: String { "\(isSecure ? "https" : "http")://\(authority)\(target)" }
}
