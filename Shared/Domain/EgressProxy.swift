/// A proxy that calls to a provider go through (HTTP CONNECT, RFC 9110 §9.3.6): its host and port, in the
/// clear. Whether it may be dialled is the egress policy's to say.
package struct EgressProxy: Hashable, Sendable {
    package let host: String
    package let port: UInt16

    package static let maximumLength = 300

    /// `http://proxy.internal:3128`: with a port, without a path or a user.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumLength, let url = BaseURL(text), !url.isSecure,
            url.path.isEmpty, !text.hasSuffix("/")
        else { return nil }
        // A port of its own always: 80 would be a guess.
        guard text.utf8.last.map({ (48...57).contains($0) }) ?? false, text.dropFirst(7).contains(":") else {
            return nil
        }
        host = url.host
        port = url.port
    }
}

extension EgressProxy: CustomStringConvertible {
    package var description: String {
        "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }
}
