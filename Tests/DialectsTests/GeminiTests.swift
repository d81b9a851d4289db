import Dialects
import Domain
import JSONText
import Testing

@Suite("Gemini's format")
struct GeminiTests {
    static let context = AnswerContext(id: "x1", model: "route", created: 1_700_000_000, wantsUsage: true)

    @Test("both spellings of members, URL-safe bytes, capital types and calls without ids are understood")
    func reading() throws {
        let call = try CanonicalCall(
            gemini: json(
                #"""
                {"system_instruction":{"parts":[{"text":"Be short."}]},
                 "contents":[{"role":"user","parts":[{"text":"look"},
                  {"inlineData":{"data":"-_8","mime_type":"image/png"}}]},
                 {"role":"model","parts":[{"text":"hm","thought":true},
                  {"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"sig"},
                  {"functionCall":{"name":"f","args":{"a":2}}}]},
                 {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"one"}}},
                  {"functionResponse":{"name":"f","response":{"b":2}}}]}],
                 "tools":[{"functionDeclarations":[{"name":"f","description":"d",
                  "parameters":{"type":"OBJECT","properties":{"a":{"type":"INTEGER"}}}}]}],
                 "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
                 "generationConfig":{"max_output_tokens":9,"topK":40,"stopSequences":["END"],
                  "thinkingConfig":{"include_thoughts":true,"thinking_level":"HIGH"}},
                 "safetySettings":[]}
                """#),
            model: "route", isStream: true)
        #expect(call.system == ["Be short."])
        #expect(
            call.messages[0].parts[1]
                == .image(CanonicalMedia(mediaType: "image/png", source: .base64("+/8="))))
        #expect(
            call.messages[1].parts == [
                .reasoning(text: "hm", signature: nil),
                .toolCall(
                    CanonicalToolCall(id: "call_1", name: "f", arguments: #"{"a":1}"#, signature: "sig")),
                .toolCall(CanonicalToolCall(id: "call_2", name: "f", arguments: #"{"a":2}"#)),
            ])
        #expect(
            call.messages[2].parts == [
                .toolResult(CanonicalToolResult(call: "call_1", name: "f", parts: [.text("one")])),
                .toolResult(CanonicalToolResult(call: "call_2", name: "f", parts: [.text(#"{"b":2}"#)])),
            ])
        #expect(call.tools[0].parameters == ["type": "object", "properties": ["a": ["type": "integer"]]])
        #expect(call.toolChoice == .named("f") && call.maximumOutput == 9 && call.sampling.topK == 40)
        #expect(call.reasoning == .effort(.high) && call.stop == ["END"] && call.isStream)
        #expect(call.untranslated == ["safetySettings"])
    }

    @Test("an OpenAI conversation with tools is written as Gemini wants it")
    func writing() throws {
        let call = try CanonicalCall(
            openAIChat: json(
                #"""
                {"model":"r","max_tokens":7,"temperature":0.5,"tool_choice":"none",
                 "tools":[{"type":"function","function":{"name":"f"}}],
                 "response_format":{"type":"json_object"},
                 "messages":[{"role":"system","content":"S"},{"role":"user","content":"q"},
                 {"role":"assistant","content":"","tool_calls":[
                  {"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},
                  {"id":"b","type":"function","function":{"name":"f","arguments":"not json"}}]},
                 {"role":"tool","tool_call_id":"a","content":"{\"x\":1}"},
                 {"role":"tool","tool_call_id":"b","content":"plain"}]}
                """#))
        let expected = try json(
            #"""
            {"systemInstruction":{"parts":[{"text":"S"}]},
             "contents":[{"role":"user","parts":[{"text":"q"}]},
             {"role":"model","parts":[
              {"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},
              {"functionCall":{"name":"f","args":{"input":"not json"}}}]},
             {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"x":1}}},
              {"functionResponse":{"name":"f","response":{"result":"plain"}}}]}],
             "tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":
              {"type":"object","properties":{}}}]}],
             "toolConfig":{"functionCallingConfig":{"mode":"NONE"}},
             "generationConfig":{"maxOutputTokens":7,"temperature":0.5,"responseMimeType":"application/json"}}
            """#)
        #expect(sorted(try call.gemini()) == sorted(expected))
    }

    @Test("a picture given by address is refused by name, since nobody may make the gateway fetch")
    func pictures() throws {
        let call = try CanonicalCall(
            openAIChat: json(
                #"""
                {"model":"r","messages":[{"role":"user","content":[
                 {"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}
                """#))
        let problem = #expect(throws: RequestProblem.self) { try call.gemini() }
        #expect(problem?.field == "messages.0.content")
    }

    static let events: [CanonicalEvent] = [
        .start(id: "x1"), .reasoning("hm"), .text("Hi"),
        .toolCall(0, id: "call_1", name: "f", signature: "s"), .toolArguments(0, #"{"a":1}"#),
        .finish(.toolCalls),
        .usage(ReportedUsage(usage: TokenUsage(input: 9, cachedInput: 2, output: 8, reasoning: 3))),
    ]

    @Test("a stream written from events reads back as the same events; its last part says why and how much")
    func stream() {
        var writer = GeminiEventWriter(Self.context, .events)
        var wire: [UInt8] = []
        for event in Self.events + [.end] { writer.write(event, to: &wire) }
        var reader = GeminiEventReader()
        let text = String(decoding: wire, as: UTF8.self).replacing("\r\n", with: "\n")
        let data = AnswerTranslationTests.data(Array(text.utf8))
        #expect(AnswerTranslationTests.read(data) { reader.read($0) } == Self.events)
        #expect(reader.ended() == .end)
        #expect(data.filter { $0.contains("finishReason") } == [data.last])
    }

    @Test("without server-sent events the stream is one JSON array, also when it fails")
    func array() throws {
        for ending in [CanonicalEvent.end, .failure(ProviderComplaint(message: "broken", status: 503))] {
            var writer = GeminiEventWriter(Self.context, .array)
            var wire: [UInt8] = []
            for event in [.text("a"), .text("b"), ending] as [CanonicalEvent] {
                writer.write(event, to: &wire)
            }
            #expect(try JSONValue.parse(wire).array?.count == 3)
        }
    }

    @Test("a stream that ends before its finish is a failure")
    func cut() {
        var reader = GeminiEventReader()
        let data = [#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#]
        _ = AnswerTranslationTests.read(data) { reader.read($0) }
        guard case .failure = reader.ended() else {
            Issue.record("a cut stream looked whole")
            return
        }
    }

    @Test(
        "answers without content, blocked prompts and errors are each what they are",
        arguments: [
            (#"{"candidates":[{"finishReason":"SAFETY"}]}"#, "contentFilter"),
            (#"{"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]}"#, "length"),
            (#"{"promptFeedback":{"blockReason":"OTHER"}}"#, "contentFilter"),
            (#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#, "stop"),
            (#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#, "complaint"),
            (#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}"#, "complaint"),
            (#"[{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]"#, "complaint"),
            (#"{}"#, "complaint"),
        ])
    func finishes(_ body: String, _ expected: String) throws {
        do throws(ProviderComplaint) {
            let answer = try CanonicalAnswer(gemini: try! json(body))
            #expect("\(answer.finish)" == expected)
        } catch { #expect(expected == "complaint") }
    }
}
