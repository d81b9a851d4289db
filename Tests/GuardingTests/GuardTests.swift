import Contract
import Dialects
import Domain
import JSONText
import Patterns
import Policy
import TestSupport
import Testing

@testable import Guarding

@Suite("guardrails at work")
struct GuardTests {
    static func guards(
        _ rules: [(GuardrailRule, GuardrailMode)], _ sides: GuardrailSides = .both
    ) throws -> CallGuards {
        var (fixture, parts) = SnapshotFixture.small()
        for (index, (rule, mode)) in rules.enumerated() {
            fixture.content.guardrails.append(
                GuardrailEntry(
                    id: GuardrailID(high: 1, low: UInt64(index + 1)), tenant: parts.tenant,
                    name: "rule \(index)", rule: rule, sides: rule.kind == .size ? .input : sides, mode: mode)
            )
        }
        let snapshot = try CompiledSnapshot(fixture.built())
        let tenant = try #require(snapshot.tenant(parts.tenant))
        return try #require(CallGuards(tenant.guardrails))
    }

    static let emails = GuardrailRule(kind: .personalData, action: .redact, personalData: [.email])
    static let codename = GuardrailRule(kind: .words, action: .block, texts: ["bluebird"])

    private static func judged(
        _ guards: CallGuards, _ body: String, _ form: CallForm = .openAIChat
    ) throws -> String? {
        let bytes = Array(body.utf8)
        return try bytes.withUnsafeBytes { bytes in
            let call =
                form == .openAIChat
                ? ClientCall(try OpenAIChatRequest(parsing: bytes))
                : try ClientCall(
                    parsing: bytes, for: .generation(form), model: form.dialect == .gemini ? "m" : nil)
            return try guards.judge(call).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private static let mark = "[redacted: email]"

    @Test("words of people are redacted wherever a dialect has them, and nothing else is touched")
    func redaction() throws {
        let rows: [(CallForm, String)] = [
            (.openAIChat, #"{"model":"m","messages":[{"role":"user","content":"a@b.co"}],"user":"u@b.co"}"#),
            (
                .openAIChat,
                #"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a@b.co"},"#
                    + #"{"type":"image_url","image_url":{"url":"https://a@b.co"}}]}]}"#
            ),
            (.anthropic, #"{"model":"m","system":"a@b.co","messages":[{"role":"user","content":"hi"}]}"#),
            (.gemini(.events), #"{"contents":[{"role":"user","parts":[{"text":"a@b.co"}]}]}"#),
            (.openAIResponses, #"{"model":"m","instructions":"a@b.co","input":"hi"}"#),
            (.ollama(.generate), #"{"model":"m","prompt":"a@b.co"}"#),
        ]
        for (form, body) in rows {
            let guards = try Self.guards([(Self.emails, .enforce)])
            let changed = try #require(try Self.judged(guards, body, form))
            let expected = body.replacing(#""a@b.co""#, with: "\"\(Self.mark)\"")
            #expect(try JSONValue.parse(Array(changed.utf8)) == JSONValue.parse(Array(expected.utf8)))
            #expect(guards.marks.map(\.effect) == [.redacted] && guards.marks.map(\.count) == [1])
        }
    }

    @Test("what is clean stays as it came; what is forbidden is refused by name, not by what was found")
    func block() throws {
        let guards = try Self.guards([(Self.codename, .enforce)])
        #expect(try Self.judged(guards, #"{"model":"m","messages":[{"content":"hello"}]}"#) == nil)
        #expect(guards.marks.isEmpty)
        do {
            _ = try Self.judged(guards, #"{"model":"m","messages":[{"content":"the BlueBird flies"}]}"#)
            Issue.record("it was let through")
        } catch let block as GuardrailBlock {
            #expect(block.message == "The guardrail 'rule 0' does not let this request through.")
        }
        #expect(guards.marks.map(\.effect) == [.blocked])
    }

    @Test("one that observes changes nothing and counts")
    func observe() throws {
        let guards = try Self.guards([(Self.codename, .observe), (Self.emails, .observe)])
        let body = #"{"model":"m","messages":[{"content":"bluebird a@b.co c@d.co"}]}"#
        #expect(try Self.judged(guards, body) == nil)
        #expect(guards.marks.map(\.count) == [1, 2] && guards.marks.allSatisfy { $0.effect == .observed })
    }

    @Test("requests that are too large are refused: in messages, characters or tokens")
    func size() throws {
        let body =
            #"{"model":"m","messages":[{"role":"user","content":"ação"},{"role":"user","content":"1234"}]}"#
        let rows: [(GuardrailSize, Bool)] = [
            (GuardrailSize(messages: 2, characters: 8, tokens: 3), true),
            (GuardrailSize(messages: 1), false), (GuardrailSize(characters: 7), false),
            (GuardrailSize(tokens: 2), false),
        ]
        for (size, passes) in rows {
            let guards = try Self.guards([(GuardrailRule(kind: .size, size: size), .enforce)])
            if passes {
                #expect(try Self.judged(guards, body) == nil)
            } else {
                #expect(throws: GuardrailBlock.self) { try Self.judged(guards, body) }
            }
        }
    }

    @Test("a whole answer is redacted, or kept back")
    func answers() throws {
        let guards = try Self.guards([(Self.emails, .enforce), (Self.codename, .enforce)])
        func judged(_ text: String) throws -> JSONValue? {
            let body = Array(#"{"id":"a@b.co","choices":[{"message":{"content":"\#(text)"}}]}"#.utf8)
            return try body.withUnsafeBytes { try guards.judge(answer: $0) }.map { try JSONValue.parse($0) }
        }
        #expect(try judged("hello").map(\.text) == nil)
        let changed = try #require(try judged("ask a@b.co"))
        #expect(changed["choices"]?[0]?["message"]?["content"]?.string == "ask \(Self.mark)")
        #expect(changed["id"]?.string == "a@b.co")
        #expect(guards.block == nil)
        #expect(throws: GuardrailBlock.self) { try judged("bluebird") }
        #expect(guards.block != nil)
    }

    // MARK: Streams

    /// What a stream of these pieces becomes: its text, and whether it was stopped.
    private static func streamed(_ guards: CallGuards, _ pieces: [String]) -> (text: String, isStopped: Bool)
    {
        let output = OutputGuard(guards)
        var text = ""
        var isStopped = false
        let texts = pieces.map { CanonicalEvent.text($0) }
        for event in [.start(id: "1")] + texts + [.finish(.stop), .end] {
            for passed in output.take(event) {
                if case .text(let piece) = passed { text += piece }
                if case .failure = passed { isStopped = true }
            }
        }
        return (text, isStopped)
    }

    @Test("a finding is seen however the pieces of a stream cut it, and the rest comes out as it went in")
    func everyCut() throws {
        let filler = String(repeating: "olá mundo ", count: 90)
        let text = "\(filler)write to a.person@example.com or\(filler)b@example.org"
        let expected = text.replacing("a.person@example.com", with: Self.mark)
            .replacing("b@example.org", with: Self.mark)
        let characters = Array(text)
        var generator = SeededGenerator(seed: 11)
        for round in 0..<60 {
            var pieces: [String] = []
            var rest = characters[...]
            while !rest.isEmpty {
                let count = round == 0 ? 1 : Int.random(in: 1...40 + 20 * round, using: &generator)
                pieces.append(String(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            let guards = try Self.guards([(Self.emails, .enforce)])
            let (result, isStopped) = Self.streamed(guards, pieces)
            #expect(result == expected && !isStopped, "seed 11, round \(round)")
            #expect(guards.marks.map(\.count) == [2])
        }
    }

    @Test("no more than the window is held back")
    func window() throws {
        let output = OutputGuard(try Self.guards([(Self.emails, .enforce)]))
        var (given, passed) = (0, 0)
        for _ in 0..<200 {
            given += 50
            for event in output.take(.text(String(repeating: "word ", count: 10))) {
                if case .text(let text) = event { passed += text.utf8.count }
            }
            #expect(given - passed <= OutputGuard.heldBytes)
        }
    }

    @Test("a stream that says what it must not is stopped before the word goes out")
    func stop() throws {
        let guards = try Self.guards([(Self.codename, .enforce)])
        let filler = String(repeating: "x ", count: 400)
        let (text, isStopped) = Self.streamed(guards, [filler, "blue", "bird", " " + filler])
        #expect(isStopped && !text.contains("blue") && filler.hasPrefix(text))
        #expect(guards.block?.message == "The guardrail 'rule 0' does not let this answer through.")
        #expect(guards.marks.map(\.effect) == [.blocked])
    }

    @Test("a finding that does not end within the window stops the stream, so that no part of it goes out")
    func endless() throws {
        let guards = try Self.guards([(GuardrailRule(kind: .secrets, action: .redact), .enforce)])
        let key = "-----BEGIN PRIVATE KEY-----\n" + String(repeating: "QUJD", count: 400)
        let (text, isStopped) = Self.streamed(guards, ["Here: "] + key.map { String($0) })
        #expect(isStopped && !text.contains("QUJD"))
    }

    @Test("texts, thoughts and arguments are each looked at for themselves, in their order")
    func channels() throws {
        let output = OutputGuard(try Self.guards([(Self.emails, .enforce)]))
        let events: [CanonicalEvent] = [
            .reasoning("ask a@b.co"), .text("ask c@d.co"), .toolCall(0, id: "1", name: "f", signature: nil),
            .toolArguments(0, #"{"to":"e@f"#), .toolArguments(0, #".co"}"#), .finish(.toolCalls), .end,
        ]
        let passed = events.flatMap { output.take($0) }
        #expect(
            passed == [
                .reasoning("ask \(Self.mark)"), .text("ask \(Self.mark)"),
                .toolCall(0, id: "1", name: "f", signature: nil),
                .toolArguments(0, #"{"to":"\#(Self.mark)"}"#), .finish(.toolCalls), .end,
            ])
    }

    @Test("one that only observes holds nothing back")
    func observer() throws {
        let guards = try Self.guards([(Self.emails, .observe)])
        let output = OutputGuard(guards)
        let events: [CanonicalEvent] = [.text("ask a@b"), .text(".co"), .finish(.stop), .end]
        for event in events { #expect(output.take(event) == [event]) }
        #expect(guards.marks.map(\.effect) == [.observed] && guards.marks.map(\.count) == [1])
    }
}
