import JSONText
import TestSupport
import Testing

@testable import Cryptography

/// Project Wycheproof's vectors through our own wrappers: every valid case passes, every invalid one fails.
@Suite("Cryptography conformance")
struct ConformanceTests {
    @Test(
        "Ed25519 verification judges every Wycheproof case as the file says"
    )
    func ed25519() throws {
        try forEachCase(in: "ed25519_test.json", expected: 151) { group, test in
            let key = try #require(Ed25519PublicKey(rawBytes: group["publicKey"]?["pk"]?.hexadecimal ?? []))
            let message = try #require(test["msg"]?.hexadecimal)
            let signature = try #require(test["sig"]?.hexadecimal)
            return key.verifies(signature: signature, of: message)
        }
    }

    @Test(
        "XChaCha20-Poly1305 opens every valid Wycheproof case, seals it the same, refuses the others"
    )
    func xchacha20Poly1305() throws {
        try forEachCase(in: "xchacha20_poly1305_test.json", expected: 315) { _, test in
            let keyBytes = try #require(test["key"]?.hexadecimal)
            let key = try #require(SymmetricKey(Secret(keyBytes)))
            let nonce = try #require(test["iv"]?.hexadecimal)
            let associatedData = try #require(test["aad"]?.hexadecimal)
            let plaintext = try #require(test["msg"]?.hexadecimal)
            let sealed = nonce + (test["ct"]?.hexadecimal ?? []) + (test["tag"]?.hexadecimal ?? [])
            guard let opened = try? key.open(sealed, associatedData: associatedData) else { return false }
            let again = plaintext.withUnsafeBytes {
                key.seal($0, associatedData: associatedData, nonce: nonce)
            }
            return opened == plaintext && again == sealed
        }
    }

    @Test("HMAC-SHA-256 judges every Wycheproof case as the file says, and a truncated tag is never accepted")
    func hmac() throws {
        try forEachCase(in: "hmac_sha256_test.json", expected: 174) { group, test in
            let key = Secret(try #require(test["key"]?.hexadecimal))
            let message = try #require(test["msg"]?.hexadecimal)
            let tag = try #require(test["tag"]?.hexadecimal)
            let accepted = hmacSHA256Verifies(tag: tag, key: key, message: message)
            if group["tagSize"]?.exactInt64 == 256 { return accepted }
            #expect(!accepted, "a tag of 16 bytes")
            return Array(hmacSHA256(key: key, message: message).bytes.prefix(16)) == tag
        }
    }

    @Test(
        "no Wycheproof JWS, valid or not, gets past a verifier of another algorithm",
        arguments: ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"])
    func foreignTokens(_ file: String) throws {
        guard let bytes = ConformanceVectors.file("wycheproof/" + file) else { return }
        let document = try JSONValue.parse(bytes, limits: JSONLimits(maximumBytes: 1 << 24))
        var count = 0
        for group in document["testGroups"]?.array ?? [] {
            for test in group["tests"]?.array ?? [] {
                // Where the vector is a JWS in compact form, give its kid a key, so that only the algorithm
                // protects.
                guard let token = test["jws"]?.string else { continue }
                let keyID = group["private"]?["kid"]?.string ?? ""
                let verifier = JSONWebTokenVerifier(
                    keys: [keyID: Ed25519PrivateKey().publicKey], issuer: "i", audience: "a", type: "JWT")
                #expect(throws: JSONWebTokenError.self) { try verifier.verify(token, nowSeconds: 0) }
                count += 1
            }
        }
        #expect(count > 20)
    }

    /// Runs `verdict` on every case of a file and compares it with the file's `result`.
    private func forEachCase(
        in file: String, expected: Int, _ verdict: (JSONValue, JSONValue) throws -> Bool
    ) throws {
        guard let bytes = ConformanceVectors.file("wycheproof/" + file) else { return }
        let document = try JSONValue.parse(bytes, limits: JSONLimits(maximumBytes: 1 << 24))
        var count = 0
        for group in document["testGroups"]?.array ?? [] {
            for test in group["tests"]?.array ?? [] {
                count += 1
                let isValid = test["result"]?.string == "valid"
                let name = "\(file) case \(test["tcId"]?.exactInt64 ?? -1) \(test["comment"]?.string ?? "")"
                #expect(try verdict(group, test) == isValid, "\(name)")
            }
        }
        #expect(count == expected)
    }
}

extension JSONValue {
    fileprivate var hexadecimal: [UInt8]? { string.flatMap { Hexadecimal.decode($0) } }
}
