/// An amount of money in nano-USD (10⁻⁹ dollars): an integer, so sums never drift. Range about ±9.2 billion
/// dollars.
package struct NanoUSD: Hashable, Comparable, Sendable {
    package let nanos: Int64

    package init(nanos: Int64) { self.nanos = nanos }

    package static let zero = NanoUSD(nanos: 0)

    package static func < (left: Self, right: Self) -> Bool { left.nanos < right.nanos }

    /// The sum, or nil when it leaves the range.
    package func adding(_ other: NanoUSD) -> NanoUSD? {
        let (sum, overflow) = nanos.addingReportingOverflow(other.nanos)
        return overflow ? nil : NanoUSD(nanos: sum)
    }

    /// The difference, or nil when it leaves the range.
    package func subtracting(_ other: NanoUSD) -> NanoUSD? {
        let (difference, overflow) = nanos.subtractingReportingOverflow(other.nanos)
        return overflow ? nil : NanoUSD(nanos: difference)
    }
}

extension NanoUSD: LosslessStringConvertible {
    /// The amount of a decimal text in dollars (`12`, `0.000125`, `-3.5`): at most nine decimals, no
    /// exponent, no plus sign, no superfluous leading zero; nil for anything else or when out of range.
    package init?(_ text: String) {
        guard let nanos = Decimal9.parse(text) else { return nil }
        self.init(nanos: nanos)
    }

    /// The exact amount in dollars with two to nine decimals: `12.00`, `0.000125`.
    package var description: String { Decimal9.format(nanos, minimumDecimals: 2) }
}

/// Decimal text with up to nine decimals ↔ an integer count of 10⁻⁹.
enum Decimal9 {
    static func parse(_ text: String) -> Int64? {
        var bytes = Array(text.utf8)[...]
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative { bytes = bytes.dropFirst() }
        let whole = bytes.prefix { $0 != UInt8(ascii: ".") }
        let hasPoint = whole.count < bytes.count
        let decimals = bytes.dropFirst(whole.count + (hasPoint ? 1 : 0))
        guard (1...10).contains(whole.count), whole.count == 1 || whole.first != UInt8(ascii: "0"),
            decimals.count <= 9, !hasPoint || !decimals.isEmpty
        else { return nil }
        var magnitude: Int128 = 0
        for byte in whole + decimals {
            guard (48...57).contains(byte) else { return nil }
            magnitude = magnitude * 10 + Int128(byte - 48)
        }
        for _ in decimals.count..<9 { magnitude *= 10 }
        return Int64(exactly: isNegative ? -magnitude : magnitude)
    }

    static func format(_ value: Int64, minimumDecimals: Int) -> String {
        let magnitude = value.magnitude
        var decimals = Array(padded(Int(magnitude % 1_000_000_000), 9).utf8)
        while decimals.count > minimumDecimals, decimals.last == UInt8(ascii: "0") { decimals.removeLast() }
        let fraction = decimals.isEmpty ? "" : "." + String(decoding: decimals, as: UTF8.self)
        return "\(value < 0 ? "-" : "")\(magnitude / 1_000_000_000)\(fraction)"
    }
}
