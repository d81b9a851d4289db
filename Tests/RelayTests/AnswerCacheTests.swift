import Contract
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Policy
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("answers that are given again")
struct AnswerCacheTests {
    private static func plan(
        _ cache: RouteCache?, _ model: String = "stand-in", kind: ProviderKind = .openAI
    )
        -> GatewayBench.Plan
    {
        var plan = GatewayBench.Plan()
        plan.model = model
        plan.kind = kind
        plan.snapshot = { fixture, _ in
            fixture.content.routes = fixture.content.routes.map {
                RouteEntry(
                    id: $0.id, tenant: $0.tenant, name: $0.name, rules: RouteRules(cache: cache),
                    steps: $0.steps)
            }
        }
        return plan
    }

    private static let minute = RouteCache(seconds: 60)

    @Test(
        "the second call gets the first one's answer, whole or in pieces, and costs nothing",
        arguments: [DialectClient.openAI, .responses, .azure, .anthropic, .gemini, .ollama])
    func again(_ client: DialectClient) async throws {
        try await GatewayBench.run(Self.plan(Self.minute)) { bench in
            let first = try await client.call(bench, "hi")
            #expect(first.status == 200 && first.response.fields["x-eclusa-cache"] == "miss")
            let second = try await client.call(bench, "hi")
            #expect(second.response.fields["x-eclusa-cache"] == "hit")
            #expect(second.response.text == first.response.text)
            #expect(second.response.fields["x-eclusa-cost"] == "0.00")
            #expect(second.response.fields["x-eclusa-model"] == "stand-in")
            let stream = try await client.call(bench, "hi", stream: true)
            #expect(stream.response.fields["x-eclusa-cache"] == "hit", "\(stream.response.text)")
            #expect(stream.text == first.text && stream.stop != nil)
            #expect(bench.standIn.totals[.calls] == 1)
            let events = try await bench.events()
            #expect(events.map(\.isCached) == [false, true, true])
            #expect(events.dropFirst().allSatisfy { $0.cost == .zero && $0.usage == .zero })
            #expect(events.dropFirst().allSatisfy { $0.ending == .completed && $0.attempts == 0 })
            let metrics = bench.metrics.text()
            #expect(metrics.contains(#"eclusa_answer_cache_lookups_total{outcome="hit"} 2"#))
        }
    }

    @Test("a tool call is given again in pieces too")
    func tools() async throws {
        let tool: JSONValue = [
            "type": "function",
            "function": [
                "name": "f", "parameters": ["type": "object", "properties": ["x": ["type": "string"]]],
            ],
        ]
        var more = JSONObject()
        more["tools"] = [tool]
        let wish = more
        try await GatewayBench.run(Self.plan(Self.minute)) { bench in
            let first = try await DialectClient.openAI.call(bench, "hi", more: wish)
            let again = try await DialectClient.openAI.call(bench, "hi", stream: true, more: wish)
            #expect(again.response.fields["x-eclusa-cache"] == "hit")
            #expect(again.calls.map(\.name) == ["f"] && again.calls.map(\.name) == first.calls.map(\.name))
            #expect(again.calls.first?.arguments == first.calls.first?.arguments)
        }
    }

    @Test("another wording, parameter, dialect or key's tenant is another call; the order of members is not")
    func apart() async throws {
        try await GatewayBench.run(Self.plan(Self.minute)) { bench in
            func state(_ body: String) async throws -> String? {
                try await bench.chat(body).fields["x-eclusa-cache"]
            }
            let message = #""messages":[{"role":"user","content":"hi"}]"#
            let first = try await state(#"{"model":"gpt-test",\#(message)}"#)
            #expect(first == "miss")
            #expect(try await state(#"{\#(message), "model":"gpt-test"}"#) == "hit")
            #expect(try await state(#"{"model":"gpt-test",\#(message),"temperature":0}"#) == "miss")
            #expect(try await state(#"{"model":"gpt-test",\#(message),"seed":7}"#) == "miss")
            #expect(
                try await state(#"{"model":"gpt-test","messages":[{"role":"user","content":"Hi"}]}"#)
                    == "miss")
            #expect(
                try await DialectClient.ollama.call(bench, "hi").response.fields["x-eclusa-cache"] == "miss")
        }
    }

    @Test("callers say with Cache-Control that they want a new answer, or none kept")
    func wishes() async throws {
        try await GatewayBench.run(Self.plan(Self.minute)) { bench in
            func state(_ wish: String?) async throws -> String? {
                try await bench.chat(fields: wish.map { ["cache-control": $0] } ?? [:])
                    .fields["x-eclusa-cache"]
            }
            let first = try await state("no-store")
            #expect(first == nil)
            #expect(try await state(nil) == "miss")
            #expect(try await state("max-age=0, No-Cache") == "miss")
            #expect(try await state(nil) == "hit")
            #expect(try await state("no-store") == nil)
            #expect(bench.standIn.totals[.calls] == 4)
        }
    }

    @Test("routes without a cache keep nothing; nor are failures and long answers kept")
    func notKept() async throws {
        try await GatewayBench.run(Self.plan(nil)) { bench in
            for _ in 0..<2 {
                let answer = try await bench.chat()
                #expect(answer.fields["x-eclusa-cache"] == nil)
            }
        }
        let small = RouteCache(seconds: 60, maximumBytes: 1024)
        for (cache, model) in [(Self.minute, "stand-in-error-400"), (small, "stand-in-bytes-3000")] {
            try await GatewayBench.run(Self.plan(cache, model)) { bench in
                for _ in 0..<2 { _ = try await bench.chat() }
                #expect(bench.standIn.totals[.calls] == 2 && bench.gateway.answers.count == 0)
            }
        }
    }

    @Test("an answer ends with its time, and the longest unused goes first")
    func bounds() {
        let cache = AnswerCache(maximumBytes: 64 * 1024)
        let (mine, other) = (TenantID(high: 1, low: 1), TenantID(high: 1, low: 2))
        func answer(_ count: Int) -> AnswerCache.Answer {
            AnswerCache.Answer(
                bytes: [UInt8](repeating: 1, count: count), provider: ProviderID(high: 1, low: 1),
                model: ModelID(high: 1, low: 1))
        }
        let names = (0..<40).map { sha256("\($0)") }
        for name in names.prefix(20) { cache.keep(answer(2792), name, of: mine, until: 100) }
        #expect(cache.count == 20 && cache.bytes == 20 * 3048)
        #expect(cache.find(names[0], of: other, at: 1) == nil)
        #expect(cache.find(names[0], of: mine, at: 1) == answer(2792))
        #expect(cache.find(names[1], of: mine, at: 100) == nil && cache.count == 19)
        // Two more push out those that nobody asked for.
        for name in names[20..<23] { cache.keep(answer(2792), name, of: other, until: 200) }
        #expect(cache.bytes <= 64 * 1024 && cache.find(names[2], of: mine, at: 1) == nil)
        #expect(cache.find(names[0], of: mine, at: 1) != nil)
        cache.keep(answer(5000), names[30], of: mine, until: 200)
        #expect(cache.find(names[30], of: mine, at: 1) == nil)
        cache.forget(at: 1) { $0 == other }
        #expect(
            cache.find(names[22], of: other, at: 1) == nil && cache.find(names[0], of: mine, at: 1) != nil)
        cache.forget(at: 150) { _ in false }
        #expect(cache.count == 0 && cache.bytes == 0)
    }
}
