import Contract
import Domain
import Glibc

/// Puts the usable targets of one call in order, level by level. Lives on the stack of `plan`.
struct RouteOrdering {
    private let route: CompiledRoute
    private let call: CallFacts
    private let usable: UInt32
    private let chance: PlanChance
    private var random: UInt64
    private var latencies = InlineArray<32, UInt64>(repeating: 0)
    private var loads = InlineArray<32, UInt64>(repeating: 0)
    /// The targets that are: one bit each.
    private(set) var available: UInt32 = 0

    init(_ route: CompiledRoute, _ call: CallFacts, usable: UInt32, _ chance: PlanChance) {
        self.route = route
        self.call = call
        self.usable = usable
        self.chance = chance
        random = chance.draw ?? 0
    }

    mutating func note(_ health: TargetHealth, of target: Int) {
        if health.isAvailable { available |= 1 << UInt32(target) }
        loads[target] = UInt64(health.inFlight)
        // What is asked much now will be slower than it was: latency × (calls under way + 1).
        latencies[target] = UInt64(health.latencyMicroseconds) * (UInt64(health.inFlight) + 1)
    }

    /// Appends the usable targets of a level, those of the levels inside it in their places.
    mutating func place(level number: Int, into plan: inout RoutePlan) {
        let level = route.levels[number]
        var group = ChoiceGroup()
        var index = 0
        while index < level.choices.count {
            let priority = level.choices[index].priority
            group.removeAll()
            while index < level.choices.count, level.choices[index].priority == priority {
                if level.choices[index].targets & usable != 0 { group.append(index) }
                index += 1
            }
            order(&group, of: level)
            for position in 0..<group.count {
                switch level.choices[group[position]].kind {
                case .target(let target): plan.append(target)
                case .level(let inner): place(level: inner, into: &plan)
                }
            }
        }
    }

    private mutating func order(_ group: inout ChoiceGroup, of level: RouteLevel) {
        guard group.count > 1 else { return }
        switch level.strategy {
        case .priority: break
        case .weighted: draw(&group, of: level)
        case .roundRobin: takeTurns(&group, of: level)
        case .leastLatency:
            draw(&group, of: level)
            if latency(level.choices[group[1]]) < latency(level.choices[group[0]]) { group.swap(0, 1) }
        case .leastBusy:
            draw(&group, of: level)
            group.sort { load(level.choices[$0]) }
        case .cheapest: group.sort { price(level.choices[$0]) }
        case .affinity:
            if call.affinity == 0 { return draw(&group, of: level) }
            group.sort { distance(level.choices[$0]) }
        }
    }

    // MARK: Strategies

    /// Draws without replacement: each place goes to one of the rest, by weight.
    private mutating func draw(_ group: inout ChoiceGroup, of level: RouteLevel) {
        func weight(_ position: Int) -> UInt64 { level.choices[group[position]].weight }
        guard chance.draw != nil else { return group.sort { .max - level.choices[$0].weight } }
        for place in 0..<group.count - 1 {
            var total: UInt64 = 0
            for position in place..<group.count { total += weight(position) }
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            var ticket = (random ^ random >> 29).multipliedFullWidth(by: total).high
            var chosen = place
            while ticket >= weight(chosen) {
                ticket -= weight(chosen)
                chosen += 1
            }
            group.swap(place, chosen)
        }
    }

    /// One after the other when all weigh the same. Else by the golden ratio's multiples, which spread evenly
    /// over the shares, so that a few calls come out in proportion too.
    private func takeTurns(_ group: inout ChoiceGroup, of level: RouteLevel) {
        var total: UInt64 = 0
        var isEven = true
        for position in 0..<group.count {
            total += level.choices[group[position]].weight
            isEven = isEven && level.choices[group[position]].weight == level.choices[group[0]].weight
        }
        var first = Int(chance.turn % UInt64(group.count))
        if !isEven {
            var ticket = (chance.turn &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: total).high
            first = 0
            while ticket >= level.choices[group[first]].weight {
                ticket -= level.choices[group[first]].weight
                first += 1
            }
        }
        group.rotate(to: first)
    }

    private func latency(_ choice: RouteChoice) -> UInt64 { least(choice) { latencies[$0] } }
    private func load(_ choice: RouteChoice) -> UInt64 { least(choice) { loads[$0] } }

    /// The least there is among the usable targets of a choice.
    private func least(_ choice: RouteChoice, _ figure: (Int) -> UInt64) -> UInt64 {
        var rest = choice.targets & usable
        var least = UInt64.max
        while rest != 0 {
            least = min(least, figure(rest.trailingZeroBitCount))
            rest &= rest &- 1
        }
        return least
    }

    /// What the call would cost; a target without a price cannot be called cheap.
    private func price(_ choice: RouteChoice) -> UInt64 {
        // Sizes that are not known are taken as equal, so that rates decide.
        let isKnown = call.inputTokens > 0 || call.outputTokens > 0
        let usage = TokenUsage(
            input: isKnown ? call.inputTokens : 1000, output: isKnown ? call.outputTokens : 1000)
        return least(choice) { index in
            let target = route.targets[index]
            guard let price = target.price(at: call.now) else { return .max }
            return UInt64(target.cost(of: usage, by: price).nanos)
        }
    }

    /// Rendezvous hashing with weights: every choice has its own number for what calls have in common, and
    /// the least is taken. When one goes away, only its calls move.
    private func distance(_ choice: RouteChoice) -> UInt64 {
        var mixed = call.affinity ^ choice.identity
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        mixed ^= mixed >> 31
        // Uniform in (0, 1): −ln u / weight is least as often as the weight says.
        let uniform = (Double(mixed >> 11) + 0.5) / Double(1 << 53 as UInt64)
        return UInt64(-log(uniform) / Double(choice.weight) * 1e15)
    }
}

/// Choices of one priority. A value without heap storage.
private struct ChoiceGroup {
    private var indexes = InlineArray<32, UInt8>(repeating: 0)
    private(set) var count = 0

    subscript(position: Int) -> Int { Int(indexes[position]) }

    mutating func removeAll() { count = 0 }

    mutating func append(_ index: Int) {
        indexes[count] = UInt8(truncatingIfNeeded: index)
        count += 1
    }

    mutating func swap(_ first: Int, _ second: Int) {
        let saved = indexes[first]
        indexes[first] = indexes[second]
        indexes[second] = saved
    }

    /// The one at a position comes first, the others follow in their order.
    mutating func rotate(to first: Int) {
        let old = indexes
        for position in 0..<count { indexes[position] = old[(first + position) % count] }
    }

    /// By rising keys; equals stay in their order. A few elements: insertion.
    mutating func sort(by key: (Int) -> UInt64) {
        var keys = InlineArray<32, UInt64>(repeating: 0)
        for position in 0..<count {
            let (index, new) = (indexes[position], key(Int(indexes[position])))
            var place = position
            while place > 0, keys[place - 1] > new {
                keys[place] = keys[place - 1]
                indexes[place] = indexes[place - 1]
                place -= 1
            }
            keys[place] = new
            indexes[place] = index
        }
    }
}
