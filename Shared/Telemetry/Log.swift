import Glibc
import JSONText

/// Writes structured lines: one JSON object each, with `ts` (RFC 3339, UTC), `level`, `message` and fields.
///
/// Messages are constants, so that lines can be searched and counted; what varies goes into fields. Any
/// thread.
package struct Log: Sendable {
    package let output: LogOutput
    private let nowMicroseconds: @Sendable () -> Int64
    private var bound: [(name: String, value: LogValue)] = []

    /// `nowMicroseconds`: wall clock, microseconds since 1970 UTC.
    package init(
        output: LogOutput,
        nowMicroseconds: @escaping @Sendable () -> Int64 = { systemWallClockMicroseconds() }
    ) {
        self.output = output
        self.nowMicroseconds = nowMicroseconds
    }

    /// To the standard error stream.
    package init(level: LogLevel) { self.init(output: .standardError(level: level)) }

    /// A log that writes nothing.
    package static let silent = Log(output: .discarding())

    /// The same log with these fields on every line, such as `["request_id": "…"]`.
    package func with(_ fields: LogFields) -> Log {
        var log = self
        for (name, value) in fields { log.bound.append((name, value)) }
        return log
    }

    package func isEnabled(_ level: LogLevel) -> Bool { level >= output.level }

    package func debug(_ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
        if isEnabled(.debug) { write(.debug, message, fields()) }
    }

    package func info(_ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
        if isEnabled(.info) { write(.info, message, fields()) }
    }

    package func warning(_ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
        if isEnabled(.warning) { write(.warning, message, fields()) }
    }

    package func error(_ message: StaticString, _ fields: @autoclosure () -> LogFields = [:]) {
        if isEnabled(.error) { write(.error, message, fields()) }
    }

    /// A line of a level known only at run time.
    package func log(_ level: LogLevel, _ message: StaticString, _ fields: @autoclosure () -> LogFields = [:])
    {
        if isEnabled(level) { write(level, message, fields()) }
    }

    // MARK: Inside

    private func write(_ level: LogLevel, _ message: StaticString, _ fields: LogFields) {
        let lost = output.takeDropped()
        if lost > 0 {
            let notice = line(
                .warning, "log lines were dropped: nobody reads them", ["count": LogValue(lost)])
            if !output.offer(notice) { output.restoreDropped(lost) }
        }
        output.put(line(level, message, fields))
        if level == .error, let reports = output.errorReports {
            reports.offer(
                ErrorReport(
                    message: message.description,
                    fields: bound + fields.map { (name: $0.key, value: $0.value) },
                    microseconds: nowMicroseconds()))
        }
    }

    private func line(_ level: LogLevel, _ message: StaticString, _ fields: LogFields) -> [UInt8] {
        var writer = JSONWriter()
        var isTruncated = false
        writer.beginObject()
        writer.field("ts", rfc3339(microseconds: nowMicroseconds()))
        writer.field("level", level.name)
        writer.field("message", message.description)
        // Room for the mark of truncation, the bracket and the line feed.
        let limit = LogOutput.maximumLineBytes - 20
        var used = Set(["ts", "level", "message", "truncated"])
        for (name, value) in bound.map({ ($0.name, $0.value) }) + fields.map({ ($0.key, $0.value) }) {
            // One line must not hold a name twice: strict readers refuse it.
            var name = name
            while !used.insert(name).inserted { name += "_" }
            guard Self.cost(name, value) + writer.bytes.count <= limit else {
                isTruncated = true
                continue
            }
            Self.write(name, value, to: &writer)
        }
        if isTruncated { writer.field("truncated", true) }
        writer.endObject()
        return writer.bytes + [0x0A]
    }

    /// An upper bound of a field's length: a control character takes six bytes.
    private static func cost(_ name: String, _ value: LogValue) -> Int {
        func quoted(_ text: String) -> Int {
            text.utf8.reduce(2) { $0 + ($1 < 0x20 ? 6 : $1 == 0x22 || $1 == 0x5C ? 2 : 1) }
        }
        let nameCost = quoted(name) + 2
        if case .text(let text) = value { return nameCost + quoted(text) }
        return nameCost + 32
    }

    private static func write(_ name: String, _ value: LogValue, to writer: inout JSONWriter) {
        switch value {
        case .text(let text): writer.field(name, text)
        case .integer(let value): writer.field(name, value)
        case .number(let value): writer.field(name, value)
        case .boolean(let value): writer.field(name, value)
        case .none: writer.nullField(name)
        }
    }
}

/// The system's wall clock. Unit: microseconds since 1970 UTC.
package func systemWallClockMicroseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
}

/// `2026-01-31T23:59:59.000001Z` for microseconds since 1970 UTC.
func rfc3339(microseconds: Int64) -> String {
    let (second, microsecond) = floorDivide(microseconds, 1_000_000)
    let (day, secondOfDay) = floorDivide(second, 86_400)
    // Civil date from days, in years that begin in March, so that the leap day is the last (proleptic
    // Gregorian).
    let (era, dayOfEra) = floorDivide(day + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let dayOfMonth = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
    let hour = padded(secondOfDay / 3_600, 2)
    let minute = padded(secondOfDay / 60 % 60, 2)
    return "\(date)T\(hour):\(minute):\(padded(secondOfDay % 60, 2)).\(padded(microsecond, 6))Z"
}

private func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func padded(_ value: Int64, _ width: Int) -> String {
    let digits = String(value)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
