import Contract
import Cryptography
import Domain
import TestSupport
import Testing

@Suite("signed envelopes and key sets")
struct SigningTests {
    static let type = "application/vnd.eclusa.test.v1"
    static let (one, two, three) = (Ed25519PrivateKey(), Ed25519PrivateKey(), Ed25519PrivateKey())

    @Test("an envelope is signed by its signers, as its type, over its payload, and by nobody else")
    func signed() throws {
        let envelope = SignedEnvelope(
            payloadType: Self.type, payload: [1, 2, 3], signedBy: [Self.one, Self.two])
        #expect(envelope.isSigned(as: Self.type, by: [Self.one.publicKey]))
        #expect(envelope.isSigned(as: Self.type, by: [Self.three.publicKey, Self.two.publicKey]))
        #expect(!envelope.isSigned(as: Self.type, by: [Self.three.publicKey]))
        #expect(!envelope.isSigned(as: "application/other", by: [Self.one.publicKey]))
        #expect(!envelope.isSigned(as: Self.type, by: []))
        #expect(!envelope.isSigned(as: Self.type, by: [Self.one.publicKey], threshold: 0))
        #expect(try SignedEnvelope(encoded: envelope.encoded) == envelope)
        #expect(SigningKeyID(of: Self.one.publicKey).description.utf8.count == 16)
    }

    @Test("a threshold counts keys, not signatures")
    func threshold() {
        let (one, two) = (Self.one.publicKey, Self.two.publicKey)
        let both = SignedEnvelope(payloadType: Self.type, payload: [1], signedBy: [Self.one, Self.two])
        let twice = SignedEnvelope(payloadType: Self.type, payload: [1], signedBy: [Self.one, Self.one])
        #expect(both.isSigned(as: Self.type, by: [one, two], threshold: 2))
        #expect(!twice.isSigned(as: Self.type, by: [one, two], threshold: 2))
        #expect(!twice.isSigned(as: Self.type, by: [one, one], threshold: 2))
        #expect(!both.isSigned(as: Self.type, by: [one, two, Self.three.publicKey], threshold: 3))
    }

    @Test("with any bit flipped an envelope is not signed any more")
    func flipped() {
        let envelope = SignedEnvelope(
            payloadType: Self.type, payload: Array("payload".utf8), signedBy: [Self.one])
        let bytes = envelope.encoded
        for position in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[position] ^= 1 << UInt8(bit)
                guard let read = try? SignedEnvelope(encoded: damaged) else { continue }
                #expect(!read.isSigned(as: Self.type, by: [Self.one.publicKey]), "\(position).\(bit)")
            }
        }
    }

    static func set(
        _ version: UInt32, epoch: UInt32 = 1, roots: [Ed25519PrivateKey] = [one], threshold: Int = 1
    ) -> KeySet {
        KeySet(
            version: version, epoch: epoch, issuedAt: .epoch, rootKeys: roots.map(\.publicKey),
            threshold: threshold,
            entries: [KeySet.Entry(role: .snapshot, key: three.publicKey, expires: .distantFuture)])
    }

    @Test("trust begins at the pinned root key and walks versions one by one")
    func walk() throws {
        let chain = [
            Self.set(1).signed(by: [Self.one]),
            // The root key is replaced: old and new sign.
            Self.set(2, roots: [Self.two]).signed(by: [Self.one, Self.two]),
            Self.set(3, epoch: 2, roots: [Self.two]).signed(by: [Self.two]),
        ]
        let trusted = try TrustedKeys(pinned: [Self.one.publicKey], chain: chain)
        #expect(trusted.current.version == 3)
        #expect(trusted.current.epoch == 2)
        #expect(trusted.current.keys(for: .snapshot) == [Self.three.publicKey])
        #expect(trusted.current.keys(for: .grant).isEmpty)
        #expect(trusted.chain == chain)
        // Told again, nothing changes; told the rest, it goes on.
        #expect(try trusted.advanced(by: chain) == trusted)
        let first = try TrustedKeys(pinned: [Self.one.publicKey], chain: [chain[0]])
        #expect(try first.advanced(by: chain) == trusted)
        #expect(try first.advanced(by: [Self.set(1).signed(by: [Self.one])]) == first)
    }

    @Test("every broken chain is refused")
    func broken() throws {
        let pinned = [Self.one.publicKey]
        let good = Self.set(1).signed(by: [Self.one])
        func failure(_ chain: [SignedEnvelope]) -> TrustedKeys.Failure? {
            do throws(TrustedKeys.Failure) {
                _ = try TrustedKeys(pinned: pinned, chain: chain)
                return nil
            } catch { return error }
        }
        #expect(failure([good]) == nil)
        #expect(failure([]) == .version(expected: 1, got: 0))
        #expect(failure([Self.set(1).signed(by: [Self.two])]) == .signature)
        #expect(failure([Self.set(2).signed(by: [Self.one])]) == .version(expected: 1, got: 2))
        // Signed by the pinned key, but its own root keys did not sign.
        #expect(failure([Self.set(1, roots: [Self.two]).signed(by: [Self.one])]) == .signature)
        #expect(failure([good, Self.set(3).signed(by: [Self.two])]) == .signature)
        #expect(failure([good, Self.set(2, roots: [Self.two]).signed(by: [Self.two])]) == .signature)
        #expect(failure([good, Self.set(2, roots: [Self.two]).signed(by: [Self.one])]) == .signature)
        let later = Self.set(1, epoch: 2).signed(by: [Self.one])
        #expect(failure([later, Self.set(2, epoch: 1).signed(by: [Self.one])]) == .epoch)
        let stringent = Self.set(2, roots: [Self.one, Self.two], threshold: 2)
        #expect(failure([good, stringent.signed(by: [Self.one])]) == .signature)
        #expect(failure([good, stringent.signed(by: [Self.one, Self.two])]) == nil)
        let garbage = SignedEnvelope(payloadType: KeySet.payloadType, payload: [0xFF], signedBy: [Self.one])
        #expect(failure([garbage]) == .codec(.truncated))
        let tooMany = Array(repeating: good, count: TrustedKeys.maximumChain + 1)
        #expect(failure(tooMany) == .version(expected: 1, got: 257))
    }

    @Test("a restored control plane's key set is taken by nodes that have newer ones than its backup")
    func leap() throws {
        let first = Self.set(1).signed(by: [Self.one])
        let lost = Self.set(2, epoch: 5).signed(by: [Self.one])
        let node = try TrustedKeys(pinned: [Self.one.publicKey], chain: [first, lost])
        let restored = Self.set(1_700_000_000, epoch: 1_700_000_000).signed(by: [Self.one])
        let after = try node.advanced(by: [first, restored])
        #expect(after.current.epoch == 1_700_000_000 && after.previous?.epoch == 5)
        // From the chain it keeps, it comes to the same trust after a restart.
        let again = try TrustedKeys(pinned: [Self.one.publicKey], chain: after.chain)
        #expect(again.current == after.current)
        // What is older is passed over.
        #expect(try after.advanced(by: [lost]).current == after.current)
    }

    @Test("a threshold above the number of different root keys is refused")
    func impossibleThreshold() {
        let set = Self.set(1, roots: [Self.one, Self.one], threshold: 2)
        #expect(throws: CodecError.self) { try KeySet(encoded: set.encoded) }
    }

    @Test("a role of a later release is skipped")
    func laterRole() throws {
        var writer = FieldWriter()
        Self.set(1).encode(into: &writer)
        writer.record(6) { inner in
            inner.number(1, 77 as UInt8)
            inner.bytes(2, Self.two.publicKey.rawBytes)
            inner.time(3, .epoch)
        }
        #expect(try KeySet(encoded: writer.bytes) == Self.set(1))
    }
}
