package import Cryptography
import Domain
import JSONText

/// Everything a new node needs, in one line to copy: where to go, the token, and whom to trust.
package struct JoinBundle: Sendable {
    /// The node listener: `https://control.example.com:7071`.
    package let controlURL: String
    package let token: JoinSecret
    /// The control plane's certificate authority: the only one the node accepts there, from the first byte
    /// on.
    package let authorityPEM: String
    /// The root of trust for key sets.
    package let rootKey: Ed25519PublicKey

    package static let prefix = "eclusa-join:"
    /// The longest text, in bytes.
    package static let maximumLength = 16 << 10

    package init(controlURL: String, token: JoinSecret, authorityPEM: String, rootKey: Ed25519PublicKey) {
        self.controlURL = controlURL
        self.token = token
        self.authorityPEM = authorityPEM
        self.rootKey = rootKey
    }

    /// The bundle of a text; the error says what is wrong without quoting the token.
    package init(_ text: String) throws(MessageError) {
        guard text.hasPrefix(Self.prefix), text.utf8.count <= Self.maximumLength,
            let bytes = Base64.decodeURL(String(text.dropFirst(Self.prefix.count)))
        else {
            throw MessageError([
                .init("", .invalidFormat, "must be \(Self.prefix) and base64url, copied whole")
            ])
        }
        var reader = try MessageReader(bytes, strict: true)
        let url = reader.text("url", upTo: 512)
        let token = reader.parsed("token", upTo: 47, "a join token", JoinSecret.init)
        let authority = reader.text("authority", upTo: 8192)
        let rootKey = reader.publicKey("root_key")
        try reader.finish()
        guard let token, let rootKey else { throw MessageError([]) }
        self.init(controlURL: url, token: token, authorityPEM: authority, rootKey: rootKey)
    }

    /// The text to copy. Holds the token: show it once.
    package func reveal() -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("url", controlURL)
            writer.field("token", token.reveal())
            writer.field("authority", authorityPEM)
            writer.field("root_key", Base64.encodeURL(rootKey.rawBytes))
        }
        return Self.prefix + Base64.encodeURL(writer.bytes)
    }
}

extension MessageReader {
    mutating func bytes(_ name: String, count: Int) -> [UInt8]? {
        parsed(name, upTo: 4 * count, "\(count) bytes in base64url") { text in
            Base64.decodeURL(text).flatMap { $0.count == count ? $0 : nil }
        }
    }
    mutating func publicKey(_ name: String) -> Ed25519PublicKey? {
        bytes(name, count: Ed25519PublicKey.byteCount).flatMap(Ed25519PublicKey.init(rawBytes:))
    }
}
