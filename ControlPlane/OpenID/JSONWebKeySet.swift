package import Cryptography
import JSONText

/// The keys an identity provider signs with (RFC 7517). Keys of kinds we do not verify are left out.
package struct JSONWebKeySet: Sendable {
    package static let maximumKeys = 100

    /// A key and its name; some providers with one key give it none.
    package struct Entry: Sendable {
        package let keyID: String?
        package let key: SignatureKey
    }

    package let entries: [Entry]

    package init(entries: [Entry]) { self.entries = entries }

    /// nil when it is no key set, or holds no key that can be used.
    package init?(json bytes: [UInt8]) {
        guard let keys = (try? JSONValue.parse(bytes))?["keys"]?.array, keys.count <= Self.maximumKeys else {
            return nil
        }
        entries = keys.compactMap { Self.entry($0) }
        if entries.isEmpty { return nil }
    }

    private static func entry(_ json: JSONValue) -> Entry? {
        if let use = json["use"]?.string, use != "sig" { return nil }
        guard let key = key(json) else { return nil }
        if let algorithm = json["alg"]?.string, algorithm != key.algorithm { return nil }
        return Entry(keyID: json["kid"]?.string, key: key)
    }

    private static func key(_ json: JSONValue) -> SignatureKey? {
        func number(_ name: String) -> [UInt8]? { json[name]?.string.flatMap { Base64.decodeURL($0) } }
        switch (json["kty"]?.string, json["crv"]?.string) {
        case ("RSA", _):
            guard let modulus = number("n"), let exponent = number("e") else { return nil }
            return .rsaKey(modulus: modulus, exponent: exponent)
        case ("EC", "P-256"):
            guard let x = number("x"), let y = number("y") else { return nil }
            return .p256Key(x: x, y: y)
        case ("OKP", "Ed25519"):
            return number("x").flatMap { Ed25519PublicKey(rawBytes: $0) }.map { .ed25519($0) }
        default: return nil
        }
    }

    /// The key a token names; for a token without a name the only one of its algorithm.
    func key(_ keyID: String?, algorithm: String) -> SignatureKey? {
        let fitting = entries.filter { $0.key.algorithm == algorithm }
        guard let keyID else { return fitting.count == 1 ? fitting[0].key : nil }
        return fitting.first { $0.keyID == keyID }?.key
    }
}
