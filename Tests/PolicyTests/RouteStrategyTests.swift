import Contract
import Domain
import Policy
import TestSupport
import Testing

/// A route under test: its targets are named by numbers, as their upstream models are.
private struct Rig {
    var fixture = SnapshotFixture()
    let tenant: TenantID
    let workspace: WorkspaceID
    private var providers: [Int: ProviderID] = [:]

    init() { (tenant, workspace) = fixture.addTenant() }

    mutating func target(
        _ number: Int, window: Int32? = nil, can: [ModelCapability] = [], dollars: Int64? = 1,
        isEnabled: Bool = true, _ change: (inout TargetTerms) -> Void = { _ in }
    ) -> RouteEntry.Step {
        var terms = TargetTerms()
        change(&terms)
        let provider = providers[number] ?? fixture.addProvider(isEnabled: isEnabled)
        providers[number] = provider
        let model = ModelID(high: 7, low: UInt64(number))
        if let dollars {
            let rate = dollars * 1_000_000_000
            fixture.content.prices.append(
                PriceEntry(
                    id: PriceID(at: fixture.now), model: model, tenant: nil, effectiveFrom: .epoch,
                    rates: PriceRates(input: rate, output: rate)!))
        }
        return .target(
            TargetEntry(
                provider: provider, model: model, upstreamModel: "\(number)", terms: terms,
                contextWindow: window, capabilities: CapabilitySet(can)))
    }

    @discardableResult
    mutating func route(
        _ name: String = "r", _ strategy: RouteStrategy = .priority, affinity: RouteAffinity = .session,
        isEnabled: Bool = true, _ steps: [RouteEntry.Step]
    ) -> RouteID {
        let id = RouteID(at: fixture.now)
        fixture.content.routes.append(
            RouteEntry(
                id: id, tenant: tenant, name: name, rules: RouteRules(strategy: strategy, affinity: affinity),
                isEnabled: isEnabled, steps: steps))
        return id
    }

    func compiled(_ name: String = "r") throws -> (route: CompiledRoute, snapshot: CompiledSnapshot) {
        let snapshot = try fixture.compiled()
        return (try #require(snapshot.tenant(tenant)?.route(named: name)), snapshot)
    }
}

private func numbers(_ plan: RoutePlan) -> [Int] {
    (0..<plan.count).compactMap { plan[$0].flatMap { Int($0.entry.upstreamModel) } }
}

@Suite("strategies of routes")
struct RouteStrategyTests {
    @Test("'priority' keeps the listed order inside a priority")
    func priority() throws {
        var rig = Rig()
        rig.route(
            "r", .priority,
            [
                rig.target(1) { $0.priority = 2 }, rig.target(2), rig.target(3) { $0.weight = 1000 },
                rig.target(4) { $0.priority = 1 },
            ])
        let (route, snapshot) = try rig.compiled()
        for draw in 0..<20 as Range<UInt64> {
            #expect(numbers(plan(route, in: snapshot, by: PlanChance(draw: draw))) == [2, 3, 4, 1])
        }
    }

    @Test("without chance the heaviest comes first")
    func likeliest() throws {
        var rig = Rig()
        rig.route(
            "r", .weighted,
            [
                rig.target(1) { $0.weight = 10 }, rig.target(2) { $0.weight = 30 },
                rig.target(3) { $0.weight = 30 }, rig.target(4) { $0.weight = 20 },
            ])
        let (route, snapshot) = try rig.compiled()
        #expect(numbers(plan(route, in: snapshot, by: .none)) == [2, 3, 4, 1])
    }

    @Test("'round_robin' goes round; the others follow in their order")
    func roundRobin() throws {
        var rig = Rig()
        rig.route("r", .roundRobin, [rig.target(1), rig.target(2), rig.target(3)])
        let (route, snapshot) = try rig.compiled()
        #expect(route.interests.contains(.turn))
        let orders = (0..<4 as Range<UInt64>).map {
            numbers(plan(route, in: snapshot, by: PlanChance(draw: 9, turn: $0)))
        }
        #expect(orders == [[1, 2, 3], [2, 3, 1], [3, 1, 2], [1, 2, 3]])
    }

    @Test("'round_robin' with weights comes out in proportion within any hundred calls")
    func weightedTurns() throws {
        var rig = Rig()
        rig.route(
            "r", .roundRobin,
            [
                rig.target(1) { $0.weight = 60 }, rig.target(2) { $0.weight = 30 },
                rig.target(3) { $0.weight = 10 },
            ])
        let (route, snapshot) = try rig.compiled()
        for start in [0, 1000, 123_456] as [UInt64] {
            var firsts = [0, 0, 0, 0]
            for turn in start..<start + 100 {
                firsts[numbers(plan(route, in: snapshot, by: PlanChance(draw: 1, turn: turn)))[0]] += 1
            }
            #expect(abs(firsts[1] - 60) <= 3 && abs(firsts[2] - 30) <= 3 && abs(firsts[3] - 10) <= 3)
        }
    }

    @Test("'least_latency' never begins with the slowest, and spares one that has much to do")
    func leastLatency() throws {
        var rig = Rig()
        rig.route("r", .leastLatency, [rig.target(1), rig.target(2), rig.target(3)])
        let (route, snapshot) = try rig.compiled()
        var generator = SeededGenerator(seed: 4)
        func firsts(_ health: [Int: TargetHealth]) -> [Int: Int] {
            var counts: [Int: Int] = [:]
            for _ in 0..<3000 {
                let plan = plan(
                    route, in: snapshot, by: PlanChance(draw: generator.next()),
                    health: { health[Int($0.entry.upstreamModel) ?? 0] ?? TargetHealth() })
                counts[numbers(plan)[0], default: 0] += 1
                #expect(Set(numbers(plan)) == [1, 2, 3])
            }
            return counts
        }
        let slow = firsts([
            1: TargetHealth(latencyMicroseconds: 900_000), 2: TargetHealth(latencyMicroseconds: 200_000),
            3: TargetHealth(latencyMicroseconds: 100_000),
        ])
        // Of two drawn, the quicker: the quickest in two of three draws, the slowest never.
        #expect(slow[1] == nil && abs((slow[3] ?? 0) - 2000) < 150)
        let busy = firsts([
            1: TargetHealth(latencyMicroseconds: 100_000, inFlight: 99),
            2: TargetHealth(latencyMicroseconds: 200_000), 3: TargetHealth(latencyMicroseconds: 300_000),
        ])
        #expect(busy[1] == nil)
    }

    @Test("'least_busy' orders by calls under way")
    func leastBusy() throws {
        var rig = Rig()
        rig.route("r", .leastBusy, [rig.target(1), rig.target(2), rig.target(3)])
        let (route, snapshot) = try rig.compiled()
        for draw in 0..<50 as Range<UInt64> {
            let plan = plan(
                route, in: snapshot, by: PlanChance(draw: draw &* 0x9E37_79B9),
                health: { TargetHealth(inFlight: [0, 5, 0, 2][Int($0.entry.upstreamModel) ?? 0]) })
            #expect(numbers(plan) == [2, 3, 1])
        }
    }

    @Test("'cheapest' orders by what this call costs; a target without a price comes last")
    func cheapest() throws {
        var rig = Rig()
        let steps = [
            rig.target(1, dollars: nil), rig.target(2, dollars: 5), rig.target(3, dollars: 2),
            rig.target(4, dollars: nil),
        ]
        // Much input is cheap at 4, output is dear.
        rig.fixture.content.prices.append(
            PriceEntry(
                id: PriceID(at: rig.fixture.now), model: ModelID(high: 7, low: 4), tenant: nil,
                effectiveFrom: .epoch, rates: PriceRates(input: 1_000_000_000, output: 9_000_000_000)!))
        rig.route("r", .cheapest, steps)
        let (route, snapshot) = try rig.compiled()
        #expect(route.interests.contains(.size))
        func order(_ input: Int64, _ output: Int64) -> [Int] {
            let call = CallFacts(now: rig.fixture.now, inputTokens: input, outputTokens: output)
            return numbers(plan(route, for: call, in: snapshot, by: PlanChance(draw: 3)))
        }
        #expect(order(10_000, 10) == [4, 3, 2, 1])
        #expect(order(10, 10_000) == [3, 2, 4, 1])
    }

    @Test(
        "'affinity' keeps calls together, spreads them by weight, and moves only those of a target that went")
    func affinity() throws {
        var rig = Rig()
        rig.route(
            "r", .affinity, affinity: .promptPrefix,
            [
                rig.target(1) { $0.weight = 100 }, rig.target(2) { $0.weight = 100 },
                rig.target(3) { $0.weight = 200 },
            ])
        let (route, snapshot) = try rig.compiled()
        #expect(route.interests.contains(.promptPrefix) && !route.interests.contains(.session))
        var without = rig
        without.fixture.content.routes.removeAll()
        without.route(
            "r", .affinity,
            [
                without.target(1) { $0.weight = 100 }, without.target(3) { $0.weight = 200 },
            ])
        let (smaller, other) = try without.compiled()
        var generator = SeededGenerator(seed: 5)
        var counts = [0, 0, 0, 0]
        for _ in 0..<8000 {
            let call = CallFacts(affinity: generator.next())
            let order = numbers(plan(route, for: call, in: snapshot, by: PlanChance(draw: generator.next())))
            let again = numbers(plan(route, for: call, in: snapshot, by: PlanChance(draw: generator.next())))
            #expect(order == again)
            counts[order[0]] += 1
            let rest = numbers(plan(smaller, for: call, in: other, by: PlanChance(draw: generator.next())))
            #expect(rest == order.filter { $0 != 2 })
        }
        #expect(abs(counts[1] - 2000) < 200 && abs(counts[2] - 2000) < 200 && abs(counts[3] - 4000) < 200)
    }

    @Test(
        "targets that are not available come last, whatever the strategy", arguments: RouteStrategy.allCases)
    func resting(_ strategy: RouteStrategy) throws {
        var rig = Rig()
        rig.route("r", strategy, [rig.target(1), rig.target(2), rig.target(3) { $0.priority = 1 }])
        let (route, snapshot) = try rig.compiled()
        let resting = plan(
            route, in: snapshot, by: .none,
            health: { TargetHealth(isAvailable: $0.entry.upstreamModel == "3") })
        #expect(numbers(resting).first == 3 && resting.availableCount == 1 && resting.count == 3)
        let all = plan(route, in: snapshot, by: .none, health: { _ in TargetHealth(isAvailable: false) })
        #expect(all.availableCount == 0 && all.count == 3 && numbers(all).last == 3)
    }
}

@Suite("what a route leads to")
struct RouteReachTests {
    @Test("a route inside a route stands in its place, with its own strategy and priorities")
    func nested() throws {
        var rig = Rig()
        let inner = rig.route(
            "inner", .priority,
            [
                rig.target(3) { $0.priority = 1 }, rig.target(2), rig.target(1) { $0.priority = 1 },
            ])
        rig.route(
            "r", .priority,
            [
                rig.target(9) { $0.priority = 5 }, rig.target(8), .route(inner, TargetTerms()), rig.target(7),
            ])
        let (route, snapshot) = try rig.compiled()
        #expect(numbers(plan(route, in: snapshot, by: .none)) == [8, 2, 3, 1, 7, 9])
        #expect(route.targets.count == 6)
        #expect(try rig.compiled("inner").route.targets.count == 3)
    }

    @Test("a route inside a route is drawn by its own weight, and within by its targets'")
    func nestedWeights() throws {
        var rig = Rig()
        let inner = rig.route("inner", .weighted, [rig.target(1), rig.target(2) { $0.weight = 300 }])
        rig.route("r", .weighted, [rig.target(3), .route(inner, TargetTerms())])
        let (route, snapshot) = try rig.compiled()
        var generator = SeededGenerator(seed: 6)
        var counts = [0, 0, 0, 0]
        for _ in 0..<8000 {
            let order = numbers(plan(route, in: snapshot, by: PlanChance(draw: generator.next())))
            counts[order[0]] += 1
            // The two inside stay together.
            #expect(order[1] != 3)
        }
        #expect(abs(counts[3] - 4000) < 200 && abs(counts[1] - 1000) < 150 && abs(counts[2] - 3000) < 200)
    }

    @Test("conditions of all routes on the way hold, the outermost parameters win, a disabled one cuts off")
    func way() throws {
        var rig = Rig()
        let off = rig.route("off", .priority, isEnabled: false, [rig.target(4)])
        let inner = rig.route(
            "inner", .priority,
            [
                rig.target(1) {
                    $0.conditions.maximumInput = 100
                    $0.parameters = [.init(name: "a", json: "1"), .init(name: "b", json: "1")]
                },
                rig.target(2),
            ])
        rig.route(
            "r", .priority,
            [
                .route(
                    inner,
                    TargetTerms(
                        conditions: TargetConditions(minimumInput: 10),
                        parameters: [.init(name: "b", json: "2")])),
                .route(off, TargetTerms()), rig.target(3),
            ])
        let (route, snapshot) = try rig.compiled()
        func order(_ input: Int64) -> [Int] {
            numbers(plan(route, for: CallFacts(inputTokens: input), in: snapshot, by: .none))
        }
        #expect(order(9) == [3] && order(10) == [1, 2, 3] && order(101) == [2, 3])
        let parameters = route.targets[0].parameters.map { "\($0.name)=\($0.json)" }.sorted()
        #expect(parameters == ["a=1", "b=2"])
        let cut = try #require(route.targets.first { $0.entry.upstreamModel == "4" })
        #expect(exclusion(of: cut, for: CallFacts(), of: nil, in: snapshot) == .routeDisabled)
        #expect(snapshot.tenant(rig.tenant)?.route(named: "off") == nil, "it cannot be asked for")
    }

    @Test("each reason to leave a target out is told")
    func exclusions() throws {
        var rig = Rig()
        let steps = [
            rig.target(1, isEnabled: false), rig.target(2) { $0.conditions.tags = ["gold"] },
            rig.target(3) { $0.conditions.minimumInput = 1000 },
            rig.target(4) { $0.conditions.maximumInput = 10 },
            rig.target(5) { $0.conditions.hours = WeeklyHours(days: 0x7F, from: 0, until: 1) },
            rig.target(6) { $0.conditions.needs = CapabilitySet([.vision]) },
            rig.target(7, can: [.chat, .vision]), rig.target(8, window: 99), rig.target(9),
        ]
        rig.route("r", .priority, steps)
        let key = rig.fixture.addKey(rig.tenant, rig.workspace).text.reveal()
        let (route, snapshot) = try rig.compiled()
        let admitted = try admission(key, route: "r", at: rig.fixture.now, in: snapshot).get()
        let call = CallFacts(
            now: Timestamp("2026-11-20T12:00:00Z")!, inputTokens: 100, needs: CapabilitySet([.tools]))
        let reasons = route.targets.map { exclusion(of: $0, for: call, of: admitted.key, in: snapshot) }
        #expect(
            reasons == [
                .providerDisabled, .tagMissing, .inputSize, .inputSize, .hours, .notNeeded,
                .capabilityMissing, .contextWindow, nil,
            ])
    }

    @Test("targets of one use are tried for that use only; too long a call turns to those for long ones")
    func uses() throws {
        var rig = Rig()
        rig.route(
            "r", .priority,
            [
                rig.target(1, window: 1000), rig.target(2, window: 100_000) { $0.use = .contextWindow },
                rig.target(3) { $0.use = .contentPolicy }, rig.target(4) { $0.use = .budget },
                rig.target(5) { $0.use = .shadow },
            ])
        let (route, snapshot) = try rig.compiled()
        for (use, number) in zip(TargetUse.allCases, 1...) {
            let plan = plan(route, use: use, in: snapshot, by: .none)
            #expect(numbers(plan) == [number] && plan.use == use)
        }
        let long = plan(route, for: CallFacts(inputTokens: 1001), in: snapshot, by: .none)
        #expect(numbers(long) == [2] && long.use == .contextWindow)
        let longer = plan(route, for: CallFacts(inputTokens: 100_001), in: snapshot, by: .none)
        #expect(longer.isEmpty)
    }

    @Test("routes in a circle, too deep, dangling or too broad do not make a snapshot")
    func invalid() throws {
        func problems(_ build: (inout Rig) -> Void) -> [String] {
            var rig = Rig()
            build(&rig)
            do { _ = try rig.fixture.compiled() } catch let invalid as InvalidSnapshot {
                return invalid.problems.map(\.kind.rawValue)
            } catch {
                return ["\(error)"]
            }
            return []
        }
        let circle = problems { rig in
            let first = rig.route("a", .priority, [rig.target(1)])
            let second = rig.route("b", .priority, [.route(first, TargetTerms())])
            rig.fixture.content.routes[0] = RouteEntry(
                id: first, tenant: rig.tenant, name: "a", steps: [.route(second, TargetTerms())])
        }
        #expect(!circle.isEmpty && Set(circle) == ["invalid"])
        #expect(
            problems { $0.route("a", .priority, [.route(RouteID(high: 1, low: 1), TargetTerms())]) } == [
                "dangling"
            ])
        let deep = problems { rig in
            var last = rig.route("r0", .priority, [rig.target(1)])
            for number in 1...4 { last = rig.route("r\(number)", .priority, [.route(last, TargetTerms())]) }
        }
        #expect(deep == ["invalid"])
        let broad = problems { rig in
            let inner = rig.route("inner", .priority, (1...20).map { rig.target($0) })
            rig.route("outer", .priority, (21...33).map { rig.target($0) } + [.route(inner, TargetTerms())])
        }
        #expect(broad == ["invalid"])
    }
}
