import JSONText

/// A Google service account's key, as its JSON document has it: signs for short-lived tokens by the JWT
/// bearer grant (RFC 7523). Any thread.
package struct ServiceAccountKey: Sendable {
    /// The account's name.
    package let email: String
    /// Where tokens are exchanged.
    package let tokenURL: String
    /// Which of the account's keys it is.
    package let keyID: String
    private let key: RSAPrivateKey

    /// What is wrong with a document, in words that quote nothing of it.
    package struct Problem: Error, Sendable, Equatable {
        package let message: String
    }

    package init(_ document: Secret) throws(Problem) {
        let value = document.withBytes { try? JSONValue.parse($0) }
        guard let value, value.object != nil else {
            throw Problem(message: "is not the JSON text of a service account's key")
        }
        guard value["type"]?.string == "service_account" else {
            throw Problem(message: "must have the type service_account")
        }
        func text(_ name: String) throws(Problem) -> String {
            guard let text = value[name]?.string, !text.isEmpty else {
                throw Problem(message: "must have the member \(name)")
            }
            return text
        }
        email = try text("client_email")
        tokenURL = try text("token_uri")
        keyID = value["private_key_id"]?.string ?? ""
        guard tokenURL.hasPrefix("https://") || tokenURL.hasPrefix("http://") else {
            throw Problem(message: "must have a URL as token_uri")
        }
        guard let key = RSAPrivateKey(pem: try text("private_key")) else {
            throw Problem(message: "must have an RSA key of at least 2048 bits as private_key")
        }
        self.key = key
    }

    /// A form that asks `tokenURL` for a token of an hour, signed at this moment (seconds since 1970).
    package func tokenRequest(scope: String, at now: Int64) throws(CryptographyError) -> String {
        var header = JSONObject()
        header["alg"] = "RS256"
        header["typ"] = "JWT"
        if !keyID.isEmpty { header["kid"] = .string(keyID) }
        let claims: JSONValue = [
            "iss": .string(email), "scope": .string(scope), "aud": .string(tokenURL),
            "iat": .number(JSONNumber(now)), "exp": .number(JSONNumber(now + 3600)),
        ]
        let signed = Base64.encodeURL(JSONValue.object(header).bytes) + "." + Base64.encodeURL(claims.bytes)
        let signature = try key.signature(of: Array(signed.utf8))
        return "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=\(signed)."
            + Base64.encodeURL(signature)
    }
}

/// A token that an exchange gave.
package struct AccessToken: Sendable {
    package let text: Secret
    /// How long it is good for.
    package let seconds: Int64

    /// From the answer of a token endpoint (RFC 6749 §5.1); nil when that is none, or when the token could
    /// not stand in a header.
    package init?(_ body: [UInt8]) {
        guard let value = try? JSONValue.parse(body), let token = value["access_token"]?.string,
            (1...16_384).contains(token.utf8.count), token.utf8.allSatisfy({ (33...126).contains($0) })
        else { return nil }
        text = Secret(utf8: token)
        seconds = max(0, min(value["expires_in"]?.exactInt64 ?? 0, 86_400))
    }
}
