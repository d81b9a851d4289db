import Contract
import Domain
import HTTPCalling
import HTTPWire
import TestSupport
import Testing

@testable import Relay

@Suite("calls through a provider's proxy")
struct ProxyCallTests {
    /// The provider is there; what it is reached through is said here.
    private static func plan(_ proxy: String?) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, _ in
            fixture.content.providers = fixture.content.providers.map {
                ProviderEntry(
                    id: $0.id, tenant: $0.tenant, kind: $0.kind, baseURL: $0.baseURL,
                    credentials: $0.credentials, timeouts: $0.timeouts,
                    proxy: proxy.flatMap { EgressProxy($0) })
            }
        }
        return plan
    }

    @Test(
        "a provider that has a proxy is never called past it",
        arguments: [(nil, 200, nil), ("http://127.0.0.1:1", 502, "upstream_unreachable")]
            as [(String?, Int, String?)])
    func proxy(_ proxy: String?, _ status: Int, _ code: String?) async throws {
        try await GatewayBench.run(Self.plan(proxy)) { bench in
            let answer = try await bench.chat()
            #expect(answer.status == status)
            #expect(answer.fields["x-eclusa-error-code"] == code)
        }
    }
}
