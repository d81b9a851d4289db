import Cryptography

/// One message of an event stream as Amazon frames it (`application/vnd.amazon.eventstream`), found at the
/// front of bytes that came so far. Pure. Source: Smithy, "Amazon Event Stream Specification".
///
/// Numbers are big-endian: total length, length of the headers, the checksum of these two; headers; payload;
/// the checksum of all before.
package struct AmazonMessage: Equatable {
    package enum Kind: Equatable {
        case event(String)
        /// An exception the service models, or an error it does not.
        case failure(String)
    }

    package enum Fault: Error, Equatable {
        /// Lengths that cannot be, or are over our limits.
        case length
        case checksum
        case headers
    }

    package let kind: Kind
    /// In offsets of the bytes given.
    package let payload: Range<Int>
    /// All of the message. Unit: bytes.
    package let byteCount: Int

    private static let preludeBytes = 12
    private static let trailerBytes = 4
    /// The specification's own limit of the headers.
    package static let maximumHeaderBytes = 128 << 10
    package static let maximumPayloadBytes = 24 << 20

    /// nil when the message is not all there yet. Lengths are believed only after their checksum.
    package static func first(in bytes: UnsafeRawBufferPointer) throws(Fault) -> AmazonMessage? {
        guard bytes.count >= preludeBytes else { return nil }
        guard crc32(of: UnsafeRawBufferPointer(rebasing: bytes[..<8])) == number(bytes, at: 8) else {
            throw .checksum
        }
        let total = Int(number(bytes, at: 0)), headerBytes = Int(number(bytes, at: 4))
        guard headerBytes <= maximumHeaderBytes, total <= maximumPayloadBytes + maximumHeaderBytes,
            total >= preludeBytes + headerBytes + trailerBytes
        else { throw .length }
        guard bytes.count >= total else { return nil }
        let end = total - trailerBytes
        guard crc32(of: UnsafeRawBufferPointer(rebasing: bytes[..<end])) == number(bytes, at: end) else {
            throw .checksum
        }
        let headers = preludeBytes..<(preludeBytes + headerBytes)
        let kind = try kind(UnsafeRawBufferPointer(rebasing: bytes[headers]))
        return AmazonMessage(kind: kind, payload: headers.upperBound..<end, byteCount: total)
    }

    private static func kind(_ headers: UnsafeRawBufferPointer) throws(Fault) -> Kind {
        let texts = try texts(headers)
        switch texts[":message-type"] {
        case "event": return .event(texts[":event-type"] ?? "")
        case "exception": return .failure(texts[":exception-type"] ?? "")
        case "error": return .failure(texts[":error-code"] ?? "")
        default: throw .headers
        }
    }

    /// The headers that are texts, by name.
    private static func texts(_ bytes: UnsafeRawBufferPointer) throws(Fault) -> [String: String] {
        var reader = HeaderReader(bytes: bytes)
        var texts: [String: String] = [:]
        while !reader.isAtEnd {
            let name = try reader.text(Int(try reader.byte()))
            switch try reader.byte() {
            case 0, 1: continue  // true, false
            case 2: try reader.skip(1)
            case 3: try reader.skip(2)
            case 4: try reader.skip(4)
            case 5, 8: try reader.skip(8)  // a number, a moment
            case 6: try reader.skip(try reader.length())
            case 7: texts[name] = try reader.text(try reader.length())
            case 9: try reader.skip(16)
            default: throw .headers
            }
        }
        return texts
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    private struct HeaderReader {
        let bytes: UnsafeRawBufferPointer
        private var position = 0

        init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

        var isAtEnd: Bool { position == bytes.count }

        mutating func byte() throws(Fault) -> UInt8 {
            try skip(1)
            return bytes[position - 1]
        }

        mutating func length() throws(Fault) -> Int { Int(try byte()) << 8 | Int(try byte()) }

        mutating func text(_ count: Int) throws(Fault) -> String {
            try skip(count)
            return String(decoding: bytes[(position - count)..<position], as: UTF8.self)
        }

        mutating func skip(_ count: Int) throws(Fault) {
            guard count <= bytes.count - position else { throw .headers }
            position += count
        }
    }
}
