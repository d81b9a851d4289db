import Dialects
import Domain
import JSONText
import Testing

@Suite("Bedrock's Converse")
struct BedrockTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var model = "meta.llama3"
        let openAI: String
        let bedrock: String
        var testDescription: String { name }
    }

    static let requests = [
        Case(
            name: "a plain question, with nothing it did not ask for",
            openAI: #"{"model":"r","messages":[{"role":"user","content":"Hi"}]}"#,
            bedrock: #"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#),
        Case(
            name: "turns alternate and the user's is first; blank texts go",
            openAI: #"""
                {"model":"r","max_tokens":5,"temperature":1.7,"top_p":0.5,"stop":["a"," "],"messages":[
                 {"role":"system","content":"A"},{"role":"assistant","content":"hello"},
                 {"role":"user","content":"x"},{"role":"assistant","content":" "},
                 {"role":"user","content":"y"}]}
                """#,
            bedrock: #"""
                {"system":[{"text":"A"}],
                 "inferenceConfig":{"maxTokens":5,"temperature":1.0,"topP":0.5,"stopSequences":["a"]},
                 "messages":[{"role":"user","content":[{"text":"."}]},
                 {"role":"assistant","content":[{"text":"hello"}]},
                 {"role":"user","content":[{"text":"x"},{"text":"y"}]}]}
                """#),
        Case(
            name: "tools, their calls and results",
            openAI: #"""
                {"model":"r","tool_choice":"required","tools":[{"type":"function","function":{"name":"f",
                 "description":"","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}],
                 "messages":[{"role":"user","content":"q"},
                 {"role":"assistant","content":null,"tool_calls":[
                  {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
                 {"role":"tool","tool_call_id":"c1","content":"one"}]}
                """#,
            bedrock: #"""
                {"toolConfig":{"toolChoice":{"any":{}},"tools":[{"toolSpec":{"name":"f","inputSchema":
                 {"json":{"type":"object","properties":{"a":{"type":"integer"}}}}}}]},
                 "messages":[{"role":"user","content":[{"text":"q"}]},
                 {"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"f","input":{"a":1}}}]},
                 {"role":"user","content":[{"toolResult":{"toolUseId":"c1","status":"success",
                  "content":[{"text":"one"}]}}]}]}
                """#),
        Case(
            name: "a tool that was used is declared, also when none may be called any more",
            openAI: #"""
                {"model":"r","messages":[{"role":"user","content":"q"},
                 {"role":"assistant","content":null,"tool_calls":[
                  {"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]},
                 {"role":"tool","tool_call_id":"c1","content":""}]}
                """#,
            bedrock: #"""
                {"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":
                 {"json":{"type":"object","properties":{}}}}}]},
                 "messages":[{"role":"user","content":[{"text":"q"}]},
                 {"role":"assistant","content":[{"toolUse":{"toolUseId":"c1","name":"f","input":{}}}]},
                 {"role":"user","content":[{"toolResult":{"toolUseId":"c1","status":"success",
                  "content":[{"json":{"result":""}}]}}]}]}
                """#),
        Case(
            name: "pictures and files",
            openAI: #"""
                {"model":"r","messages":[{"role":"user","content":[
                 {"type":"image_url","image_url":{"url":"data:image/jpg;base64,AAAA"}},
                 {"type":"file","file":{"filename":"a b_c.pdf",
                  "file_data":"data:application/pdf;base64,BBBB"}}]}]}
                """#,
            bedrock: #"""
                {"messages":[{"role":"user","content":[
                 {"image":{"format":"jpeg","source":{"bytes":"AAAA"}}},
                 {"document":{"format":"pdf","name":"a b c pdf 1","source":{"bytes":"BBBB"}}}]}]}
                """#),
        Case(
            name: "Claude thinks within its limit, and then without sampling",
            model: "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            openAI: #"""
                {"model":"r","max_completion_tokens":9000,"reasoning_effort":"low","temperature":0.5,
                 "messages":[{"role":"user","content":"Hi"}]}
                """#,
            bedrock: #"""
                {"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":9000},
                 "additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2048}}}
                """#),
        Case(
            name: "a schema is a text",
            openAI: #"""
                {"model":"r","messages":[{"role":"user","content":"Hi"}],
                 "response_format":{"type":"json_schema",
                 "json_schema":{"name":"n","schema":{"type":"object"}}}}
                """#,
            bedrock: #"""
                {"messages":[{"role":"user","content":[{"text":"Hi"}]}],"outputConfig":{"textFormat":
                 {"type":"json_schema","structure":
                  {"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"n"}}}}}
                """#),
    ]

    @Test("a request says the same in Converse's words", arguments: requests)
    func request(_ example: Case) throws {
        let call = try CanonicalCall(openAIChat: json(example.openAI))
        #expect(try sorted(call.bedrock(model: example.model)) == sorted(json(example.bedrock)))
    }

    @Test(
        "what it has no words for is refused by name",
        arguments: [
            #"{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}"#,
            #"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#,
        ])
    func refused(_ part: String) throws {
        let body = #"{"model":"r","messages":[{"role":"user","content":[\#(part)]}]}"#
        let call = try CanonicalCall(openAIChat: json(body))
        #expect {
            _ = try call.bedrock(model: "m")
        } throws: { error in
            (error as? RequestProblem)?.field == "messages.0.content"
        }
    }

    @Test("an answer with thoughts, text and a call is read; usage holds what was cached")
    func answer() throws {
        let answer = try CanonicalAnswer(
            bedrock: json(
                #"""
                {"output":{"message":{"role":"assistant","content":[
                  {"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},{"text":"hi"},
                  {"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}}]}},"stopReason":"tool_use",
                 "usage":{"inputTokens":1,"cacheReadInputTokens":2,"cacheWriteInputTokens":4,
                  "outputTokens":8}}
                """#))
        #expect(answer.reasoningText == "hm" && answer.text == "hi" && answer.finish == .toolCalls)
        #expect(answer.toolCalls == [CanonicalToolCall(id: "t", name: "f", arguments: #"{"a":1}"#)])
        let usage = try #require(answer.usage?.usage)
        #expect(usage.input == 7 && usage.cachedInput == 2 && usage.cacheWrite == 4 && usage.output == 8)
        for text in [
            #"{"message":"no"}"#, #"{"output":{"message":{"content":[]}},"stopReason":"malformed_tool_use"}"#,
        ] {
            #expect(throws: ProviderComplaint.self) { _ = try CanonicalAnswer(bedrock: json(text)) }
        }
    }

    @Test("embeddings at Google Cloud are predictions")
    func predictions() throws {
        let wish = try EmbeddingForm.openAI.read(json(#"{"model":"r","input":["a","b"],"dimensions":3}"#))
        let request = try ProviderFormat.vertexPredictions.request(wish, model: "m", path: "p")
        let wanted =
            #"{"instances":[{"content":"a"},{"content":"b"}],"parameters":{"outputDimensionality":3}}"#
        #expect(try request == json(wanted))
        let answer = try ProviderFormat.vertexPredictions.embeddings(
            json(
                #"""
                {"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":2}}},
                 {"embeddings":{"values":[2],"statistics":{"token_count":3}}}]}
                """#))
        #expect(answer.vectors == [[1], [2]] && answer.usage?.usage.input == 5)
    }
}
