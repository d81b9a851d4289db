import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import TestSupport
import Testing
import Transport

@testable import StandInProvider

@Suite("the stand-in over HTTP")
struct StandInTests {
    /// A stand-in on a free port and a client to it, on one loop.
    struct Bench {
        let standIn: StandIn
        let client: HTTPClient
        let address: String

        func post(_ body: String, key: String? = "sk-x") async throws(CallError) -> Response {
            var fields: HeaderFields = ["content-type": "application/json"]
            if let key { fields.append("authorization", "Bearer \(key)") }
            return try await client.request(
                .post, "http://\(address)/v1/chat/completions", fields: fields, body: Array(body.utf8),
                timeoutNanoseconds: 10_000_000_000)
        }

        func get(_ path: String) async throws(CallError) -> Response {
            try await client.request(.get, "http://\(address)\(path)")
        }
    }

    static func run<T: Sendable>(
        _ options: StandIn.Options = .init(), _ body: @escaping @Sendable (Bench) async throws -> T
    ) async throws -> T {
        try await withLoop { loop in
            let standIn = StandIn(loop: loop, options: options)
            let any = try #require(SocketAddress("127.0.0.1:0"))
            let address = try standIn.listen(on: any)
            let resolver = BlockingPool(threads: 1, queueLimit: 4, name: "resolver")
            let client = HTTPClient(
                loop: loop, dialer: Dialer(loop: loop, resolver: resolver, policy: .unrestricted))
            let result = try await body(Bench(standIn: standIn, client: client, address: "\(address)"))
            client.closeIdle()
            await standIn.drain(withinNanoseconds: 1_000_000_000)
            resolver.shutdown()
            return result
        }
    }

    static func chat(_ model: String, stream: Bool = false, usage: Bool = false) -> String {
        #"{"model":"\#(model)","messages":[{"role":"user","content":"hi"}],"stream":\#(stream)"#
            + (usage ? #","stream_options":{"include_usage":true}}"# : "}")
    }

    @Test("a plain answer is counted with the usage it reported")
    func plain() async throws {
        try await Self.run { bench in
            let answer = try await bench.post(Self.chat("stand-in-bytes-600"))
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "application/json")
            let usage = try JSONValue.parse(answer.body)["usage"]
            let totals = try JSONValue.parse(try await bench.get("/stand-in/totals").body)
            #expect(totals["calls"] == 1 && totals["answered"] == 1 && totals["streamed"] == 0)
            #expect(totals["prompt_tokens"] == usage?["prompt_tokens"])
            #expect(totals["completion_tokens"] == usage?["completion_tokens"])
        }
    }

    @Test("a stream ends with its terminator and is counted", arguments: [false, true])
    func stream(_ usage: Bool) async throws {
        try await Self.run { bench in
            let answer = try await bench.post(
                Self.chat("stand-in-chunks-5-gap-1ms", stream: true, usage: usage))
            #expect(answer.fields["content-type"] == "text/event-stream")
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(text.hasSuffix("data: [DONE]\n\n"))
            #expect(text.split(separator: "\n\n").count == 5 + 3 + (usage ? 1 : 0))
            #expect(bench.standIn.totals[.streamed] == 1 && bench.standIn.totals[.answered] == 1)
            #expect(bench.standIn.totals[.completionTokens] > 0)
        }
    }

    @Test("errors have their status, fields and words", arguments: [400, 401, 404, 422, 429, 500, 502, 503])
    func errors(_ status: Int) async throws {
        try await Self.run { bench in
            let answer = try await bench.post(Self.chat("stand-in-error-\(status)"))
            #expect(answer.status == status)
            #expect((answer.fields["retry-after"] != nil) == [429, 503].contains(status))
            if status == 502 {
                #expect(answer.fields["content-type"] == "text/html")
            } else {
                let message = try JSONValue.parse(answer.body)["error"]?["message"]?.string
                #expect(message?.isEmpty == false)
                #expect(message?.contains("sk-x") == (status == 401))
            }
            #expect(bench.standIn.totals[.errors] == 1 && bench.standIn.totals[.answered] == 0)
        }
    }

    @Test("a call needs a key, and the right one if one is set")
    func keys() async throws {
        try await Self.run(StandIn.Options(apiKey: "sk-right")) { bench in
            for (key, status) in [(nil, 401), ("sk-wrong", 401), ("sk-right", 200)] {
                let answer = try await bench.post(Self.chat("stand-in"), key: key)
                #expect(answer.status == status)
            }
        }
    }

    @Test("what is not understood is refused as OpenAI does")
    func refused() async throws {
        try await Self.run { bench in
            for (body, status) in [("{", 400), ("{}", 400), (Self.chat("gpt-4o"), 404)] {
                let answer = try await bench.post(body)
                #expect(answer.status == status)
            }
            for path in ["/v1/nothing", "/v1/models/gpt-4o"] {
                let answer = try await bench.get(path)
                #expect(answer.status == 404)
            }
            let url = "http://\(bench.address)/v1/chat/completions"
            let answer = try await bench.client.request(.put, url)
            #expect(answer.status == 404)
            #expect(bench.standIn.totals[.calls] == 0)
        }
    }

    @Test("models are listed")
    func models() async throws {
        try await Self.run { bench in
            let list = try JSONValue.parse(try await bench.get("/v1/models").body)
            let ids = list["data"]?.array?.compactMap { $0["id"]?.string } ?? []
            #expect(ids.contains("stand-in"))
            for id in ids { #expect(Behaviour(model: id) != nil) }
            let one = try JSONValue.parse(try await bench.get("/v1/models/stand-in-cut").body)
            #expect(one["id"] == "stand-in-cut")
        }
    }

    @Test(
        "broken answers are seen as broken",
        arguments: ["stand-in-cut", "stand-in-lying-length", "stand-in-reset"], [false, true])
    func broken(_ model: String, _ stream: Bool) async throws {
        // Streams have no length to lie about.
        if model == "stand-in-lying-length", stream { return }
        try await Self.run { bench in
            let expected = model == "stand-in-reset" ? CallError.endedBeforeAnswer(reused: false) : .cut
            do throws(CallError) {
                _ = try await bench.post(Self.chat(model, stream: stream))
                Issue.record("the answer looked whole")
            } catch { #expect(error == expected) }
            #expect(bench.standIn.totals[.broken] == 1 && bench.standIn.totals[.answered] == 0)
        }
    }

    @Test("odd content comes as asked")
    func odd() async throws {
        try await Self.run { bench in
            let malformed = try await bench.post(Self.chat("stand-in-malformed"))
            #expect(throws: JSONError.self) { try JSONValue.parse(malformed.body) }
            for (model, mark) in [
                ("stand-in-malformed", "oops"), ("stand-in-error-event", "\"error\""),
                ("stand-in-no-done", "finish_reason\":null"),
            ] {
                let answer = try await bench.post(Self.chat(model, stream: true))
                let text = String(decoding: answer.body, as: UTF8.self)
                #expect(text.contains(mark) && !text.contains("[DONE]"))
            }
            let untidy = try await bench.post(Self.chat("stand-in-untidy"))
            #expect(untidy.fields.contains("set-cookie") && untidy.fields.contains("x-internal"))
        }
    }

    @Test("a delay delays, and a client that does not wait is counted")
    func delay() async throws {
        try await Self.run { bench in
            let start = monotonicNanoseconds()
            let answer = try await bench.post(Self.chat("stand-in-delay-30ms"))
            #expect(answer.status == 200)
            #expect(monotonicNanoseconds() - start >= 30_000_000)
            await #expect(throws: CallError.self) {
                try await bench.client.request(
                    .post, "http://\(bench.address)/v1/chat/completions",
                    fields: ["authorization": "Bearer x"], body: Array(Self.chat("stand-in-hang").utf8),
                    timeoutNanoseconds: 50_000_000)
            }
            while bench.standIn.totals[.abandoned] == 0 { await bench.standIn.loop.yieldTurn() }
        }
    }
}
