import Cryptography
import JSONText
import Testing

@Suite("JSON Web Tokens")
struct JSONWebTokenTests {
    static let key = Ed25519PrivateKey()
    static let now: Int64 = 1_800_000_000
    static let verifier = JSONWebTokenVerifier(
        keys: ["k1": key.publicKey], issuer: "eclusa", audience: "admin", type: "session+jwt")

    private func signer(
        keyID: String = "k1", key: Ed25519PrivateKey = key, issuer: String = "eclusa",
        audience: String = "admin",
        type: String = "session+jwt"
    ) -> JSONWebTokenSigner {
        JSONWebTokenSigner(keyID: keyID, privateKey: key, issuer: issuer, audience: audience, type: type)
    }

    private func claims(notBefore: Int64 = now, expires: Int64 = now + 60) -> JSONWebTokenClaims {
        var other = JSONObject()
        other["family"] = "f1"
        return JSONWebTokenClaims(
            subject: "user_1", tokenID: "t1", issuedAt: Self.now, notBefore: notBefore, expires: expires,
            other: other)
    }

    @Test("a token gives back the claims it was made of")
    func roundTrip() throws {
        let token = signer().token(claims())
        #expect(try Self.verifier.verify(token, nowSeconds: Self.now) == claims())
        #expect(try Self.verifier.verify(token, nowSeconds: Self.now + 59).subject == "user_1")
    }

    @Test("registered names cannot be smuggled in beside the signer's own")
    func smuggledClaims() throws {
        var smuggling = claims()
        smuggling.other["iss"] = "somebody"
        let token = signer().token(smuggling)
        #expect(try Self.verifier.verify(token, nowSeconds: Self.now).other.names == ["family"])
    }

    @Test(
        "the same claims under another key, key id, issuer, audience or type are refused, each for its reason"
    )
    func wrongOrigin() {
        let table: [(JSONWebTokenSigner, JSONWebTokenError)] = [
            (signer(keyID: "k2"), .unknownKey), (signer(key: Ed25519PrivateKey()), .badSignature),
            (signer(issuer: "other"), .wrongIssuer), (signer(audience: "other"), .wrongAudience),
            (signer(type: "JWT"), .wrongType),
        ]
        for (signer, error) in table {
            #expect(throws: error) { try Self.verifier.verify(signer.token(claims()), nowSeconds: Self.now) }
        }
    }

    @Test("a token counts from nbf to before exp, with the leeway on both ends")
    func times() {
        let token = signer().token(claims())
        let lenient = JSONWebTokenVerifier(
            keys: ["k1": Self.key.publicKey], issuer: "eclusa", audience: "admin", type: "session+jwt",
            leewaySeconds: 5)
        #expect(throws: JSONWebTokenError.notYetValid) {
            try Self.verifier.verify(token, nowSeconds: Self.now - 1)
        }
        #expect(throws: JSONWebTokenError.expired) {
            try Self.verifier.verify(token, nowSeconds: Self.now + 60)
        }
        #expect(throws: Never.self) { try lenient.verify(token, nowSeconds: Self.now - 5) }
        #expect(throws: Never.self) { try lenient.verify(token, nowSeconds: Self.now + 64) }
        #expect(throws: JSONWebTokenError.expired) { try lenient.verify(token, nowSeconds: Self.now + 65) }
        let eternal = signer().token(claims(notBefore: .min, expires: .max))
        #expect(throws: Never.self) { try lenient.verify(eternal, nowSeconds: Self.now) }
    }

    @Test(
        "a header that chooses its own rules is refused before any signature is looked at",
        arguments: [
            (#"{"alg":"none","kid":"k1","typ":"session+jwt"}"#, JSONWebTokenError.wrongAlgorithm),
            (#"{"alg":"HS256","kid":"k1","typ":"session+jwt"}"#, .wrongAlgorithm),
            (#"{"alg":"eddsa","kid":"k1","typ":"session+jwt"}"#, .wrongAlgorithm),
            (#"{"kid":"k1","typ":"session+jwt"}"#, .wrongAlgorithm),
            (#"{"alg":"EdDSA","typ":"session+jwt"}"#, .unknownKey),
            (#"{"alg":"EdDSA","kid":"../k1","typ":"session+jwt"}"#, .unknownKey),
            (#"{"alg":"EdDSA","kid":7,"typ":"session+jwt"}"#, .unknownKey),
            (#"{"alg":"EdDSA","kid":"k1"}"#, .wrongType),
            (#"{"alg":"EdDSA","kid":"k1","typ":"session+jwt","jwk":{}}"#, .malformed),
            (#"{"alg":"EdDSA","kid":"k1","typ":"session+jwt","crit":["b64"],"b64":false}"#, .malformed),
            (#"{"alg":"EdDSA","alg":"EdDSA","kid":"k1","typ":"session+jwt"}"#, .malformed),
            (#"["EdDSA"]"#, .malformed), ("{", .malformed),
        ])
    func hostileHeaders(_ header: String, _ error: JSONWebTokenError) {
        #expect(throws: error) {
            try Self.verifier.verify(signed(header: header, payload: "{}"), nowSeconds: Self.now)
        }
    }

    @Test(
        "claims that are missing or of another type are refused",
        arguments: [
            #"{}"#, #"[]"#, #"{"iss":"eclusa","aud":"admin","sub":"u","jti":"t","iat":1,"nbf":1}"#,
            #"{"iss":"eclusa","aud":"admin","sub":"u","jti":"t","iat":1,"nbf":1,"exp":"9999999999"}"#,
            #"{"iss":"eclusa","aud":"admin","sub":"u","jti":"t","iat":1,"nbf":1,"exp":1e300}"#,
            #"{"iss":"eclusa","aud":"admin","sub":"u","sub":"v","jti":"t","iat":1,"nbf":1,"exp":9999999999}"#,
        ])
    func badClaims(_ payload: String) {
        let header = #"{"alg":"EdDSA","kid":"k1","typ":"session+jwt"}"#
        #expect(throws: JSONWebTokenError.malformed) {
            try Self.verifier.verify(signed(header: header, payload: payload), nowSeconds: Self.now)
        }
    }

    @Test("a token with any one character changed, dropped or added is refused")
    func mutations() {
        let token = signer().token(claims())
        for index in token.indices {
            let next = token.index(after: index)
            for replacement in ["", ".", "A", "=", "é"] where replacement != token[index..<next] {
                let changed = token.replacingCharacters(in: index..<next, with: replacement)
                #expect(throws: JSONWebTokenError.self) {
                    try Self.verifier.verify(changed, nowSeconds: Self.now)
                }
            }
        }
        for changed in [
            "", ".", "..", "...", token + ".", token + "=", " " + token, String(repeating: "a", count: 9_000),
        ] {
            #expect(throws: JSONWebTokenError.malformed) {
                try Self.verifier.verify(changed, nowSeconds: Self.now)
            }
        }
    }

    private func signed(header: String, payload: String) -> String {
        let text = Base64.encodeURL(Array(header.utf8)) + "." + Base64.encodeURL(Array(payload.utf8))
        return text + "." + Base64.encodeURL(Self.key.signature(of: Array(text.utf8)))
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<Index>, with text: String) -> String {
        var copy = self
        copy.replaceSubrange(range, with: text)
        return copy
    }
}
