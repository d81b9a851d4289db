import Dialects
import JSONText
import Testing

@Suite("what a call reads beyond its bytes")
struct InputReferenceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let form: CallForm
        let body: String
        let tokens: Int64
    }

    private static func chat(_ content: String) -> String {
        #"{"model":"r","messages":[{"role":"user","content":\#(content)}]}"#
    }

    static let cases = [
        Case(
            testDescription: "text alone", form: .openAIChat, body: chat(#""an image of a file""#),
            tokens: 0),
        Case(
            testDescription: "a picture by address", form: .openAIChat,
            body: chat(#"[{"type":"image_url","image_url":{"url":"https://a.example/x.png"}}]"#),
            tokens: 50_000),
        Case(
            testDescription: "two small pictures, which may be large when unpacked", form: .openAIChat,
            body: chat(
                #"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},"#
                    + #"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#),
            tokens: 100_000
        ),
        Case(
            testDescription: "a file by ID", form: .openAIChat,
            body: chat(#"[{"type":"file","file":{"file_id":"file-1"}}]"#), tokens: 500_000),
        Case(
            testDescription: "an earlier answer", form: .openAIResponses,
            body: #"{"model":"r","input":"hi","previous_response_id":"resp_1"}"#, tokens: 2_000_000),
        Case(
            testDescription: "a stored prompt and an item", form: .openAIResponses,
            body: #"{"model":"r","prompt":{"id":"p"},"input":[{"type":"item_reference","id":"i"}]}"#,
            tokens: 4_000_000),
        Case(
            testDescription: "Anthropic's picture and document", form: .anthropic,
            body: #"{"model":"r","max_tokens":1,"messages":[{"role":"user","content":["#
                + #"{"type":"image","source":{"type":"url","url":"https://a.example"}},"#
                + #"{"type":"document","source":{"type":"file","file_id":"f"}}]}]}"#, tokens: 550_000),
        Case(
            testDescription: "Gemini's picture, sound, film and cache", form: .gemini(.events),
            body: #"{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"AA"}},"#
                + #"{"inline_data":{"mime_type":"audio/wav","data":"AA"}},"#
                + #"{"fileData":{"fileUri":"https://a.example/film"}}]}],"cachedContent":"c"}"#,
            tokens: 4_050_000),
        Case(
            testDescription: "Ollama's pictures", form: .ollama(.chat),
            body: #"{"model":"r","messages":[{"role":"user","content":"x","images":["AA","BB"]}]}"#,
            tokens: 100_000),
    ]

    @Test("pictures, files and what a provider keeps are held at their most", arguments: cases)
    func tokens(_ example: Case) throws {
        let bytes = Array(example.body.utf8)
        try bytes.withUnsafeBytes { body in
            let isGemini = example.form == .gemini(.events)
            let call = try ClientCall(
                parsing: body, for: .generation(example.form), model: isGemini ? "r" : nil)
            #expect(call.inputBeyondBytes == example.tokens)
        }
    }
}
