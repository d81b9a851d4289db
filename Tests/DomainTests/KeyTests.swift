import Domain
import TestSupport
import Testing

@Suite("keys")
struct KeyTests {
    static func key(_ seed: UInt64) -> KeyText {
        var generator = SeededGenerator(seed: seed)
        return KeyText(using: &generator)
    }

    @Test(
        "a key's text has 58 characters of the documented form and reads back",
        arguments: SeededGenerator.seeds)
    func form(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let key = KeyText(using: &generator)
            let text = key.reveal()
            #expect(text.utf8.count == KeyText.length)
            #expect(text.wholeMatch(of: /ek_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}/) != nil)
            let read = try #require(KeyText(text))
            #expect(read.publicID == key.publicID)
            #expect(read.reveal() == text)
            #expect(read.withSecretBytes { $0.count } == 32)
            #expect(text.dropFirst(3).hasPrefix(key.publicID.description))
        }
    }

    @Test("the checksum is the CRC-32 of zlib over the 52 characters before it")
    func knownChecksum() {
        // python3: zlib.crc32(b"ek_0123456789ABCDEF_" + b"a" * 32) in six base62 digits
        let body = "ek_0123456789ABCDEF_" + String(repeating: "a", count: 32)
        #expect(KeyText(body + "04dTms")?.reveal() == body + "04dTms")
    }

    @Test("a change of any one character is noticed", arguments: SeededGenerator.seeds)
    func oneCharacter(_ seed: UInt64) {
        let text = Array(Self.key(seed).reveal().utf8)
        for position in text.indices {
            for replacement in [UInt8(ascii: "0"), 65, 122, 0, 0x20, 0xFF, 0x5F]
            where text[position] != replacement {
                var changed = text
                changed[position] = replacement
                #expect(changed.withUnsafeBytes { KeyText(bytes: $0) } == nil, "position \(position)")
            }
        }
    }

    @Test("a text of any other length is refused", arguments: SeededGenerator.seeds)
    func lengths(_ seed: UInt64) {
        let text = Self.key(seed).reveal()
        for count in 0..<58 { #expect(KeyText(String(text.prefix(count))) == nil) }
        #expect(KeyText(text + "0") == nil)
        #expect(KeyText(" " + text) == nil)
        #expect(KeyText(String(repeating: "é", count: 29)) == nil)
    }

    @Test("a checksum whose value exceeds 32 bits is refused")
    func overflow() {
        #expect(KeyText("ek_0123456789ABCDEF_" + String(repeating: "a", count: 32) + "zzzzzz") == nil)
    }

    @Test("two fresh keys differ in both halves")
    func fresh() {
        var generator = SystemRandomNumberGenerator()
        let (one, other) = (KeyText(using: &generator), KeyText(using: &generator))
        #expect(one.publicID != other.publicID)
        #expect(one.reveal().suffix(38) != other.reveal().suffix(38))
    }

    @Test("printing a key shows no secret")
    func silence() {
        let key = Self.key(9)
        var dumped = ""
        dump(key, to: &dumped)
        let words = key.withSecretBytes { bytes in
            (0..<4).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
        }
        let shown = "\(key) \(String(reflecting: key)) \(dumped) \([key])"
        #expect(shown.contains(key.publicID.description))
        #expect(!shown.contains(key.reveal().dropFirst(20).prefix(32)))
        for word in words { #expect(!shown.contains(String(word))) }
    }

    @Test(
        "public ids are sixteen base62 characters, ordered as their texts", arguments: SeededGenerator.seeds)
    func publicIDs(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let one = KeyText(using: &generator).publicID
            let other = KeyText(using: &generator).publicID
            #expect(KeyPublicID(one.description) == one)
            #expect((one < other) == (one.description.utf8.lexicographicallyPrecedes(other.description.utf8)))
        }
        for text in ["", "short", "0123456789ABCDE_", "0123456789ABCDEF0", "0123456789ABCDE\u{0}"] {
            #expect(KeyPublicID(text) == nil)
        }
    }

    static let now = Timestamp(microseconds: 1_000_000)
    static let before = Timestamp(microseconds: 999_999)
    static let after = Timestamp(microseconds: 1_000_001)

    @Test(
        "standing: revoked wins, then expired, then not yet valid",
        arguments: [
            (nil, nil, nil, .active), (before, nil, nil, .revoked), (after, nil, nil, .revoked),
            (nil, nil, now, .expired), (nil, nil, after, .active), (nil, now, nil, .active),
            (nil, after, nil, .notYetValid), (nil, after, before, .expired),
            (before, after, before, .revoked),
            (nil, before, after, .active),
        ] as [(Timestamp?, Timestamp?, Timestamp?, KeyStanding)])
    func standing(
        _ revoked: Timestamp?, _ notBefore: Timestamp?, _ expires: Timestamp?, _ expected: KeyStanding
    ) {
        let key = Key(
            id: KeyID(at: .epoch), tenant: TenantID(at: .epoch), workspace: WorkspaceID(at: .epoch),
            name: "k",
            publicID: Self.key(1).publicID, notBefore: notBefore, expires: expires, revoked: revoked,
            createdAt: .epoch)
        #expect(key.standing(at: Self.now) == expected)
    }

    @Test("endpoint sets allow what they name, and all of it also what comes later")
    func endpoints() {
        let some = EndpointSet([.chat, .models])
        #expect(some.endpoints == [.chat, .models])
        #expect(Endpoint.allCases.allSatisfy { EndpointSet.all.allows($0) })
        #expect(!some.allows(.embeddings))
        for endpoint in Endpoint.allCases { #expect(Endpoint(name: endpoint.name) == endpoint) }
        #expect(Endpoint(name: "nothing") == nil)
    }
}
