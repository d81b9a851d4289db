import Dialects
import Domain
import JSONText
import Testing

@Suite("OpenAI answers, errors and model lists")
struct OpenAIAnswerTests {
    struct Report: Sendable, CustomTestStringConvertible {
        let json: String
        let usage: TokenUsage?
        var lacks = ""
        var isDoubtful = false
        var testDescription: String { json }
    }

    static let reports = [
        Report(
            json: #"{"prompt_tokens":12,"completion_tokens":34}"#, usage: TokenUsage(input: 12, output: 34)),
        Report(
            json: #"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"#
                + #""prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":10},"#
                + #""completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":0}}"#,
            usage: TokenUsage(input: 100, cachedInput: 40, cacheWrite: 10, output: 50, reasoning: 20)),
        Report(
            json: #"{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":null}"#,
            usage: TokenUsage(input: 9, output: 1)),
        Report(
            json: #"{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#,
            usage: TokenUsage(input: 9, cachedInput: 4, output: 1)),
        Report(
            json: #"{"prompt_tokens":9.0,"completion_tokens":1e1}"#, usage: TokenUsage(input: 9, output: 10)),
        Report(json: "null", usage: nil), Report(json: "7", usage: nil), Report(json: "{}", usage: nil),
        Report(
            json: #"{"prompt_tokens":-5,"completion_tokens":3}"#, usage: TokenUsage(input: 0, output: 3),
            lacks: "input", isDoubtful: true),
        Report(
            json: #"{"prompt_tokens":18446744073709551616,"completion_tokens":1e308}"#,
            usage: TokenUsage(input: 0, output: 0),
            lacks: "input output", isDoubtful: true),
        Report(
            json: #"{"prompt_tokens":"12","completion_tokens":[]}"#, usage: TokenUsage(input: 0, output: 0),
            lacks: "input output", isDoubtful: true),
        Report(
            json: #"{"prompt_tokens":1.5,"completion_tokens":2}"#, usage: TokenUsage(input: 0, output: 2),
            lacks: "input", isDoubtful: true),
        Report(json: #"{"prompt_tokens":5}"#, usage: TokenUsage(input: 5, output: 0), lacks: "output"),
        Report(
            json: #"{"prompt_tokens":5,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":-1}}"#,
            usage: TokenUsage(input: 5, output: 5), isDoubtful: true),
        Report(
            json: #"{"prompt_tokens":5,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":900}}"#,
            usage: TokenUsage(input: 5, cachedInput: 5, output: 5)),
    ]

    @Test("usage is read in range or marked as doubtful", arguments: reports)
    func usage(_ report: Report) throws {
        let body = Array(#"{"id":"x","choices":[{"a":1}],"usage":\#(report.json)}"#.utf8)
        let answer = try body.withUnsafeBytes { try OpenAIChatAnswer(parsing: $0) }
        let expected = report.usage.map {
            ReportedUsage(
                usage: $0, hasInput: !report.lacks.contains("input"),
                hasOutput: !report.lacks.contains("output"), isDoubtful: report.isDoubtful)
        }
        #expect(answer.usage == expected)
        #expect(!answer.holdsError)
        #expect(answer.choicesBytes == 9)
    }

    @Test("estimates stand in for what was not usable, and only for that")
    func estimates() {
        let good = ReportedUsage(usage: TokenUsage(input: 5, cachedInput: 2, output: 3))
        #expect(good.completed(estimatedInput: 99, estimatedOutput: 99) == good.usage)
        let half = ReportedUsage(usage: TokenUsage(input: 5, output: 0), hasOutput: false)
        #expect(
            half.completed(estimatedInput: 99, estimatedOutput: 7) == TokenUsage(input: 5, output: 7))
        let doubtful = ReportedUsage(
            usage: TokenUsage(input: 0, cachedInput: 0, output: 3), hasInput: false, isDoubtful: true)
        #expect(
            doubtful.completed(estimatedInput: 9, estimatedOutput: 99) == TokenUsage(input: 9, output: 3))
        let claimsCache = ReportedUsage(
            usage: TokenUsage(input: 9, cachedInput: 9, output: 3), isDoubtful: true)
        #expect(claimsCache.completed(estimatedInput: 0, estimatedOutput: 0).cachedInput == 0)
    }

    @Test("an error under a good status is found; what is no JSON object is refused")
    func oddAnswers() throws {
        func parse(_ text: String) throws -> OpenAIChatAnswer {
            let bytes = Array(text.utf8)
            return try bytes.withUnsafeBytes { try OpenAIChatAnswer(parsing: $0) }
        }
        #expect(try parse(#"{"error":{"code":500,"message":"x"}}"#).holdsError)
        #expect(try !parse(#"{"error":null,"choices":[]}"#).holdsError)
        for text in ["", "[]", "<html>", #"{"choices":["#, #"{"a":1}{"b":2}"#] {
            #expect(throws: JSONError.self) { try parse(text) }
        }
    }

    @Test("our errors have OpenAI's shape")
    func ownErrors() throws {
        let error = OpenAIError(.invalidAPIKey)
        let text = String(decoding: error.body(), as: UTF8.self)
        #expect(
            text
                == #"{"error":{"message":"\#(ErrorCode.invalidAPIKey.safeText)","#
                + #""type":"authentication_error","param":null,"code":"invalid_api_key"}}"#)
        let event = String(decoding: OpenAIError(.upstreamCut, parameter: "model").event(), as: UTF8.self)
        #expect(event.hasPrefix(#"data: {"error":{"message":"#))
        #expect(event.hasSuffix("\"param\":\"model\",\"code\":\"upstream_cut\"}}\n\n"))
    }

    @Test("every code of the catalogue has a type OpenAI's clients know", arguments: ErrorCode.all)
    func types(_ code: ErrorCode) {
        let known = [
            "authentication_error", "insufficient_quota", "permission_error", "not_found_error",
            "rate_limit_error", "server_error", "invalid_request_error",
        ]
        #expect(known.contains(OpenAIError(code).type))
        #expect((code.status >= 500) == (OpenAIError(code).type == "server_error"))
    }

    struct Foreign: Sendable, CustomTestStringConvertible {
        let body: String
        let error: OpenAIError?
        var testDescription: String { body }
    }

    static let foreign = [
        Foreign(
            body: #"{"error":{"message":"No","type":"invalid_request_error","param":"n","code":"bad"}}"#,
            error: OpenAIError(message: "No", type: "invalid_request_error", parameter: "n", code: "bad")),
        Foreign(
            body: #"{"error":{"message":"No","type":"BadRequestError","param":null,"code":400}}"#,
            error: OpenAIError(message: "No", type: "BadRequestError", code: "400")),
        Foreign(
            body: #"{"error":"busy","error_type":"overloaded"}"#,
            error: OpenAIError(message: "busy", type: "invalid_request_error")),
        Foreign(
            body: #"{"object":"error","message":"No","type":"t","code":"3230"}"#,
            error: OpenAIError(message: "No", type: "t", code: "3230")),
        Foreign(
            body: #"{"detail":"Unauthorized"}"#,
            error: OpenAIError(message: "Unauthorized", type: "invalid_request_error")),
        Foreign(
            body:
                #"{"error":{"message":"Wrong key: sk-abc123defg. See org-12345678 and s3cr3t-value"}}"#,
            error: OpenAIError(
                message: "Wrong key: [redacted] See [redacted] and [redacted]",
                type: "invalid_request_error")),
        Foreign(
            body: #"{"error":{"message":"header was 'Bearer abcdef', tasks-list stays"}}"#,
            error: OpenAIError(
                message: "header was 'Bearer [redacted]', tasks-list stays", type: "invalid_request_error")),
        Foreign(body: "<html>502</html>", error: nil), Foreign(body: "", error: nil),
        Foreign(body: #"{"error":{"code":7}}"#, error: nil), Foreign(body: "[]", error: nil),
    ]

    @Test("a provider's error keeps its message and loses its secrets", arguments: foreign)
    func foreignErrors(_ example: Foreign) {
        let bytes = Array(example.body.utf8)
        let error = bytes.withUnsafeBytes {
            OpenAIError(provider: $0, status: 400, secrets: ["s3cr3t-value"])
        }
        #expect(error == example.error)
    }

    @Test("a long message is cut")
    func longMessage() throws {
        let bytes = Array(#"{"error":"\#(String(repeating: "word ", count: 10_000))"}"#.utf8)
        let error = try #require(
            bytes.withUnsafeBytes { OpenAIError(provider: $0, status: 500, secrets: []) })
        #expect(error.message.utf8.count < 2100)
        #expect(error.type == "server_error")
    }

    @Test("models are listed as OpenAI lists them")
    func models() throws {
        let models = [ListedModel(id: "fast", created: 7), ListedModel(id: "a\"b", created: 8)]
        let value = try JSONValue.parse(ListedModel.list(models, in: .openAI))
        #expect(value["object"] == "list")
        #expect(value["data"]?[1]?["id"] == "a\"b")
        #expect(
            String(decoding: models[0].body(in: .openAI), as: UTF8.self)
                == #"{"id":"fast","object":"model","created":7,"owned_by":"eclusa"}"#)
        let none = String(decoding: ListedModel.list([], in: .openAI), as: UTF8.self)
        #expect(none == #"{"object":"list","data":[]}"#)
    }
}
