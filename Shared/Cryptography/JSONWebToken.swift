package import JSONText

/// Why a token is not accepted. For the log; callers outside learn only that it was not.
package enum JSONWebTokenError: Error, Sendable, Equatable {
    case malformed, wrongAlgorithm, wrongType, unknownKey, badSignature
    case wrongIssuer, wrongAudience, notYetValid, expired
}

/// What a token says (RFC 7519). Times are seconds since 1970 UTC.
package struct JSONWebTokenClaims: Sendable, Equatable {
    package var subject: String
    package var tokenID: String
    package var issuedAt: Int64
    package var notBefore: Int64
    package var expires: Int64
    /// Every other claim, in the order written.
    package var other: JSONObject

    package init(
        subject: String, tokenID: String, issuedAt: Int64, notBefore: Int64, expires: Int64,
        other: JSONObject = JSONObject()
    ) {
        self.subject = subject
        self.tokenID = tokenID
        self.issuedAt = issuedAt
        self.notBefore = notBefore
        self.expires = expires
        self.other = other
    }

    static let registered = ["iss", "aud", "sub", "jti", "iat", "nbf", "exp"]
}

/// Makes tokens: EdDSA over Ed25519 (RFC 8037), one issuer, one audience, one type.
package struct JSONWebTokenSigner: Sendable {
    private let keyID: String
    private let privateKey: Ed25519PrivateKey
    private let issuer: String
    private let audience: String
    private let type: String

    /// `type` is the `typ` header, such as `session+jwt`: a token of one kind is never taken for another (RFC
    /// 8725).
    package init(keyID: String, privateKey: Ed25519PrivateKey, issuer: String, audience: String, type: String)
    {
        self.keyID = keyID
        self.privateKey = privateKey
        self.issuer = issuer
        self.audience = audience
        self.type = type
    }

    /// The token in compact form. Registered names inside `claims.other` are left out.
    package func token(_ claims: JSONWebTokenClaims) -> String {
        var header = JSONWriter()
        header.object { header in
            header.field("alg", "EdDSA")
            header.field("kid", keyID)
            header.field("typ", type)
        }
        var payload = JSONWriter()
        payload.object { payload in
            payload.field("iss", issuer)
            payload.field("aud", audience)
            payload.field("sub", claims.subject)
            payload.field("jti", claims.tokenID)
            payload.field("iat", claims.issuedAt)
            payload.field("nbf", claims.notBefore)
            payload.field("exp", claims.expires)
            for member in claims.other.members where !JSONWebTokenClaims.registered.contains(member.name) {
                payload.field(member.name, member.value)
            }
        }
        let signed = Base64.encodeURL(header.bytes) + "." + Base64.encodeURL(payload.bytes)
        return signed + "." + Base64.encodeURL(privateKey.signature(of: Array(signed.utf8)))
    }
}

/// Accepts tokens of one issuer, audience and type. The algorithm is ours, never the token's choice.
package struct JSONWebTokenVerifier: Sendable {
    /// Longer tokens are refused before any work. Unit: bytes.
    package static let maximumBytes = 8_192

    private let keys: [String: Ed25519PublicKey]
    private let issuer: String
    private let audience: String
    private let type: String
    private let leewaySeconds: Int64

    /// `keys` maps each key id to its key: old and new side by side while keys rotate.
    package init(
        keys: [String: Ed25519PublicKey], issuer: String, audience: String, type: String,
        leewaySeconds: Int64 = 0
    ) {
        self.keys = keys
        self.issuer = issuer
        self.audience = audience
        self.type = type
        self.leewaySeconds = leewaySeconds
    }

    /// The claims of a good token. Nothing but the header is read before the signature is verified.
    package func verify(_ token: String, nowSeconds: Int64) throws(JSONWebTokenError) -> JSONWebTokenClaims {
        guard token.utf8.count <= Self.maximumBytes else { throw .malformed }
        let parts = token.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64.url.decode(parts[0]),
            let payload = Base64.url.decode(parts[1]),
            let signature = Base64.url.decode(parts[2])
        else { throw .malformed }
        let key = try key(for: header)
        let signed = Array(token.utf8.prefix(parts[0].count + 1 + parts[1].count))
        guard key.verifies(signature: signature, of: signed) else { throw .badSignature }
        return try claims(payload, nowSeconds: nowSeconds)
    }

    private func key(for header: [UInt8]) throws(JSONWebTokenError) -> Ed25519PublicKey {
        guard let header = (try? JSONValue.parse(header))?.object else { throw .malformed }
        guard header["alg"]?.string == "EdDSA" else { throw .wrongAlgorithm }
        guard header["typ"]?.string == type else { throw .wrongType }
        // jwk, jku, x5u, crit and the like would let a token choose its key or its rules.
        guard header.names(notIn: ["alg", "kid", "typ"]).isEmpty else { throw .malformed }
        guard let keyID = header["kid"]?.string, let key = keys[keyID] else { throw .unknownKey }
        return key
    }

    private func claims(_ payload: [UInt8], nowSeconds: Int64) throws(JSONWebTokenError) -> JSONWebTokenClaims
    {
        guard let object = (try? JSONValue.parse(payload))?.object, let subject = object["sub"]?.string,
            let tokenID = object["jti"]?.string, let issuedAt = object["iat"]?.exactInt64,
            let notBefore = object["nbf"]?.exactInt64, let expires = object["exp"]?.exactInt64
        else { throw .malformed }
        guard object["iss"]?.string == issuer else { throw .wrongIssuer }
        guard object["aud"]?.string == audience else { throw .wrongAudience }
        guard nowSeconds >= notBefore.addingClamped(-leewaySeconds) else { throw .notYetValid }
        guard nowSeconds < expires.addingClamped(leewaySeconds) else { throw .expired }
        var other = JSONObject()
        for member in object.members where !JSONWebTokenClaims.registered.contains(member.name) {
            other[member.name] = member.value
        }
        return JSONWebTokenClaims(
            subject: subject, tokenID: tokenID, issuedAt: issuedAt, notBefore: notBefore, expires: expires,
            other: other)
    }
}

extension Int64 {
    fileprivate func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflows) = addingReportingOverflow(other)
        if !overflows { return sum }
        return other < 0 ? .min : .max
    }
}
