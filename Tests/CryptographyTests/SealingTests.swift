import Cryptography
import Testing

@Suite("Signing and sealing")
struct SealingTests {
    @Test("a signature fits its message and key alone, and its seed gives the key again")
    func signatures() throws {
        let key = Ed25519PrivateKey()
        let message = Array("snapshot 7".utf8)
        let signature = key.signature(of: message)
        #expect(key.publicKey.verifies(signature: signature, of: message))
        #expect(!key.publicKey.verifies(signature: signature, of: message + [0]))
        #expect(!Ed25519PrivateKey().publicKey.verifies(signature: signature, of: message))
        for index in signature.indices {
            var flipped = signature
            flipped[index] ^= 1
            #expect(!key.publicKey.verifies(signature: flipped, of: message), "byte \(index)")
        }
        #expect(!key.publicKey.verifies(signature: Array(signature.dropLast()), of: message))
        #expect(key.publicKey.verifies(signature: key.signature(of: [UInt8]()), of: [UInt8]()))
        let again = try #require(Ed25519PrivateKey(seed: key.seed))
        #expect(again.publicKey == key.publicKey)
        #expect(again.signature(of: message) == signature)
        #expect(Ed25519PrivateKey(seed: Secret([1])) == nil)
        #expect(Ed25519PublicKey(rawBytes: [1]) == nil)
        #expect(key.publicKey.description.count == 64)
    }

    @Test("a key that is a small-order point verifies nothing")
    func weakKeys() throws {
        // The neutral element: every (R = it, S = 0) would satisfy the bare equation.
        let neutral: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)
        let key = try #require(Ed25519PublicKey(rawBytes: neutral))
        let forged = neutral + [UInt8](repeating: 0, count: 32)
        #expect(!key.verifies(signature: forged, of: [1, 2, 3]))
    }

    @Test("sealed bytes open with the same key and associated data, and with nothing else")
    func symmetric() throws {
        let key = SymmetricKey()
        let sealed = key.seal(Array("credential".utf8), associatedData: [1])
        #expect(try key.open(sealed, associatedData: [1]) == Array("credential".utf8))
        #expect(throws: CryptographyError.notAuthentic) { try key.open(sealed, associatedData: [2]) }
        #expect(throws: CryptographyError.notAuthentic) {
            try SymmetricKey().open(sealed, associatedData: [1])
        }
        for index in sealed.indices {
            var flipped = sealed
            flipped[index] ^= 0x80
            #expect(throws: CryptographyError.notAuthentic) { try key.open(flipped, associatedData: [1]) }
        }
        for length in 0..<sealed.count {
            #expect(throws: CryptographyError.self) {
                try key.open(Array(sealed[..<length]), associatedData: [1])
            }
        }
    }

    @Test("sealing twice gives different bytes, also for nothing at all")
    func freshNonces() throws {
        let key = SymmetricKey()
        let first = key.seal([UInt8](), associatedData: [])
        #expect(first.count == SymmetricKey.overheadBytes)
        #expect(first != key.seal([UInt8](), associatedData: []))
        #expect(try key.open(first, associatedData: []) == [])
        let secret = Secret(utf8: "s")
        #expect(try key.openSecret(key.seal(secret, associatedData: [3]), associatedData: [3]) == secret)
        #expect(SymmetricKey(Secret([1])) == nil)
        #expect(SymmetricKey(key.secret) == key)
    }

    @Test("a box opens for the key pair it was sealed to, and for no other")
    func boxes() throws {
        let pair = X25519KeyPair()
        let secret = Secret.random(count: 32)
        let sealed = try pair.publicKey.seal(secret)
        #expect(sealed.count == 32 + X25519PublicKey.sealedOverheadBytes)
        #expect(try pair.openSealed(sealed) == secret)
        let again = try #require(X25519KeyPair(privateKey: pair.privateKey))
        #expect(try again.openSealed(sealed) == secret)
        #expect(throws: CryptographyError.notAuthentic) { try X25519KeyPair().openSealed(sealed) }
        for index in sealed.indices {
            var flipped = sealed
            flipped[index] ^= 1
            #expect(throws: CryptographyError.notAuthentic) { try pair.openSealed(flipped) }
        }
        #expect(throws: CryptographyError.self) { try pair.openSealed(Array(sealed[..<47])) }
        #expect(
            try pair.openSealed(sealToPublicKey(UnsafeRawBufferPointer(start: nil, count: 0), pair.publicKey))
                .isEmpty)
        #expect(X25519KeyPair(privateKey: Secret([1])) == nil)
        #expect(X25519PublicKey(rawBytes: [1]) == nil)
        #expect(pair.publicKey.description.count == 64)
    }

    @Test("nothing is sealed to a small-order point")
    func weakRecipients() throws {
        let zero = try #require(X25519PublicKey(rawBytes: [UInt8](repeating: 0, count: 32)))
        #expect(throws: CryptographyError.self) { try zero.seal(Secret([1])) }
    }

    @Test("a key pair's public key is the published one (RFC 7748 §6.1)")
    func publishedPair() throws {
        let bytes = try #require(
            Hexadecimal.decode("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
        let pair = try #require(X25519KeyPair(privateKey: Secret(bytes)))
        #expect(
            pair.publicKey.description == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    }
}

@Suite("Password hashes")
struct PasswordHashTests {
    @Test("the right password verifies and every other does not, also after storing and reading")
    func passwords() throws {
        let hash = try PasswordHash.make(Secret(utf8: "correct horse"))
        #expect(hash.text.hasPrefix("$argon2id$v=19$m=19456,t=2,p=1$"))
        let stored = try #require(PasswordHash(text: hash.text))
        #expect(stored == hash)
        #expect(stored.verifies(Secret(utf8: "correct horse")))
        #expect(!stored.verifies(Secret(utf8: "correct horsf")))
        #expect(!stored.verifies(Secret([])))
        #expect(!stored.verifies(Secret([UInt8](repeating: 1, count: 1_025))))
        #expect(try PasswordHash.make(Secret(utf8: "correct horse")).text != hash.text)
        #expect(!(try PasswordHash.decoy().verifies(Secret(utf8: "correct horse"))))
    }

    @Test("a change of cost asks for a new hash")
    func rehash() throws {
        let dearer = try #require(PasswordHash.Cost(memoryKiB: 20_000, passes: 3))
        let hash = try PasswordHash.make(Secret(utf8: "p"))
        #expect(!hash.needsRehash(for: .standard))
        #expect(hash.needsRehash(for: dearer))
        #expect(try PasswordHash.make(Secret(utf8: "p"), cost: dearer).cost == dearer)
    }

    @Test(
        "costs outside the bounds do not exist",
        arguments: [(19_455, 2), (19_456, 1), (1_048_577, 2), (19_456, 17)])
    func bounds(_ memoryKiB: Int, _ passes: Int) {
        #expect(PasswordHash.Cost(memoryKiB: memoryKiB, passes: passes) == nil)
    }

    @Test("an empty and an endless password are refused before any work")
    func refusedPasswords() {
        #expect(throws: CryptographyError.self) { try PasswordHash.make(Secret([])) }
        #expect(throws: CryptographyError.self) {
            try PasswordHash.make(Secret([UInt8](repeating: 1, count: 1_025)))
        }
    }

    @Test(
        "a stored text that is no hash of ours is refused, so a hostile row cannot ask for memory",
        arguments: [
            "", "plain", "$argon2i$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=16$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=19$m=4194304,t=2,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=19$m=19456,t=1000000,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=8$c2FsdA$aGFzaA", "$argon2id$v=19$t=2,m=19456,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA", "x$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$" + String(repeating: "a", count: 128),
        ])
    func hostileText(_ text: String) { #expect(PasswordHash(text: text) == nil) }

    @Test("a text of the right shape and a torn hash verifies nothing")
    func tornHash() throws {
        let torn = try #require(PasswordHash(text: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA"))
        #expect(!torn.verifies(Secret(utf8: "p")))
    }
}
