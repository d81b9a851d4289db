import Contract
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import StandInProvider
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("chat completions through the gateway")
struct ChatTests {
    @Test("a plain call is answered, billed and described")
    func plain() async throws {
        try await GatewayBench.run { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 200)
            let value = try answer.json
            #expect(value["choices"]?[0]?["message"]?["content"]?.string?.hasPrefix("You said: hi") == true)
            let event = try await bench.event()
            #expect(event.usage.input == value["usage"]?["prompt_tokens"]?.exactInt64)
            #expect(event.usage.output == value["usage"]?["completion_tokens"]?.exactInt64)
            #expect(event.cost == NanoUSD(nanos: event.usage.input * 1000 + event.usage.output * 2000))
            #expect(event.costState == .settled && event.ending == .completed && event.status == 200)
            #expect(event.attempts == 1 && !event.isStream && event.errorCode == nil)
            #expect(event.key == bench.parts.keyID && event.route == bench.parts.route)
            let fields = answer.fields
            #expect(fields["x-eclusa-route"] == "gpt-test" && fields["x-eclusa-model"] == "stand-in")
            #expect(fields["x-eclusa-provider"] == "\(bench.parts.provider)")
            #expect(fields["x-eclusa-attempts"] == "1" && fields["x-eclusa-snapshot"] == "1.1")
            #expect(fields["x-eclusa-cost"] == event.cost.description)
            #expect(fields["x-eclusa-cost-state"] == "settled")
            #expect(fields["x-request-id"]?.hasPrefix("req_") == true)
            #expect(fields["content-type"] == "application/json" && fields.contains("date"))
        }
    }

    @Test("a stream passes whole, its usage event only for those who asked", arguments: [false, true])
    func stream(_ usage: Bool) async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-chunks-20"
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat(stream: true, usage: usage)
            #expect(answer.status == 200 && answer.fields["content-type"] == "text/event-stream")
            #expect(answer.fields["x-eclusa-cost-state"] == "unknown")
            let events = answer.events
            #expect(events.last == "[DONE]")
            // Role, content, finish, perhaps usage, and the terminator.
            #expect(events.count == (usage ? 24 : 23))
            let event = try await bench.event()
            #expect(event.isStream && event.costState == .settled && event.ending == .completed)
            #expect(Int(event.usage.input) == bench.standIn.totals[.promptTokens])
            #expect(Int(event.usage.output) == bench.standIn.totals[.completionTokens])
            if usage {
                let last = try JSONValue.parse(Array(events[events.count - 2].utf8))
                #expect(last["usage"]?["completion_tokens"]?.exactInt64 == event.usage.output)
                #expect(last["x_eclusa"]?["cost"]?.string == event.cost.description)
                #expect(last["x_eclusa"]?["cost_state"] == "settled")
            }
        }
    }

    @Test("the provider's connection is used again, after plain calls and streams")
    func keepAlive() async throws {
        try await GatewayBench.run { bench in
            for index in 0..<6 {
                let answer = try await bench.chat(stream: index % 2 == 0)
                #expect(answer.status == 200)
            }
            #expect(bench.standIn.connectionCount == 1)
            #expect(bench.server.connectionCount == 1)
            let events = try await bench.events()
            #expect(events.count == 6)
            #expect(Set(events.map(\.id)).count == 6)
        }
    }

    @Test("two hundred calls at once are each billed once, to the token")
    func exactness() async throws {
        try await GatewayBench.run { bench in
            let answered = Count()
            for index in 0..<200 {
                bench.loop.spawn {
                    let answer = try? await bench.chat(stream: index % 3 == 0, usage: index % 2 == 0)
                    #expect(answer?.status == 200)
                    answered.value += 1
                }
            }
            while answered.value < 200 { await bench.loop.sleep(nanoseconds: 1_000_000) }
            let events = try await bench.events()
            #expect(events.count == 200)
            #expect(Set(events.map(\.id)).count == 200)
            #expect(events.reduce(0) { $0 + Int($1.usage.input) } == bench.standIn.totals[.promptTokens])
            #expect(events.reduce(0) { $0 + Int($1.usage.output) } == bench.standIn.totals[.completionTokens])
        }
    }

    final class Count { var value = 0 }

    @Test("large bodies and answers pass whole", arguments: [20_000, 300_000, 3_000_000])
    func large(_ size: Int) async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-bytes-\(size)"
        try await GatewayBench.run(plan) { bench in
            let prompt = String(repeating: "x", count: size)
            let answer = try await bench.chat(
                #"{"messages":[{"role":"user","content":"\#(prompt)"}],"model":"gpt-test"}"#)
            #expect(answer.status == 200)
            #expect(abs(answer.body.count - size) < 16)
            let event = try await bench.event()
            #expect(Int(event.usage.input) == bench.standIn.totals[.promptTokens])
            #expect(event.usage.input > Int64(size / 4))
        }
    }

    @Test("the provider sees its own model and credential, and nothing of the client's fields")
    func upwards() async throws {
        var plan = GatewayBench.Plan()
        plan.standInKey = "sk-test"
        plan.model = "stand-in-usage-null"
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 200)
            let value = try answer.json
            #expect(value["model"] == "stand-in-usage-null")
        }
    }

    @Test("fields of the provider's own dealings do not reach the client")
    func downwards() async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-untidy"
        try await GatewayBench.run(plan) { bench in
            for stream in [false, true] {
                let answer = try await bench.chat(stream: stream)
                #expect(answer.status == 200)
                let allowed = [
                    "date", "x-request-id", "x-eclusa-route", "x-eclusa-model", "x-eclusa-provider",
                    "x-eclusa-snapshot", "x-eclusa-attempts", "x-eclusa-cost", "x-eclusa-cost-state",
                    "x-eclusa-overhead-us", "content-type", "content-length", "transfer-encoding",
                    "cache-control",
                ]
                let strange = answer.fields.all.map(\.name).filter { !allowed.contains($0) }
                #expect(strange.isEmpty)
            }
        }
    }

    @Test(
        "without usable figures the usage is estimated and says so",
        arguments: ["stand-in-usage-null", "stand-in-usage-none", "stand-in-usage-hostile"], [false, true])
    func estimates(_ model: String, _ stream: Bool) async throws {
        var plan = GatewayBench.Plan()
        plan.model = model
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat(stream: stream)
            #expect(answer.status == 200)
            let event = try await bench.event()
            #expect(event.costState == .estimated && event.ending == .completed)
            #expect((5...20).contains(event.usage.input))
            #expect((5...200).contains(event.usage.output))
            if !stream { #expect(answer.fields["x-eclusa-cost-state"] == "estimated") }
        }
    }

    @Test("a route without a price is served, and its cost is unknown")
    func unpriced() async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, _ in fixture.content.prices = [] }
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat()
            #expect(answer.fields["x-eclusa-cost-state"] == "unknown")
            let event = try await bench.event()
            #expect(event.costState == .unpriced && event.cost == .zero && event.usage.output > 0)
        }
    }

    @Test("an HTTP/1.0 client gets its stream without chunks, ended by the connection")
    func oldClient() async throws {
        try await GatewayBench.run { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true), version: "1.0"))
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n") && text.hasSuffix("data: [DONE]\n\n"))
            #expect(text.contains("connection: close\r\n") && !text.contains("transfer-encoding"))
            connection.close()
        }
    }

    @Test(
        "costs are written as money is described",
        arguments: [
            0, 1, 10, 125_000, 999_999_999, 1_000_000_000,
            12_345_678_901, -5, .max, .min,
        ])
    func costText(_ nanos: Int64) {
        let cost = NanoUSD(nanos: nanos)
        let text = CostText.with(cost) { String(decoding: $0, as: UTF8.self) }
        #expect(text == cost.description)
    }
}
