import Contract
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import StandInProvider
import TestSupport
import Testing

@testable import Relay

/// Credentials that do not go with a call as they are.
@Suite("signed calls and exchanged tokens")
struct ProofTests {
    private static func plan(
        _ kind: ProviderKind, _ credential: (@Sendable () -> String)? = nil
    ) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.kind = kind
        if let credential { plan.snapshot = { fixture, _ in fixture.useCredential(credential()) } }
        return plan
    }

    @Test(
        "an access key of one's own, a lent one and an API key are taken by Bedrock",
        arguments: [StandIn.accessKey, StandIn.lentAccessKey, "bedrock-api-key-0001"])
    func keys(_ credential: String) async throws {
        try await GatewayBench.run(Self.plan(.bedrock) { credential }) { bench in
            for stream in [false, true] {
                let answer = try await bench.chat(stream: stream)
                #expect(answer.status == 200, "\(answer.text)")
            }
        }
    }

    @Test("names with colons and slashes are signed as they are sent")
    func names() async throws {
        for name in ["a.claude-v1:stand-in", "arn:aws:bedrock:eu:1:profile/stand-in"] {
            var plan = Self.plan(.bedrock)
            plan.model = name
            try await GatewayBench.run(plan) { bench in
                let answer = try await bench.chat()
                #expect(answer.status == 200, "\(name): \(answer.text)")
            }
        }
    }

    @Test("a signature the provider does not take is our credential's fault, and nothing of it is told")
    func refused() async throws {
        try await GatewayBench.run(Self.plan(.bedrock) { "AKIDSTANDIN:another-secret" }) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 502)
            #expect(answer.fields["x-eclusa-error-code"] == "provider_credentials_rejected")
            #expect(!answer.text.contains("another-secret") && !answer.text.contains("AKID"))
        }
    }

    @Test("calls at once exchange one token, and later ones use it")
    func singleFlight() async throws {
        try await GatewayBench.run(Self.plan(.vertex)) { bench in
            let answers = (0..<20).map { _ in Completion<Int>() }
            for answer in answers {
                bench.loop.spawn { answer.fulfil((try? await bench.chat().status) ?? 0) }
            }
            for answer in answers { #expect(await answer.value() == 200) }
            let streamed = try await bench.chat(stream: true)
            #expect(streamed.status == 200)
            #expect(bench.standIn.totals[.exchanges] == 1)
            #expect(bench.standIn.totals[.calls] == 21)
        }
    }

    @Test("an account the endpoint refuses is our credential's fault; calls soon after do not ask again")
    func refusedAccount() async throws {
        var plan = Self.plan(.vertex)
        plan.snapshot = { fixture, _ in
            let address = fixture.content.providers[0].baseURL.authority
            let text = StandIn.serviceAccount(at: address)
            fixture.useCredential(text.replacing("gateway@", with: "nobody@"))
        }
        try await GatewayBench.run(plan) { bench in
            for _ in 0..<3 {
                let answer = try await bench.chat()
                #expect(answer.status == 502)
                #expect(answer.fields["x-eclusa-error-code"] == "provider_credentials_rejected")
            }
            #expect(bench.standIn.totals[.exchanges] == 0 && bench.standIn.totals[.calls] == 0)
            #expect(bench.standIn.totals[.errors] == 1)
        }
    }

    @Test("a credential that is no account's document is our fault too, and dials nobody")
    func noDocument() async throws {
        try await GatewayBench.run(Self.plan(.vertex) { "sk-test" }) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == 502)
            #expect(bench.standIn.totals[.errors] == 0)
        }
    }

    @Test("embeddings at Google Cloud")
    func embeddings() async throws {
        try await GatewayBench.run(Self.plan(.vertex)) { bench in
            let answer = try await bench.post(
                "/v1/embeddings", #"{"model":"gpt-test","input":["one","three"],"dimensions":3}"#,
                fields: ["authorization": "Bearer \(bench.key)"])
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try answer.json["data"]?[1]?["embedding"]?.array?.count == 3)
            let event = try await bench.event()
            #expect(event.usage.input == 3 && event.costState == .settled)
        }
    }
}
