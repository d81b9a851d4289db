package import HTTPWire
package import Transport

/// A server that passes bytes on to others (HTTP CONNECT), spoken to in the clear.
package struct ProxyAddress: Sendable, Hashable {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}

/// Where calls go: scheme, host, port, by which way, and how its certificate is judged. Compared by value,
/// hashed once, so that a new configuration finds the connections of the old one.
package struct Origin: Sendable, Hashable, CustomStringConvertible {
    package let host: String
    package let port: UInt16
    /// nil for plain `http`.
    package let tls: TLSContext?
    /// The name the certificate must be for; nil means ``host``.
    package let serverName: String?
    /// What the Host field says.
    package let authority: String
    /// What connections go through; nil: straight.
    package let proxy: ProxyAddress?
    private let hash: Int

    /// The origin of an address; nil when it is `https` and `tls` is missing. `tls` is ignored for `http`.
    package init?(
        _ address: WebAddress, tls: TLSContext? = nil, serverName: String? = nil, proxy: ProxyAddress? = nil
    ) {
        if address.isSecure && tls == nil { return nil }
        host = address.host
        port = address.port
        self.tls = address.isSecure ? tls : nil
        self.serverName = serverName
        authority = address.authority
        self.proxy = proxy
        var hasher = Hasher()
        hasher.combine(host)
        hasher.combine(port)
        hasher.combine(serverName)
        hasher.combine(proxy)
        if let tls = self.tls { hasher.combine(ObjectIdentifier(tls)) }
        hash = hasher.finalize()
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(hash) }

    package static func == (left: Origin, right: Origin) -> Bool {
        left.hash == right.hash && left.port == right.port && left.tls === right.tls
            && left.host == right.host
            && left.serverName == right.serverName && left.proxy == right.proxy
    }

    package var description: String { "\(tls == nil ? "http" : "https")://\(authority)" }
}
