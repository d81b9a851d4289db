import Glibc
import JSONText

/// Watches an OpenAI chat stream go by: what may be forwarded at once, what waits for the bill, how it ended.
/// Pure: the relay owns the bytes. No heap while every event's payload stands on one line.
///
/// Whole events are forwarded as they came. The usage event (usage, but no choices) is taken out when the
/// caller did not ask for it, and else held back with the terminator until the call is settled.
package struct OpenAIChatStream {
    package enum Ending: Equatable, Sendable {
        case open
        /// The terminator came; everything after it is dropped.
        case done
        /// The provider reported an error inside the stream: the event's data, in offsets of `take`'s window.
        case providerError(Range<Int>)
        /// An event that is not JSON, or one longer than `maximumEventBytes`.
        case malformed
    }

    package static let maximumEventBytes = 1 << 20

    package private(set) var ending = Ending.open
    package private(set) var usage: ReportedUsage?
    /// A choice has said why it stopped.
    package private(set) var hasFinishReason = false

    private let wantsUsage: Bool
    private var lines = EventLines()
    private var start = RepeatedStart()
    private var frame = RepeatedFrame()
    /// Bytes right after those to forward that wait for the bill: a usage event, and nothing after it yet.
    private var held = 0
    /// How many of them, the first ones, are content that waits for the first token.
    private var heldContent = 0
    /// Nothing goes to the caller before the first token.
    package private(set) var awaitsToken: Bool
    private var contentEvents = 0
    private var contentBytes = 0
    private var emptyChoiceBytes = 0

    /// - Parameter awaitsToken: hold everything back until the first token, so that another provider can
    ///   still be asked when it does not come.
    package init(wantsUsage: Bool, awaitsToken: Bool = false) {
        self.wantsUsage = wantsUsage
        self.awaitsToken = awaitsToken
    }

    /// Looks at the new bytes at the end of `window`, which begins with what `dropForwarded` left; packs what
    /// may go to the caller at its front and returns how many bytes that is.
    package mutating func take(_ window: UnsafeMutableRawBufferPointer) -> Int {
        var forward = heldContent
        var end = held
        let bytes = UnsafeRawBufferPointer(window)
        while ending == .open, let event = lines.next(in: bytes) {
            switch classify(event, in: bytes) {
            case .content:
                // If an event was held, it was not the last after all and goes its way.
                end = Self.move(event.bytes, to: end, in: window)
                forward = end
            case .usage:
                if wantsUsage { end = Self.move(event.bytes, to: end, in: window) }
            case .ending: break
            }
        }
        // What ended well before any token has none; what broke may be asked for elsewhere.
        let isHeld = awaitsToken && ending != .done
        heldContent = isHeld && ending == .open ? forward : 0
        if isHeld { forward = 0 }
        held = end - forward
        if ending == .open, bytes.count - lines.unfinished > Self.maximumEventBytes { ending = .malformed }
        return forward
    }

    /// Moves what is still needed to the window's front once `forwarded` bytes were sent; returns its count.
    package mutating func dropForwarded(_ forwarded: Int, from window: UnsafeMutableRawBufferPointer) -> Int {
        let unfinished = lines.unfinished
        Self.move(forwarded..<(forwarded + held), to: 0, in: window)
        let count = Self.move(unfinished..<window.count, to: held, in: window)
        lines.removeFirst(unfinished - held)
        return count
    }

    /// How many bytes after those to forward hold the usage event the caller asked for, blank line included.
    package var heldCount: Int { held }

    /// Whether a stream that ended without its terminator was complete: every word was said, nothing is half
    /// sent.
    package func isComplete(windowCount: Int) -> Bool {
        ending == .done || (ending == .open && hasFinishReason && windowCount == held)
    }

    /// Output so far, for calls that end without a usage report: a token an event or four bytes, whichever is
    /// more.
    package var estimatedOutputTokens: Int64 { Int64(max(contentEvents, contentBytes / 4)) }

    // MARK: Events

    private enum Kind { case content, usage, ending }

    private mutating func classify(_ event: EventLines.Event, in bytes: UnsafeRawBufferPointer) -> Kind {
        if event.isSplit { return classifySplit(bytes[event.bytes]) }
        if event.data.isEmpty { return .content }
        return classify(UnsafeRawBufferPointer(rebasing: bytes[event.data]), at: event.data)
    }

    private mutating func classify(_ data: UnsafeRawBufferPointer, at place: Range<Int>) -> Kind {
        if data.first == UInt8(ascii: "["), data.elementsEqual("[DONE]".utf8) {
            ending = .done
            return .ending
        }
        if awaitsToken, Self.bearsToken(data) { awaitsToken = false }
        if let count = frame.choicesCount(of: data) {
            noteContent(choicesCount: count)
            return .content
        }
        do throws(JSONError) {
            if let choices = start.choices(of: data) {
                _ = try note(choices)
                try learn(from: data, choices)
                return .content
            }
            var members = try JSONMembers(data)
            var choices: JSONFragment?
            var report: JSONFragment?
            var error: JSONFragment?
            var startCount = 0
            while let member = try members.next() {
                if member.isNamed("choices") {
                    choices = member.value
                    startCount = report == nil && error == nil ? member.value.range.lowerBound : 0
                } else if member.isNamed("usage") {
                    report = member.value
                } else if member.isNamed("error") {
                    error = member.value
                }
            }
            if let error, !error.isNull {
                ending = .providerError(place)
                return .ending
            }
            let hasReport = report.map { !$0.isNull } ?? false
            if hasReport, let figures = report.flatMap(ReportedUsage.init(openAI:)) { usage = figures }
            let hasChoices = try choices.map { choices throws(JSONError) in try note(choices) } ?? false
            if hasChoices {
                start.remember(data, upTo: startCount)
                if let choices, !hasReport { try learn(from: data, choices) }
            }
            return hasReport && !hasChoices ? .usage : .content
        } catch {
            ending = .malformed
            return .ending
        }
    }

    /// Whether an event is more than the announcement of an answer.
    private static func bearsToken(_ data: UnsafeRawBufferPointer) -> Bool {
        var reader = OpenAIChatEventReader()
        let isToken = reader.read(data).contains { event in
            switch event {
            case .text, .reasoning, .toolCall, .toolArguments, .finish: true
            default: false
            }
        }
        if isToken { return true }
        // Completions have their text beside the delta.
        let limits = JSONLimits(maximumBytes: max(1, data.count))
        let value = try? JSONValue.parse(data, limits: limits)
        return value?["choices"]?[0]?["text"]?.string.map { !$0.isEmpty } ?? false
    }

    /// An event that gave no reason to stop shows what those are made of that give none either.
    private mutating func learn(
        from data: UnsafeRawBufferPointer, _ choices: JSONFragment
    ) throws(JSONError) {
        if frame.mayLearn, !hasFinishReason { try frame.learn(from: data, choices: choices) }
    }

    private mutating func noteContent(choicesCount count: Int) {
        contentEvents += 1
        if emptyChoiceBytes == 0 { emptyChoiceBytes = count }
        contentBytes += max(0, count - emptyChoiceBytes)
    }

    /// Takes note of what the choices say; false when there are none.
    private mutating func note(_ choices: JSONFragment) throws(JSONError) -> Bool {
        guard choices.kind == .array, !choices.isEmptyArray else { return false }
        noteContent(choicesCount: choices.range.count)
        // Nearly every event says so at its very end: no need to look inside.
        if hasFinishReason || Self.endsUnfinished(choices.bytes) { return true }
        var elements = try choices.elements()
        while let each = try elements.next() {
            if each.kind == .object {
                var members = try each.members()
                while let member = try members.next() {
                    if member.isNamed("finish_reason"), member.value.kind == .string {
                        hasFinishReason = true
                    }
                }
            }
        }
        return true
    }

    private static func endsUnfinished(_ choices: UnsafeRawBufferPointer) -> Bool {
        let ending: StaticString = #""finish_reason":null}]"#
        let count = ending.utf8CodeUnitCount
        guard choices.count >= count, let start = choices.baseAddress else { return false }
        return memcmp(start + (choices.count - count), ending.utf8Start, count) == 0
    }

    /// An event whose payload stands on several lines: rare enough to copy.
    private mutating func classifySplit(_ event: Slice<UnsafeRawBufferPointer>) -> Kind {
        var payload: [UInt8] = []
        for line in event.split(whereSeparator: { $0 == 10 || $0 == 13 }) where line.starts(with: "data".utf8)
        {
            var value = line.dropFirst(4)
            if let colon = value.first {
                guard colon == UInt8(ascii: ":") else { continue }
                value = value.dropFirst()
            }
            if value.first == 32 { value = value.dropFirst() }
            if !payload.isEmpty { payload.append(10) }
            payload += value
        }
        return payload.withUnsafeBytes { classify($0, at: 0..<0) }
    }

    @discardableResult
    private static func move(
        _ range: Range<Int>, to offset: Int, in window: UnsafeMutableRawBufferPointer
    ) -> Int {
        if range.lowerBound != offset, !range.isEmpty {
            UnsafeMutableRawBufferPointer(rebasing: window[offset..<(offset + range.count)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: window[range]))
        }
        return offset + range.count
    }
}
