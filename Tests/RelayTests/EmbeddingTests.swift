import Contract
import Domain
import HTTPCalling
import HTTPWire
import JSONText
import StandInProvider
import TestSupport
import Testing

@testable import Relay

@Suite("embeddings and OpenAI's smaller endpoints")
struct EmbeddingTests {
    static let forms: [(name: String, path: String, body: String)] = [
        ("openAI", "/v1/embeddings", #"{"model":"gpt-test","input":["one","three"],"dimensions":3}"#),
        (
            "base64", "/v1/embeddings",
            #"{"model":"gpt-test","input":["one","three"],"dimensions":3,"encoding_format":"base64"}"#
        ),
        (
            "gemini", "/v1beta/models/gpt-test:batchEmbedContents",
            #"{"requests":[{"model":"models/gpt-test","content":{"parts":[{"text":"one"}]},"#
                + #""outputDimensionality":3},{"content":{"parts":[{"text":"three"}]}}]}"#
        ),
        ("ollama", "/api/embed", #"{"model":"gpt-test","input":["one","three"],"dimensions":3}"#),
    ]

    @Test(
        "vectors arrive in order and are billed", arguments: 0..<4,
        [ProviderKind.openAI, .gemini, .ollama])
    func embed(_ index: Int, _ kind: ProviderKind) async throws {
        let form = Self.forms[index]
        try await GatewayBench.run(DialectMatrixTests.plan(kind)) { bench in
            let answer = try await bench.post(
                form.path, form.body, fields: ["authorization": "Bearer \(bench.key)"])
            #expect(answer.status == 200, "\(answer.text)")
            let value = try answer.json
            // The stand-in's vectors begin with the length of their text and rise by a quarter.
            let second: [Double]?
            switch form.name {
            case "gemini": second = value["embeddings"]?[1]?["values"]?.array?.compactMap(\.double)
            case "ollama": second = value["embeddings"]?[1]?.array?.compactMap(\.double)
            case "base64" where kind != .openAI && kind != .ollama:
                // 5, 5.25 and 5.5 as little-endian floats.
                #expect(value["data"]?[1]?["embedding"] == "AACgQAAAqEAAALBA")
                second = [5, 5.25, 5.5]
            default: second = value["data"]?[1]?["embedding"]?.array?.compactMap(\.double)
            }
            #expect(second == [5, 5.25, 5.5], "\(answer.text)")
            let event = try await bench.event()
            #expect(event.endpoint == .embeddings && event.usage.output == 0 && event.usage.input > 0)
            #expect(event.costState == (kind == .gemini ? .estimated : .settled))
            if kind != .gemini { #expect(event.usage.input == 3) }
        }
    }

    @Test("a provider without embeddings is no target for them")
    func none() async throws {
        try await GatewayBench.run(DialectMatrixTests.plan(.anthropic)) { bench in
            let answer = try await bench.post(
                "/v1/embeddings", Self.forms[0].body, fields: ["authorization": "Bearer \(bench.key)"])
            #expect(answer.status == 400 && answer.text.contains("no embeddings"))
            let moderation = try await bench.post(
                "/v1/moderations", #"{"model":"gpt-test","input":"x"}"#,
                fields: ["authorization": "Bearer \(bench.key)"])
            #expect(moderation.status == 400 && moderation.text.contains("no such endpoint"))
        }
    }

    @Test("smaller endpoints are passed on and billed")
    func plain() async throws {
        try await GatewayBench.run { bench in
            func post(_ path: String, _ body: String, type: String? = nil) async throws -> Response {
                var fields: HeaderFields = ["authorization": "Bearer \(bench.key)"]
                if let type { fields.append("content-type", type) }
                let answer = try await bench.client.request(
                    .post, "http://\(bench.address)\(path)", fields: fields, body: Array(body.utf8))
                #expect(answer.status == 200, "\(path): \(answer.text)")
                return answer
            }
            let completion = try await post("/v1/completions", #"{"model":"gpt-test","prompt":"Once"}"#)
            #expect(try completion.json["choices"]?[0]?["text"] == "You said: Once.")
            let stream = try await post(
                "/v1/completions", #"{"model":"gpt-test","prompt":"Once","stream":true}"#)
            #expect(stream.text.contains("You said: Once.") && stream.text.hasSuffix("data: [DONE]\n\n"))
            #expect(!stream.text.contains("completion_tokens"))
            let moderation = try await post("/v1/moderations", #"{"model":"gpt-test","input":"x"}"#)
            #expect(try moderation.json["results"]?[0]?["flagged"] == false)
            let image = try await post("/v1/images/generations", #"{"model":"gpt-test","prompt":"a lock"}"#)
            #expect(try image.json["data"]?[0]?["b64_json"] == "aGVsbG8=")
            let speech = try await post("/v1/audio/speech", #"{"model":"gpt-test","input":"x","voice":"a"}"#)
            #expect(speech.fields["content-type"] == "audio/mpeg" && speech.text == "ID3 a sound")
            let form =
                "--b0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\ngpt-test\r\n"
                + "--b0\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
                + "RIFF\r\n--b0--\r\n"
            let heard = try await post(
                "/v1/audio/transcriptions", form, type: "multipart/form-data; boundary=b0")
            #expect(try heard.json["text"]?.string == "I heard a form of \(form.utf8.count) bytes.")
            let events = try await bench.events()
            #expect(
                events.map(\.endpoint) == [
                    .completions, .completions, .moderations, .images, .audio, .audio,
                ])
            #expect(events[0].usage.output == 5 && events[1].usage.output == 5 && events[1].isStream)
            #expect(events[3].usage.input == 12 && events[3].usage.output == 40)
            #expect(events[5].usage.input == 14 && events[5].usage.output == 9)
        }
    }

    @Test("a key is held to the endpoints it has")
    func endpoints() async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, _ in
            fixture.content.keys = fixture.content.keys.map {
                RefusalTests.entry(
                    $0, permitted: KeyPermissions(endpoints: EndpointSet([.embeddings, .chat])))
            }
        }
        try await GatewayBench.run(plan) { bench in
            let fields: HeaderFields = ["authorization": "Bearer \(bench.key)"]
            let allowed = try await bench.post("/v1/embeddings", Self.forms[0].body, fields: fields)
            #expect(allowed.status == 200)
            let refused = try await bench.post(
                "/v1/moderations", #"{"model":"gpt-test","input":"x"}"#, fields: fields)
            #expect(refused.status == 403)
            #expect(refused.fields["x-eclusa-error-code"] == "endpoint_not_allowed")
        }
    }
}
