import Contract
import Domain
import Policy

/// The control plane of the simulation: the real lender over a store that commits at once.
struct SimulatedControlPlane {
    struct Window: Hashable {
        let account: GrantAccount
        let start: Timestamp
    }

    struct State {
        var accounts: [Window: LendingAccount] = [:]
        var sequences: [NodeID: UInt64] = [:]
        /// Nodes that have said all they were lent since the epoch began.
        var imported: Set<NodeID> = []
        var firstRounds: [NodeID: UInt64] = [:]
        var taken: [UInt64: Int64] = [:]
        var openedAt: [GrantID: Timestamp] = [:]
        var settled: Int64 = 0
        var events = 0
    }

    var state = State()
    var backup = State()
    var epoch: UInt32 = 1
    var isDown = false
    let windowMicroseconds: Int64
    var nodes: [NodeID] = []
    var limits: [LimitID: LimitTerms] = [:]
    /// Every grant there ever was, by its window: what the simulation knows, not the control plane.
    var windows: [GrantID: Timestamp] = [:]

    func window(of kind: LimitKind, within moment: Timestamp) -> LimitWindow {
        guard kind == .budget else { return .always }
        let start = moment.microseconds / windowMicroseconds * windowMicroseconds
        return LimitWindow(
            start: Timestamp(microseconds: start), end: Timestamp(microseconds: start + windowMicroseconds))
    }

    /// Some node has not said what it was lent before the restore.
    var isFrozen: Bool { !nodes.allSatisfy(state.imported.contains) }

    /// Answers a node's message in one step, as one transaction does.
    mutating func answer(
        _ request: GrantRequest, of node: NodeID, at now: Timestamp, faults: Mutation?
    ) -> GrantAnswer {
        let last = state.sequences[node] ?? 0
        guard request.sequence > last || faults == .lateMessagesAreTaken else {
            return GrantAnswer(now: now, sequence: last, replies: [])
        }
        state.sequences[node] = max(last, request.sequence)
        let wantsAll = !state.imported.contains(node)
        var replies: [GrantReply] = []
        for position in request.positions {
            guard let terms = limits[position.account.limit] else {
                replies.append(GrantReply(grant: position.grant, account: position.account, isClosed: true))
                continue
            }
            // A grant stays in the window it was opened in, though its node may not have heard.
            let opened = faults == .windowsAreForgotten ? nil : state.openedAt[position.grant]
            let window = window(of: terms.kind, within: opened ?? position.within ?? now)
            let key = Window(account: position.account, start: window.start)
            var account =
                state.accounts[key]
                ?? LendingAccount(
                    account: position.account, metric: terms.metric, period: terms.period,
                    amount: terms.amount, window: window, epoch: epoch)
            if faults == .orphansAreForgotten { account.loans.removeAll { $0.isOrphan } }
            account.isFrozen = faults != .lendsAfterRestore && isFrozen
            let statement = position.statement.flatMap { try? Grant(encoded: $0.payload) }
            let outcome = account.take(position, of: node, statement: statement, at: now)
            state.accounts[key] = account
            windows[position.grant] = window.start
            state.openedAt[position.grant] = window.start
            var reply = outcome.reply
            if faults == .restoreTakesBack, isFrozen { reply.target = 0 }
            if faults == .burstsAreGivenAgain { reply.isAlone = account.loans.count == 1 }
            if let grant = outcome.grant { reply.statement = Self.signed(grant) }
            replies.append(reply)
        }
        if wantsAll {
            // A restarted node counts its rounds anew.
            let first = min(state.firstRounds[node] ?? request.round, request.round)
            state.firstRounds[node] = first
            let isWhole = GrantImport.isWhole(first: first, now: request.round)
            if isWhole, !replies.contains(where: \.wantsStatement) { state.imported.insert(node) }
        }
        return GrantAnswer(now: now, sequence: request.sequence, replies: replies)
    }

    /// The simulation moves grants unsigned: signatures are tested where they are made.
    static func signed(_ grant: Grant) -> SignedEnvelope {
        SignedEnvelope(payloadType: Grant.payloadType, payload: grant.encoded, signedBy: [])
    }

    /// Takes a batch of usage once, with the settlement of its grants.
    mutating func take(
        _ events: [SimulatedNode.Event], epoch: UInt64, sequence: Int64, faults: Mutation?
    ) -> BatchAnswer {
        let last = state.taken[epoch] ?? 0
        if sequence <= last, faults != .batchesAreTakenTwice { return .acknowledged(sequence: sequence) }
        guard sequence <= last + 1 else { return .gap(needed: last + 1) }
        state.taken[epoch] = max(last, sequence)
        for event in events {
            state.settled += event.cost
            state.events += 1
            for grant in event.grants { settle(grant, event.cost) }
        }
        return .acknowledged(sequence: sequence)
    }

    private mutating func settle(_ grant: GrantID, _ cost: Int64) {
        for (key, account) in state.accounts {
            guard let index = account.loans.firstIndex(where: { $0.id == grant }) else { continue }
            state.accounts[key]!.loans[index].settled += cost
            return
        }
    }

    /// What the books keep of a grant.
    func open(_ grant: GrantID) -> Int64 {
        for account in state.accounts.values {
            if let loan = account.loans.first(where: { $0.id == grant }) { return account.open(loan) }
        }
        return 0
    }

    mutating func restore() {
        state = backup
        epoch += 1
        state.imported = []
        state.firstRounds = [:]
    }
}
