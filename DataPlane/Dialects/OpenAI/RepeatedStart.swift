import Glibc
import JSONText

/// What the events of one stream repeat word for word in front of their `choices`: checked once, compared
/// from then on. Half of an event's bytes are that.
struct RepeatedStart {
    private static let capacity = 384
    private var bytes = InlineArray<384, UInt8>(repeating: 0)
    private var count = 0

    /// The choices of an event that begins as remembered and has nothing behind them that says anything; nil
    /// when it does not, and has to be read as a whole.
    ///
    /// What was remembered is the checked beginning of an object, so with the rest checked here the whole is.
    func choices(of event: UnsafeRawBufferPointer) -> JSONFragment? {
        guard count > 0, event.count > count, let start = event.baseAddress,
            bytes.span.withUnsafeBytes({ memcmp($0.baseAddress.unsafelyUnwrapped, start, count) }) == 0,
            let choices = try? JSONFragment(memberValueAt: count, in: event), choices.kind == .array
        else { return nil }
        let rest = UnsafeRawBufferPointer(rebasing: event[choices.range.upperBound...])
        return Self.isEnd(rest) ? choices : nil
    }

    /// Remembers a checked event up to its choices; only one without `usage` and `error` in front of them.
    mutating func remember(_ event: UnsafeRawBufferPointer, upTo end: Int) {
        guard end <= Self.capacity else { return }
        count = end
        var span = bytes.mutableSpan
        span.withUnsafeMutableBytes { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: event[..<end])) }
    }

    private static func isEnd(_ rest: UnsafeRawBufferPointer) -> Bool {
        isEqual(rest, "}") || isEqual(rest, #","usage":null}"#)
    }

    private static func isEqual(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
        return memcmp(start, text.utf8Start, bytes.count) == 0
    }
}
