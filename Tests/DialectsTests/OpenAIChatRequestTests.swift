import Dialects
import JSONText
import Testing

@Suite("OpenAI chat requests")
struct OpenAIChatRequestTests {
    struct Splice: Sendable, CustomTestStringConvertible {
        let input: String
        let output: String
        var testDescription: String { input }
    }

    static let plain = [
        Splice(
            input: #"{"model":"gpt","messages":[]}"#, output: #"{"model":"up\"stream","messages":[]}"#),
        Splice(
            input: #"{"messages":[{"model":"x"}],"model":"gpt"}"#,
            output: #"{"messages":[{"model":"x"}],"model":"up\"stream"}"#),
        Splice(
            input: "{ \"mod\\u0065l\" :\n \"g\\u0070t\" }", output: "{ \"mod\\u0065l\" :\n \"up\\\"stream\" }"
        ),
        Splice(
            input: #"{"model":"gpt","stream":false,"stream_options":{"include_usage":false}}"#,
            output: #"{"model":"up\"stream","stream":false,"stream_options":{"include_usage":false}}"#),
        Splice(input: #"{"model":"gpt","stream":null}"#, output: #"{"model":"up\"stream","stream":null}"#),
        Splice(
            input: #"  {"unknown":{"a":[1,2]},"model":"gpt","temperature":1e-3}  "#,
            output: #"  {"unknown":{"a":[1,2]},"model":"up\"stream","temperature":1e-3}  "#),
    ]

    @Test("a plain call keeps every byte but the model's", arguments: plain)
    func plainSplice(_ example: Splice) throws {
        try Self.withRequest(example.input) { request in
            #expect(!request.isStream)
            #expect(Self.spliced(request) == example.output)
        }
    }

    static let streams = [
        Splice(
            input: #"{"model":"gpt","stream":true}"#,
            output: #"{"stream_options":{"include_usage":true},"model":"up\"stream","stream":true}"#),
        Splice(
            input: #" {"stream":true,"model":"gpt","stream_options":null}"#,
            output: #" {"stream":true,"model":"up\"stream","stream_options":{"include_usage":true}}"#),
        Splice(
            input: #"{"stream":true,"stream_options":{},"model":"gpt"}"#,
            output: #"{"stream":true,"stream_options":{"include_usage":true},"model":"up\"stream"}"#),
        Splice(
            input: #"{"stream":true,"stream_options":{"other":0},"model":"gpt"}"#,
            output:
                #"{"stream":true,"stream_options":{"include_usage":true,"other":0},"model":"up\"stream"}"#
        ),
        Splice(
            input: #"{"stream":true,"stream_options":{"x":1,"include_usage":false},"model":"gpt"}"#,
            output: #"{"stream":true,"stream_options":{"x":1,"include_usage":true},"model":"up\"stream"}"#),
        Splice(
            input: #"{"stream":true,"model":"gpt","stream_options":{"include_usage" : null}}"#,
            output: #"{"stream":true,"model":"up\"stream","stream_options":{"include_usage" : true}}"#),
    ]

    @Test("a stream that does not ask for usage is made to", arguments: streams)
    func forcedUsage(_ example: Splice) throws {
        try Self.withRequest(example.input) { request in
            #expect(request.isStream)
            #expect(!request.asksForUsage)
            let output = Self.spliced(request)
            #expect(output == example.output)
            let value = try JSONValue.parse(Array(output.utf8))
            #expect(value["stream_options"]?["include_usage"] == true)
        }
    }

    @Test("a stream that asks for usage is left alone but for the model")
    func usageAsked() throws {
        let input = #"{"stream":true,"stream_options":{"include_usage":true},"model":"gpt"}"#
        try Self.withRequest(input) { request in
            #expect(request.asksForUsage)
            #expect(
                Self.spliced(request)
                    == #"{"stream":true,"stream_options":{"include_usage":true},"model":"up\"stream"}"#)
        }
    }

    @Test("every order of the members gives the same call", arguments: 0..<24)
    func everyOrder(_ permutation: Int) throws {
        var members = [
            #""model":"gpt""#, #""stream":true"#, #""messages":[{"role":"user","content":"hi"}]"#,
            #""stream_options":{"include_usage":false}"#,
        ]
        var ordered: [String] = []
        var rest = permutation
        for count in (1...4).reversed() { ordered.append(members.remove(at: rest % count)); rest /= count }
        try Self.withRequest("{" + ordered.joined(separator: ",") + "}") { request in
            #expect(request.isStream && !request.asksForUsage)
            #expect(request.promptBytes == 32)
            let value = try JSONValue.parse(Array(Self.spliced(request).utf8))
            #expect(value["model"] == "up\"stream")
            #expect(value["stream_options"]?["include_usage"] == true)
            #expect(value["messages"]?[0]?["content"] == "hi")
        }
    }

    @Test("an escaped model name is read by its text")
    func escapedModel() throws {
        try Self.withRequest(#"{"model":"gp\u0074-4\u00e9"}"#) { request in
            #expect(request.model.string == "gpt-4é")
        }
    }

    static let problems: [(String, String)] = [
        ("", "json"), ("[]", "json"), ("{", "json"), (#"{"model":"a"}x"#, "json"),
        (#"{"model":"a","model":"b"}"#, "json"), (#"{"model":"a","mod\u0065l":"b"}"#, "json"),
        (#"{"model":"a","x":1,"x":2}"#, "json"),
        (
            #"{"model":"a","stream":true,"stream_options":{"include_usage":true,"include_usage":false}}"#,
            "json"
        ),
        (#"{"model":"\ud800"}"#, "json"), ("{\"model\":\"\u{1}\"}", "json"),
        (#"{"messages":[]}"#, "missing"), (#"{"model":null}"#, "missing"), (#"{}"#, "missing"),
        (#"{"model":7}"#, "model"), (#"{"model":["a"]}"#, "model"),
        (#"{"model":"a","stream":"true"}"#, "stream"), (#"{"model":"a","stream":1}"#, "stream"),
        (#"{"model":"a","stream":true,"stream_options":[]}"#, "stream_options"),
        (
            #"{"model":"a","stream":true,"stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage"
        ),
    ]

    @Test("what cannot be served is refused with its reason", arguments: problems)
    func refused(_ input: String, _ reason: String) {
        let bytes = Array(input.utf8)
        bytes.withUnsafeBytes { bytes in
            do throws(OpenAIRequestProblem) {
                _ = try OpenAIChatRequest(parsing: bytes)
                Issue.record("accepted")
            } catch {
                switch error {
                case .notJSON: #expect(reason == "json")
                case .modelMissing: #expect(reason == "missing")
                case .wrongType(let name, _): #expect(reason == name.description)
                }
            }
        }
    }

    @Test("a hundred thousand open brackets are refused at once")
    func brackets() {
        let bytes = Array(#"{"model":"a","messages":"#.utf8) + [UInt8](repeating: 0x5B, count: 100_000)
        bytes.withUnsafeBytes { bytes in
            _ = #expect(throws: OpenAIRequestProblem.self) { try OpenAIChatRequest(parsing: bytes) }
        }
    }

    static func withRequest(_ text: String, _ body: (OpenAIChatRequest) throws -> Void) throws {
        let bytes = Array(text.utf8)
        try bytes.withUnsafeBytes { try body(OpenAIChatRequest(parsing: $0)) }
    }

    static func spliced(_ request: OpenAIChatRequest) -> String {
        let name = Array(#""up\"stream""#.utf8)
        return name.withUnsafeBytes { name in
            let body = request.spliced(model: name)
            var bytes: [UInt8] = []
            for index in 0..<body.count { bytes += body[index] }
            #expect(bytes.count == body.byteCount)
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
