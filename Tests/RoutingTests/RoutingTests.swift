import Contract
import Domain
import Policy
import Routing
import TestSupport
import Testing

@Suite("routing")
struct RoutingTests {
    @Test("the plan has every target that can be used, and draws differ")
    func plans() throws {
        var fixture = SnapshotFixture()
        let (tenant, _) = fixture.addTenant()
        let (model, _) = fixture.addModel()
        let providers = (0..<3).map { _ in fixture.addProvider() }
        let disabled = fixture.addProvider(isEnabled: false)
        _ = fixture.addRoute(
            "balanced", of: tenant, to: (providers + [disabled]).map { (provider: $0, model: model) })
        let snapshot = try CompiledSnapshot(fixture.built())
        let route = try #require(snapshot.tenant(tenant)?.route(named: "balanced"))
        let routing = Routing(seed: 42)
        var firsts: [ProviderID: Int] = [:]
        for _ in 0..<3000 {
            let plan = routing.plan(for: route, in: snapshot)
            #expect(plan.count == 3)
            let order = (0..<plan.count).compactMap { plan[$0]?.provider.id }
            #expect(Set(order) == Set(providers))
            firsts[order[0], default: 0] += 1
        }
        // Equal weights: a third each; 3000 draws stay within 15 % of that, far inside chance for this seed.
        for provider in providers { #expect((850...1150).contains(firsts[provider] ?? 0)) }
    }

    @Test("a route without a usable target has an empty plan")
    func empty() throws {
        var fixture = SnapshotFixture()
        let (tenant, _) = fixture.addTenant()
        let (model, _) = fixture.addModel()
        let provider = fixture.addProvider(isEnabled: false)
        _ = fixture.addRoute("off", of: tenant, to: [(provider, model)])
        let snapshot = try CompiledSnapshot(fixture.built())
        let route = try #require(snapshot.tenant(tenant)?.route(named: "off"))
        #expect(Routing(seed: 0).plan(for: route, in: snapshot).isEmpty)
    }
}
