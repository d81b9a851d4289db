/// An entry of the operator's allow-list that is neither a host name nor an address block.
package struct InvalidEgressEntry: Error, Sendable, CustomStringConvertible {
    package let entry: String
    package var description: String {
        "\"\(entry)\" is not a destination: expected host[:port], address, address:port or address/prefix"
    }
}

/// Where outbound connections may go. Every one of them is judged here, with the address that is then
/// dialled.
///
/// Without an entry in the allow-list: TLS only, port 443 only, and no address of a special range (private,
/// loopback, link-local, documentation, …), also not one hidden in an IPv6 address.
package struct EgressPolicy: Sendable {
    private enum Destination: Sendable {
        case host(String)
        case block(AddressBlock)
    }
    private struct Entry: Sendable {
        let destination: Destination
        /// Nil: every port.
        let port: UInt16?
        let allowsPlain: Bool
    }
    private var entries: [Entry] = []
    private var allowsEverything = false

    /// TLS to port 443 of ordinary public addresses.
    package static let publicInternetOnly = EgressPolicy()

    /// No restriction: for destinations that only the operator of this process can name, never for tenants'.
    package static let unrestricted: EgressPolicy = {
        var policy = EgressPolicy()
        policy.allowsEverything = true
        return policy
    }()

    /// This policy, and also these destinations whatever address they have: a host name (exactly that one,
    /// every address it resolves to), an address, or a block of addresses, each with a port or for every
    /// port. With `http` also without TLS.
    package func allowing(_ destinations: [String], http: Bool) throws(InvalidEgressEntry) -> EgressPolicy {
        var policy = self
        for text in destinations {
            guard let entry = Self.parse(text, http) else { throw InvalidEgressEntry(entry: text) }
            policy.entries.append(entry)
        }
        return policy
    }

    /// Why this connection is not allowed; nil when it is. `host` is what was asked for, `address` what it
    /// resolved to and what will be dialled.
    package func refusal(host: String, address: IPAddress, port: UInt16, isSecure: Bool) -> String? {
        if allowsEverything { return nil }
        for entry in entries where entry.port == nil || entry.port == port {
            guard isSecure || entry.allowsPlain else { continue }
            switch entry.destination {
            case .host(let name): if name == host.lowercased() { return nil }
            case .block(let block): if block.contains(Self.unmapped(address)) { return nil }
            }
        }
        if let range = SpecialAddresses.range(of: address) { return "\(address) is not public (\(range))" }
        if !isSecure { return "http is not allowed to \(host)" }
        if port != 443 { return "port \(port) is not allowed for \(host)" }
        return nil
    }

    /// Why a destination may not be reached through a proxy, which looks its name up itself; nil when it may.
    /// A numeric address is judged as ever, a name without the addresses it has.
    package func refusal(throughProxy host: String, port: UInt16, isSecure: Bool) -> String? {
        if let address = IPAddress(host) {
            return refusal(host: host, address: address, port: port, isSecure: isSecure)
        }
        if allowsEverything { return nil }
        guard let name = HostName(host)?.text else { return "\(host) is no host name" }
        for entry in entries where entry.port == nil || entry.port == port {
            guard isSecure || entry.allowsPlain, case .host(name) = entry.destination else { continue }
            return nil
        }
        let last = name.split(separator: ".").last ?? ""
        if !name.contains(".") || ["localhost", "local", "internal"].contains(last) {
            return "\(host) is not a public name"
        }
        if !isSecure { return "http is not allowed to \(host)" }
        if port != 443 { return "port \(port) is not allowed for \(host)" }
        return nil
    }

    private static func unmapped(_ address: IPAddress) -> IPAddress {
        address.isIPv6 && address.isMapped ? IPAddress(v4: UInt32(truncatingIfNeeded: address.low)) : address
    }

    private static func parse(_ text: String, _ http: Bool) -> Entry? {
        if let block = AddressBlock(text) {
            return Entry(destination: .block(block), port: nil, allowsPlain: http)
        }
        if text != "localhost", !text.hasPrefix("localhost:"), let address = SocketAddress(text),
            let block = AddressBlock(address.address.description)
        {
            return Entry(destination: .block(block), port: address.port, allowsPlain: http)
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2, let name = HostName(String(parts[0])) else { return nil }
        var port: UInt16?
        if parts.count == 2 {
            guard let number = UInt16(parts[1]), number > 0, parts[1] == "\(number)" else { return nil }
            port = number
        }
        return Entry(destination: .host(name.text), port: port, allowsPlain: http)
    }
}

/// A host name that may be looked up: 1…253 bytes of letters, digits, hyphens, underscores and dots, in
/// lower case, and not something a resolver would take for a number (127.1, 0x7f000001).
package struct HostName: Sendable, Hashable {
    package let text: String

    package init?(_ text: String) {
        let name = text.lowercased()
        guard (1...253).contains(name.utf8.count) else { return nil }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        for (index, label) in labels.enumerated() {
            if label.isEmpty && index == labels.count - 1 && index > 0 { continue }  // "example.com."
            guard (1...63).contains(label.count), label.first != UInt8(ascii: "-") else { return nil }
            for byte in label {
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    continue
                default: return nil
                }
            }
        }
        // The last label decides, as in the URL standard: a number there makes the whole host a number.
        guard let last = labels.last(where: { !$0.isEmpty }) else { return nil }
        let isHex = last.starts(with: "0x".utf8) && last.dropFirst(2).allSatisfy { Self.isHexDigit($0) }
        if isHex || last.allSatisfy({ (0x30...0x39).contains($0) }) { return nil }
        self.text = name
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
    }
}
