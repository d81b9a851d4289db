extension GrowableBytes {
    package mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// The number in decimal digits, a minus before negative ones.
    package mutating func append(decimal value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        // 20 digits hold every 64-bit magnitude.
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var first = 20
        var rest = value.magnitude
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        for index in first..<20 { append(digits[index]) }
    }

    /// Sixteen lower-case hexadecimal digits.
    package mutating func append(hexadecimal value: UInt64) {
        for shift in stride(from: UInt64(60), through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: value >> shift) & 15
            append(nibble < 10 ? 0x30 + nibble : 87 + nibble)
        }
    }
}
