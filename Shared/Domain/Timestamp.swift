/// A moment: microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
///
/// Values outside are clamped and arithmetic saturates, so no hostile number traps. UTC only; leap seconds do
/// not exist.
package struct Timestamp: Hashable, Comparable, Sendable {
    package let microseconds: Int64

    package init(microseconds: Int64) {
        self.microseconds = min(max(microseconds, Self.lowest), Self.highest)
    }

    private static let lowest: Int64 = -62_135_596_800_000_000
    private static let highest: Int64 = 253_402_300_799_999_999

    package static let epoch = Timestamp(microseconds: 0)
    package static let distantPast = Timestamp(microseconds: lowest)
    package static let distantFuture = Timestamp(microseconds: highest)

    package static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }

    /// This moment moved by an amount; saturates at the ends of the range.
    package func advanced(byMicroseconds amount: Int64) -> Timestamp {
        let (sum, overflow) = microseconds.addingReportingOverflow(amount)
        return overflow ? (amount > 0 ? .distantFuture : .distantPast) : Timestamp(microseconds: sum)
    }
    package func advanced(bySeconds seconds: Int64) -> Timestamp {
        let (amount, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return overflow ? (seconds > 0 ? .distantFuture : .distantPast) : advanced(byMicroseconds: amount)
    }
    /// Microseconds from `earlier` to this moment; negative when it is later. Never overflows: the range is
    /// bounded.
    package func microseconds(since earlier: Timestamp) -> Int64 { microseconds - earlier.microseconds }

    /// The start of this moment's minute, hour or day in UTC: the buckets of usage reports.
    package var startOfMinute: Timestamp { floored(to: 60_000_000) }
    package var startOfHour: Timestamp { floored(to: 3_600_000_000) }
    package var startOfDay: Timestamp { floored(to: Self.microsecondsPerDay) }

    static let microsecondsPerDay: Int64 = 86_400_000_000

    private func floored(to unit: Int64) -> Timestamp {
        let remainder = microseconds % unit
        return Timestamp(microseconds: microseconds - (remainder < 0 ? remainder + unit : remainder))
    }

    /// The calendar date of this moment in UTC.
    package var date: CivilDate {
        CivilDate(daysSinceEpoch: Int(startOfDay.microseconds / Self.microsecondsPerDay))
    }
}

/// A day of the proleptic Gregorian calendar.
package struct CivilDate: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let year: Int
    package let month: Int
    package let day: Int

    /// Days to a date, by eras of 400 years (146,097 days) that begin on 1 March, so that the leap day is the
    /// last.
    package init(daysSinceEpoch: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    /// The date, or nil when the calendar has no such day or the year is outside 1…9999.
    package init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), day >= 1,
            day <= Self.days(inMonth: month, of: year)
        else { return nil }
        self.year = year
        self.month = month
        self.day = day
    }

    package var daysSinceEpoch: Int {
        let marchYear = month <= 2 ? year - 1 : year
        let era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Midnight UTC at the beginning of this day.
    package var start: Timestamp {
        Timestamp(microseconds: Int64(daysSinceEpoch) * Timestamp.microsecondsPerDay)
    }

    package static func < (left: Self, right: Self) -> Bool { left.daysSinceEpoch < right.daysSinceEpoch }

    /// `2026-03-09`.
    package var description: String { "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))" }

    private static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

func padded(_ value: Int, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC: `2026-03-09T12:00:00Z`, with six decimals only when the moment has a fraction.
    package var description: String {
        let midnight = startOfDay
        let inDay = Int(microseconds - midnight.microseconds)
        let (seconds, fraction) = (inDay / 1_000_000, inDay % 1_000_000)
        let clock = "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))"
        return "\(date)T\(clock)\(fraction == 0 ? "" : "." + padded(fraction, 6))Z"
    }

    /// The same without separators and fraction (ISO 8601, basic format): `20260309T120000Z`.
    package var basicDescription: String {
        description.prefix { $0 != "." && $0 != "Z" }.filter { $0 != "-" && $0 != ":" } + "Z"
    }

    /// The moment of an RFC 3339 text (with `Z` or an offset; 1–9 decimals, cut to microseconds); nil for
    /// anything else, also for a second of 60 and for moments outside the years 1–9999.
    package init?(_ text: String) {
        var reader = DigitReader(Array(text.utf8))
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2), reader.take("-"),
            let day = reader.number(2), let date = CivilDate(year: year, month: month, day: day),
            reader.take("T") || reader.take("t") || reader.take(" "),
            let hour = reader.number(2), hour < 24, reader.take(":"),
            let minute = reader.number(2), minute < 60, reader.take(":"),
            let second = reader.number(2), second < 60, let fraction = reader.fraction(),
            let offset = reader.offsetMinutes(), reader.isAtEnd
        else { return nil }
        let seconds = Int64(date.daysSinceEpoch) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
        let total = (seconds - Int64(offset) * 60) * 1_000_000 + fraction
        guard total >= Self.lowest, total <= Self.highest else { return nil }
        self.init(microseconds: total)
    }
}

/// Reads the fixed-width pieces of an RFC 3339 text.
private struct DigitReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    private mutating func digit() -> Int? {
        guard position < bytes.count, (48...57).contains(bytes[position]) else { return nil }
        position += 1
        return Int(bytes[position - 1]) - 48
    }
    mutating func number(_ width: Int) -> Int? {
        var value = 0
        for _ in 0..<width {
            guard let digit = digit() else { return nil }
            value = value * 10 + digit
        }
        return value
    }
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }
    /// Microseconds of `.123…`; 0 when there is no dot; nil when the dot has no digits or more than nine.
    mutating func fraction() -> Int64? {
        guard take(".") else { return 0 }
        var value: Int64 = 0
        var count = 0
        while let digit = digit() {
            if count < 6 { value = value * 10 + Int64(digit) }
            count += 1
        }
        guard (1...9).contains(count) else { return nil }
        for _ in count..<max(6, count) { value *= 10 }
        return value
    }
    mutating func offsetMinutes() -> Int? {
        if take("Z") || take("z") { return 0 }
        let sign = take("+") ? 1 : take("-") ? -1 : 0
        guard sign != 0, let hours = number(2), hours < 24, take(":"), let minutes = number(2), minutes < 60
        else { return nil }
        return sign * (hours * 60 + minutes)
    }
}

/// The one place wall time comes from: real programs pass the system's clock, tests a fixed or moving one.
///
/// Only for stamps and calendars; durations and deadlines use the monotonic clock of the event loop.
package struct WallClock: Sendable {
    package let now: @Sendable () -> Timestamp

    package init(now: @escaping @Sendable () -> Timestamp) { self.now = now }

    /// A clock that stands still.
    package static func fixed(_ time: Timestamp) -> WallClock { WallClock { time } }
}
