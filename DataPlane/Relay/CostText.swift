import Domain

/// Money as the headers show it: dollars with two to nine decimals, the text of `NanoUSD.description`,
/// without heap.
enum CostText {
    /// Most bytes a text takes: sign, ten digits, point, nine digits.
    static let maximumBytes = 24

    static func with<Result>(_ cost: NanoUSD, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: maximumBytes) { buffer in
            let count = write(cost, into: buffer)
            return body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]))
        }
    }

    private static func write(_ cost: NanoUSD, into buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var count = 0
        if cost.nanos < 0 {
            buffer[count] = UInt8(ascii: "-")
            count += 1
        }
        let magnitude = cost.nanos.magnitude
        let dollars = magnitude / 1_000_000_000
        var power: UInt64 = 1
        while dollars / power >= 10 { power *= 10 }
        while power > 0 {
            buffer[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: dollars / power % 10)
            count += 1
            power /= 10
        }
        buffer[count] = UInt8(ascii: ".")
        count += 1
        var rest = magnitude % 1_000_000_000
        var unit: UInt64 = 100_000_000
        var decimals = 0
        while unit > 0, decimals < 2 || rest > 0 {
            buffer[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / unit)
            rest %= unit
            unit /= 10
            count += 1
            decimals += 1
        }
        return count
    }
}
