package import Contract
package import Cryptography
package import Domain
package import Policy
import Synchronization

/// A control plane that only lends: the real rules of lending, in memory. Any thread.
package final class TestLender: Sendable {
    private struct State {
        var limits: [LimitID: LimitTerms] = [:]
        var accounts: [GrantAccount: LendingAccount] = [:]
        var sequences: [NodeID: UInt64] = [:]
        var isAway = false
        var requests = 0
        var positions: [GrantPosition] = []
    }

    private let state = Mutex(State())
    private let key: Ed25519PrivateKey
    private let now: Timestamp

    package init(key: Ed25519PrivateKey = Ed25519PrivateKey(), now: Timestamp) {
        self.key = key
        self.now = now
    }

    package func add(_ limit: LimitID, _ terms: LimitTerms) { state.withLock { $0.limits[limit] = terms } }

    /// Whether it answers nobody.
    package var isAway: Bool {
        get { state.withLock { $0.isAway } }
        set { state.withLock { $0.isAway = newValue } }
    }

    /// Messages it answered.
    package var requests: Int { state.withLock { $0.requests } }
    /// The positions of the last message.
    package var positions: [GrantPosition] { state.withLock { $0.positions } }

    package func account(_ limit: LimitID) -> LendingAccount? {
        state.withLock { state in state.accounts.values.first { $0.account.limit == limit } }
    }

    /// The answer to a `GrantRequest`, as over HTTP; nil while away.
    package func answer(_ bytes: [UInt8], of node: NodeID) -> (status: Int, body: [UInt8])? {
        guard let request = try? GrantRequest(encoded: bytes) else { return (400, []) }
        return state.withLock { state in
            if state.isAway { return nil }
            state.requests += 1
            state.positions = request.positions
            let last = state.sequences[node] ?? 0
            guard request.sequence > last else {
                return (200, GrantAnswer(now: now, sequence: last, replies: []).encoded)
            }
            state.sequences[node] = request.sequence
            let replies = request.positions.map { reply(to: $0, of: node, &state) }
            return (200, GrantAnswer(now: now, sequence: request.sequence, replies: replies).encoded)
        }
    }

    /// Takes the settlement that came with usage events.
    package func settle(_ grants: [GrantID], _ amount: Int64) {
        state.withLock { state in
            for (name, account) in state.accounts {
                for index in account.loans.indices where grants.contains(account.loans[index].id) {
                    state.accounts[name]?.loans[index].settled += amount
                }
            }
        }
    }

    /// The grant a statement of this lender says; nil for any other.
    package func verified(_ statement: SignedEnvelope, of node: NodeID) -> Grant? {
        guard statement.isSigned(as: Grant.payloadType, by: [key.publicKey]),
            let grant = try? Grant(encoded: statement.payload), grant.node == node
        else { return nil }
        return grant
    }

    private func reply(to position: GrantPosition, of node: NodeID, _ state: inout State) -> GrantReply {
        guard let terms = state.limits[position.account.limit] else {
            return GrantReply(grant: position.grant, account: position.account, isClosed: true)
        }
        let day = LimitWindow(start: now.advanced(bySeconds: -3600), end: now.advanced(bySeconds: 82_800))
        // The next day's is not lent ahead here.
        if let within = position.within, within >= day.start.advanced(bySeconds: 86_400) {
            return GrantReply(grant: position.grant, account: position.account, amount: terms.amount)
        }
        var account =
            state.accounts[position.account]
            ?? LendingAccount(
                account: position.account, metric: terms.metric, period: terms.period, amount: terms.amount,
                window: terms.kind == .budget ? day : .always, epoch: 1)
        let outcome = account.take(position, of: node, at: now)
        state.accounts[position.account] = account
        var reply = outcome.reply
        reply.statement = outcome.grant.map {
            SignedEnvelope(payloadType: Grant.payloadType, payload: $0.encoded, signedBy: [key])
        }
        return reply
    }
}
