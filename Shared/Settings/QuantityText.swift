/// Time spans and byte counts as people write them: a whole number and a unit.
enum QuantityText {
    private static let timeUnits: [(String, Duration)] = [
        ("d", .seconds(86_400)), ("h", .seconds(3_600)), ("m", .seconds(60)), ("s", .seconds(1)),
        ("ms", .milliseconds(1)),
    ]
    private static let byteUnits: [(String, Int)] = [
        ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1),
    ]

    static func parseDuration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        guard let (number, unit) = split(text), let length = timeUnits.first(where: { $0.0 == unit })?.1,
            number <= 1_000_000_000
        else { return nil }
        return length * number
    }

    static func duration(_ duration: Duration) -> String {
        if duration == .zero { return "0s" }
        for (name, length) in timeUnits {
            let count = Int(duration / length)
            if count > 0, length * count == duration { return "\(count)\(name)" }
        }
        return "\(Int(duration / .milliseconds(1)))ms"
    }

    static func parseBytes(_ text: String) -> Int? {
        guard let (number, unit) = split(text), let size = byteUnits.first(where: { $0.0 == unit })?.1 else {
            return nil
        }
        let (count, overflows) = number.multipliedReportingOverflow(by: size)
        return overflows ? nil : count
    }

    static func bytes(_ count: Int) -> String {
        for (name, size) in byteUnits where count >= size && count % size == 0 {
            return "\(count / size)\(name)"
        }
        return "\(count)"
    }

    /// Digits, then the unit.
    private static func split(_ text: String) -> (Int, Substring)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        return (number, text.dropFirst(digits.count))
    }
}

extension Duration {
    /// The span in nanoseconds, as loops and timers take it; held at Int64's ends.
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflows) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflowsToo) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        if overflows || overflowsToo { return seconds < 0 ? .min : .max }
        return sum
    }
}
