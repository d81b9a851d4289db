/// An AWS access key as it is kept: `ID:SECRET`, or `ID:SECRET:SESSION_TOKEN` for one that was lent.
package struct AWSAccessKey: Sendable {
    package let id: String
    /// Goes into a header of its own, which is signed too; nil for a key of one's own.
    package let sessionToken: String?
    fileprivate let secret: Secret

    /// nil unless the text has two or three parts and the first is an ID: 1 to 128 letters and digits.
    package init?(_ credential: Secret) {
        let parts = credential.withBytes { bytes -> (id: String, secret: Secret, token: String?)? in
            let parts = bytes.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard (2...3).contains(parts.count), parts.allSatisfy({ !$0.isEmpty }),
                parts[0].count <= 128, parts[0].allSatisfy(Self.isIDByte)
            else { return nil }
            return (
                String(decoding: parts[0], as: UTF8.self),
                Secret(copying: UnsafeRawBufferPointer(rebasing: parts[1])),
                parts.count == 3 ? String(decoding: parts[2], as: UTF8.self) : nil
            )
        }
        guard let parts else { return nil }
        (id, secret, sessionToken) = parts
    }

    private static func isIDByte(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20) || byte == 0x5F
    }
}

/// Signs requests by AWS Signature Version 4, for one key, region and service. Pure: the moment is given.
///
/// Source: AWS IAM User Guide, "Create a signed AWS API request". Of no use for S3, which escapes paths once
/// and takes them as they are.
package struct AWSRequestSigner: Sendable {
    package typealias Field = (name: String, value: String)

    package static let algorithm = "AWS4-HMAC-SHA256"

    private let key: AWSAccessKey
    private let region: String
    private let service: String

    package init(key: AWSAccessKey, region: String, service: String) {
        self.key = key
        self.region = region
        self.service = service
    }

    package var sessionToken: String? { key.sessionToken }

    /// The value of `Authorization`.
    ///
    /// - Parameters:
    ///   - target: path and query as the request line has them, escapes included.
    ///   - fields: what is signed: `host` and every `x-amz-…` that is sent at least. Names in lower case.
    ///   - date: the value of `x-amz-date`: `20260102T030405Z`.
    package func authorization(
        method: String, target: String, fields: [Field], payload: SHA256Digest, date: String
    ) -> String {
        let fields = fields.sorted { $0.name < $1.name }
        let names = fields.map(\.name).joined(separator: ";")
        let scope = "\(date.prefix(8))/\(region)/\(service)/aws4_request"
        let (path, query) = Self.canonical(target)
        var request = "\(method)\n\(path)\n\(query)\n"
        for field in fields { request += "\(field.name):\(Self.trimmed(field.value))\n" }
        request += "\n\(names)\n\(payload.hexadecimal)"
        let text = "\(Self.algorithm)\n\(date)\n\(scope)\n\(sha256(request).hexadecimal)"
        let signature = Self.sign(text, with: signingKey(String(date.prefix(8)))).hexadecimal
        let credential = "\(key.id)/\(scope)"
        return "\(Self.algorithm) Credential=\(credential), SignedHeaders=\(names), Signature=\(signature)"
    }

    private func signingKey(_ day: String) -> SHA256Digest {
        let secret = key.secret.withBytes { secret in
            Secret(unsafeUninitializedByteCount: 4 + secret.count) { whole in
                whole.copyBytes(from: "AWS4".utf8)
                UnsafeMutableRawBufferPointer(rebasing: whole[4...]).copyMemory(from: secret)
            }
        }
        var key = hmacSHA256(key: secret, message: Array(day.utf8))
        for word in [region, service, "aws4_request"] { key = Self.sign(word, with: key) }
        return key
    }

    private static func sign(_ text: String, with key: SHA256Digest) -> SHA256Digest {
        var text = text
        return key.withBytes { key in
            text.withUTF8 { hmacSHA256(key: key, message: UnsafeRawBufferPointer($0)) }
        }
    }

    /// The path without dot segments and doubled slashes, escaped once more; the items of the query in order.
    private static func canonical(_ target: String) -> (path: String, query: String) {
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var segments: [Substring] = []
        for segment in parts[0].split(separator: "/") where segment != "." {
            if segment == ".." { _ = segments.popLast() } else { segments.append(segment) }
        }
        let isFolder = parts[0].last == "/" && !segments.isEmpty
        let path = "/" + segments.map { escaped($0) }.joined(separator: "/") + (isFolder ? "/" : "")
        guard parts.count == 2 else { return (path, "") }
        let items = parts[1].split(separator: "&", omittingEmptySubsequences: false).map { item in
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (name: pair.first ?? "", value: pair.count == 2 ? pair[1] : "")
        }
        let sorted = items.sorted { ($0.name, $0.value) < ($1.name, $1.value) }
        return (path, parts[1].isEmpty ? "" : sorted.map { "\($0.name)=\($0.value)" }.joined(separator: "&"))
    }

    private static func escaped(_ segment: Substring) -> String {
        var bytes: [UInt8] = []
        for byte in segment.utf8 {
            let isPlain =
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
            bytes += isPlain ? [byte] : [0x25] + Hexadecimal.encode([byte]).uppercased().utf8
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Without blanks at the ends, and with one where there were several.
    private static func trimmed(_ value: String) -> String {
        value.split { $0 == " " || $0 == "\t" }.joined(separator: " ")
    }
}
