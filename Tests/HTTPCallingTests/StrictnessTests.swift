import EventLoops
import HTTPWire
import TestSupport
import Testing
import Transport

@testable import HTTPCalling

/// The answers of `Tests/Strictness` over real sockets: what a client makes of a provider that says them.
@Suite("strictness of answers")
struct StrictnessTests {
    @Test("a client does with every answer what the table says", arguments: WireTable.answers)
    func whole(_ example: WireCase) async throws {
        let outcome = try await Self.outcome(of: example, .bytes(example.bytes))
        let expected = Self.written(example)
        #expect(outcome == expected)
    }

    @Test("and so it does when the answer comes byte by byte", arguments: WireTable.answers)
    func drip(_ example: WireCase) async throws {
        guard example.bytes.count < 400 else { return }
        let outcome = try await Self.outcome(of: example, .dripBytes(example.bytes))
        // Whether bytes behind the answer come before the connection is at rest is a matter of time.
        #expect(Self.withoutRest(outcome) == Self.withoutRest(Self.written(example)))
    }

    private static func outcome(
        of example: WireCase, _ say: ScriptedUpstream.Step
    ) async throws -> String {
        let said = Completion<String>()
        let method = HTTPMethod(example.method) ?? .post
        try await withScript([[.request, say, example.isEnded ? .shutdown : .hold, .hold]]) {
            client, upstream in
            let pool = client.pool(for: upstream.origin)
            do throws(CallError) {
                let waits = example.outcomes == ["waits"]
                let answer = try await client.request(
                    method, upstream.url, timeoutNanoseconds: waits ? 30_000_000 : 20_000_000_000,
                    maximumBody: .max)
                let rest = pool.idleCount == 1 ? "kept" : "closed"
                said.fulfil("\(answer.status) \(rest) \"\(String(decoding: answer.body, as: UTF8.self))\"")
            } catch {
                #expect(pool.idleCount == 0 && pool.open == 0)
                said.fulfil(word(for: error))
            }
        }
        return await said.value()
    }

    private static func word(for error: CallError) -> String {
        switch error {
        case .malformedHead(let fault): "head \(fault)"
        case .malformedContent(let fault): "content \(fault)"
        case .cut: "cut"
        case .endedBeforeAnswer(reused: false): "empty"
        case .timedOut: "waits"
        default: "\(error)"
        }
    }

    private static func written(_ example: WireCase) -> String {
        let outcome = example.outcomes.first ?? ""
        return outcome.hasSuffix("kept") || outcome.hasSuffix("closed")
            ? outcome + " \"\(WireTable.body)\"" : outcome
    }

    private static func withoutRest(_ outcome: String) -> String {
        outcome.replacing(" kept ", with: " ").replacing(" closed ", with: " ")
    }
}
