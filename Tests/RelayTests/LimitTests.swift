import Contract
import Domain
import EventLoops
import Grants
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Metering
import Policy
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("limits of calls")
struct LimitTests {
    private static let requestsAnHour = LimitTerms(
        metric: .requests, mode: .enforce, period: .hour, amount: 60)

    /// A call that costs at most so many micro-dollars: input is priced by its bytes, output at 2 a token.
    private static func body(output: Int, stream: Bool = false) -> String {
        #"{"model":"gpt-test","max_tokens":\#(output),"stream":\#(stream),"messages":[{"role":"user","content":"hi"}]}"#
    }

    /// Of a body with 50 tokens of output: every byte may be a token.
    private static let worstOfOne = Int64(body(output: 50).utf8.count) + 2 * 50

    private static func plan(_ bounds: LimitTerms...) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.bounds = bounds
        plan.patienceNanoseconds = 60_000_000_000
        return plan
    }

    private static func budget(microdollars: Int64, _ mode: LimitMode = .enforce) -> LimitTerms {
        LimitTerms(metric: .cost, mode: mode, period: .day, amount: microdollars * 1000)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let code: String
        let status: Int
        let limit: LimitTerms
        let retryAfter: ClosedRange<Int>?
        let message: String
        var testDescription: String { code }
    }

    static let cases = [
        Case(
            code: "rate_limited", status: 429, limit: requestsAnHour, retryAfter: 50...60,
            message: "The limit 'limit-0' is reached for now; see Retry-After."),
        Case(
            code: "budget_exceeded", status: 402, limit: budget(microdollars: worstOfOne), retryAfter: nil,
            message: "What is left of the budget 'limit-0' (one day) is less than this call may cost."),
    ]

    @Test("a call that its limits do not bear is refused, and dials nobody", arguments: cases)
    func refused(_ test: Case) async throws {
        try await GatewayBench.run(Self.plan(test.limit)) { bench in
            let first = try await bench.chat(Self.body(output: 50))
            #expect(first.status == 200)
            let calls = bench.standIn.totals[.calls]
            let answer = try await bench.chat(Self.body(output: 50))
            #expect(answer.status == test.status)
            #expect(answer.fields["x-eclusa-error-code"] == test.code)
            #expect(answer.fields["x-eclusa-error-origin"] == "gateway")
            let error = try #require(try answer.json["error"])
            #expect(error["code"]?.string == test.code)
            #expect(error["message"]?.string?.hasPrefix(test.message) == true, "\(answer.text)")
            let seconds = answer.fields["retry-after"].flatMap { Int($0) }
            if let range = test.retryAfter {
                #expect(seconds.map(range.contains) == true)
                #expect(answer.fields["retry-after-ms"] != nil)
            } else {
                #expect(seconds == nil)
                #expect(error["message"]?.string?.contains("It resets at 20") == true)
            }
            #expect(bench.standIn.totals[.calls] == calls)
            #expect(try await bench.events().count == 1)
        }
    }

    @Test("with the control plane away a new budget is contended, and the client hears when to come back")
    func contended() async throws {
        var plan = Self.plan(Self.budget(microdollars: 1_000))
        plan.patienceNanoseconds = 1
        try await GatewayBench.run(plan) { bench in
            bench.lender.isAway = true
            let answer = try await bench.chat(Self.body(output: 50))
            #expect(answer.status == 429)
            #expect(answer.fields["x-eclusa-error-code"] == "budget_contended")
            #expect(answer.fields["retry-after"] == "1")
            bench.lender.isAway = false
            bench.exchanger.proceed()
            while try await bench.chat(Self.body(output: 50)).status != 200 {
                await bench.loop.sleep(nanoseconds: 1_000_000)
            }
        }
    }

    @Test("answers say how near its limits a caller is", arguments: [false, true])
    func fields(_ stream: Bool) async throws {
        let tokens = LimitTerms(metric: .totalTokens, mode: .enforce, period: .minute, amount: 60_000)
        let plan = Self.plan(
            Self.requestsAnHour, tokens, Self.budget(microdollars: 10_000),
            LimitTerms(metric: .concurrency, mode: .enforce, period: .open, amount: 4))
        try await GatewayBench.run(plan) { bench in
            let fields = try await bench.chat(Self.body(output: 50, stream: stream)).fields
            #expect(fields["x-ratelimit-limit-requests"] == "60")
            #expect(fields["x-ratelimit-remaining-requests"] == "0")
            #expect(fields["x-ratelimit-reset-requests"]?.hasSuffix("s") == true)
            #expect(fields["x-ratelimit-limit-tokens"] == "60000")
            let policy = try #require(fields["ratelimit-policy"])
            #expect(policy.contains(#""limit-0";q=60;w=3600"#))
            #expect(policy.contains(#""limit-1";q=60000;w=60;qu="tokens""#))
            #expect(policy.contains(#""limit-3";q=4;qu="concurrent-requests""#))
            // Money is the tenant's affair.
            #expect(!policy.contains("limit-2"))
            #expect(fields["ratelimit"]?.hasPrefix(#""limit-0";r=0;t="#) == true)
        }
    }

    @Test("a call that limits bind is settled to what it used, whatever became of it")
    func settlement() async throws {
        try await GatewayBench.run(Self.plan(Self.budget(microdollars: 100_000))) { bench in
            #expect(try await bench.chat(Self.body(output: 50)).status == 200)
            #expect(try await bench.chat(Self.body(output: 50, stream: true)).status == 200)
            let events = try await bench.events()
            let grant = try #require(events.first?.grants.first)
            #expect(events.allSatisfy { $0.grants == [grant] })
            let row = try #require(await bench.outbox.heldGrants()?.first)
            #expect(row.id == grant && row.spent == events.reduce(0) { $0 + $1.cost.nanos })
            #expect(row.margin >= 100_000)
            while bench.lender.positions.first.map({ $0.held > 0 || $0.spent != row.spent }) ?? true {
                await bench.loop.sleep(nanoseconds: 5_000_000)
            }
        }
    }

    @Test("a provider's error and a client that left give their holds back")
    func unhappyEnds() async throws {
        var plan = Self.plan(LimitTerms(metric: .concurrency, mode: .enforce, period: .open, amount: 1))
        plan.model = "stand-in-error-500"
        try await GatewayBench.run(plan) { bench in
            for _ in 0..<3 {
                let answer = try await bench.chat()
                #expect(answer.status >= 500)
            }
        }
        plan.model = "stand-in-hang"
        try await GatewayBench.run(plan) { bench in
            func waitUntilHeld(_ slots: Int64) async {
                while bench.lender.positions.first?.held != slots {
                    await bench.loop.sleep(nanoseconds: 5_000_000)
                }
            }
            let client = try await bench.dial()
            try await client.send(bench.rawRequest(GatewayBench.body()))
            await waitUntilHeld(1)
            client.close()
            await waitUntilHeld(0)
            #expect(bench.gateway.callsInFlight == 0)
        }
    }

    @Test("a request without a bound gets one when a strict budget was promised one, and only then")
    func imposedBound() async throws {
        for (mode, isBound) in [(LimitMode.enforce, true), (.soft, false), (.shadow, false)] {
            try await GatewayBench.run { bench in
                let seen = Completion<[UInt8]>()
                let provider = HTTPServer(loop: bench.loop) { exchange in
                    if let body = try? await exchange.readBody(limit: 1 << 20) { seen.fulfil(Array(body)) }
                    try? await exchange.respond(status: 500, fields: [:], text: "{}")
                }
                let any = try #require(SocketAddress("127.0.0.1:0"))
                var plan = Self.plan(Self.budget(microdollars: 1_000_000, mode))
                plan.upstreamAddress = "\(try provider.listen(on: any))"
                let gateway = try await GatewayBench.nested(plan, in: bench)
                #expect(try await gateway.chat().status >= 500)
                let body = try JSONValue.parse(await seen.value())
                #expect(body["max_completion_tokens"]?.exactInt64 == (isBound ? 4096 : nil))
                await gateway.end()
                await provider.drain(withinNanoseconds: 100_000_000)
            }
        }
    }

    @Test("a server that may pass over the newer word for a bound is told in the older one too")
    func bothWords() async throws {
        let cases: [(ProviderKind, LimitMode, String, String?, String?)] = [
            (.openAICompatible, .enforce, #","max_completion_tokens":7"#, "7", "7"),
            (.openAICompatible, .enforce, #","max_tokens":7"#, "7", nil),
            (.openAICompatible, .enforce, #","max_completion_tokens":7,"max_tokens":5"#, "5", "7"),
            (.openAICompatible, .enforce, "", "4096", nil),
            (.openAICompatible, .shadow, #","max_completion_tokens":7"#, nil, "7"),
            (.openAI, .enforce, #","max_completion_tokens":7"#, nil, "7"),
        ]
        for (kind, mode, words, older, newer) in cases {
            try await GatewayBench.run { bench in
                let seen = Completion<[UInt8]>()
                let provider = HTTPServer(loop: bench.loop) { exchange in
                    if let body = try? await exchange.readBody(limit: 1 << 20) { seen.fulfil(Array(body)) }
                    try? await exchange.respond(status: 400, fields: [:], text: "{}")
                }
                let any = try #require(SocketAddress("127.0.0.1:0"))
                var plan = Self.plan(Self.budget(microdollars: 1_000_000, mode))
                plan.kind = kind
                plan.upstreamAddress = "\(try provider.listen(on: any))"
                let gateway = try await GatewayBench.nested(plan, in: bench)
                let body = GatewayBench.body().dropLast() + words + "}"
                #expect(try await gateway.chat(String(body)).status >= 400)
                let told = try JSONValue.parse(await seen.value())
                #expect(told["max_tokens"]?.number?.text == older, "\(kind) \(words)")
                #expect(told["max_completion_tokens"]?.number?.text == newer, "\(kind) \(words)")
                await gateway.end()
                await provider.drain(withinNanoseconds: 100_000_000)
            }
        }
    }

    @Test("a call that lasts has a row of its own, and after a kill it is billed by an estimate")
    func killed() async throws {
        var plan = Self.plan(Self.budget(microdollars: 1_000_000))
        plan.model = "stand-in-hang"
        let remains = TemporaryDirectory()
        try await GatewayBench.run(plan) { bench in
            let client = try await bench.dial()
            try await client.send(bench.rawRequest(Self.body(output: 50)))
            while true {
                let copy = TemporaryDirectory()
                for name in bench.folder.names {
                    copy.replace(name, bench.folder.content(name))
                    remains.replace(name, bench.folder.content(name))
                }
                if try await Self.events(in: copy).count == 1 { break }
                await bench.loop.sleep(nanoseconds: 10_000_000)
            }
            client.close()
        }
        let events = try await withLoop { _ in try await Self.events(in: remains) }
        let event = try #require(events.first)
        #expect(event.ending == .nodeKilled && event.costState == .estimated && event.grants.count == 1)
        #expect(event.usage.input > 0 && event.cost > .zero)
    }

    /// What a node that starts on this folder has to deliver.
    private static func events(in folder: TemporaryDirectory) async throws -> [UsageEvent] {
        let outbox = try UsageOutbox.open(
            in: DataDirectory(path: folder.path), node: GatewayBench.node, log: .silent, metrics: .init())
        _ = await outbox.sealNow()
        let batch = await outbox.batch(1)
        outbox.close()
        return try batch.map { try SealedUsageBatch(bytes: $0.bytes).opened().events } ?? []
    }
}
