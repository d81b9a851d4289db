import Cryptography
package import JSONText

/// Why an ID token is not taken. For the log; who signs in learns only that it did not work.
package enum IDTokenError: String, Error, Sendable, Equatable {
    case malformed
    case unknownKey = "signed by a key the provider does not publish"
    case badSignature = "the signature is wrong"
    case wrongIssuer = "made by another issuer"
    case wrongAudience = "made for another client"
    case expired
    case notYetValid = "not valid yet"
    case wrongNonce = "made for another sign-in"
}

/// What an identity provider says about somebody (OpenID Connect Core 1.0 §2), after every check of §3.1.3.7.
package struct IDToken: Sendable {
    /// Longer tokens are refused before any work. Unit: bytes.
    package static let maximumBytes = 32_768
    /// How far clocks may differ.
    static let leewaySeconds: Int64 = 60
    static let maximumAgeSeconds: Int64 = 86_400

    /// What a good token must say.
    package struct Expectations: Sendable {
        package let issuer: String
        package let clientID: String
        package let nonce: String
        package let nowSeconds: Int64

        package init(issuer: String, clientID: String, nonce: String, nowSeconds: Int64) {
            self.issuer = issuer
            self.clientID = clientID
            self.nonce = nonce
            self.nowSeconds = nowSeconds
        }
    }

    /// Never changes for one person at one issuer.
    package let subject: String
    package let claims: JSONObject

    /// Checks a token against published keys. The algorithm is the key's; of the token's header only its name
    /// for the key counts. Nothing of the payload is read before the signature is verified.
    package init(
        verifying text: String, keys: JSONWebKeySet, _ expected: Expectations
    ) throws(IDTokenError) {
        guard text.utf8.count <= Self.maximumBytes else { throw .malformed }
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let head = Base64.url.decode(parts[0]),
            let payload = Base64.url.decode(parts[1]), let signature = Base64.url.decode(parts[2]),
            let header = (try? JSONValue.parse(head))?.object, let algorithm = header["alg"]?.string,
            header["crit"] == nil
        else { throw .malformed }
        guard let key = keys.key(header["kid"]?.string, algorithm: algorithm) else { throw .unknownKey }
        let signed = Array(text.utf8.prefix(parts[0].count + 1 + parts[1].count))
        guard key.verifies(signature: signature, of: signed) else { throw .badSignature }
        guard let claims = (try? JSONValue.parse(payload))?.object else { throw .malformed }
        try Self.check(claims, expected)
        guard let subject = claims["sub"]?.string, (1...255).contains(subject.utf8.count) else {
            throw .malformed
        }
        self.subject = subject
        self.claims = claims
    }

    private static func check(_ claims: JSONObject, _ expected: Expectations) throws(IDTokenError) {
        guard claims["iss"]?.string == expected.issuer else { throw .wrongIssuer }
        let audiences = claims["aud"]?.array?.map(\.string) ?? [claims["aud"]?.string]
        guard audiences.contains(expected.clientID) else { throw .wrongAudience }
        let party = claims["azp"]
        guard party == nil ? audiences.count == 1 : party?.string == expected.clientID else {
            throw .wrongAudience
        }
        let now = expected.nowSeconds
        guard let expires = seconds(claims["exp"]), let issued = seconds(claims["iat"]) else {
            throw .malformed
        }
        guard now < expires + leewaySeconds, now - issued <= maximumAgeSeconds else { throw .expired }
        guard issued <= now + leewaySeconds else { throw .notYetValid }
        if let notBefore = claims["nbf"] {
            guard let moment = seconds(notBefore) else { throw .malformed }
            guard moment <= now + leewaySeconds else { throw .notYetValid }
        }
        guard let nonce = claims["nonce"]?.string,
            constantTimeEqual(Array(nonce.utf8), Array(expected.nonce.utf8))
        else { throw .wrongNonce }
    }

    /// Seconds since 1970, in a range that cannot overflow.
    private static func seconds(_ json: JSONValue?) -> Int64? {
        guard let number = json?.exactInt64, (0...253_402_300_799).contains(number) else { return nil }
        return number
    }
}
