import Cryptography
import Testing

@Suite("Hashing and encodings")
struct HashingTests {
    /// FIPS 180-4 examples, and lengths around the block size made with a second implementation.
    static let digests: [(String, String)] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ]

    @Test("SHA-256 gives the published digests", arguments: digests)
    func publishedDigests(_ text: String, _ expected: String) {
        #expect(sha256(text).hexadecimal == expected)
        #expect(sha256(Array(text.utf8)).description == expected)
    }

    @Test(
        "a hash over parts equals the hash over the whole, for every way to cut it, and can go on afterwards")
    func partwise() {
        let bytes = [UInt8](0..<200)
        for cut in 0...bytes.count {
            var hasher = SHA256Hasher()
            hasher.update(Array(bytes[..<cut]))
            #expect(hasher.finish() == sha256(Array(bytes[..<cut])))
            hasher.update(Array(bytes[cut...]))
            #expect(hasher.finish() == sha256(bytes))
        }
    }

    @Test("a digest is its 32 bytes: in and out, ordered like them, usable as a key")
    func digestValue() throws {
        let low = try #require(SHA256Digest([UInt8](repeating: 0, count: 32)))
        for index in 0..<32 {
            var bytes = [UInt8](repeating: 0, count: 32)
            bytes[index] = 1
            let digest = try #require(SHA256Digest(bytes))
            #expect(digest.bytes == bytes)
            #expect(low < digest)
            #expect(!(digest < low))
            #expect(SHA256Digest(hexadecimal: digest.hexadecimal) == digest)
        }
        #expect(SHA256Digest([1]) == nil)
        #expect(SHA256Digest(hexadecimal: "zz") == nil)
        var table: [SHA256Digest: Int] = [:]
        for value in 0..<1_000 { table[sha256("\(value)")] = value }
        for value in 0..<1_000 { #expect(table[sha256("\(value)")] == value) }
        #expect(Set([low, low]).count == 1)
    }

    @Test("HMAC of a key longer than a block uses its hash (RFC 4231, case 6)")
    func longKey() {
        let key = Secret([UInt8](repeating: 0xAA, count: 131))
        let tag = hmacSHA256(
            key: key, message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
        #expect(tag.hexadecimal == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("CRC-32 gives the check value of its definition")
    func checksum() {
        #expect(crc32(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(crc32([]) == 0)
    }

    /// RFC 4648 §10, then bytes that use both special characters.
    static let encodings: [([UInt8], String, String)] = [
        ([], "", ""), (Array("f".utf8), "Zg==", "Zg"), (Array("fo".utf8), "Zm8=", "Zm8"),
        (Array("foo".utf8), "Zm9v", "Zm9v"), (Array("foob".utf8), "Zm9vYg==", "Zm9vYg"),
        (Array("fooba".utf8), "Zm9vYmE=", "Zm9vYmE"), (Array("foobar".utf8), "Zm9vYmFy", "Zm9vYmFy"),
        ([0xFB, 0xFF], "+/8=", "-_8"), ([0xFF, 0xEF, 0xBE], "/+++", "_---"),
    ]

    @Test("base64 gives the texts of RFC 4648 in both alphabets, and reads them back", arguments: encodings)
    func base64(_ bytes: [UInt8], _ standard: String, _ url: String) {
        #expect(Base64.encode(bytes) == standard)
        #expect(Base64.encodeURL(bytes) == url)
        #expect(Base64.decode(standard) == bytes)
        #expect(Base64.decodeURL(url) == bytes)
    }

    @Test(
        "base64 that is not canonical is refused",
        arguments: [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Z", "====", "=", "Zm 9", "Zm9v\n", "-_8=", "Zg==Zg==", "é",
        ])
    func badBase64(_ text: String) { #expect(Base64.decode(text) == nil) }

    @Test(
        "base64url that is not canonical is refused", arguments: ["Zg==", "Zh", "Z", "+/8", "Zm9v.", "Zm9vY"])
    func badBase64URL(_ text: String) { #expect(Base64.decodeURL(text) == nil) }

    @Test("random bytes of every length up to 300 survive every encoding")
    func roundTrips() {
        for length in 0...300 {
            let bytes = randomBytes(length)
            #expect(Base64.decode(Base64.encode(bytes)) == bytes)
            #expect(Base64.decodeURL(Base64.encodeURL(bytes)) == bytes)
            #expect(Hexadecimal.decode(Hexadecimal.encode(bytes).uppercased()) == bytes)
        }
    }

    @Test(
        "hexadecimal refuses odd lengths and other characters",
        arguments: ["0", "0g", "zz", " 00", "é0", "0x"])
    func badHexadecimal(_ text: String) { #expect(Hexadecimal.decode(text) == nil) }

    @Test("the DSSE encoding is the published one, and counts bytes, not characters")
    func preAuthenticationEncoding() {
        let plain = dssePreAuthenticationEncoding(
            type: "http://example.com/HelloWorld", payload: Array("hello world".utf8))
        #expect(plain == Array("DSSEv1 29 http://example.com/HelloWorld 11 hello world".utf8))
        #expect(
            dssePreAuthenticationEncoding(type: "é", payload: [0xFF]) == Array("DSSEv1 2 é 1 ".utf8) + [0xFF])
    }
}

@Suite("Secrets and randomness")
struct SecretTests {
    @Test("a secret shows nothing of itself, whoever asks")
    func silence() {
        let secret = Secret(utf8: "hunter2")
        var dumped = ""
        dump([secret], to: &dumped)
        #expect(!dumped.contains("hunter2") && !dumped.contains("count"))
        #expect(!String(describing: secret).contains("hunter2"))
        #expect(!String(reflecting: [secret]).contains("hunter2"))
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test("secrets are equal by content, and lengths matter")
    func equality() {
        #expect(Secret([1, 2, 3]) == Secret([1, 2, 3]))
        #expect(Secret([1, 2, 3]) != Secret([1, 2, 4]))
        #expect(Secret([1, 2, 3]) != Secret([1, 2]))
        #expect(Secret([]) == Secret([]))
        #expect(Secret([]).isEmpty)
        #expect(constantTimeEqual([UInt8](), []))
        #expect(!constantTimeEqual([1], []))
    }

    @Test("a secret gives its bytes only inside the closure, and passes on what is thrown there")
    func reading() {
        let bytes: [UInt8] = [5, 6]
        let secret = bytes.withUnsafeBytes { Secret(copying: $0) }
        #expect(secret.count == 2)
        #expect(Secret([9]).withBytes { $0[0] } == 9)
        #expect(throws: CryptographyError.notAuthentic) {
            try Secret(unsafeUninitializedByteCount: 4) { _ throws(CryptographyError) in throw .notAuthentic }
        }
    }

    @Test("erasing leaves zeros")
    func erasing() {
        var bytes: [UInt8] = [1, 2, 3]
        erase(&bytes)
        #expect(bytes == [0, 0, 0])
        var none: [UInt8] = []
        erase(&none)
        #expect(none.isEmpty)
    }

    @Test("random bytes have the length asked for and do not repeat")
    func randomness() {
        #expect(randomBytes(0).isEmpty)
        #expect(Set((0..<100).map { _ in randomBytes(16) }).count == 100)
        let reservoir = RandomWordReservoir()
        #expect(Set((0..<2_000).map { _ in reservoir.next() }).count == 2_000)
        var generator = SecureRandomNumberGenerator()
        #expect(Set((0..<100).map { _ in generator.next() }).count == 100)
        #expect(Secret.random(count: 32) != Secret.random(count: 32))
    }

    @Test("errors say what was expected and nothing secret")
    func errors() {
        #expect(CryptographyError.notAuthentic.description == "not authentic: wrong key or changed bytes")
        #expect(CryptographyError.malformed("x").description == "malformed: x")
        #expect(CryptographyError.library(operation: "a", detail: "b").description == "a failed: b")
    }
}
