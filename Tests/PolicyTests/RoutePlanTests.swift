import Contract
import Domain
import Policy
import TestSupport
import Testing

@Suite("route plans")
struct RoutePlanTests {
    /// A route whose targets have these (weight, priority), and the snapshot it is in.
    static func route(
        _ shares: [(weight: Int32, priority: Int32)], disabled: Set<Int> = []
    ) throws -> (route: CompiledRoute, snapshot: CompiledSnapshot, models: [ModelID]) {
        var fixture = SnapshotFixture()
        let (tenant, _) = fixture.addTenant()
        var targets: [TargetEntry] = []
        for (index, share) in shares.enumerated() {
            targets.append(
                TargetEntry(
                    provider: fixture.addProvider(isEnabled: !disabled.contains(index)),
                    model: fixture.addModel().model,
                    upstreamModel: "m\(index)", weight: share.weight, priority: share.priority))
        }
        fixture.content.routes.append(
            RouteEntry(id: RouteID(at: fixture.now), tenant: tenant, name: "r", targets: targets))
        let snapshot = try fixture.compiled()
        let route = try #require(snapshot.tenant(tenant)?.route(named: "r"))
        return (route, snapshot, targets.map(\.model))
    }

    static func order(_ plan: RoutePlan) -> [ModelID] {
        (0..<plan.count).compactMap { plan[$0]?.entry.model }
    }

    @Test("every usable target comes once, lower priorities first", arguments: SeededGenerator.seeds)
    func complete(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for count in [1, 2, 3, 10, 32] {
            let shares = (0..<count).map { _ in
                (
                    weight: Int32.random(in: 1...1000, using: &generator),
                    priority: Int32.random(in: 0...3, using: &generator)
                )
            }
            let disabled = Set((0..<count).filter { _ in Int.random(in: 0..<4, using: &generator) == 0 })
            let (route, snapshot, models) = try Self.route(shares, disabled: disabled)
            let usable = Set(models.indices.filter { !disabled.contains($0) }.map { models[$0] })
            for _ in 0..<100 {
                let draw = generator.next()
                let plan = plan(route, in: snapshot, by: PlanChance(draw: draw))
                let order = Self.order(plan)
                #expect(Set(order) == usable && order.count == usable.count)
                let priorities = (0..<plan.count).compactMap { plan[$0]?.entry.priority }
                #expect(priorities == priorities.sorted())
                #expect(Self.order(Policy.plan(route, in: snapshot, by: PlanChance(draw: draw))) == order)
                #expect(plan[plan.count] == nil && plan[-1] == nil)
            }
        }
    }

    @Test(
        "inside a priority targets come first as often as their weights say", arguments: SeededGenerator.seeds
    )
    func weights(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let (route, snapshot, models) = try Self.route([(600, 0), (300, 0), (100, 0), (1000, 1)])
        var firsts: [ModelID: Int] = [:]
        var seconds: [ModelID: Int] = [:]
        let draws = 20_000
        for _ in 0..<draws {
            let order = Self.order(plan(route, in: snapshot, by: PlanChance(draw: generator.next())))
            firsts[order[0], default: 0] += 1
            seconds[order[1], default: 0] += 1
        }
        func share(_ counts: [ModelID: Int], _ index: Int) -> Double {
            Double(counts[models[index]] ?? 0) / Double(draws)
        }
        #expect(abs(share(firsts, 0) - 0.6) < 0.02)
        #expect(abs(share(firsts, 1) - 0.3) < 0.02)
        #expect(abs(share(firsts, 2) - 0.1) < 0.02)
        #expect(share(firsts, 3) == 0)
        // Second places are drawn without replacement: P(1 second) = .6 × .3/.4 + .1 × .3/.9
        #expect(abs(share(seconds, 1) - (0.6 * 0.75 + 0.1 / 3)) < 0.02)
    }

    @Test("with every provider disabled the plan is empty")
    func empty() throws {
        let (route, snapshot, _) = try Self.route([(1, 0), (1, 1)], disabled: [0, 1])
        let plan = plan(route, in: snapshot, by: PlanChance(draw: 7))
        #expect(plan.isEmpty && plan[0] == nil)
    }

    @Test("targets of one priority keep the order they were configured in")
    func stable() throws {
        let (route, _, models) = try Self.route([(1, 1), (1, 0), (1, 1), (1, 0)])
        #expect(route.targets.map(\.entry.model) == [models[1], models[3], models[0], models[2]])
    }

    @Test("the price of a target is the one in force; the tenant's own goes before the platform's")
    func prices() throws {
        var fixture = SnapshotFixture()
        let (tenant, _) = fixture.addTenant()
        let provider = fixture.addProvider()
        let shared = fixture.addModel().model
        let bare = ModelID(at: fixture.now)
        let rates = try #require(PriceRates(input: 1, output: 1))
        func price(_ low: UInt64, _ model: ModelID, _ tenant: TenantID?, _ seconds: Int64) -> PriceEntry {
            PriceEntry(
                id: PriceID(high: 0, low: low), model: model, tenant: tenant,
                effectiveFrom: fixture.now.advanced(bySeconds: seconds), rates: rates)
        }
        fixture.content.prices += [
            price(2, shared, tenant, 10), price(1, shared, tenant, -10), price(3, bare, nil, 5),
        ]
        _ = fixture.addRoute("r", of: tenant, to: [(provider, shared), (provider, bare)])
        let route = try #require(try fixture.compiled().tenant(tenant)?.route(named: "r"))
        func inForce(_ target: Int, _ seconds: Int64) -> UInt64? {
            route.targets[target].price(at: fixture.now.advanced(bySeconds: seconds))?.id.low
        }
        #expect([inForce(0, -11), inForce(0, 0), inForce(0, 10)] == [nil, 1, 2])
        #expect([inForce(1, 4), inForce(1, 5)] == [nil, 3])
    }
}
