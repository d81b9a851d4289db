/// How urgent a line is. Lines below the output's level are not even built.
package enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    /// The level with this name: `debug`, `info`, `warning` or `error`.
    package init?(name: String) {
        guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = level
    }

    package var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warning: "warning"
        case .error: "error"
        }
    }

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// The value of a log field. Secrets have no way in: there is no initialiser for them, and they cannot be
/// interpolated.
package enum LogValue: Sendable, Equatable {
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    case none

    package init(_ value: some FixedWidthInteger) { self = .integer(Int64(clamping: value)) }
    package init(_ value: some StringProtocol) { self = .text(String(value)) }
    package init(_ value: Bool) { self = .boolean(value) }
    package init(_ value: Double) { self = .number(value) }

    /// What an error says of itself.
    package init(_ error: some Error) { self = .text(String(describing: error)) }
}

extension LogValue: ExpressibleByStringInterpolation, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral
{
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(floatLiteral value: Double) { self = .number(value) }
    package init(booleanLiteral value: Bool) { self = .boolean(value) }
    package init(nilLiteral: ()) { self = .none }
}

/// Named values of a line, in the order written: `["address": "127.0.0.1:80", "loops": 2]`.
package typealias LogFields = KeyValuePairs<String, LogValue>
