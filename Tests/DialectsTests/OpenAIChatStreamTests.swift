import Dialects
import Domain
import Testing

@Suite("OpenAI chat streams")
struct OpenAIChatStreamTests {
    /// What a relay would have done with a stream.
    struct Outcome: Equatable {
        var forwarded = ""
        var held = ""
        var ending = OpenAIChatStream.Ending.open
        var usage: ReportedUsage?
        var isComplete = false
        var errorData: String?
    }

    static func content(_ text: String, finish: String = "null") -> String {
        #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"\#(text)"},"#
            + #""finish_reason":\#(finish)}],"usage":null}"# + "\n\n"
    }
    static let report = #"{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}"#
    static let usage = #"data: {"id":"c","choices":[],"usage":\#(report)}"# + "\n\n"
    static func usageFirst(_ input: Int) -> String {
        #"data: {"usage":{"prompt_tokens":\#(input),"completion_tokens":3},"#
            + #""choices":[{"finish_reason":"stop"}]}"# + "\n\n"
    }
    static let done = "data: [DONE]\n\n"
    static let figures = ReportedUsage(usage: TokenUsage(input: 7, output: 3))

    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let input: String
        var wantsUsage = false
        let forwarded: String
        var held = ""
        var ending = OpenAIChatStream.Ending.done
        var hasUsage = true
        var isComplete = true
    }

    static let cases = [
        Case(
            testDescription: "usage is stripped when not asked for",
            input: content("a") + content("b", finish: #""stop""#) + usage + done,
            forwarded: content("a") + content("b", finish: #""stop""#)),
        Case(
            testDescription: "usage waits with the terminator when asked for",
            input: content("a") + content("", finish: #""stop""#) + usage + done, wantsUsage: true,
            forwarded: content("a") + content("", finish: #""stop""#), held: usage),
        Case(
            testDescription: "an event after the usage event lets it go", input: usage + content("a") + done,
            wantsUsage: true, forwarded: usage + content("a")),
        Case(
            testDescription: "an event after a stripped usage event", input: usage + content("a") + done,
            forwarded: content("a")),
        Case(
            testDescription: "usage inside a content event is read and passes",
            input: content("a").replacing("\"usage\":null", with: "\"usage\":\(report)") + done,
            forwarded: content("a").replacing("\"usage\":null", with: "\"usage\":\(report)")),
        Case(
            testDescription: "comments and carriage returns pass",
            input: ": ping\r\n\r\n" + content("a").replacing("\n", with: "\r\n") + usage + done,
            forwarded: ": ping\r\n\r\n" + content("a").replacing("\n", with: "\r\n")),
        Case(
            testDescription: "what follows the terminator is dropped",
            input: content("a") + usage + done + content("b") + "garbage", forwarded: content("a")),
        Case(
            testDescription: "a cut stream is not complete", input: content("a") + content("b"),
            forwarded: content("a") + content("b"), ending: .open, hasUsage: false, isComplete: false),
        Case(
            testDescription: "half an event is never forwarded",
            input: content("a", finish: #""stop""#) + "data: {\"id\"",
            forwarded: content("a", finish: #""stop""#),
            ending: .open, hasUsage: false, isComplete: false),
        Case(
            testDescription: "a finish reason without a terminator is complete",
            input: content("a") + content("", finish: #""length""#) + usage,
            forwarded: content("a") + content("", finish: #""length""#), ending: .open),
        Case(
            testDescription: "an event that is not JSON ends the stream",
            input: content("a") + "data: {\"id\": oops}\n\n" + done, forwarded: content("a"),
            ending: .malformed,
            hasUsage: false, isComplete: false),
        Case(
            testDescription:
                "an event that begins like the last one and breaks in its choices ends the stream",
            input: content("a") + content("b").replacing("\"b\"", with: "\"b") + done,
            forwarded: content("a"),
            ending: .malformed, hasUsage: false, isComplete: false),
        Case(
            testDescription:
                "an event that begins like the last one and names a member twice ends the stream",
            input: content("a") + content("b").replacing("\"usage\":null", with: "\"id\":1") + done,
            forwarded: content("a"), ending: .malformed, hasUsage: false, isComplete: false),
        Case(
            testDescription:
                "an event that begins like the last one and goes on behind its end ends the stream",
            input: content("a") + content("b").replacing("}\n", with: "}}\n") + done, forwarded: content("a"),
            ending: .malformed, hasUsage: false, isComplete: false),
        Case(
            testDescription: "what looks like text between the same words may be more than text",
            input: content("a") + content(#"b"},"logprobs":{"content":"c"#) + done,
            forwarded: content("a") + content(#"b"},"logprobs":{"content":"c"#), hasUsage: false),
        Case(
            testDescription: "text between the same words that is no JSON text ends the stream",
            input: content("a") + content(#"escaped \u00e9 \""#) + content("b\u{1}") + done,
            forwarded: content("a") + content(#"escaped \u00e9 \""#), ending: .malformed, hasUsage: false,
            isComplete: false),
        Case(
            testDescription: "figures in front of the choices are read in every event",
            input: usageFirst(1) + usageFirst(7) + done, forwarded: usageFirst(1) + usageFirst(7)),
        Case(
            testDescription: "a payload on two data lines is read as one",
            input: "data: {\"choices\":[],\ndata: \"usage\":\(report)}\n\n" + done, forwarded: ""),
        Case(
            testDescription: "an escaped name hides nothing",
            input: #"data: {"choices":[],"us\u0061ge":\#(report)}"# + "\n\n" + done, forwarded: ""),
        Case(
            testDescription: "the word usage in a text is only text",
            input: content(#"say \"usage\": {}"#) + usage + done, forwarded: content(#"say \"usage\": {}"#)),
    ]

    @Test("the outcome is the same for every cut of the bytes", arguments: cases)
    func everySplit(_ example: Case) {
        let bytes = Array(example.input.utf8)
        for cut in 0...bytes.count {
            let outcome = Self.run([bytes[..<cut], bytes[cut...]], wantsUsage: example.wantsUsage)
            Self.check(outcome, example, "cut at \(cut)")
        }
        Self.check(
            Self.run(bytes.indices.map { bytes[$0...$0] }, wantsUsage: example.wantsUsage), example,
            "byte by byte")
    }

    @Test("an error event ends the stream and tells where it stands")
    func errorEvent() {
        let data = #"{"error":{"message":"overloaded","code":529}}"#
        let input = Self.content("a") + "data: \(data)\n\n" + Self.done
        let outcome = Self.run([Array(input.utf8)[...]], wantsUsage: false)
        #expect(outcome.errorData == data)
        #expect(outcome.forwarded == Self.content("a"))
        #expect(!outcome.isComplete)
    }

    @Test("an endless event ends the stream")
    func endlessEvent() {
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: OpenAIChatStream.maximumEventBytes / 2 + 1)
        let start = Array("data: ".utf8)
        #expect(Self.run([start[...], piece[...]], wantsUsage: false).ending == .open)
        #expect(Self.run([start[...], piece[...], piece[...]], wantsUsage: false).ending == .malformed)
    }

    @Test("output is estimated from what went by")
    func estimate() {
        var stream = OpenAIChatStream(wantsUsage: false)
        let long = String(repeating: "x", count: 400)
        var window = Array((Self.content("") + Self.content("a") + Self.content(long)).utf8)
        _ = window.withUnsafeMutableBytes { stream.take($0) }
        #expect(stream.estimatedOutputTokens == 100)
        var many = OpenAIChatStream(wantsUsage: false)
        window = Array(String(repeating: Self.content("a"), count: 50).utf8)
        _ = window.withUnsafeMutableBytes { many.take($0) }
        #expect(many.estimatedOutputTokens == 50)
    }

    static func check(_ outcome: Outcome, _ example: Case, _ place: Comment) {
        #expect(outcome.forwarded == example.forwarded, place)
        #expect(outcome.held == example.held, place)
        #expect(outcome.ending == example.ending, place)
        #expect(outcome.usage == (example.hasUsage ? figures : nil), place)
        #expect(outcome.isComplete == example.isComplete, place)
    }

    static func run(_ pieces: [ArraySlice<UInt8>], wantsUsage: Bool) -> Outcome {
        var stream = OpenAIChatStream(wantsUsage: wantsUsage)
        var outcome = Outcome()
        var window: [UInt8] = []
        for piece in pieces where stream.ending == .open {
            window += piece
            let forward = window.withUnsafeMutableBytes { stream.take($0) }
            outcome.forwarded += String(decoding: window[..<forward], as: UTF8.self)
            if case .providerError(let place) = stream.ending {
                outcome.errorData = String(decoding: window[place], as: UTF8.self)
            }
            let count = window.withUnsafeMutableBytes { stream.dropForwarded(forward, from: $0) }
            window.removeLast(window.count - count)
        }
        outcome.held = String(decoding: window[..<stream.heldCount], as: UTF8.self)
        outcome.ending = stream.ending
        outcome.usage = stream.usage
        outcome.isComplete = stream.isComplete(windowCount: window.count)
        return outcome
    }
}
