package import Domain
package import PostgresDriver

/// Something that should be the same twice and is not.
package struct LedgerDifference: Hashable, Sendable {
    package let tenant: TenantID
    /// nil: over all time.
    package let day: CivilDate?
    package let what: String
    /// Nano-dollars, calls or tokens, as decimal texts: sums over all time may be longer than a number.
    package let expected: String
    package let found: String
}

/// One proof that calls, their sums, the books and the budgets agree.
package struct LedgerProof: Hashable, Sendable {
    package let id: LedgerProofID
    package let first: CivilDate
    package let last: CivilDate
    package let startedAt: Timestamp
    package let finishedAt: Timestamp
    /// nil: the schedule.
    package let requestedBy: UserID?
    /// How many; the books hold when it is 0.
    package let differences: Int64
    /// The first of them.
    package let findings: [LedgerDifference]

    package init(
        id: LedgerProofID, first: CivilDate, last: CivilDate, startedAt: Timestamp, finishedAt: Timestamp,
        requestedBy: UserID?, differences: Int64, findings: [LedgerDifference]
    ) {
        self.id = id
        self.first = first
        self.last = last
        self.startedAt = startedAt
        self.finishedAt = finishedAt
        self.requestedBy = requestedBy
        self.differences = differences
        self.findings = findings
    }
}

package enum LedgerProofStore {
    /// Findings that are kept of one proof.
    package static let maximumFindings = 100
    private static let timeoutMilliseconds = "600000"

    /// What does not agree for days from one to another. For roles that see all tenants; reads every call of
    /// the time, which may take minutes.
    package static func differences(
        from first: CivilDate, to last: CivilDate, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (count: Int64, findings: [LedgerDifference]) {
        _ = try await connection.query(
            "select set_config('statement_timeout', \(timeoutMilliseconds), true)")
        let rows = try await connection.query(
            """
            select tenant_id, day, what, expected::text, found::text, count(*) over ()
              from prove_ledger(\(fragment: LedgerStore.day(first)), \(fragment: LedgerStore.day(last)))
             order by day nulls first, tenant_id, what
             limit \(maximumFindings)
            """)
        let findings = try rows.read { row throws(PostgresError) in
            LedgerDifference(
                tenant: try row.id(0), day: try row.isNull(1) ? nil : try row.date(1), what: try row.text(2),
                expected: try row.text(3), found: try row.text(4))
        }
        return (try rows.first?.int64(5) ?? 0, findings)
    }

    package static func create(
        _ proof: LedgerProof, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let list = proof.findings
        let none = SQLParameter.null(.date)
        let days = list.map { finding in
            finding.day.map { SQLParameter.date(days: Int32(clamping: $0.daysSinceEpoch)) } ?? none
        }
        try await connection.execute(
            """
            insert into ledger_proofs (id, starts_on, ends_on, started_at, finished_at, requested_by,
                                       differences, findings)
            select \(proof.id), \(fragment: LedgerStore.day(proof.first)),
                   \(fragment: LedgerStore.day(proof.last)), \(proof.startedAt), \(proof.finishedAt),
                   \(proof.requestedBy), \(proof.differences),
                   coalesce(jsonb_agg(to_jsonb(finding) order by position), '[]')
              from unnest(\(list.map(\.tenant)), \(SQLParameter.array(.date, days)), \(list.map(\.what)),
                          \(list.map(\.expected)), \(list.map(\.found)))
                   with ordinality as finding (tenant_id, day, what, expected, found, position)
            """)
    }

    package static func find(
        _ id: LedgerProofID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> LedgerProof? {
        try await read("where id = \(id)", connection).first
    }

    /// Every proof, the newest first.
    package static func list(
        _ page: Page<LedgerProofNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<LedgerProof, LedgerProofNoun> {
        page.listing(
            try await read(
                "where id < \(page.bound) order by id desc limit \(page.fetchLimit)", connection), \.id)
    }

    private static func read(
        _ condition: SQL, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [LedgerProof] {
        let rows = try await connection.query(
            """
            select id, starts_on, ends_on, started_at, finished_at, requested_by, differences
              from ledger_proofs
            \(fragment: condition)
            """)
        let ids: [LedgerProofID] = try rows.read { row throws(PostgresError) in try row.id(0) }
        let found = try await connection.query(
            """
            select ledger_proofs.id, finding.tenant_id, finding.day, finding.what, finding.expected,
                   finding.found
              from ledger_proofs,
                   jsonb_to_recordset(findings) as finding (tenant_id uuid, day date, what text,
                                                            expected text, found text, position int8)
             where ledger_proofs.id = any(\(ids))
             order by ledger_proofs.id, position
            """)
        var findings: [LedgerProofID: [LedgerDifference]] = [:]
        for row in found {
            findings[try row.id(0), default: []].append(
                LedgerDifference(
                    tenant: try row.id(1), day: try row.isNull(2) ? nil : try row.date(2),
                    what: try row.text(3), expected: try row.text(4), found: try row.text(5)))
        }
        return try rows.read { row throws(PostgresError) in
            let id: LedgerProofID = try row.id(0)
            return LedgerProof(
                id: id, first: try row.date(1), last: try row.date(2), startedAt: try row.timestamp(3),
                finishedAt: try row.timestamp(4), requestedBy: try row.optionalID(5),
                differences: try row.int64(6), findings: findings[id] ?? [])
        }
    }
}
