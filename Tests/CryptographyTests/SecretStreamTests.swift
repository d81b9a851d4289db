import Cryptography
import Testing

@Suite("Secret streams")
struct SecretStreamTests {
    private func sealed(_ key: SymmetricKey, _ messages: [String]) -> (header: [UInt8], [[UInt8]]) {
        var sealer = SecretStreamSealer(key)
        var sealed: [[UInt8]] = []
        for (index, message) in messages.enumerated() {
            sealed.append(
                Array(message.utf8).withUnsafeBytes {
                    sealer.seal($0, associatedData: [1], isLast: index == messages.count - 1)
                })
        }
        return (sealer.header, sealed)
    }

    @Test("messages open in order, the last one ends the stream")
    func order() throws {
        let key = SymmetricKey()
        let (header, messages) = sealed(key, ["one", "", "three"])
        var opener = try SecretStreamOpener(key, header: header)
        var opened: [String] = []
        for message in messages {
            let isOver = opener.isComplete
            #expect(!isOver)
            opened.append(String(decoding: try opener.open(message, associatedData: [1]), as: UTF8.self))
        }
        let isOver = opener.isComplete
        #expect(opened == ["one", "", "three"] && isOver)
        #expect(throws: CryptographyError.notAuthentic) { try opener.open(messages[0], associatedData: [1]) }
    }

    @Test("a changed, moved or foreign message does not open")
    func refused() throws {
        let key = SymmetricKey()
        let (header, messages) = sealed(key, ["one", "two"])
        for index in messages[0].indices {
            var flipped = messages[0]
            flipped[index] ^= 1
            var opener = try SecretStreamOpener(key, header: header)
            #expect(throws: CryptographyError.notAuthentic) { try opener.open(flipped, associatedData: [1]) }
        }
        var second = try SecretStreamOpener(key, header: header)
        #expect(throws: CryptographyError.notAuthentic) { try second.open(messages[1], associatedData: [1]) }
        var elsewhere = try SecretStreamOpener(key, header: header)
        #expect(throws: CryptographyError.notAuthentic) {
            try elsewhere.open(messages[0], associatedData: [2])
        }
        var stranger = try SecretStreamOpener(SymmetricKey(), header: header)
        #expect(throws: CryptographyError.notAuthentic) {
            try stranger.open(messages[0], associatedData: [1])
        }
        #expect(throws: CryptographyError.self) { _ = try SecretStreamOpener(key, header: [1]) }
    }

    @Test("a passphrase gives the same key for the same salt alone")
    func derivation() throws {
        let salt = randomBytes(SymmetricKey.saltBytes), phrase = Secret(utf8: "a phrase")
        let key = try SymmetricKey.derived(from: phrase, salt: salt, cost: .standard)
        #expect(try SymmetricKey.derived(from: phrase, salt: salt, cost: .standard) == key)
        let other = randomBytes(SymmetricKey.saltBytes)
        #expect(try SymmetricKey.derived(from: phrase, salt: other, cost: .standard) != key)
        #expect(throws: CryptographyError.self) {
            try SymmetricKey.derived(from: Secret([]), salt: salt, cost: .standard)
        }
    }
}
