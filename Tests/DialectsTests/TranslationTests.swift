import Dialects
import Domain
import JSONText
import Testing

/// A JSON text as a value.
func json(_ text: String) throws -> JSONValue { try JSONValue.parse(Array(text.utf8)) }

/// The same value whatever the order of its members, for comparing.
func sorted(_ value: JSONValue) -> JSONValue {
    switch value {
    case .array(let elements): return .array(elements.map(sorted))
    case .object(let object):
        var result = JSONObject()
        for member in object.members.sorted(by: { $0.name < $1.name }) {
            result[member.name] = sorted(member.value)
        }
        return .object(result)
    default: return value
    }
}

@Suite("requests translated from one dialect to another")
struct RequestTranslationTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let openAI: String
        let anthropic: String
        var testDescription: String { name }
    }

    static let toAnthropic = [
        Case(
            name: "a plain question gets the limit the format requires",
            openAI: #"{"model":"r","messages":[{"role":"user","content":"Hi"}]}"#,
            anthropic: #"""
                {"model":"m","max_tokens":8192,
                 "messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}
                """#),
        Case(
            name: "system texts from anywhere are joined, blank texts go, neighbours become one turn",
            openAI: #"""
                {"model":"r","max_tokens":5,"messages":[{"role":"system","content":"A"},{"role":"user","content":"x"},
                 {"role":"developer","content":[{"type":"text","text":"B"}]},{"role":"user","content":"y"},
                 {"role":"assistant","content":"  "},{"role":"user","content":[{"type":"text","text":"z"}]}]}
                """#,
            anthropic: #"""
                {"model":"m","max_tokens":5,"system":"A\n\nB","messages":[
                 {"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},
                 {"role":"user","content":[{"type":"text","text":"z"}]}]}
                """#),
        Case(
            name: "tools, their calls and results, in the order of the conversation",
            openAI: #"""
                {"model":"r","max_completion_tokens":9,"parallel_tool_calls":false,"tool_choice":"required",
                 "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":
                 {"type":"object","properties":{"a":{"type":"integer"}}}}}],
                 "messages":[{"role":"user","content":"q"},
                 {"role":"assistant","content":null,"tool_calls":[
                  {"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
                  {"id":"c2","type":"function","function":{"name":"f","arguments":""}}]},
                 {"role":"tool","tool_call_id":"c2","content":"two"},
                 {"role":"tool","tool_call_id":"functions.f:0","content":[{"type":"text","text":"one"}]},
                 {"role":"user","content":"and?"}]}
                """#,
            anthropic: #"""
                {"model":"m","max_tokens":9,"tool_choice":{"type":"any","disable_parallel_tool_use":true},
                 "tools":[{"name":"f","description":"d","input_schema":
                 {"type":"object","properties":{"a":{"type":"integer"}}}}],
                 "messages":[{"role":"user","content":[{"type":"text","text":"q"}]},
                 {"role":"assistant","content":[
                  {"type":"tool_use","id":"FOLDED","name":"f","input":{"a":1}},
                  {"type":"tool_use","id":"c2","name":"f","input":{}}]},
                 {"role":"user","content":[
                  {"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"two"}]},
                  {"type":"tool_result","tool_use_id":"FOLDED","content":[{"type":"text","text":"one"}]},
                  {"type":"text","text":"and?"}]}]}
                """#),
        Case(
            name: "pictures by value and by address, sampling in range, stops, user",
            openAI: #"""
                {"model":"r","max_tokens":5,"temperature":1.7,"stop":"END","user":"u1","seed":7,"messages":[
                 {"role":"user","content":[{"type":"text","text":"look"},
                 {"type":"image_url","image_url":{"url":"data:image/jpeg;base64,AAAA"}},
                 {"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"low"}}]}]}
                """#,
            anthropic: #"""
                {"model":"m","max_tokens":5,"temperature":1.0,"stop_sequences":["END"],"metadata":{"user_id":"u1"},
                 "messages":[{"role":"user","content":[{"type":"text","text":"look"},
                 {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}},
                 {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}]}]}
                """#),
        Case(
            name:
                "a schema is closed, effort becomes a budget below the limit, and sampling rests while it thinks",
            openAI: #"""
                {"model":"r","max_tokens":5000,"temperature":0.2,"reasoning_effort":"medium","stream":true,
                 "response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":
                 {"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}},
                 "messages":[{"role":"user","content":"q"}]}
                """#,
            anthropic: #"""
                {"model":"m","max_tokens":5000,"stream":true,"thinking":{"type":"enabled","budget_tokens":4999},
                 "output_config":{"format":{"type":"json_schema","schema":{"type":"object",
                 "properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}},
                 "messages":[{"role":"user","content":[{"type":"text","text":"q"}]}]}
                """#),
    ]

    @Test("OpenAI to Anthropic", arguments: toAnthropic)
    func openAIToAnthropic(_ example: Case) throws {
        let call = try CanonicalCall(openAIChat: json(example.openAI))
        let written = call.anthropic(model: "m").text
        // An id outside the narrower alphabet becomes the same other id wherever it stands.
        let folded = written.firstRange(of: "call_").map { start in
            String(written[start.lowerBound...].prefix { $0 != "\"" })
        }
        let comparable = written.split(separator: folded ?? "\u{0}", omittingEmptySubsequences: false)
            .joined(separator: "FOLDED")
        #expect(sorted(try json(comparable)) == sorted(try json(example.anthropic)))
    }

    @Test("an Anthropic conversation reads the same as its OpenAI twin")
    func twins() throws {
        let anthropic = try CanonicalCall(
            anthropic: json(
                #"""
                {"model":"r","max_tokens":64,"system":[{"type":"text","text":"Be short."}],"stream":true,
                 "tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{}}}],
                 "tool_choice":{"type":"tool","name":"f"},
                 "messages":[{"role":"user","content":"q"},{"role":"assistant","content":[
                 {"type":"text","text":"hm"},{"type":"tool_use","id":"c1","name":"f","input":{"a":1}}]},
                 {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"r"}]}]}
                """#))
        let openAI = try CanonicalCall(
            openAIChat: json(
                #"""
                {"model":"r","max_tokens":64,"stream":true,"stream_options":{"include_usage":true},
                 "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":
                 {"type":"object","properties":{}}}}],"tool_choice":{"type":"function","function":{"name":"f"}},
                 "messages":[{"role":"system","content":"Be short."},{"role":"user","content":"q"},
                 {"role":"assistant","content":"hm","tool_calls":[{"id":"c1","type":"function","function":
                 {"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":"r"}]}
                """#))
        #expect(anthropic == openAI)
        // And it comes back out of either side as it went in.
        #expect(try CanonicalCall(openAIChat: anthropic.openAIChat(model: "r")) == openAI)
        #expect(try CanonicalCall(anthropic: openAI.anthropic(model: "r")) == anthropic)
    }

    @Test(
        "bad requests name the member at fault",
        arguments: [
            (#"[]"#, "body"), (#"{}"#, "model"), (#"{"model":"r"}"#, "messages"),
            (#"{"model":"r","messages":[{"role":"bot","content":"x"}]}"#, "messages.0.role"),
            (
                #"{"model":"r","messages":[{"role":"user","content":[{"type":"video"}]}]}"#,
                "messages.0.content.0.type"
            ),
            (#"{"model":"r","messages":[],"temperature":"hot"}"#, "temperature"),
            (#"{"model":"r","messages":[],"max_tokens":0}"#, "max_tokens"),
            (#"{"model":"r","messages":[],"n":2}"#, "n"),
            (#"{"model":"r","messages":[],"tools":[{"type":"web_search"}]}"#, "tools.0.type"),
            (
                #"{"model":"r","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}]}"#,
                "messages.0.content.0.image_url.url"
            ),
        ])
    func problems(_ body: String, _ field: String) throws {
        let value = try json(body)
        let problem = #expect(throws: RequestProblem.self) { try CanonicalCall(openAIChat: value) }
        #expect(problem?.field == field)
    }

    @Test("members that mean nothing elsewhere are listed, not lost in silence")
    func untranslated() throws {
        let call = try CanonicalCall(
            openAIChat: json(
                #"{"model":"r","messages":[],"logit_bias":{"1":2},"store":true,"metadata":null}"#))
        #expect(call.untranslated == ["logit_bias", "store"])
    }
}

@Suite("answers and streams translated from one dialect to another")
struct AnswerTranslationTests {
    static let context = AnswerContext(id: "x1", model: "route", created: 1_700_000_000, wantsUsage: true)

    static let anthropicStream = [
        #"{"type":"message_start","message":{"id":"msg_p","usage":{"input_tokens":10,"cache_read_input_tokens":5,"output_tokens":1}}}"#,
        #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        #"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}"#,
        #"{"type":"content_block_stop","index":0}"#, #"{"type":"ping"}"#,
        #"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Olá "}}"#,
        #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"mundo"}}"#,
        #"{"type":"content_block_stop","index":1}"#,
        #"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
        #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        #"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        #"{"type":"content_block_stop","index":2}"#,
        #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":20}}"#,
        #"{"type":"message_stop"}"#,
    ]

    static let events: [CanonicalEvent] = [
        .start(id: "msg_p"), .reasoning("hm"), .reasoningSignature("c2ln"), .text("Olá "), .text("mundo"),
        .toolCall(0, id: "toolu_1", name: "f", signature: nil), .toolArguments(0, #"{"a":"#),
        .toolArguments(0, "1}"), .finish(.toolCalls),
        .usage(ReportedUsage(usage: TokenUsage(input: 15, cachedInput: 5, output: 20))), .end,
    ]

    /// The data of every event on the wire.
    static func data(_ wire: [UInt8]) -> [String] {
        String(decoding: wire, as: UTF8.self).split(separator: "\n")
            .filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
    }

    static func read(
        _ data: [String], by read: (UnsafeRawBufferPointer) -> [CanonicalEvent]
    ) -> [CanonicalEvent] {
        data.flatMap { text in Array(text.utf8).withUnsafeBytes { read($0) } }
    }

    @Test("an Anthropic stream is read event by event, usage with all that was read")
    func readsAnthropic() {
        var reader = AnthropicEventReader()
        #expect(Self.read(Self.anthropicStream) { reader.read($0) } == Self.events)
    }

    @Test("an OpenAI stream that was written from events reads back as the same events")
    func openAIRoundTrip() {
        var writer = OpenAIChatEventWriter(Self.context)
        var wire: [UInt8] = []
        for event in Self.events { writer.write(event, to: &wire) }
        var reader = OpenAIChatEventReader()
        let back = Self.read(Self.data(wire)) { reader.read($0) }
        // What the format has no place for is gone, and nothing else is.
        let expected = Self.events.map { $0 == .start(id: "msg_p") ? .start(id: "chatcmpl-x1") : $0 }
            .filter { $0 != .reasoningSignature("c2ln") }
        #expect(back == expected)
        #expect(Self.data(wire).last == "[DONE]")
    }

    @Test("an Anthropic stream that was written from events reads back as the same events, block by block")
    func anthropicRoundTrip() throws {
        var writer = AnthropicEventWriter(Self.context)
        var wire: [UInt8] = []
        for event in Self.events { writer.write(event, to: &wire) }
        var reader = AnthropicEventReader()
        let back = Self.read(Self.data(wire)) { reader.read($0) }
        #expect(back == Self.events.map { $0 == .start(id: "msg_p") ? .start(id: "msg_x1") : $0 })
        var opened = 0
        var depth = 0
        for text in Self.data(wire) {
            let event = try json(text)
            if event["type"]?.string == "content_block_start" {
                #expect(event["index"]?.exactInt64 == Int64(opened))
                opened += 1
                depth += 1
            }
            if event["type"]?.string == "content_block_stop" { depth -= 1 }
            #expect((0...1).contains(depth))
        }
        #expect(opened == 3 && depth == 0)
    }

    @Test("a call without arguments streams as an empty object to OpenAI's clients")
    func emptyArguments() {
        var writer = OpenAIChatEventWriter(Self.context)
        var wire: [UInt8] = []
        for event in [
            .start(id: ""), .toolCall(0, id: "c", name: "f", signature: nil), .finish(.toolCalls), .end,
        ]
            as [CanonicalEvent]
        {
            writer.write(event, to: &wire)
        }
        #expect(Self.data(wire).contains { $0.contains(#""arguments":"{}""#) })
    }

    @Test("a failure inside a stream is an error event and nothing after it looks like an end")
    func failures() {
        let complaint = ProviderComplaint(message: "overloaded", kind: "overloaded_error", status: 529)
        var wire: [UInt8] = []
        var writer = AnthropicEventWriter(Self.context)
        for event in [.text("a"), .failure(complaint), .end] as [CanonicalEvent] {
            writer.write(event, to: &wire)
        }
        let text = String(decoding: wire, as: UTF8.self)
        #expect(text.contains("event: error") && !text.contains("message_stop"))
    }

    @Test("arguments of two calls mixed up are an error to a format that cannot say so, never a loss")
    func mixedArguments() {
        var wire: [UInt8] = []
        var writer = AnthropicEventWriter(Self.context)
        for event in [
            .toolCall(0, id: "a", name: "f", signature: nil),
            .toolCall(1, id: "b", name: "g", signature: nil),
            .toolArguments(0, "{}"), .end,
        ] as [CanonicalEvent] { writer.write(event, to: &wire) }
        #expect(String(decoding: wire, as: UTF8.self).contains("event: error"))
    }

    @Test("whole answers keep texts, calls, thoughts, finish and usage across dialects")
    func answers() throws {
        let anthropic = try json(
            #"""
            {"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
             {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hello"},
             {"type":"tool_use","id":"t1","name":"f","input":{"a":[1,2]}}],"stop_reason":"tool_use",
             "stop_sequence":null,"usage":{"input_tokens":7,"cache_creation_input_tokens":2,
             "cache_read_input_tokens":3,"output_tokens":11}}
            """#)
        let answer = try CanonicalAnswer(anthropic: anthropic)
        #expect(answer.usage?.usage == TokenUsage(input: 12, cachedInput: 3, cacheWrite: 2, output: 11))
        let openAI = answer.openAIChat(Self.context)
        let message = openAI["choices"]?[0]?["message"]
        #expect(message?["content"] == "Hello")
        #expect(message?["reasoning_content"] == "hm")
        #expect(message?["tool_calls"]?[0]?["function"]?["arguments"] == #"{"a":[1,2]}"#)
        #expect(openAI["choices"]?[0]?["finish_reason"] == "tool_calls")
        #expect(openAI["usage"]?["prompt_tokens"] == 12)
        let back = try CanonicalAnswer(openAIChat: openAI)
        #expect(back.toolCalls == answer.toolCalls && back.text == answer.text)
        #expect(back.finish == .toolCalls && back.usage == answer.usage)
        #expect(try CanonicalAnswer(anthropic: answer.anthropic(Self.context)).parts == answer.parts)
    }

    @Test("a body that holds an error under a status of success is a complaint, not an answer")
    func errorsInside() throws {
        for body in [#"{"error":{"message":"no","code":402}}"#, #"{"choices":[]}"#, #"{"choices":null}"#] {
            let value = try json(body)
            #expect(throws: ProviderComplaint.self) { try CanonicalAnswer(openAIChat: value) }
        }
    }

    @Test("line separators of Unicode never stand bare in an event")
    func separators() {
        var wire: [UInt8] = []
        var writer = OpenAIChatEventWriter(Self.context)
        writer.write(.text("a\u{2028}b\u{2029}c\u{85}dé€"), to: &wire)
        let text = String(decoding: wire, as: UTF8.self)
        #expect(text.contains(#"a\u2028b\u2029c\u0085dé€"#))
    }
}
