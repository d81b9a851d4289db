import CEventLoops

/// An address and a TCP port.
package struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    package var address: IPAddress
    package var port: UInt16
    /// Interface of a link-local IPv6 address as the kernel numbers it, else 0.
    let scope: UInt32

    package init(_ address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
        scope = 0
    }

    /// "127.0.0.1:80", "[::1]:80" or "localhost:80" (which is 127.0.0.1). No other names, port 0…65535.
    package init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        let digits = text[text.utf8.index(after: colon)...]
        guard (1...5).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let port = UInt16(digits)
        else { return nil }
        var host = String(text[..<colon])
        if host == "localhost" { host = "127.0.0.1" }
        if host.hasPrefix("[") && host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.utf8.contains(UInt8(ascii: ":")) else { return nil }
        } else if host.utf8.contains(UInt8(ascii: ":")) {
            return nil
        }
        guard let address = IPAddress(host) else { return nil }
        self.init(address, port: port)
    }

    init(_ raw: loop_address) {
        port = raw.port
        scope = raw.scope
        let (high, low) = withUnsafeBytes(of: raw.bytes) { bytes in
            (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        if raw.is_ipv6 != 0 {
            address = IPAddress(high: UInt64(bigEndian: high), low: UInt64(bigEndian: low))
        } else {
            address = IPAddress(v4: UInt32(truncatingIfNeeded: UInt64(bigEndian: high) >> 32))
        }
    }

    var raw: loop_address {
        var raw = loop_address()
        raw.port = port
        raw.scope = scope
        raw.is_ipv6 = address.isIPv6 ? 1 : 0
        withUnsafeMutableBytes(of: &raw.bytes) { $0.copyBytes(from: address.bytes) }
        return raw
    }

    package var isLoopback: Bool { address.isLoopback }

    package var description: String { address.isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
