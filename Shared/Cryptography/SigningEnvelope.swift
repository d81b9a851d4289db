/// The bytes a DSSE signature covers (Dead Simple Signing Envelope, v1): `DSSEv1 len type len payload`.
///
/// Lengths are decimal ASCII, so no two (type, payload) pairs give the same bytes. Sign and verify exactly
/// these.
package func dssePreAuthenticationEncoding(type: String, payload: [UInt8]) -> [UInt8] {
    let type = Array(type.utf8)
    var encoding: [UInt8] = []
    encoding.reserveCapacity(type.count + payload.count + 40)
    encoding += Array("DSSEv1 \(type.count) ".utf8)
    encoding += type
    encoding += Array(" \(payload.count) ".utf8)
    encoding += payload
    return encoding
}
