/// A number as it was written: nothing is rounded until somebody asks for a machine type.
package struct JSONNumber: Sendable, Hashable, CustomStringConvertible {
    package let text: String

    /// `text` must be an RFC 8259 number.
    init(checkedText text: String) { self.text = text }

    package init(_ value: some FixedWidthInteger) { text = String(value) }

    /// The shortest text that reads back as the same double, or nil for infinities and NaN.
    package init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = "\(value)"
    }

    package var description: String { text }

    /// The value, when it is a whole number inside Int64: `7`, `7.0` and `70e-1` are; `7.5` and `1e19` are
    /// not.
    package var exactInt64: Int64? {
        var text = text
        return text.withUTF8 { Self.exactInt64(UnsafeRawBufferPointer($0)) }
    }

    /// The value times a power of ten, when that is a whole number inside Int64: `1.5e-07` × 10¹⁵ is
    /// 150000000.
    package func exactInt64(scaledBy powerOfTen: Int) -> Int64? {
        // Behind an `e` stands an exponent already; a second number is added to it by hand.
        let parts = text.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        let exponent = parts.count == 2 ? Int(parts[1]) : 0
        guard let exponent, abs(exponent) < 1_000_000 else { return nil }
        return JSONNumber(checkedText: "\(parts[0])e\(exponent + powerOfTen)").exactInt64
    }

    /// The nearest double; ±infinity beyond its range, which the caller clamps or refuses.
    package var double: Double { Double(text) ?? .nan }

    /// Reads a checked number exactly, in one pass bounded by its length.
    static func exactInt64(_ number: UnsafeRawBufferPointer) -> Int64? {
        var magnitude: UInt64 = 0
        // Zeros not yet multiplied in: they may turn out to be the tail of a fraction.
        var pendingZeros = 0
        var fractionDigits = 0
        var inFraction = false
        var index = number.first == 0x2D ? 1 : 0
        let isNegative = index == 1
        while index < number.count, number[index] | 0x20 != 0x65 {
            let byte = number[index]
            index += 1
            if byte == 0x2E {
                inFraction = true
                continue
            }
            if inFraction { fractionDigits += 1 }
            if byte == 0x30 {
                if magnitude != 0 { pendingZeros += 1 }
                continue
            }
            guard let grown = shift(magnitude, by: pendingZeros + 1) else { return nil }
            let (sum, overflows) = grown.addingReportingOverflow(UInt64(byte - 0x30))
            guard !overflows else { return nil }
            magnitude = sum
            pendingZeros = 0
        }
        if magnitude == 0 { return 0 }
        let exponent = exponent(number[index...]) + pendingZeros - fractionDigits
        // `magnitude` ends in a digit that is not zero, so a negative exponent leaves a fraction.
        guard exponent >= 0, let value = shift(magnitude, by: exponent) else { return nil }
        if isNegative { return value <= 1 << 63 ? Int64(truncatingIfNeeded: 0 &- value) : nil }
        return Int64(exactly: value)
    }

    /// `e…` as a number, held at ±10⁹ so that hostile exponents cannot overflow.
    private static func exponent(_ text: Slice<UnsafeRawBufferPointer>) -> Int {
        var value = 0
        for byte in text where byte &- 0x30 <= 9 { value = min(value * 10 + Int(byte - 0x30), 1_000_000_000) }
        return text.contains(0x2D) ? -value : value
    }

    /// `magnitude` × 10^`digits`, or nil when that is more than 64 bits.
    private static func shift(_ magnitude: UInt64, by digits: Int) -> UInt64? {
        if magnitude == 0 { return 0 }
        guard digits < 20 else { return nil }
        var value = magnitude
        for _ in 0..<digits {
            let (product, overflows) = value.multipliedReportingOverflow(by: 10)
            if overflows { return nil }
            value = product
        }
        return value
    }
}
