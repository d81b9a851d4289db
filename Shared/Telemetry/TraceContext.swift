/// Which trace a piece of work belongs to, and which span of it this is (W3C Trace Context, level 1).
package struct TraceContext: Sendable, Equatable {
    package let traceHigh: UInt64
    package let traceLow: UInt64
    package let span: UInt64
    /// The caller, or the first of the chain, wants it recorded.
    package let isSampled: Bool

    private static let textCount = 55

    package init(traceHigh: UInt64, traceLow: UInt64, span: UInt64, isSampled: Bool) {
        self.traceHigh = traceHigh
        self.traceLow = traceLow
        self.span = span
        self.isSampled = isSampled
    }

    /// The value of a `traceparent` field; nil when it is none, which means "begin a trace of your own"
    /// (§3.2).
    package init?(traceparent text: UnsafeRawBufferPointer) {
        guard text.count >= Self.textCount, text[2] == 0x2D, text[35] == 0x2D, text[52] == 0x2D,
            let version = Self.hexadecimal(text, 0, 2), version != 0xFF,
            // Later versions may say more behind another hyphen; this one may not.
            text.count == Self.textCount || (version > 0 && text[Self.textCount] == 0x2D),
            let high = Self.hexadecimal(text, 3, 16), let low = Self.hexadecimal(text, 19, 16),
            let span = Self.hexadecimal(text, 36, 16), let flags = Self.hexadecimal(text, 53, 2),
            high | low != 0, span != 0
        else { return nil }
        self.init(traceHigh: high, traceLow: low, span: span, isSampled: flags & 1 == 1)
    }

    /// A new span of the same trace.
    package func child() -> TraceContext {
        TraceContext(
            traceHigh: traceHigh, traceLow: traceLow, span: .random(in: 1...(.max)), isSampled: isSampled)
    }

    /// The beginning of a trace.
    package static func root(isSampled: Bool) -> TraceContext {
        TraceContext(
            traceHigh: .random(in: 1...(.max)), traceLow: .random(in: 0...(.max)),
            span: .random(in: 1...(.max)), isSampled: isSampled)
    }

    /// The value of `traceparent` for whoever is called next.
    package var traceparent: String { "00-\(traceText)-\(Self.text(span))-\(isSampled ? "01" : "00")" }

    /// 32 hexadecimal digits.
    package var traceText: String { Self.text(traceHigh) + Self.text(traceLow) }

    /// 16 hexadecimal digits.
    package static func text(_ word: UInt64) -> String {
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// Lower case alone is allowed (§3.2.2).
    private static func hexadecimal(_ text: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for index in start..<(start + count) {
            switch text[index] {
            case let digit where digit &- 0x30 < 10: value = value << 4 | UInt64(digit - 0x30)
            case let letter where letter &- 0x61 < 6: value = value << 4 | UInt64(letter - 0x57)
            default: return nil
            }
        }
        return value
    }
}
