import Domain
import Testing

@Suite("routes and their targets")
struct RouteTests {
    /// 2026-11-16 is a Monday.
    static func moment(_ text: String) -> Timestamp { Timestamp("2026-11-\(text):30Z")! }

    @Test(
        "hours of the week hold from their first minute to before their last, over midnight too",
        arguments: [
            ("16T07:59", false), ("16T08:00", true), ("16T17:59", true), ("16T18:00", false),
            ("17T09:00", false), ("20T09:00", true), ("21T09:00", false), ("22T09:00", false),
        ])
    func hours(_ text: String, _ isInside: Bool) {
        let office = WeeklyHours(days: [.monday, .friday], from: 8 * 60, until: 18 * 60)
        #expect(office.contains(Self.moment(text)) == isInside)
    }

    @Test(
        "hours over midnight belong to the day they begin on",
        arguments: [
            ("22T21:59", false), ("22T22:00", true), ("23T05:59", true), ("23T06:00", false),
            ("23T22:30", false), ("16T03:00", true), ("17T03:00", false),
        ])
    func nights(_ text: String, _ isInside: Bool) {
        let night = WeeklyHours(days: [.sunday], from: 22 * 60, until: 6 * 60)
        #expect(night.contains(Self.moment(text)) == isInside)
    }

    @Test("days are kept in the order of the week; hours without days or length are wrong")
    func days() {
        let hours = WeeklyHours(days: [.sunday, .monday], from: 0, until: 1440)
        #expect(hours.weekdays == [.monday, .sunday] && hours.isValid)
        #expect(hours.contains(Timestamp("1969-12-29T12:00:00Z")!), "a Monday before 1970")
        #expect(!WeeklyHours(days: 0, from: 0, until: 1).isValid)
        #expect(!WeeklyHours(days: 1, from: 5, until: 5).isValid)
        #expect(!WeeklyHours(days: 1, from: 1440, until: 5).isValid)
        #expect(!WeeklyHours(days: 128, from: 0, until: 5).isValid)
    }

    @Test("capabilities are a set, and read back")
    func capabilities() {
        let set = CapabilitySet([.webSearch, .chat, .vision])
        #expect(set.members == [.chat, .vision, .webSearch])
        #expect(CapabilitySet(ModelCapability.allCases).members == ModelCapability.allCases)
    }

    static func target(_ change: (inout TargetTerms) -> Void) -> Target {
        var terms = TargetTerms()
        change(&terms)
        return Target(.model(ModelID(high: 1, low: 1)), terms)
    }

    @Test("what is wrong with a target is said at its place")
    func problems() {
        let wrong: [(Target, String)] = [
            (Self.target { $0.weight = 0 }, "/weight"), (Self.target { $0.priority = 101 }, "/priority"),
            (
                Self.target { $0.parameters = [TargetParameter(name: "model", json: "\"x\"")] },
                "/parameters/model"
            ),
            (Self.target { $0.parameters = [TargetParameter(name: "a b", json: "1")] }, "/parameters"),
            (
                Self.target {
                    $0.parameters = [
                        TargetParameter(name: "top_p", json: "1"), TargetParameter(name: "top_p", json: "2"),
                    ]
                }, "/parameters/top_p"
            ),
            (Self.target { $0.conditions.tags = ["a tag"] }, "/conditions/tags/0"),
            (
                Self.target {
                    $0.conditions.minimumInput = 5
                    $0.conditions.maximumInput = 4
                }, "/conditions/maximum_input"
            ),
            (
                Self.target { $0.conditions.hours = WeeklyHours(days: 0, from: 0, until: 1) },
                "/conditions/hours"
            ),
        ]
        let model = Target(model: ModelID(high: 0, low: 9))
        for (target, place) in wrong {
            #expect(
                Route.problems(name: "r", targets: [model, target]).map(\.pointer) == ["/targets/1\(place)"])
        }
        let fallback = Self.target { $0.use = .contentPolicy }
        #expect(Route.problems(name: "r", targets: [fallback]).map(\.pointer) == ["/targets"])
        #expect(Route.problems(name: "r", targets: [model, fallback, Self.target { _ in }]).isEmpty)
    }

    @Test("retries and timeouts out of range are named")
    func rules() {
        var rules = RouteRules.standard
        rules.retries = RetryRules(
            attempts: 11, attemptsPerTarget: 0, backoff: -1, hedgeAfter: 600_001,
            hedgePercentile: 49)
        rules.timeouts.firstToken = 0
        #expect(
            Route.problems(name: "r", targets: [Target(model: ModelID(high: 0, low: 1))], rules: rules)
                .map(\.pointer) == [
                    "/retries/attempts", "/retries/attempts_per_target", "/retries/backoff_ms",
                    "/retries/hedge_after_ms", "/retries/hedge_percentile", "/timeouts/first_token_ms",
                ])
        rules.timeouts = RouteTimeouts(firstByte: 7)
        #expect(
            rules.timeouts.over(.standard)
                == ProviderTimeouts(
                    connect: 5000, firstByte: 7, betweenChunks: 120_000, total: 1_800_000))
    }

    // MARK: Routes inside routes

    static func id(_ number: UInt64) -> RouteID { RouteID(high: 0, low: number) }

    static func route(_ number: UInt64, to routes: [UInt64], models: Int = 1) -> Route {
        let models = (0..<UInt64(models)).map { Target(model: ModelID(high: number, low: $0)) }
        return Route(
            id: id(number), tenant: TenantID(high: 0, low: 1), name: "r\(number)",
            targets: models + routes.map { Target(.route(id($0)), TargetTerms()) }, createdAt: .epoch,
            updatedAt: .epoch)
    }

    static func graph(_ routes: [Route]) -> RouteGraph {
        RouteGraph(Dictionary(uniqueKeysWithValues: routes.map { ($0.id, RouteGraph.Node($0)) }))
    }

    @Test("a circle is refused, and the way round it is named")
    func circles() throws {
        let graph = Self.graph([
            Self.route(1, to: [2]), Self.route(2, to: [3]), Self.route(3, to: []), Self.route(4, to: [1]),
        ])
        let round = try #require(graph.problem(with: Self.route(3, to: [1])))
        #expect(round.pointer == "/targets" && round.code == .notAllowed)
        #expect(round.message.hasSuffix("r3 → r1 → r2 → r3"))
        #expect(graph.problem(with: Self.route(3, to: [3]))?.message.hasSuffix("r3 → r3") == true)
        #expect(graph.problem(with: Self.route(3, to: [])) == nil)
        #expect(graph.problem(with: Self.route(5, to: [3, 2])) == nil, "two ways to one are no circle")
    }

    @Test("too many levels are refused, also above the route that changes")
    func levels() {
        let graph = Self.graph([
            Self.route(1, to: [2]), Self.route(2, to: [3]), Self.route(3, to: []), Self.route(4, to: []),
            Self.route(5, to: []),
        ])
        #expect(graph.problem(with: Self.route(3, to: [4])) == nil)
        let deeper = Self.graph([
            Self.route(1, to: [2]), Self.route(2, to: [3]), Self.route(3, to: [4]), Self.route(4, to: []),
            Self.route(5, to: []),
        ])
        let problem = deeper.problem(with: Self.route(4, to: [5]))
        #expect(problem?.message.hasSuffix("r1 → r2 → r3 → r4 → r5") == true)
    }

    @Test("more models than a call can choose from are refused, also above the route that changes")
    func breadth() {
        let graph = Self.graph([Self.route(1, to: [2], models: 30), Self.route(2, to: [], models: 2)])
        #expect(graph.problem(with: Self.route(2, to: [], models: 2)) == nil)
        let problem = graph.problem(with: Self.route(2, to: [], models: 3))
        #expect(problem?.code == .tooLong && problem?.message.contains("r1 would have 33") == true)
    }
}
