import Contract
import Domain
import Policy
import TestSupport

/// The seeded world: nodes, a control plane, a network that drops, delays, doubles and reorders, and the
/// provider's own books.
struct World {
    enum Message {
        case request(GrantRequest, from: Int, process: Int)
        case answer(GrantAnswer, to: Int, process: Int, GrantRequest, isFrozen: Bool)
        case batch([SimulatedNode.Event], from: Int, epoch: UInt64, sequence: Int64)
        case taken(Int64, to: Int, epoch: UInt64)
    }

    var generator: SeededGenerator
    let mutation: Mutation?
    var now: Int64 = 1_000_000_000
    var control: SimulatedControlPlane
    var nodes: [SimulatedNode] = []
    var network: [(at: Int64, message: Message)] = []
    let budget, rate, slots: LimitClaim
    /// What the provider may have billed by grant, killed calls at their worst.
    var billed: [GrantID: Int64] = [:]
    /// What the books have of grants that no node can tell of any more: of what was spent beyond it only the
    /// books before a restore knew.
    var forgotten: [GrantID: Int64] = [:]
    var admissions: [Int64] = []
    var answered = 0
    var answeredCost: Int64 = 0
    var violations: [String] = []
    var isHealing = false
    var quietUntil: Int64 = 0
    /// A disk or a part of the books was lost with answered calls on it.
    var hasLostUsage = false
    var hasLostDisk = false
    var restores = 0

    static let epochStart = Timestamp(microseconds: 1_773_057_600_000_000)

    init(seed: UInt64, mutation: Mutation? = nil) {
        generator = SeededGenerator(seed: seed)
        self.mutation = mutation
        let tenant = TenantID(high: 1, low: 1)
        func claim(_ low: UInt64, _ metric: LimitMetric, _ period: LimitPeriod, _ amount: Int64) -> LimitClaim
        {
            LimitClaim(
                account: GrantAccount(tenant: tenant, limit: LimitID(high: 2, low: low)),
                terms: LimitTerms(metric: metric, mode: .enforce, period: period, amount: amount), amount: 1)
        }
        budget = claim(1, .cost, .day, [100, 1_000, 20_000].randomElement(using: &generator) ?? 100)
        rate = claim(2, .requests, .minute, [30, 600].randomElement(using: &generator) ?? 30)
        slots = claim(3, .concurrency, .open, Int64.random(in: 1...12, using: &generator))
        control = SimulatedControlPlane(
            windowMicroseconds: [30_000_000, 300_000_000, 3_600_000_000].randomElement(using: &generator)
                ?? 30_000_000)
        for claim in [budget, rate, slots] { control.limits[claim.account.limit] = claim.terms }
        for index in 0..<Int.random(in: 1...5, using: &generator) {
            nodes.append(SimulatedNode(NodeID(high: 3, low: UInt64(index)), at: now, using: &generator))
        }
        control.nodes = nodes.map(\.id)
        control.state.imported = Set(control.nodes)
        control.backup = control.state
    }

    var wall: Timestamp { Self.epochStart.advanced(byMicroseconds: now / 1000) }

    func wall(of node: SimulatedNode) -> Timestamp { wall.advanced(byMicroseconds: node.clockError / 1000) }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &generator) == 0 }

    /// Runs some steps, then heals everything and checks that the books agree.
    mutating func run(steps: Int) {
        for _ in 0..<steps where violations.isEmpty { step() }
        if violations.isEmpty { heal() }
    }

    private mutating func step() {
        now += Int64.random(in: 1_000_000...80_000_000, using: &generator)
        if chance(60) { fault() }
        deliver()
        for index in nodes.indices where nodes[index].isAlive {
            finishCalls(index)
            retryWaiting(index)
            if now >= quietUntil, chance(2) { begin(index) }
            exchange(index)
            upload(index)
        }
        check()
    }

    // MARK: Faults

    private mutating func fault() {
        guard let index = nodes.indices.randomElement(using: &generator) else { return }
        switch Int.random(in: 0..<12, using: &generator) {
        case 0...2: nodes[index].isAlive ? kill(index) : start(index)
        case 3:
            if nodes[index].isAlive { kill(index) }
            hasLostUsage =
                hasLostUsage || !nodes[index].disk.open.isEmpty || !nodes[index].disk.batches.isEmpty
            hasLostDisk = true
            if !control.state.imported.contains(nodes[index].id) {
                forget(nodes[index].disk.grants.keys)
            }
            nodes[index].disk = SimulatedNode.Disk(outboxEpoch: generator.next())
            start(index)
        case 4: nodes[index].isCutOut.toggle()
        case 5: nodes[index].isCutIn.toggle()
        case 6: control.isDown.toggle()
        case 7: control.backup = control.state
        case 8 where chance(3):
            control.restore()
            loseMessagesToControl()
            hasLostUsage = true
            restores += 1
            let told = Set(nodes.flatMap(\.disk.grants.keys))
            forget(control.windows.keys.filter { !told.contains($0) })
            // What was acknowledged after the backup is not there: the node numbers anew.
            for index in nodes.indices { renumber(index) }
        case 9:
            nodes[index].clockError = Int64.random(
                in: -3_600_000_000_000...3_600_000_000_000, using: &generator)
        case 10 where chance(4):
            // Nobody calls for so long that nodes give back what they have.
            now += Int64.random(in: 600_000_000_000...900_000_000_000, using: &generator)
            quietUntil = now + 3_000_000_000
        case 10: now += Int64.random(in: 0...40_000_000_000, using: &generator)
        default:
            for index in nodes.indices {
                nodes[index].isCutIn = false
                nodes[index].isCutOut = false
            }
            control.isDown = false
        }
    }

    /// Nobody will tell the control plane more of these grants than it has in its books now.
    private mutating func forget(_ grants: some Sequence<GrantID>) {
        for grant in grants { forgotten[grant] = control.open(grant) }
    }

    private mutating func renumber(_ index: Int) {
        nodes[index].disk.outboxEpoch = generator.next()
        let batches = nodes[index].disk.batches
        nodes[index].disk.batches = batches.enumerated().map { (Int64($0.offset) + 1, $0.element.events) }
        nodes[index].disk.nextSequence = Int64(batches.count) + 1
    }

    mutating func kill(_ index: Int) {
        // The provider bills what it was asked; nobody may ever know how much.
        for call in nodes[index].calls { bill(call, call.worst) }
        nodes[index].calls = []
        nodes[index].waiting = []
        nodes[index].request = nil
        nodes[index].isAlive = false
    }

    mutating func start(_ index: Int) {
        guard !nodes[index].isAlive else { return }
        nodes[index].isAlive = true
        nodes[index].process += 1
        let seed = generator.next()
        nodes[index].holder = GrantHolder(sequence: 0, at: now, identifiers: SeededGenerator(seed: seed))
        let saved = nodes[index].disk.grants.values.sorted { $0.id < $1.id }.compactMap { save in
            (try? Grant(encoded: save.statement.payload)).map { grant in
                var save = save
                if mutation == .marginsAreForgotten { save.margin = 0 }
                if mutation == .spendingIsNotSaved { save.spent = 0 }
                return (save, grant)
            }
        }
        nodes[index].holder.restore(saved, at: now, wall: wall(of: nodes[index]))
    }

    // MARK: Calls

    private mutating func begin(_ index: Int) {
        let worst = Int64.random(in: 1...10, using: &generator)
        let cost = Int64.random(in: 0...worst, using: &generator)
        var claims: [LimitClaim] = []
        if !chance(3) {
            claims.append(LimitClaim(account: budget.account, terms: budget.terms, amount: worst))
        }
        if chance(2) { claims.append(rate) }
        if chance(2) { claims.append(slots) }
        admit(index, claims, cost: cost)
    }

    private mutating func admit(_ index: Int, _ claims: [LimitClaim], cost: Int64) {
        let wall = wall(of: nodes[index])
        switch nodes[index].holder.hold(claims, at: now, wall: wall) {
        case .held(let holds):
            if claims.contains(where: { $0.terms.kind == .rate }) { admissions.append(now) }
            let worst = claims.first { $0.terms.kind == .budget }?.amount ?? 0
            let length = Int64.random(in: 1_000_000...3_000_000_000, using: &generator)
            var call = SimulatedNode.Call(
                claims: claims, holds: holds, endsAt: now + length, cost: cost, worst: worst)
            if mutation == .holdsAreNotKept {
                nodes[index].holder.settle(call.holds, nil, at: now)
                call.holds = []
            }
            nodes[index].calls.append(call)
            for save in nodes[index].holder.margins() {
                nodes[index].disk.grants[save.id]?.margin = save.margin
            }
        case .wait(let wait):
            nodes[index].waiting.append(
                SimulatedNode.Waiting(
                    claims: claims, wait: wait, givesUpAt: now + GrantHolder.patienceNanoseconds, cost: cost))
        case .refused: break
        }
    }

    private mutating func retryWaiting(_ index: Int) {
        let waiting = nodes[index].waiting
        nodes[index].waiting = []
        for call in waiting {
            if call.givesUpAt > now, !chance(4) {
                nodes[index].waiting.append(call)
                continue
            }
            nodes[index].holder.endWait(call.wait)
            if call.givesUpAt > now { admit(index, call.claims, cost: call.cost) }
        }
    }

    mutating func finishCalls(_ index: Int) {
        let ended = nodes[index].calls.filter { $0.endsAt <= now }
        nodes[index].calls.removeAll { $0.endsAt <= now }
        for call in ended {
            bill(call, call.cost)
            if mutation != .eventsAreLost || !chance(20) {
                nodes[index].record(
                    SimulatedNode.Event(
                        grants: call.holds.filter(\.isSpent).map(\.grant),
                        cost: call.worst > 0 ? call.cost : 0))
            }
            answered += 1
            answeredCost += call.worst > 0 ? call.cost : 0
            let tokens = TokenUsage(input: 1, output: 1)
            nodes[index].holder.settle(call.holds, (tokens, NanoUSD(nanos: call.cost)), at: now)
        }
    }

    /// To the grant it is held against; calls without a budget are not counted.
    mutating func bill(_ call: SimulatedNode.Call, _ cost: Int64) {
        if let grant = call.budgetGrant { billed[grant, default: 0] += cost }
    }
}
