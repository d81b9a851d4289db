import HTTPWire
import JSONText
import Testing

@testable import StandInProvider

@Suite("stand-in answers in OpenAI's format")
struct OpenAIScriptTests {
    static func call(_ body: String, _ use: (OpenAICall) throws -> Void) throws {
        let bytes = Array(body.utf8)
        try bytes.withUnsafeBytes { try use(OpenAICall.parse($0).get()) }
    }

    static func body(_ content: String, model: String = "stand-in", extra: String = "") -> String {
        #"{"model":"\#(model)","messages":[{"role":"system","content":"s"},"#
            + #"{"role":"user","content":\#(content)}]\#(extra)}"#
    }

    static func script(_ model: String) throws -> OpenAIScript {
        let behaviour = try #require(Behaviour(model: model))
        let name = Array(model.utf8)
        return name.withUnsafeBytes { OpenAIScript(behaviour: behaviour, model: $0) }
    }

    static func plain(_ model: String, _ content: String) throws -> (JSONValue, size: Int) {
        var size = 0
        var value = JSONValue.null
        try call(body(content, model: model)) { call in
            var output = GrowableBytes()
            let tokens = try script(model).writePlain(call, to: &output)
            size = output.count
            value = try JSONValue.parse(output.view)
            if let reported = value["usage"]?["completion_tokens"]?.exactInt64 { #expect(reported == tokens) }
        }
        return (value, size)
    }

    @Test("the same prompt gives the same answer, another one another")
    func deterministic() throws {
        let first = try Self.plain("stand-in", #""hello""#).0
        #expect(try Self.plain("stand-in", #""hello""#).0 == first)
        #expect(try Self.plain("stand-in", #""hullo""#).0["id"] != first["id"])
        let text = try #require(first["choices"]?[0]?["message"]?["content"]?.string)
        #expect(text.hasPrefix("You said: hello."))
        #expect(first["model"] == "stand-in")
        #expect(first["choices"]?[0]?["finish_reason"] == "stop")
    }

    @Test("usage is four bytes a token, rounded up")
    func usage() throws {
        let value = try Self.plain("stand-in", #""hello""#).0
        let content = try #require(value["choices"]?[0]?["message"]?["content"]?.string)
        #expect(value["usage"]?["completion_tokens"]?.exactInt64 == Int64((content.utf8.count + 3) / 4))
        // [{"role":"system","content":"s"},{"role":"user","content":"hello"}]
        #expect(value["usage"]?["prompt_tokens"]?.exactInt64 == 17)
        #expect(try Self.plain("stand-in-usage-null", #""x""#).0["usage"] == .null)
        #expect(try Self.plain("stand-in-usage-none", #""x""#).0["usage"] == nil)
    }

    @Test("an answer has the size its model asks for", arguments: [600, 5000, 100_000])
    func size(_ bytes: Int) throws {
        let size = try Self.plain("stand-in-bytes-\(bytes)", #""hello""#).size
        #expect(abs(size - bytes) <= 8)
    }

    @Test(
        "a stream says what the plain answer says",
        arguments: ["stand-in", "stand-in-chunks-50", "stand-in-chunks-1"])
    func stream(_ model: String) throws {
        let plain = try Self.plain(model, #""a \"quoted\" 🐎 word""#).0
        let script = try Self.script(model)
        let text = Self.body(
            #""a \"quoted\" 🐎 word""#, model: model,
            extra: #","stream":true,"stream_options":{"include_usage":true}"#)
        try Self.call(text) { call in
            #expect(call.isStream && call.includesUsage)
            var output = GrowableBytes()
            script.writeRoleEvent(call, to: &output)
            for index in 0..<script.contentChunks { script.writeContentEvent(index, call, to: &output) }
            script.writeFinishEvent(call, to: &output)
            #expect(script.writeUsageEvent(call, to: &output))
            let events = String(decoding: output.view, as: UTF8.self).split(separator: "\n\n").map {
                String($0.dropFirst("data: ".count))
            }
            let values = try events.map { try JSONValue.parse(Array($0.utf8)) }
            #expect(values.count == script.contentChunks + 3)
            let pieces = values.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }
            #expect(pieces.joined() == plain["choices"]?[0]?["message"]?["content"]?.string)
            #expect(values.last?["usage"] == plain["usage"])
            #expect(values.last?["choices"] == [])
            #expect(values.dropLast().allSatisfy { $0["usage"] == .null })
            #expect(values[values.count - 2]["choices"]?[0]?["finish_reason"] == "stop")
            #expect(Int64(script.streamTokens(call)) == plain["usage"]?["completion_tokens"]?.exactInt64)
        }
    }

    @Test("without the option there is no usage in a stream")
    func withoutUsage() throws {
        try Self.call(Self.body(#""x""#, extra: #","stream":true"#)) { call in
            var output = GrowableBytes()
            let hasUsage = try Self.script("stand-in").writeUsageEvent(call, to: &output)
            let count = output.count
            #expect(!hasUsage && count == 0)
        }
    }

    static let echoes: [(String, String)] = [
        (#""short""#, "short"), (#""""#, ""), ("null", ""), ("[]", ""),
        (#"[{"type":"image_url"},{"type":"text","text":"part"}]"#, "part"),
        ("\"\(String(repeating: "x", count: 100))\"", String(repeating: "x", count: 80)),
        ("\"\(String(repeating: "x", count: 79))é\"", String(repeating: "x", count: 79)),
        ("\"\(String(repeating: "x", count: 76))\\ud83d\\ude00\"", String(repeating: "x", count: 76)),
        ("\"\(String(repeating: "x", count: 78))\\u00e9\"", String(repeating: "x", count: 78)),
        ("\"\(String(repeating: "x", count: 78))\\n\"", String(repeating: "x", count: 78) + "\\n"),
    ]

    @Test("the echo is cut between characters", arguments: echoes)
    func echo(_ content: String, _ expected: String) throws {
        try Self.call(Self.body(content)) { call in
            #expect(String(decoding: call.echo, as: UTF8.self) == expected)
        }
    }

    @Test("calls that are none are refused")
    func refused() {
        for text in ["", "{}", #"{"model":"x"}"#, #"{"messages":[]}"#, #"{"model":7,"messages":[]}"#] {
            let bytes = Array(text.utf8)
            #expect(throws: OpenAICallProblem.self) {
                try bytes.withUnsafeBytes { _ = try OpenAICall.parse($0).get() }
            }
        }
    }
}
