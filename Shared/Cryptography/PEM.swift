/// DER wrapped in the text armour of RFC 7468.
package enum PEM {
    /// 64 characters a line, LF.
    package static func encode(label: String, _ der: [UInt8]) -> String {
        var text = "-----BEGIN \(label)-----\n"
        var rest = Base64.encode(der)[...]
        while !rest.isEmpty {
            text += rest.prefix(64) + "\n"
            rest = rest.dropFirst(64)
        }
        return text + "-----END \(label)-----\n"
    }

    /// The DER of every block with this label, in order; nil when a block is torn or is not base64.
    ///
    /// Text around the blocks is ignored, as RFC 7468 §2 allows; CRLF and LF both end a line.
    package static func decodeAll(label: String, _ text: String) -> [[UInt8]]? {
        var blocks: [[UInt8]] = []
        var body: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimming()
            if line == "-----BEGIN \(label)-----" {
                guard body == nil else { return nil }
                body = ""
            } else if line == "-----END \(label)-----" {
                guard let finished = body, let der = Base64.decode(finished), !der.isEmpty else { return nil }
                blocks.append(der)
                body = nil
            } else {
                body? += line
            }
        }
        return body == nil ? blocks : nil
    }
}

extension Substring {
    fileprivate func trimming() -> Substring {
        var text = self
        while text.last == " " || text.last == "\t" { text.removeLast() }
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        return text
    }
}

extension Ed25519PrivateKey {
    // SEQUENCE { version 0, AlgorithmIdentifier { 1.3.101.112 }, OCTET STRING { OCTET STRING, 32 bytes } }
    // (RFC 8410).
    private static let pkcs8Prefix: [UInt8] = [
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
    ]

    /// The key as an unencrypted PKCS #8 `PRIVATE KEY` block: for a TLS library or a file of mode 0600 only.
    package var pem: String {
        var der = Self.pkcs8Prefix
        seed.withBytes { der.append(contentsOf: $0) }
        defer { erase(&der) }
        return PEM.encode(label: "PRIVATE KEY", der)
    }

    /// The key in the first `PRIVATE KEY` block, or nil when that is no plain Ed25519 key.
    package init?(pem: String) {
        guard var der = PEM.decodeAll(label: "PRIVATE KEY", pem)?.first else { return nil }
        defer { erase(&der) }
        guard der.count == Self.pkcs8Prefix.count + Self.seedByteCount, der.starts(with: Self.pkcs8Prefix)
        else {
            return nil
        }
        self.init(seed: Secret(Array(der[Self.pkcs8Prefix.count...])))
    }
}
