package import Domain
import JSONText
import PostgresDriver
package import Store

/// Proofs that calls, their sums, the books and the budgets agree.
package struct LedgerProofOperations {
    /// Days a proof looks back when it is not told: usage comes in late.
    private static let defaultDays = 7

    let environment: OperationEnvironment

    package func list(
        _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LedgerProof> {
        try await environment.read(.ledgerRead, in: .platform, by: caller) { connection in
            ListPage(try await LedgerProofStore.list(page.of(LedgerProofNoun.self), connection))
        }
    }

    package func get(
        _ id: LedgerProofID, by caller: Caller
    ) async throws(OperationError) -> LedgerProof {
        try await environment.read(.ledgerRead, in: .platform, by: caller) { connection in
            try found(try await LedgerProofStore.find(id, connection))
        }
    }

    /// Proves the books for whole days (UTC), over all tenants; missing: the last seven, with today.
    package func create(
        from: Timestamp?, to: Timestamp?, by caller: Caller
    ) async throws(OperationError) -> Changed<LedgerProof> {
        try caller.demand(.ledgerProve, in: .platform)
        return try await prove(from: from?.date, to: to?.date, by: AuditActor(caller), caller.user)
    }

    /// Proves them unless that was done since a moment; nil: it was.
    package func createIfDue(since moment: Timestamp) async throws(OperationError) -> LedgerProof? {
        if let newest = try await newest(), newest.startedAt >= moment { return nil }
        return try await prove(from: nil, to: nil, by: .system, nil).value
    }

    /// The last one, whoever asked for it; nil: there was none.
    package func newest() async throws(OperationError) -> LedgerProof? {
        try await environment.view { connection in
            try await LedgerProofStore.list(Page(limit: 1), connection).items.first
        }
    }

    private func prove(
        from: CivilDate?, to: CivilDate?, by actor: AuditActor, _ user: UserID?
    ) async throws(OperationError) -> Changed<LedgerProof> {
        let begun = environment.clock.now()
        let last = to ?? begun.date
        let first = from ?? CivilDate(daysSinceEpoch: last.daysSinceEpoch - Self.defaultDays + 1)
        guard first <= last else {
            throw .invalid([ValidationError("/from", .outOfRange, "must not lie after to")])
        }
        let (count, findings) = try await environment.viewAcrossTenants { connection in
            try await LedgerProofStore.differences(from: first, to: last, connection)
        }
        let proof = LedgerProof(
            id: LedgerProofID(at: begun), first: first, last: last, startedAt: begun,
            finishedAt: environment.clock.now(), requestedBy: user, differences: count, findings: findings)
        return try await environment.write("ledger-proofs.create", in: .platform, by: actor) { connection in
            try await LedgerProofStore.create(proof, connection)
            return Recorded(
                proof,
                AuditSubject(
                    "ledger-proof", proof.id, ["differences": .number(JSONNumber(proof.differences))]))
        }
    }
}
