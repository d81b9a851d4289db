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

/// What is around the text in the events of one stream that say one more piece of it and nothing else: their
/// beginning and their end, word for word. Only the text between is new then, and only that is read.
struct RepeatedFrame {
    private static let capacity = 512
    /// Streams whose events differ around the text are not learnt from for ever.
    private static let attempts: UInt8 = 4

    private var bytes = InlineArray<512, UInt8>(repeating: 0)
    private var headCount = 0
    private var tailCount = 0
    private var learnt: UInt8 = 0
    /// Bytes of an event that are not of its choices.
    private var outside = 0

    var mayLearn: Bool { learnt < Self.attempts }

    /// How many bytes the choices of an event have that differs in its text alone; nil when it must be read.
    func choicesCount(of event: UnsafeRawBufferPointer) -> Int? {
        let textCount = event.count &- headCount &- tailCount
        guard headCount > 0, textCount >= 0, let start = event.baseAddress else { return nil }
        let isFramed = bytes.span.withUnsafeBytes { frame in
            let frame = frame.baseAddress.unsafelyUnwrapped
            return memcmp(frame, start, headCount) == 0
                && memcmp(frame + headCount, start + (event.count &- tailCount), tailCount) == 0
        }
        guard isFramed else { return nil }
        // The quotes are the frame's: what is between them must be one whole text.
        let upToQuote = UnsafeRawBufferPointer(rebasing: event[...(event.count &- tailCount)])
        guard let text = try? JSONFragment(memberValueAt: headCount &- 1, in: upToQuote),
            text.range.upperBound == upToQuote.count
        else { return nil }
        return event.count &- outside
    }

    /// Learns from an event that was checked and whose choices, one of them, say text and no reason to stop.
    mutating func learn(from event: UnsafeRawBufferPointer, choices: JSONFragment) throws(JSONError) {
        learnt &+= 1
        guard let text = try Self.text(of: choices) else { return }
        let head = text.range.lowerBound &+ 1
        let tail = event.count &- (text.range.upperBound &- 1)
        guard head &+ tail <= Self.capacity else { return }
        headCount = head
        tailCount = tail
        outside = event.count &- choices.range.count
        var span = bytes.mutableSpan
        span.withUnsafeMutableBytes { frame in
            frame.copyMemory(from: UnsafeRawBufferPointer(rebasing: event[..<head]))
            UnsafeMutableRawBufferPointer(rebasing: frame[head...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: event[(event.count &- tail)...]))
        }
    }

    /// The text of the only choice.
    private static func text(of choices: JSONFragment) throws(JSONError) -> JSONFragment? {
        var elements = try choices.elements()
        guard let only = try elements.next(), try elements.next() == nil,
            let delta = try member("delta", of: only), let text = try member("content", of: delta),
            text.kind == .string
        else { return nil }
        return text
    }

    private static func member(
        _ name: StaticString, of object: JSONFragment
    ) throws(JSONError) -> JSONFragment? {
        guard object.kind == .object else { return nil }
        var members = try object.members()
        var found: JSONFragment?
        while let member = try members.next() { if member.isNamed(name) { found = member.value } }
        return found
    }
}
