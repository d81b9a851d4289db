package import Cryptography

/// Names a signing key inside an envelope: the first eight bytes of the SHA-256 of its public half.
///
/// Only a hint which key to try; trust comes from the list of keys the verifier holds.
package struct SigningKeyID: Hashable, Sendable, CustomStringConvertible {
    package let value: UInt64

    package init(value: UInt64) { self.value = value }
    package init(of key: Ed25519PublicKey) {
        value = sha256(key.rawBytes).withBytes { UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self)) }
    }

    package var description: String {
        Hexadecimal.encode(withUnsafeBytes(of: value.bigEndian) { [UInt8]($0) })
    }
}

/// Raw bytes with signatures over them (DSSE): they are verified first and parsed afterwards.
package struct SignedEnvelope: Hashable, Sendable, BinaryRecord {
    package struct Signature: Hashable, Sendable {
        package let keyID: SigningKeyID
        package let bytes: [UInt8]
    }

    /// A media type; part of what is signed, so a payload of one kind cannot stand in for another.
    package let payloadType: String
    package let payload: [UInt8]
    package let signatures: [Signature]

    /// Largest payload of any envelope, in bytes: a manifest root with a full kill list.
    package static let maximumPayload = 32_768
    package static let maximumSignatures = 16

    package init(payloadType: String, payload: [UInt8], signedBy keys: [Ed25519PrivateKey]) {
        self.payloadType = payloadType
        self.payload = payload
        let signed = dssePreAuthenticationEncoding(type: payloadType, payload: payload)
        signatures = keys.map {
            Signature(keyID: SigningKeyID(of: $0.publicKey), bytes: $0.signature(of: signed))
        }
    }

    /// Whether at least `threshold` different keys of the list signed exactly this payload as this type.
    package func isSigned(as type: String, by keys: [Ed25519PublicKey], threshold: Int = 1) -> Bool {
        guard payloadType == type, threshold > 0 else { return false }
        let signed = dssePreAuthenticationEncoding(type: payloadType, payload: payload)
        let valid = Set(keys).filter { key in
            let keyID = SigningKeyID(of: key)
            return signatures.contains { $0.keyID == keyID && key.verifies(signature: $0.bytes, of: signed) }
        }
        return valid.count >= threshold
    }

    package func encode(into writer: inout FieldWriter) {
        writer.text(1, payloadType)
        writer.bytes(2, payload)
        for signature in signatures {
            writer.record(3) { inner in
                inner.fixed(1, signature.keyID.value)
                inner.bytes(2, signature.bytes)
            }
        }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var payloadType: String?
        var payload: [UInt8]?
        var signatures: [Signature] = []
        while let field = try reader.next() {
            switch field.tag {
            case 1: payloadType = try field.text(upTo: 100)
            case 2: payload = try field.bytes(upTo: Self.maximumPayload)
            case 3: try signatures.append(Self.signature(field), upTo: Self.maximumSignatures, "signatures")
            default: continue
            }
        }
        self.payloadType = try Self.required(payloadType, 1)
        self.payload = try Self.required(payload, 2)
        self.signatures = signatures
    }

    private static func signature(_ field: Field) throws(CodecError) -> Signature {
        var reader = try field.record()
        var keyID: UInt64?
        var bytes: [UInt8]?
        while let field = try reader.next() {
            switch field.tag {
            case 1: keyID = try field.fixed()
            case 2: bytes = try field.bytes(exactly: Ed25519PublicKey.signatureByteCount)
            default: continue
            }
        }
        return Signature(keyID: SigningKeyID(value: try required(keyID, 1)), bytes: try required(bytes, 2))
    }
}
