import HTTPWire
package import Transport

/// The proxies in front of the program, whose word about the client's address is taken. Any thread.
///
/// Only one header counts, the one the operator says their proxies write: of another one, whatever a client
/// sent would be passed on as it is.
package struct TrustedProxies: Sendable {
    /// Where proxies write the client's address.
    package enum Header: String, Sendable, CaseIterable {
        case xForwardedFor = "x-forwarded-for"
        /// RFC 7239.
        case forwarded
    }

    package static let none = TrustedProxies([])

    private let blocks: [AddressBlock]
    private let header: Header

    package init(_ blocks: [AddressBlock], header: Header = .xForwardedFor) {
        self.blocks = blocks
        self.header = header
    }

    /// Who sent a request: the peer, or, when that is a trusted proxy, the last address in the header that is
    /// none. What stands before it anybody may have written. Look before content is read.
    package func client(of exchange: Exchange) -> IPAddress {
        let peer = exchange.connection.peer.address.unmapped
        // Nearly always; a call then costs one comparison.
        if blocks.isEmpty || !trusts(peer) { return peer }
        let text = exchange.joinedFieldText(
            header == .forwarded ? "forwarded" : "x-forwarded-for")
        return client(behind: peer, text ?? "")
    }

    /// The client's address when a trusted peer sent this header.
    package func client(behind peer: IPAddress, _ text: String) -> IPAddress {
        var nearest = peer
        for hop in text.split(separator: ",", omittingEmptySubsequences: false).reversed() {
            // A hop that names nobody ("unknown", "_hidden") hides who came before it.
            guard let address = header == .forwarded ? Self.forwarded(hop) : Self.address(hop) else { break }
            nearest = address
            if !trusts(address) { break }
        }
        return nearest
    }

    private func trusts(_ address: IPAddress) -> Bool { blocks.contains { $0.contains(address) } }

    /// The `for` of one element of `Forwarded`: `for="[2001:db8::1]:47011";proto=https`.
    private static func forwarded(_ element: Substring) -> IPAddress? {
        for pair in element.split(separator: ";") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, trimmed(parts[0]).lowercased() == "for" else { continue }
            var value = trimmed(parts[1])
            if value.count >= 2, value.first == "\"", value.last == "\"" {
                value = value.dropFirst().dropLast()
            }
            return address(value)
        }
        return nil
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
    private static func address(_ text: Substring) -> IPAddress? {
        var text = trimmed(text)
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]") else { return nil }
            text = text[text.index(after: text.startIndex)..<end]
        } else if text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 {
            text = text.prefix { $0 != ":" }
        }
        return IPAddress(String(text))?.unmapped
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
