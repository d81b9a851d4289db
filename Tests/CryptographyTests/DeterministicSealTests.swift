import Cryptography
import Testing

@Suite("deterministic sealing")
struct DeterministicSealTests {
    @Test("equal messages seal equally, any difference changes everything, and all of it opens")
    func determinism() throws {
        let key = SymmetricKey(), secret = Secret([1, 2, 3])
        let sealed = key.sealDeterministically(secret, associatedData: [9])
        #expect(sealed == key.sealDeterministically(Secret([1, 2, 3]), associatedData: [9]))
        #expect(try key.open(sealed, associatedData: [9]) == [1, 2, 3])
        let nonces = [
            sealed, key.sealDeterministically(Secret([1, 2, 4]), associatedData: [9]),
            key.sealDeterministically(secret, associatedData: [8]),
            SymmetricKey().sealDeterministically(secret, associatedData: [9]),
        ].map { Array($0.prefix(24)) }
        #expect(Set(nonces).count == 4)
        #expect(throws: CryptographyError.self) { try key.open(sealed, associatedData: [8]) }
    }
}
