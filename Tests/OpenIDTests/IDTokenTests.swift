import Cryptography
import JSONText
import Testing

@testable import OpenID

/// Tokens made by another library (pyca/cryptography), with the public halves of its keys.
private enum Foreign {
    static let keys =
        #"{"keys":[{"kty":"RSA","kid":"r","use":"sig","alg":"RS256","n":"9AXF9D33hZ2kF5GzH_aBPdOxi_p-_fJjpsZlnf2KX1F5f-jyJKFUeWIbD3PStOzXbBORnzET8hjIzfVi0__R9S8EH33L-zssMCp8kmRTBiGtE1FxGJ5_drZHZ7hrmqQxGNP9IbHHyM_P5f1nOrgeDegk9hEnuuovNoTYcM6CYzDqRZf9x0apsxLoUFqBHVXasUqOpSjwksDoPOpQuCOmfr64Qwa6YMjerBAs-X1n9Xp0qma9Lin95tlBddbjebUtVtVaGn9tR_3E2molzJaApiOhwPgTluMolPXASfUytFx_gwVrvpVz9AdlmXn7_BQeQtJ0uogQTW9utf-FdI4a8w","e":"AQAB"},{"kty":"EC","kid":"e","crv":"P-256","x":"Ydot9x912ECPm6OTWSbpUPTPwMmKBThgVJGTKU1I2tM","y":"21kwBUEwOxMayoSg30vYU9Y5V_XI9iTt7B7mVHNefHo"}]}"#
    static let rs256 =
        "eyJhbGciOiJSUzI1NiIsImtpZCI6InIifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsImF1ZCI6ImVjbHVzYSIsInN1YiI6IjEiLCJleHAiOjE3NzMwNjEyMDAsImlhdCI6MTc3MzA1NzYwMCwibm9uY2UiOiJuLTAifQ.fD6bv6_xeC7ZpzBW2f8wkbrpL4bg4iHZKtKvrjy-UGs0HDYk7Fk5OH9WKW0kTzVH4rAWHjcw08r8grnMB-v1uplqpaVQU88nq-to_xZzHLx3Wp-sZBpOixakJ9bkdTAlySJbi7XYgMj7IyAVd0C1JyqPR2vHKyb4U8ZiOgaP-HU6GPf-OPNNk3--IvjROPKk0vx8_TVvtJIe6L05BMWJxfFhxwhO_8rb7mkX2xj4-lqSpEhDjpJLp5eFjUEBBLT9McRcFQ1mneERfp7aKdEJdSwPYo5bAu5lI0Cw0MFdk70ylc14BuslYTREqUZk1UQgRb71wLxEhQPud_jtbC_b1g"
    static let es256 =
        "eyJhbGciOiJFUzI1NiIsImtpZCI6ImUifQ.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsImF1ZCI6ImVjbHVzYSIsInN1YiI6IjEiLCJleHAiOjE3NzMwNjEyMDAsImlhdCI6MTc3MzA1NzYwMCwibm9uY2UiOiJuLTAifQ.T5kh9zdJbZJtSLyzdapQHLqtzXKDWlM4bNa1m9VJaWab77emQiNwgq4v9RTMBOToyxjZxptao54qI0GvBH_wKA"
}

@Suite("ID tokens")
struct IDTokenTests {
    static let now: Int64 = 1_773_057_700
    static let signing = Ed25519PrivateKey()
    static let other = Ed25519PrivateKey()
    static let expected = IDToken.Expectations(
        issuer: "https://idp.example.com", clientID: "eclusa", nonce: "n-0", nowSeconds: now)
    static let keys = JSONWebKeySet(entries: [
        .init(keyID: "ed", key: .ed25519(signing.publicKey))
    ])

    static let good: [String: JSONValue] = [
        "iss": "https://idp.example.com", "aud": "eclusa", "sub": "ana", "nonce": "n-0",
        "exp": .number(.init(now + 600)), "iat": .number(.init(now - 10)),
    ]

    static func text(_ members: [String: JSONValue]) -> String {
        var object = JSONObject()
        for (name, value) in members.sorted(by: { $0.key < $1.key }) { object[name] = value }
        return Base64.encodeURL(JSONValue.object(object).bytes)
    }

    static func token(
        _ change: [String: JSONValue?] = [:], header: [String: JSONValue] = ["alg": "EdDSA", "kid": "ed"],
        by key: Ed25519PrivateKey = signing
    ) -> String {
        var claims = good
        for (name, value) in change { claims[name] = value }
        let signed = text(header) + "." + text(claims)
        return signed + "." + Base64.encodeURL(key.signature(of: Array(signed.utf8)))
    }

    static func failure(_ text: String, _ keys: JSONWebKeySet = keys) -> IDTokenError? {
        do throws(IDTokenError) {
            _ = try IDToken(verifying: text, keys: keys, expected)
            return nil
        } catch { return error }
    }

    @Test("a good token is taken, by an EdDSA, an RS256 and an ES256 key")
    func good() throws {
        #expect(Self.failure(Self.token()) == nil)
        let keys = try #require(JSONWebKeySet(json: Array(Foreign.keys.utf8)))
        #expect(keys.entries.count == 2)
        #expect(Self.failure(Foreign.rs256, keys) == nil)
        #expect(Self.failure(Foreign.es256, keys) == nil)
    }

    @Test(
        "a claim that is not as expected is refused, each for its own reason",
        arguments: [
            ("iss", "https://evil.example.com", .wrongIssuer), ("iss", nil, .wrongIssuer),
            ("iss", "https://idp.example.com/", .wrongIssuer),
            ("aud", "another", .wrongAudience), ("aud", nil, .wrongAudience), ("aud", [], .wrongAudience),
            ("aud", ["eclusa", "another"], .wrongAudience), ("azp", "another", .wrongAudience),
            ("exp", .number(.init(now - 60)), .expired), ("exp", nil, .malformed),
            ("exp", "2030", .malformed), ("exp", .number(.init(Int64.max)), .malformed),
            ("iat", .number(.init(now + 61)), .notYetValid), ("iat", nil, .malformed),
            ("iat", .number(.init(now - 86_401)), .expired), ("nbf", .number(.init(now + 61)), .notYetValid),
            ("nonce", "n-1", .wrongNonce), ("nonce", nil, .wrongNonce), ("nonce", "", .wrongNonce),
            ("sub", nil, .malformed), ("sub", "", .malformed),
        ] as [(String, JSONValue?, IDTokenError)])
    func claims(_ name: String, _ value: JSONValue?, _ reason: IDTokenError) {
        #expect(Self.failure(Self.token([name: value])) == reason)
    }

    @Test("of several audiences we must be the authorised party")
    func parties() {
        #expect(Self.failure(Self.token(["aud": ["eclusa", "another"], "azp": "eclusa"])) == nil)
        #expect(Self.failure(Self.token(["aud": ["eclusa"]])) == nil)
    }

    @Test("clocks may differ by a minute")
    func leeway() {
        #expect(Self.failure(Self.token(["exp": .number(.init(Self.now - 59))])) == nil)
        #expect(Self.failure(Self.token(["iat": .number(.init(Self.now + 60))])) == nil)
    }

    @Test("the token never chooses how it is verified")
    func algorithms() throws {
        for algorithm in ["none", "None", "HS256", "RS256", "ES256", "RS512", "PS256", ""] {
            let forged = Self.token(header: ["alg": .string(algorithm), "kid": "ed"])
            #expect(Self.failure(forged) == .unknownKey, "\(algorithm)")
        }
        // A public RSA key as the secret of an HMAC, the oldest trick: there is no HMAC here at all.
        let keys = try #require(JSONWebKeySet(json: Array(Foreign.keys.utf8)))
        let parts = Foreign.rs256.split(separator: ".")
        let header = Base64.encodeURL(Array(#"{"alg":"HS256","kid":"r"}"#.utf8))
        #expect(Self.failure("\(header).\(parts[1]).\(parts[2])", keys) == .unknownKey)
        // The name of one key, the signature of another.
        let swapped = Base64.encodeURL(Array(#"{"alg":"ES256","kid":"r"}"#.utf8))
        #expect(Self.failure("\(swapped).\(parts[1]).\(parts[2])", keys) == .unknownKey)
    }

    @Test("a signature of another key, or over other bytes, is wrong")
    func signatures() throws {
        #expect(Self.failure(Self.token(by: Self.other)) == .badSignature)
        let parts = Self.token().split(separator: ".").map(String.init)
        let admin = Self.text(Self.good.merging(["sub": "root"]) { $1 })
        #expect(Self.failure("\(parts[0]).\(admin).\(parts[2])") == .badSignature)
        #expect(Self.failure("\(parts[0]).\(parts[1]).") == .badSignature)
        let keys = try #require(JSONWebKeySet(json: Array(Foreign.keys.utf8)))
        for token in [Foreign.rs256, Foreign.es256] {
            let parts = token.split(separator: ".").map(String.init)
            var signature = try #require(Base64.decodeURL(parts[2]))
            signature[10] ^= 1
            let flipped = "\(parts[0]).\(parts[1]).\(Base64.encodeURL(signature))"
            #expect(Self.failure(flipped, keys) == .badSignature)
            #expect(Self.failure("\(parts[0]).\(admin).\(parts[2])", keys) == .badSignature)
        }
        #expect(Self.failure(Self.token(header: ["alg": "EdDSA", "kid": "unknown"])) == .unknownKey)
    }

    @Test(
        "what is no token is refused before any work",
        arguments: ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", String(repeating: "a", count: 32_769)])
    func garbage(_ text: String) { #expect(Self.failure(text) == .malformed) }

    @Test("a token with rules of its own is refused")
    func critical() {
        let token = Self.token(header: ["alg": "EdDSA", "kid": "ed", "crit": ["exp"]])
        #expect(Self.failure(token) == .malformed)
    }

    @Test("a token without a key's name fits the only key of its algorithm, and none of two")
    func unnamed() {
        let token = Self.token(header: ["alg": "EdDSA"])
        #expect(Self.failure(token) == nil)
        let two = JSONWebKeySet(
            entries: Self.keys.entries + [.init(keyID: "b", key: .ed25519(Self.other.publicKey))])
        #expect(Self.failure(token, two) == .unknownKey)
    }
}

@Suite("Key sets")
struct JSONWebKeySetTests {
    private func count(_ keys: String) -> Int? {
        JSONWebKeySet(json: Array(#"{"keys":[\#(keys)]}"#.utf8))?.entries.count
    }

    private static let good =
        #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#

    @Test(
        "keys that must not or cannot verify ID tokens are left out",
        arguments: [
            #"{"kty":"oct","k":"c2VjcmV0"}"#, #"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            #"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#,
            #"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            #"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, "7", "{}",
            #"{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            #"{"kty":"OKP","crv":"Ed25519","alg":"RS256","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        ])
    func leftOut(_ key: String) {
        #expect(count(key) == nil)
        #expect(count("\(key),\(Self.good)") == 1)
    }

    @Test("too many keys are no key set")
    func bounded() {
        #expect(count(Array(repeating: Self.good, count: 100).joined(separator: ",")) == 100)
        #expect(count(Array(repeating: Self.good, count: 101).joined(separator: ",")) == nil)
    }

    @Test("RSA keys below 2048 bits, or with a weak exponent, are no keys")
    func weak() {
        let modulus = [UInt8](repeating: 0xFF, count: 256)
        #expect(SignatureKey.rsaKey(modulus: modulus, exponent: [1, 0, 1]) != nil)
        #expect(SignatureKey.rsaKey(modulus: [0] + modulus, exponent: [3]) != nil)
        #expect(SignatureKey.rsaKey(modulus: Array(modulus.dropLast()), exponent: [1, 0, 1]) == nil)
        #expect(SignatureKey.rsaKey(modulus: modulus, exponent: [1]) == nil)
        #expect(SignatureKey.rsaKey(modulus: modulus, exponent: [2]) == nil)
        #expect(SignatureKey.rsaKey(modulus: modulus, exponent: []) == nil)
    }
}
