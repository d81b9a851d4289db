import Contract
import Cryptography
import Domain
import Policy
import PostgresDriver
import Store

/// One message of a node inside its transaction: reads what was lent of every account it names, lets the
/// lender's machine answer each position, and writes what that changed.
struct LendingExchange {
    /// What a message came to. Signatures are still missing.
    struct Done: Sendable {
        var answer: GrantAnswer
        /// The grants that belong into the replies, by their places.
        var grants: [(reply: Int, grant: Grant)] = []
        var alerts: [GrantStore.Alert] = []
        var isFrozen = false
    }

    private struct Lender {
        let subject: GrantStore.Subject
        let before: [GrantID: GrantStore.Stored]
        var account: LendingAccount
    }

    /// A row in which nothing but the time it was last seen changes is written this often.
    private static let idleMicroseconds: Int64 = 2_000_000
    private static let nearDays: (past: Int64, ahead: Int64) = (93, 62)

    private let request: GrantRequest
    private let node: NodeID
    private let accepted: [Ed25519PublicKey]
    private let now: Timestamp

    init(
        _ request: GrantRequest, of node: NodeID, accepting accepted: [Ed25519PublicKey], at now: Timestamp
    ) {
        self.request = request
        self.node = node
        self.accepted = accepted
        self.now = now
    }

    /// Nil: the node is not known, or revoked.
    func run(_ connection: PostgresConnection) async throws -> Done? {
        guard var stream = try await GrantStore.openStream(of: node, connection) else { return nil }
        var done = Done(answer: GrantAnswer(now: now, sequence: stream.sequence, replies: []))
        done.isFrozen = !stream.isWhole
        guard request.sequence > stream.sequence else { return done }
        stream.sequence = request.sequence
        done.answer.sequence = request.sequence
        if !request.positions.isEmpty { try await lend(stream, &done, connection) }
        if stream.importedEpoch != stream.epoch {
            // A restarted node counts its rounds anew.
            let first = min(stream.firstRound ?? request.round, request.round)
            let isWhole =
                GrantImport.isWhole(first: first, now: request.round)
                && !done.answer.replies.contains(where: \.wantsStatement)
            stream.firstRound = isWhole ? nil : first
            if isWhole { stream.importedEpoch = stream.epoch }
        }
        try await GrantStore.closeStream(stream, of: node, connection)
        return done
    }

    private func lend(
        _ stream: GrantStore.Stream, _ done: inout Done, _ connection: PostgresConnection
    ) async throws {
        let asked = request.positions.map { ($0.account, $0.grant, $0.within.map(near)) }
        let subjects = try await GrantStore.resolve(asked, at: now, connection)
        let known = subjects.compactMap(\.self)
        var lenders: [GrantStore.Account: Lender] = [:]
        var alerted: [GrantStore.Account: Int] = [:]
        if !known.isEmpty {
            alerted = try await GrantStore.lock(known, connection)
            let stored = try await GrantStore.list(of: known, connection)
            for subject in known where lenders[subject.account] == nil {
                lenders[subject.account] = lender(of: subject, stored[subject.account] ?? [], stream)
            }
        }
        for (position, subject) in zip(request.positions, subjects) {
            guard let subject, let outcome = answer(position, &lenders[subject.account]) else {
                let closed = GrantReply(grant: position.grant, account: position.account, isClosed: true)
                done.answer.replies.append(closed)
                continue
            }
            if let grant = outcome.grant { done.grants.append((done.answer.replies.count, grant)) }
            done.answer.replies.append(outcome.reply)
        }
        var changes = GrantStore.Changes()
        for lender in lenders.values {
            note(lender, alerted[lender.subject.account] ?? 0, &changes)
        }
        done.alerts = changes.alerts
        try await GrantStore.write(changes, connection)
    }

    /// A moment no further from now than any window a node has business in: each other one would be a row.
    private func near(_ moment: Timestamp) -> Timestamp {
        let (first, last) = (
            now.advanced(bySeconds: -Self.nearDays.past * 86_400),
            now.advanced(bySeconds: Self.nearDays.ahead * 86_400)
        )
        return min(max(moment, first), last)
    }

    private func lender(
        of subject: GrantStore.Subject, _ stored: [GrantStore.Stored], _ stream: GrantStore.Stream
    ) -> Lender {
        var account = LendingAccount(
            account: subject.account.account, metric: subject.metric, period: subject.period,
            amount: subject.amount, window: subject.account.window, epoch: stream.epoch,
            isFrozen: !stream.isWhole)
        // A revoked node uses no rate any more; what it may have spent of a budget stays counted.
        account.loans = stored.filter { account.kind == .budget || !$0.isOfRevokedNode }.map { row in
            var loan = LendingAccount.Loan(id: row.id, node: row.node, seenAt: row.seenAt)
            (loan.serial, loan.lent) = (row.serial, row.lent)
            (loan.settled, loan.reported) = (row.settled, row.reported)
            (loan.held, loan.need, loan.hold) = (row.held, row.need, row.hold)
            (loan.demand, loan.isOrphan) = (row.demand, row.isOrphan)
            return loan
        }
        return Lender(
            subject: subject,
            before: Dictionary(stored.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first }),
            account: account)
    }

    /// Nil: the node is to forget it.
    private func answer(_ position: GrantPosition, _ lender: inout Lender?) -> LendingAccount.Outcome? {
        if lender?.before[position.grant]?.isWrittenOff == true { return nil }
        let statement = position.statement.flatMap { envelope in
            envelope.isSigned(as: Grant.payloadType, by: accepted)
                ? try? Grant(encoded: envelope.payload) : nil
        }
        return lender?.account.take(position, of: node, statement: statement, at: now)
    }

    private func note(_ lender: Lender, _ alerted: Int, _ changes: inout GrantStore.Changes) {
        let account = lender.subject.account
        var gone = lender.before
        for loan in lender.account.loans {
            let before = gone.removeValue(forKey: loan.id)
            var row = before ?? GrantStore.Stored(id: loan.id, node: loan.node, seenAt: loan.seenAt)
            (row.serial, row.lent, row.reported) = (loan.serial, loan.lent, loan.reported)
            (row.held, row.need, row.hold) = (loan.held, loan.need, loan.hold)
            (row.demand, row.isOrphan) = (loan.demand, loan.isOrphan)
            let isSame = row == before
            row.seenAt = loan.seenAt
            if let before, isSame, row.seenAt.microseconds(since: before.seenAt) < Self.idleMicroseconds {
                continue
            }
            changes.saves.append((account, row))
        }
        changes.deletes += gone.keys.map { (account.account.tenant, $0) }
        let used = lender.account.loans.reduce(Int64(0)) { $0 + $1.used }
        for threshold in lender.subject.thresholds
        where threshold > alerted && isCrossed(threshold, lender.subject.amount, used) {
            changes.alerts.append(
                GrantStore.Alert(
                    id: LimitAlertID(at: now), account: account, threshold: threshold, used: used,
                    amount: lender.subject.amount, crossedAt: now))
        }
    }

    private func isCrossed(_ threshold: Int, _ amount: Int64, _ used: Int64) -> Bool {
        Int128(used) * 100 >= Int128(amount) * Int128(threshold)
    }
}
