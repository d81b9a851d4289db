import Dialects
import Domain
import JSONText
import Testing

@Suite("Ollama's format")
struct OllamaTests {
    static let context = AnswerContext(id: "x1", model: "route", created: 1_700_000_000, wantsUsage: true)

    @Test("a chat streams unless told otherwise; options, pictures, tools and thinking are understood")
    func reading() throws {
        let call = try CanonicalCall(
            ollamaChat: json(
                #"""
                {"model":"r","messages":[{"role":"system","content":"S"},
                 {"role":"user","content":"look","images":["/9j/AAAA"]},
                 {"role":"assistant","content":"","thinking":"hm",
                  "tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},
                 {"role":"tool","tool_name":"f","content":"one"}],
                 "tools":[],"think":"low","keep_alive":"5m","format":{"type":"object"},
                 "options":{"num_predict":-1,"temperature":0.1,"stop":["END"],"num_ctx":4096}}
                """#))
        #expect(call.isStream && call.system == ["S"] && call.maximumOutput == nil && call.stop == ["END"])
        #expect(
            call.messages[0].parts[1]
                == .image(CanonicalMedia(mediaType: "image/jpeg", source: .base64("/9j/AAAA"))))
        #expect(
            call.messages[2].parts
                == [.toolResult(CanonicalToolResult(call: "call_1", name: "f", parts: [.text("one")]))])
        #expect(call.format == .schema(name: "answer", schema: ["type": "object"], isStrict: nil))
        #expect(call.reasoning == .effort(.low) && call.untranslated == ["options.num_ctx"])
        let one = try CanonicalCall(ollamaGenerate: json(#"{"model":"r","prompt":"p","stream":false}"#))
        #expect(one.messages == [CanonicalMessage(.user, [.text("p")])] && !one.isStream)
    }

    @Test("content is a text, arguments are an object, and streaming is always said")
    func writing() throws {
        let call = try CanonicalCall(
            openAIChat: json(
                #"""
                {"model":"r","max_tokens":7,"stop":"E","messages":[{"role":"user","content":[
                  {"type":"text","text":"a"},{"type":"text","text":"b"},
                  {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
                 {"role":"assistant","content":null,"tool_calls":[
                  {"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
                 {"role":"tool","tool_call_id":"i","content":"r"}]}
                """#))
        let expected = try json(
            #"""
            {"model":"m","stream":false,"options":{"num_predict":7,"stop":["E"]},
             "messages":[{"role":"user","content":"a\nb","images":["AAAA"]},
             {"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},
             {"role":"tool","tool_name":"f","content":"r"}]}
            """#)
        #expect(sorted(try call.ollamaChat(model: "m")) == sorted(expected))
    }

    @Test("a stream is one object a line without blank lines, and reads back as it was written")
    func stream() {
        let events: [CanonicalEvent] = [
            .start(id: ""), .reasoning("hm"), .text("a\u{2028}b"),
            .toolCall(0, id: "call_1", name: "f", signature: nil), .toolArguments(0, #"{"a":1}"#),
            .finish(.toolCalls), .usage(ReportedUsage(usage: TokenUsage(input: 3, output: 4))), .end,
        ]
        var writer = OllamaLineWriter(Self.context, .chat)
        var wire: [UInt8] = []
        for event in events { writer.write(event, to: &wire) }
        let text = String(decoding: wire, as: UTF8.self)
        #expect(text.hasSuffix("}\n") && !text.contains("\n\n") && !text.contains("\u{2028}"))
        var reader = OllamaLineReader()
        let lines = text.split(separator: "\n").map(String.init)
        #expect(AnswerTranslationTests.read(lines) { reader.read($0) } == events)
    }

    @Test("a failure is a line of its own and nothing follows it")
    func failure() {
        var writer = OllamaLineWriter(Self.context, .generate)
        var wire: [UInt8] = []
        for event in [.text("a"), .failure(ProviderComplaint(message: "broken")), .end] as [CanonicalEvent] {
            writer.write(event, to: &wire)
        }
        let lines = String(decoding: wire, as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2 && lines[1] == #"{"error":"broken"}"#)
    }

    @Test("whole answers of both forms carry text, finish and counts")
    func answers() throws {
        let body = try json(
            #"""
            {"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Hi",
             "thinking":"hm"},"done":true,"done_reason":"length","prompt_eval_count":5,"eval_count":6}
            """#)
        let answer = try CanonicalAnswer(ollamaChat: body)
        #expect(answer.text == "Hi" && answer.finish == .length)
        #expect(answer.usage?.usage == TokenUsage(input: 5, output: 6))
        let chat = answer.ollama(Self.context, .chat, nanoseconds: 7)
        #expect(chat["message"]?["content"] == "Hi" && chat["done_reason"] == "length")
        let generate = answer.ollama(Self.context, .generate, nanoseconds: 7)
        #expect(
            generate["response"] == "Hi" && generate["eval_count"] == 6 && generate["total_duration"] == 7)
        #expect(throws: ProviderComplaint.self) {
            try CanonicalAnswer(ollamaChat: ["error": "model not found"])
        }
    }
}
