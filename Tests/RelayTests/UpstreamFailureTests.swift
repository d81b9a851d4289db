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

@Suite("upstream failures")
struct UpstreamFailureTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let model: String
        let status: Int
        let code: String
        var origin = "provider"
        var ending = UsageEvent.Ending.providerError
        /// What the message has to say.
        var says = ""
        var fields: [String: String] = [:]
        var attempts: UInt8 = 1
        var testDescription: String { model }
    }

    static let cases = [
        Case(model: "stand-in-error-400", status: 400, code: "provider_error", says: "temperature"),
        Case(
            model: "stand-in-error-401", status: 502, code: "provider_credentials_rejected",
            origin: "gateway",
            says: "credentials"),
        Case(
            model: "stand-in-error-403", status: 502, code: "provider_credentials_rejected", origin: "gateway"
        ),
        Case(
            model: "stand-in-error-402", status: 502, code: "provider_credentials_rejected", origin: "gateway"
        ),
        Case(model: "stand-in-error-404", status: 404, code: "provider_error", says: "does not exist"),
        Case(model: "stand-in-error-413", status: 413, code: "provider_error"),
        Case(model: "stand-in-error-422", status: 422, code: "provider_error"),
        Case(model: "stand-in-error-418", status: 502, code: "provider_error"),
        Case(
            model: "stand-in-error-429-quota", status: 429, code: "provider_rate_limited",
            says: "exceeded your current quota"),
        Case(
            model: "stand-in-error-429", status: 429, code: "provider_rate_limited", says: "Rate limit",
            fields: ["retry-after": "7", "retry-after-ms": "7000"]),
        Case(model: "stand-in-error-500", status: 500, code: "provider_error", says: "stand-in had an error"),
        Case(model: "stand-in-error-502", status: 502, code: "provider_error"),
        Case(
            model: "stand-in-error-503", status: 503, code: "provider_error", says: "overloaded",
            fields: ["retry-after": "3"]),
        Case(model: "stand-in-error-529", status: 529, code: "provider_error", attempts: 2),
        Case(model: "no-such-model", status: 404, code: "provider_error", says: "no-such-model"),
        Case(model: "stand-in-malformed", status: 502, code: "upstream_invalid"),
        Case(model: "stand-in-cut", status: 502, code: "upstream_cut", ending: .upstreamCut),
        Case(model: "stand-in-lying-length", status: 502, code: "upstream_cut", ending: .upstreamCut),
        Case(model: "stand-in-reset", status: 502, code: "upstream_cut", ending: .upstreamCut),
        Case(model: "stand-in-hang", status: 504, code: "upstream_timeout", ending: .timedOut),
    ]

    @Test("each failure has its answer and its entry in the books", arguments: cases, [false, true])
    func failure(_ example: Case, _ stream: Bool) async throws {
        let breaksLater = ["stand-in-malformed", "stand-in-cut", "stand-in-lying-length"]
        // As streams these break after their head; see below.
        if stream, breaksLater.contains(example.model) { return }
        var plan = GatewayBench.Plan()
        plan.model = example.model
        if example.ending == .timedOut { plan.timeouts.firstByte = 60 }
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat(stream: stream)
            #expect(answer.status == example.status)
            #expect(answer.fields["x-eclusa-error-code"] == example.code)
            #expect(answer.fields["x-eclusa-error-origin"] == example.origin)
            let message = try answer.json["error"]?["message"]?.string ?? ""
            #expect(message.contains(example.says) && !message.isEmpty)
            #expect(!answer.text.contains("sk-test") && !answer.text.contains("org-standin"))
            for (name, value) in example.fields { #expect(answer.fields[name] == value) }
            #expect(answer.fields.contains("retry-after") == [429, 503].contains(answer.status))
            let event = try await bench.event()
            #expect(event.ending == example.ending && event.errorCode == example.code)
            #expect(Int(event.status) == example.status && event.attempts == example.attempts)
            #expect(event.usage.total == 0 && event.cost == .zero)
        }
    }

    struct Break: Sendable, CustomTestStringConvertible {
        let model: String
        let code: String
        var ending = UsageEvent.Ending.providerError
        var testDescription: String { model }
    }

    static let breaks = [
        Break(model: "stand-in-chunks-10-cut", code: "upstream_cut", ending: .upstreamCut),
        Break(model: "stand-in-chunks-10-no-done", code: "upstream_cut", ending: .upstreamCut),
        Break(model: "stand-in-chunks-10-malformed", code: "upstream_invalid"),
        Break(model: "stand-in-chunks-10-error-event", code: "provider_error"),
        Break(model: "stand-in-chunks-10-gap-3000ms", code: "upstream_timeout", ending: .timedOut),
    ]

    @Test("a broken stream ends with an error event and never looks finished", arguments: breaks)
    func brokenStream(_ example: Break) async throws {
        var plan = GatewayBench.Plan()
        plan.model = example.model
        plan.timeouts.betweenChunks = 80
        try await GatewayBench.run(plan) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true)))
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            connection.close()
            #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(text.contains("delta"))
            #expect(!text.contains("[DONE]") && !text.hasSuffix("0\r\n\r\n"))
            let data = try #require(text.components(afterLast: "data: "))
            let error = try JSONValue.parse(Array(data.utf8))["error"]
            let code = example.code == "provider_error" ? nil : example.code
            #expect(error?["code"]?.string == code && error?["message"]?.string?.isEmpty == false)
            let event = try await bench.event()
            #expect(event.ending == example.ending && event.errorCode == example.code)
            #expect(event.costState == .estimated && event.status == 200)
            #expect(event.usage.input > 0 && event.usage.output > 0)
        }
    }

    @Test("a target that cannot be reached gives way to the next")
    func fallback() async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            // Port 1 of this host: nobody listens there.
            let dead = fixture.addProvider(baseURL: "http://127.0.0.1:1/v1")
            fixture.content.routes = fixture.content.routes.map { route in
                RouteEntry(
                    id: route.id, tenant: route.tenant, name: route.name,
                    targets: [
                        TargetEntry(provider: dead, model: parts.model, upstreamModel: "stand-in"),
                        TargetEntry(
                            provider: parts.provider, model: parts.model, upstreamModel: "stand-in",
                            priority: 1),
                    ])
            }
        }
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 200 && answer.fields["x-eclusa-attempts"] == "2")
            #expect(answer.fields["x-eclusa-provider"] == "\(bench.parts.provider)")
            let event = try await bench.event()
            #expect(event.attempts == 2 && event.provider == bench.parts.provider)
        }
    }

    @Test("a provider nobody can reach, or may, is a 502", arguments: [false, true])
    func unreachable(_ isForbidden: Bool) async throws {
        var plan = GatewayBench.Plan()
        plan.upstreamAddress = "127.0.0.1:1"
        plan.isEgressOpen = !isForbidden
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 502)
            let code = isForbidden ? "upstream_forbidden" : "upstream_unreachable"
            #expect(answer.fields["x-eclusa-error-code"] == code)
            #expect(!answer.text.contains("127.0.0.1"))
        }
    }

    /// A provider that answers two requests of a connection at most, and closes it when the third comes.
    final class Impatient {
        /// By the client's port: objects come again at the same address.
        var served: [UInt16: Int] = [:]
        var server: HTTPServer?
    }

    @Test("a connection the provider closed at rest is replaced without the caller noticing")
    func staleConnection() async throws {
        try await GatewayBench.run { bench in
            let impatient = Impatient()
            let server = HTTPServer(loop: bench.loop) { exchange in
                let connection = exchange.connection.peer.port
                impatient.served[connection, default: 0] += 1
                if impatient.served[connection] == 3 { return exchange.connection.close() }
                _ = try? await exchange.readBody(limit: 1 << 20)
                try? await exchange.respond(
                    status: 200, fields: ["content-type": "application/json"],
                    text: #"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#)
            }
            impatient.server = server
            let any = try #require(SocketAddress("127.0.0.1:0"))
            let address = try server.listen(on: any)
            var plan = GatewayBench.Plan()
            plan.upstreamAddress = "\(address)"
            let inner = try await GatewayBench.nested(plan, in: bench)
            for call in 1...5 {
                let answer = try await inner.chat()
                #expect(answer.status == 200)
                #expect(answer.fields["x-eclusa-attempts"] == (call == 3 || call == 5 ? "2" : "1"))
            }
            await inner.end()
            await server.drain(withinNanoseconds: 1_000_000_000)
        }
    }

    @Test("a client that leaves while it waits takes its upstream call along")
    func leavesEarly() async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-hang"
        try await GatewayBench.run(plan) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body()))
            while bench.standIn.totals[.calls] == 0 { await bench.loop.yieldTurn() }
            connection.close()
            let event = try await bench.event()
            #expect(event.ending == .clientGone && event.status == 499)
            while bench.standIn.totals[.abandoned] == 0 { await bench.loop.yieldTurn() }
            #expect(bench.standIn.connectionCount == 0)
        }
    }

    @Test("a client that leaves in the middle of a stream is billed for what it saw")
    func leavesMidStream() async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-chunks-1000-gap-2ms"
        try await GatewayBench.run(plan) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true)))
            while connection.buffered.count < 3000 { _ = try await connection.fill() }
            connection.close()
            let event = try await bench.event()
            #expect(event.ending == .clientGone && event.costState == .estimated && event.isStream)
            #expect((3...900).contains(event.usage.output) && event.usage.input > 0)
            while bench.standIn.totals[.abandoned] == 0 { await bench.loop.yieldTurn() }
        }
    }

    @Test("a node that ends cuts its streams with an error event and settles them")
    func drainCutsStreams() async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-chunks-1000-gap-5ms"
        try await GatewayBench.run(plan) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true)))
            while connection.buffered.count < 2000 { _ = try await connection.fill() }
            bench.gateway.endCalls()
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            connection.close()
            #expect(text.contains("\"code\":\"draining\"") && !text.contains("[DONE]"))
            let event = try await bench.event()
            #expect(event.ending == .nodeKilled && event.costState == .estimated && event.usage.output > 0)
        }
    }

    @Test("a client that reads slowly gets all of a large stream, and is waited for")
    func slowReader() async throws {
        var plan = GatewayBench.Plan()
        plan.model = "stand-in-chunks-2000-bytes-30000000"
        try await GatewayBench.run(plan) { bench in
            let connection = try await bench.dial()
            try await connection.send(bench.rawRequest(GatewayBench.body(stream: true), version: "1.0"))
            _ = try await connection.fill()
            await bench.loop.sleep(nanoseconds: 100_000_000)
            // The kernel's buffers are full and the provider waits: it cannot have sent everything.
            #expect(bench.standIn.totals[.answered] == 0)
            var received = 0
            repeat {
                let spare = max(0, connection.buffered.count - 14)
                received += spare
                connection.consume(spare)
            } while try await connection.fill()
            #expect(received > 30_000_000)
            #expect(connection.buffered.suffix(14).elementsEqual("data: [DONE]\n\n".utf8))
            connection.close()
            let event = try await bench.event()
            #expect(Int(event.usage.output) == bench.standIn.totals[.completionTokens])
        }
    }

    @Test("an error that came under a good status is a bad gateway")
    func errorInside() async throws {
        try await GatewayBench.run { bench in
            let server = HTTPServer(loop: bench.loop) { exchange in
                _ = try? await exchange.readBody(limit: 1 << 20)
                try? await exchange.respond(
                    status: 200, fields: ["content-type": "application/json"],
                    text: #"{"error":{"message":"no credits","code":402}}"#)
            }
            let any = try #require(SocketAddress("127.0.0.1:0"))
            let address = try server.listen(on: any)
            var plan = GatewayBench.Plan()
            plan.upstreamAddress = "\(address)"
            let inner = try await GatewayBench.nested(plan, in: bench)
            let answer = try await inner.chat()
            let message = try answer.json["error"]?["message"]?.string
            #expect(answer.status == 502 && message == "no credits")
            await inner.end()
            await server.drain(withinNanoseconds: 1_000_000_000)
        }
    }
}

extension String {
    /// The line that follows the last occurrence.
    func components(afterLast marker: String) -> String? {
        guard let range = self.range(ofLast: marker) else { return nil }
        return String(self[range...].prefix { $0 != "\n" && $0 != "\r" })
    }

    private func range(ofLast marker: String) -> String.Index? {
        var found: String.Index?
        var start = startIndex
        while let range = self[start...].firstRange(of: marker) {
            found = range.upperBound
            start = range.upperBound
        }
        return found
    }
}
