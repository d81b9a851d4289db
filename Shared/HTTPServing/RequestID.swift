/// 128 bits that name one request, written `req_` and 32 hexadecimal digits.
package struct RequestID: Sendable, Hashable, CustomStringConvertible {
    package static let textCount = 36
    package let high: UInt64
    package let low: UInt64

    package var description: String {
        withUnsafeTemporaryAllocation(byteCount: Self.textCount, alignment: 1) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            write(to: start)
            return String(decoding: buffer, as: UTF8.self)
        }
    }

    /// Writes the text, ``textCount`` bytes.
    package func write(to output: UnsafeMutableRawPointer) {
        output.storeBytes(of: 0x5f71_6572, as: UInt32.self)  // "req_", little-endian
        Self.writeHexadecimal(high, to: output + 4)
        Self.writeHexadecimal(low, to: output + 20)
    }

    private static func writeHexadecimal(_ word: UInt64, to output: UnsafeMutableRawPointer) {
        for index in 0..<16 {
            let nibble = UInt8(truncatingIfNeeded: word &>> UInt64(60 &- 4 &* index)) & 15
            output.storeBytes(
                of: nibble < 10 ? 0x30 &+ nibble : 87 &+ nibble, toByteOffset: index, as: UInt8.self)
        }
    }
}

/// Makes ids without a system call each: random start, then a bijective mix of a counter.
struct RequestIDSource {
    private let high: UInt64
    private var counter: UInt64

    init() {
        var random = SystemRandomNumberGenerator()
        high = random.next()
        counter = random.next()
    }

    mutating func next() -> RequestID {
        counter &+= 1
        // The finaliser of SplitMix64: neighbours look unrelated, none repeats within 2^64.
        var mixed = (counter ^ (counter &>> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed &>> 27)) &* 0x94d0_49bb_1331_11eb
        return RequestID(high: high, low: mixed ^ (mixed &>> 31))
    }
}
