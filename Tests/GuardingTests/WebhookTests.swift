import Contract
import Dialects
import Domain
import JSONText
import Policy
import TestSupport
import Testing

@testable import Guarding

/// Answers questions as a test says, and remembers them.
private final class FakeAsker: WebhookAsker {
    private let verdict: (WebhookQuestion) -> WebhookVerdict?
    private(set) var asked: [WebhookQuestion] = []
    private(set) var late = 0
    /// Questions of observers that nobody answered yet.
    private var waiting: [(WebhookQuestion, (WebhookVerdict) -> Void)] = []

    init(_ verdict: @escaping (WebhookQuestion) -> WebhookVerdict?) { self.verdict = verdict }

    func ask(_ question: WebhookQuestion) async -> WebhookVerdict? {
        asked.append(question)
        return verdict(question)
    }

    func observe(_ question: WebhookQuestion, _ answered: @escaping (WebhookVerdict) -> Void) {
        asked.append(question)
        waiting.append((question, answered))
    }

    func answerObservers() {
        for (question, answered) in waiting {
            if let verdict = verdict(question) { answered(verdict) }
        }
        waiting = []
    }

    func noteLate(_ guardrail: CompiledGuardrail) { late += 1 }
}

@Suite("guardrails that ask a webhook")
struct WebhookTests {
    private static func rule(
        _ action: GuardrailAction = .redact, onFailure: GuardrailFailure = .block
    ) throws -> GuardrailRule {
        let url = try #require(BaseURL("https://judge.example/v1"))
        return GuardrailRule(
            kind: .webhook, action: action, webhook: GuardrailWebhook(url: url, onFailure: onFailure))
    }

    private static func guards(
        _ rules: [(GuardrailRule, GuardrailMode)], _ asker: FakeAsker
    ) throws -> CallGuards {
        var (fixture, parts) = SnapshotFixture.small()
        for (index, (rule, mode)) in rules.enumerated() {
            fixture.content.guardrails.append(
                GuardrailEntry(
                    id: GuardrailID(high: 1, low: UInt64(index + 1)), tenant: parts.tenant,
                    name: "judge \(index)", rule: rule, mode: mode))
        }
        let tenant = try #require(try CompiledSnapshot(fixture.built()).tenant(parts.tenant))
        return try #require(CallGuards(tenant.guardrails, asker: { asker }))
    }

    /// What becomes of a chat of these texts; nil: it stays as it came.
    private static func judged(_ guards: CallGuards, _ texts: [String]) async throws -> [String]? {
        let messages = texts.map { ["role": "user", "content": .string($0)] as JSONValue }
        let body = (["model": "m", "messages": .array(messages)] as JSONValue).bytes
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: body)
        let call = ClientCall(try OpenAIChatRequest(parsing: UnsafeRawBufferPointer(copy)))
        guard let changed = try await guards.ask(about: call, try guards.judge(call)) else { return nil }
        return try JSONValue.parse(changed)["messages"]?.array?.compactMap { $0["content"]?.string }
    }

    @Test("a webhook lets a request through, keeps it back, or gives other texts for it")
    func requests() async throws {
        let rows: [(WebhookVerdict?, [String]?, [GuardrailMark.Effect])] = [
            (.allow, nil, []), (.redact(["a", "b"]), nil, []),
            (.redact(["a", "x"]), ["a", "x"], [.redacted]),
        ]
        for (verdict, texts, effects) in rows {
            let asker = FakeAsker { _ in verdict }
            let guards = try Self.guards([(try Self.rule(), .enforce)], asker)
            #expect(try await Self.judged(guards, ["a", "b"]) == texts)
            #expect(guards.marks.map(\.effect) == effects)
            #expect(asker.asked.map(\.texts) == [["a", "b"]] && asker.asked[0].piece == nil)
        }
        let guards = try Self.guards([(try Self.rule(), .enforce)], FakeAsker { _ in .block })
        let refused = await #expect(throws: GuardrailBlock.self) { try await Self.judged(guards, ["a"]) }
        #expect(refused?.message == "The guardrail 'judge 0' does not let this request through.")
        #expect(guards.marks.map(\.effect) == [.blocked])
    }

    @Test("a webhook that may only block does not change texts: what it would redact is kept back")
    func mostItMayDo() async throws {
        let guards = try Self.guards(
            [(try Self.rule(.block), .enforce)], FakeAsker { _ in .redact(["x"]) })
        await #expect(throws: GuardrailBlock.self) { try await Self.judged(guards, ["a"]) }
        #expect(guards.marks.map(\.effect) == [.blocked])
    }

    @Test(
        "without an answer, closed keeps the text back and says why, open lets it through; both are counted")
    func unanswered() async throws {
        let closed = try Self.guards([(try Self.rule(), .enforce)], FakeAsker { _ in nil })
        let refused = await #expect(throws: GuardrailBlock.self) { try await Self.judged(closed, ["a"]) }
        #expect(refused?.isUnanswered == true)
        #expect(refused?.message == "The guardrail 'judge 0' could not be asked about this request.")
        let open = try Self.guards(
            [(try Self.rule(onFailure: .allow), .enforce)], FakeAsker { _ in nil })
        #expect(try await Self.judged(open, ["a"]) == nil)
        for guards in [closed, open] { #expect(guards.marks.map(\.effect) == [.unanswered]) }
    }

    @Test("webhooks are asked one after the other, behind the other guardrails, each about what is left")
    func order() async throws {
        let emails = GuardrailRule(kind: .personalData, action: .redact, personalData: [.email])
        let asker = FakeAsker { .redact($0.texts.map { "\($0)!" }) }
        let guards = try Self.guards(
            [(try Self.rule(), .enforce), (emails, .enforce), (try Self.rule(), .enforce)], asker)
        #expect(try await Self.judged(guards, ["a@b.co"]) == ["[redacted: email]!!"])
        #expect(asker.asked.map(\.texts) == [["[redacted: email]"], ["[redacted: email]!"]])
        #expect(asker.asked.map(\.number) == [0, 1])
    }

    @Test("one that observes is not waited for; it counts what it would have done, also when it is late")
    func observer() async throws {
        let asker = FakeAsker { $0.texts == ["bad"] ? .block : .allow }
        let guards = try Self.guards([(try Self.rule(), .observe)], asker)
        #expect(try await Self.judged(guards, ["bad"]) == nil)
        #expect(try await Self.judged(guards, ["good"]) == nil)
        #expect(guards.marks.isEmpty)
        asker.answerObservers()
        #expect(guards.marks.map(\.effect) == [.observed] && guards.marks.map(\.count) == [1])
        #expect(try await Self.judged(guards, ["bad"]) == nil)
        #expect(guards.close().map(\.effect) == [.observed])
        asker.answerObservers()
        #expect(asker.late == 1 && guards.marks.map(\.count) == [1])
    }

    @Test("a whole answer is asked about by its words alone")
    func answers() async throws {
        let body = Array(
            #"{"id":"x","choices":[{"message":{"role":"model","content":"hello"},"finish_reason":"stop"}]}"#
                .utf8)
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: body.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: body)
        let asker = FakeAsker { _ in .redact(["bye"]) }
        let guards = try Self.guards([(try Self.rule(), .enforce)], asker)
        let changed = try await guards.ask(aboutAnswer: UnsafeRawBufferPointer(copy))
        #expect(asker.asked.map(\.texts) == [["hello"]])
        #expect(
            changed.map { String(decoding: $0, as: UTF8.self) }
                == String(decoding: body, as: UTF8.self).replacing("hello", with: "bye"))
        let closed = try Self.guards([(try Self.rule(), .enforce)], FakeAsker { _ in .block })
        await #expect(throws: GuardrailBlock.self) {
            try await closed.ask(aboutAnswer: UnsafeRawBufferPointer(copy))
        }
        #expect(closed.block?.message == "The guardrail 'judge 0' does not let this answer through.")
    }

    // MARK: Streams

    /// What a stream becomes: its events, until it is stopped.
    private static func streamed(
        _ guards: CallGuards, _ events: [CanonicalEvent]
    ) async -> (passed: [CanonicalEvent], isStopped: Bool, mostHeld: Int) {
        let asked = AskedStream(guards, after: nil)
        var (passed, given, mostHeld): ([CanonicalEvent], Int, Int) = ([], 0, 0)
        do {
            for event in events {
                given += Self.text([event]).utf8.count
                passed += asked.take(event)
                if asked.isDue { passed += try await asked.settle(isLast: false) }
                mostHeld = max(mostHeld, given - Self.text(passed).utf8.count)
            }
            passed += try await asked.settle(isLast: true)
        } catch { return (passed, true, mostHeld) }
        return (passed, false, mostHeld)
    }

    private static func text(_ events: [CanonicalEvent]) -> String {
        events.reduce(into: "") { text, event in
            switch event {
            case .text(let piece), .reasoning(let piece), .toolArguments(_, let piece): text += piece
            default: break
            }
        }
    }

    private static let start: [CanonicalEvent] = [.start(id: "1")]
    private static let end: [CanonicalEvent] = [.finish(.stop), .end]

    @Test(
        "a stream is asked about piece by piece, each with the end of what went before, and comes out whole")
    func pieces() async throws {
        let asker = FakeAsker { _ in .allow }
        let guards = try Self.guards([(try Self.rule(), .enforce)], asker)
        let events = Self.start + (0..<300).map { .text("ação \($0) ") } + Self.end
        let result = await Self.streamed(guards, events)
        #expect(!result.isStopped && result.passed == events)
        #expect(result.mostHeld < AskedStream.pieceBytes + 16)
        let pieces = asker.asked.compactMap(\.piece)
        #expect(pieces.map(\.number) == Array(0..<asker.asked.count) && pieces.count > 3)
        #expect(pieces.map(\.isLast) == pieces.indices.map { $0 == pieces.count - 1 })
        #expect(pieces[0].context.isEmpty)
        for (before, piece) in zip(asker.asked, pieces.dropFirst()) {
            #expect(before.texts.joined().hasSuffix(piece.context) && piece.context.utf8.count > 250)
        }
        #expect(asker.asked.flatMap(\.texts).joined() == Self.text(events))
    }

    @Test("pieces of a stream are redacted each in its channel, and nothing of a refused one goes out")
    func redactedPieces() async throws {
        let asker = FakeAsker { .redact($0.texts.map { $0.replacing("secret", with: "***") }) }
        let guards = try Self.guards([(try Self.rule(), .enforce)], asker)
        let events: [CanonicalEvent] =
            Self.start + [
                .reasoning("se"), .reasoning("cret plan"), .text("the "), .text("secret"),
                .toolCall(0, id: "1", name: "f", signature: nil), .toolArguments(0, #"{"a":"secret"}"#),
                .finish(.toolCalls), .usage(ReportedUsage(usage: .zero, hasInput: true, hasOutput: true)),
                .end,
            ]
        let result = await Self.streamed(guards, events)
        #expect(asker.asked.map(\.texts) == [["secret plan", "the secret", #"{"a":"secret"}"#]])
        #expect(
            result.passed
                == Self.start + [
                    .reasoning("*** plan"), .text("the ***"),
                    .toolCall(0, id: "1", name: "f", signature: nil), .toolArguments(0, #"{"a":"***"}"#),
                    .finish(.toolCalls),
                    .usage(ReportedUsage(usage: .zero, hasInput: true, hasOutput: true)), .end,
                ])
        let strict = try Self.guards(
            [(try Self.rule(.block), .enforce)],
            FakeAsker { $0.texts.joined().contains("bluebird") ? .block : .allow })
        let filler = String(repeating: "x ", count: 400)
        let stopped = await Self.streamed(strict, Self.start + [.text(filler), .text("bluebird")] + Self.end)
        #expect(stopped.isStopped && Self.text(stopped.passed) == filler)
        #expect(strict.block != nil && strict.marks.map(\.effect) == [.blocked])
    }

    @Test("before the first piece is let through nothing goes out, so that a status can refuse the stream")
    func preface() async throws {
        let guards = try Self.guards([(try Self.rule(), .enforce)], FakeAsker { _ in .block })
        let result = await Self.streamed(guards, Self.start + [.text("hello")] + Self.end)
        #expect(result.passed.isEmpty && result.isStopped)
        // What has no words is nobody's business.
        let asker = FakeAsker { _ in .block }
        let quiet = try Self.guards([(try Self.rule(), .enforce)], asker)
        let events = Self.start + [.toolCall(0, id: "1", name: "f", signature: nil)] + Self.end
        #expect(await Self.streamed(quiet, events).passed == events && asker.asked.isEmpty)
    }

    @Test("a stream that is only observed is held up by nobody")
    func observedStream() async throws {
        let asker = FakeAsker { _ in .block }
        let guards = try Self.guards([(try Self.rule(), .observe)], asker)
        let events = Self.start + (0..<200).map { .text("word \($0) ") } + Self.end
        let result = await Self.streamed(guards, events)
        #expect(result.passed == events && result.mostHeld == 0)
        #expect(asker.asked.flatMap(\.texts).joined() == Self.text(events))
        asker.answerObservers()
        #expect(guards.marks.map(\.effect) == [.observed] && guards.marks[0].count == asker.asked.count)
    }

    // MARK: Messages

    @Test("only what says a verdict is an answer")
    func verdicts() {
        let rows: [(String, WebhookVerdict?)] = [
            (#"{"verdict":"allow"}"#, .allow), (#"{"verdict":"allow","why":[1,{}]}"#, .allow),
            (#"{"verdict":"block","reason":"no"}"#, .block),
            (#"{"verdict":"redact","texts":["a","b"]}"#, .redact(["a", "b"])),
            (#"{"verdict":"redact","texts":["a"]}"#, nil),
            (#"{"verdict":"redact","texts":["a","b","c"]}"#, nil),
            (#"{"verdict":"redact","texts":["a",1]}"#, nil), (#"{"verdict":"redact"}"#, nil),
            (#"{"verdict":"maybe"}"#, nil), (#"{"verdict":true}"#, nil), (#"{}"#, nil), ("[]", nil),
            ("", nil),
            (#"{"verdict":"allow""#, nil), (#"{"verdict":"allow","verdict":"block"}"#, nil), ("allow", nil),
        ]
        for (text, verdict) in rows {
            #expect(WebhookVerdict(Array(text.utf8), about: ["x", "y"]) == verdict, "\(text)")
        }
    }

    @Test("a question says whose call it is, what it is about, and which piece of a stream")
    func question() throws {
        let guards = try Self.guards([(try Self.rule(), .enforce)], FakeAsker { _ in nil })
        let guardrail = guards.inputWebhooks[0]
        func body(_ side: GuardrailBlock.Side, _ piece: WebhookQuestion.Piece?) throws -> JSONValue {
            let question = WebhookQuestion(
                guardrail: guardrail, side: side, texts: ["a", "b"], piece: piece, number: 0)
            return try JSONValue.parse(question.body([("request", "req_1")], at: "2027-01-15T08:00:00Z"))
        }
        #expect(
            try body(.request, nil) == [
                "type": "guardrail.input", "timestamp": "2027-01-15T08:00:00Z",
                "data": [
                    "guardrail": .string(guardrail.id.description), "guardrail_name": "judge 0",
                    "request": "req_1", "texts": ["a", "b"],
                ],
            ])
        #expect(try body(.answer, nil)["type"] == "guardrail.output")
        let piece = try body(.answer, WebhookQuestion.Piece(number: 3, isLast: true, context: "so"))
        #expect(piece["type"] == "guardrail.output_piece")
        #expect(piece["data"]?["piece"] == 3 && piece["data"]?["is_last"] == true)
        #expect(piece["data"]?["context"] == "so")
    }
}
