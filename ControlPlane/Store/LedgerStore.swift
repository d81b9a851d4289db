package import Domain
package import PostgresDriver

/// One line of a ledger transaction.
package struct LedgerEntry: Hashable, Sendable {
    package let account: LedgerAccount
    /// nil: of no workspace.
    package let workspace: WorkspaceID?
    /// The day it counts for, in UTC.
    package let day: CivilDate
    package let amount: NanoUSD

    package init(
        _ account: LedgerAccount, _ amount: NanoUSD, on day: CivilDate, workspace: WorkspaceID? = nil
    ) {
        self.account = account
        self.amount = amount
        self.day = day
        self.workspace = workspace
    }
}

/// Entries that belong together and sum to zero.
package struct LedgerTransaction: Hashable, Sendable {
    package let id: LedgerTransactionID
    package let tenant: TenantID
    package let kind: LedgerKind
    package let postedAt: Timestamp
    package var reason = ""
    /// What it comes from, as everywhere outside.
    package var reference: String?
    /// nil: the program.
    package var postedBy: UserID?
    package var entries: [LedgerEntry]

    package init(
        _ kind: LedgerKind, of tenant: TenantID, at now: Timestamp, reason: String = "",
        reference: String? = nil, by user: UserID? = nil, _ entries: [LedgerEntry]
    ) {
        id = LedgerTransactionID(at: now)
        self.tenant = tenant
        self.kind = kind
        postedAt = now
        self.reason = reason
        self.reference = reference
        postedBy = user
        self.entries = entries
    }

    fileprivate init(
        id: LedgerTransactionID, tenant: TenantID, kind: LedgerKind, postedAt: Timestamp, reason: String,
        reference: String?, postedBy: UserID?
    ) {
        self.id = id
        self.tenant = tenant
        self.kind = kind
        self.postedAt = postedAt
        self.reason = reason
        self.reference = reference
        self.postedBy = postedBy
        entries = []
    }
}

/// The double-entry books of tenants: only added to.
package enum LedgerStore {
    // MARK: Posting

    /// Adds transactions, each whole. One that does not sum to zero is refused by the database, and
    /// everything with it.
    package static func post(
        _ transactions: [LedgerTransaction], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let statements = posting(transactions)
        if !statements.isEmpty { _ = try await connection.pipeline(statements) }
    }

    static func posting(_ transactions: [LedgerTransaction]) -> [SQL] {
        let kept = transactions.filter { !$0.entries.isEmpty }
        if kept.isEmpty { return [] }
        let lines = kept.flatMap { transaction in transaction.entries.map { (transaction, $0) } }
        return [
            """
            insert into ledger_transactions (tenant_id, id, kind, posted_at, reason, reference, posted_by)
            select * from unnest(\(kept.map(\.tenant)), \(kept.map(\.id)), \(kept.map(\.kind.rawValue)),
                                 \(kept.map(\.postedAt)), \(kept.map(\.reason)), \(kept.map(\.reference)),
                                 \(kept.map(\.postedBy)))
            """,
            """
            insert into ledger_entries (tenant_id, transaction_id, account, workspace_id, day, amount_nanos)
            select * from unnest(\(lines.map(\.0.tenant)), \(lines.map(\.0.id)),
                                 \(lines.map(\.1.account.rawValue)),
                                 \(lines.map { $0.1.workspace ?? WorkspaceID(high: 0, low: 0) }),
                                 \(fragment: days(lines.map(\.1.day))), \(lines.map(\.1.amount)))
            """,
        ]
    }

    static func days(_ days: [CivilDate]) -> SQL {
        let list = SQLParameter.array(.date, days.map { .date(days: Int32(clamping: $0.daysSinceEpoch)) })
        return "\(list)"
    }

    static func day(_ day: CivilDate) -> SQL {
        let value = SQLParameter.date(days: Int32(clamping: day.daysSinceEpoch))
        return "\(value)"
    }

    // MARK: Reading

    /// What stands in each account of a tenant; those that were never used are missing.
    package static func balances(
        of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [LedgerAccount: NanoUSD] {
        let rows = try await connection.query(
            "select account, amount_nanos from ledger_balances where tenant_id = \(tenant)")
        var balances: [LedgerAccount: NanoUSD] = [:]
        for row in rows {
            balances[try row.value(0) { LedgerAccount(rawValue: $0) }] = NanoUSD(nanos: try row.int64(1))
        }
        return balances
    }

    /// A tenant's transactions, the newest first: of one kind, or (nil) all but those of usage, of which
    /// every batch makes one.
    package static func list(
        of tenant: TenantID, kind: LedgerKind?, _ page: Page<LedgerTransactionNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<LedgerTransaction, LedgerTransactionNoun> {
        let filter: SQL = kind.map { "and kind = \($0.rawValue)" } ?? "and kind <> 'usage'"
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from ledger_transactions
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: filter)
             order by id desc
             limit \(page.fetchLimit)
            """)
        var listing = page.listing(try rows.read(read), \.id)
        let entries = try await entries(of: listing.items.map(\.id), in: tenant, connection)
        listing = Listing(
            items: listing.items.map { transaction in
                var transaction = transaction
                transaction.entries = entries[transaction.id] ?? []
                return transaction
            }, next: listing.next)
        return listing
    }

    package static func find(
        _ id: LedgerTransactionID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> LedgerTransaction? {
        let rows = try await connection.query(
            """
            select \(fragment: columns) from ledger_transactions where tenant_id = \(tenant) and id = \(id)
            """)
        guard var transaction = try rows.first.map(read) else { return nil }
        transaction.entries = try await entries(of: [id], in: tenant, connection)[id] ?? []
        return transaction
    }

    private static let columns: SQL = "tenant_id, id, kind, posted_at, reason, reference, posted_by"

    private static func read(_ row: Row) throws(PostgresError) -> LedgerTransaction {
        LedgerTransaction(
            id: try row.id(1), tenant: try row.id(0), kind: try row.value(2) { LedgerKind(rawValue: $0) },
            postedAt: try row.timestamp(3), reason: try row.text(4), reference: try row.optionalText(5),
            postedBy: try row.optionalID(6))
    }

    private static func entries(
        of transactions: [LedgerTransactionID], in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [LedgerTransactionID: [LedgerEntry]] {
        let rows = try await connection.query(
            """
            select transaction_id, account, workspace_id, day, amount_nanos
              from ledger_entries
             where tenant_id = \(tenant) and transaction_id = any(\(transactions))
             order by transaction_id, account, workspace_id, day
            """)
        var entries: [LedgerTransactionID: [LedgerEntry]] = [:]
        for row in rows {
            let workspace: WorkspaceID = try row.id(2)
            entries[try row.id(0), default: []].append(
                LedgerEntry(
                    try row.value(1) { LedgerAccount(rawValue: $0) }, NanoUSD(nanos: try row.int64(4)),
                    on: try row.date(3),
                    workspace: workspace == WorkspaceID(high: 0, low: 0) ? nil : workspace))
        }
        return entries
    }

    // MARK: Statements

    /// By what a statement is split up.
    package enum Dimension: String, Sendable, CaseIterable { case account, workspace, user, day }

    package struct StatementLine: Hashable, Sendable {
        package var account: LedgerAccount?
        package var workspace: WorkspaceID?
        package var user: UserID?
        package var day: CivilDate?
        package var amount: NanoUSD
    }

    package static let maximumLines = 10_000

    /// Sums of a tenant's entries for days from one on and before another. By account, or of what calls cost
    /// by workspace or by day; by user: what calls cost of the keys they own now.
    package static func statement(
        of tenant: TenantID, by dimension: Dimension, from: CivilDate, to: CivilDate,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> [StatementLine] {
        let period: SQL =
            "tenant_id = \(tenant) and day >= \(fragment: day(from)) and day < \(fragment: day(to))"
        let rows: Rows =
            switch dimension {
            case .account:
                try await connection.query(
                    """
                    select account, null::uuid, null::uuid, null::date, sum(amount_nanos)::int8
                      from ledger_days
                     where \(fragment: period)
                     group by account
                     order by account
                    """)
            case .workspace:
                try await connection.query(
                    """
                    select null::text, workspace_id, null::uuid, null::date, sum(amount_nanos)::int8
                      from ledger_days
                     where \(fragment: period) and account in ('usage', 'own_usage')
                     group by workspace_id
                     order by 5 desc, 2
                     limit \(maximumLines)
                    """)
            case .day:
                try await connection.query(
                    """
                    select null::text, null::uuid, null::uuid, day, sum(amount_nanos)::int8
                      from ledger_days
                     where \(fragment: period) and account in ('usage', 'own_usage')
                     group by day
                     order by day
                     limit \(maximumLines)
                    """)
            case .user:
                try await connection.query(
                    """
                    select null::text, null::uuid, owner_id, null::date, sum(cost_nanos)::int8
                      from usage_days
                      left join keys on keys.tenant_id = usage_days.tenant_id and keys.id = key_id
                     where usage_days.tenant_id = \(tenant) and starts_at >= \(from.start)
                       and starts_at < \(to.start)
                     group by owner_id
                     order by 5 desc, 3
                     limit \(maximumLines)
                    """)
            }
        return try rows.read { row throws(PostgresError) in
            let workspace: WorkspaceID? = try row.optionalID(1)
            return StatementLine(
                account: try row.optionalText(0).flatMap { LedgerAccount(rawValue: $0) },
                workspace: workspace == WorkspaceID(high: 0, low: 0) ? nil : workspace,
                user: try row.optionalID(2), day: try row.isNull(3) ? nil : try row.date(3),
                amount: NanoUSD(nanos: try row.int64(4)))
        }
    }
}

extension Row {
    func date(_ column: Int) throws(PostgresError) -> CivilDate {
        CivilDate(daysSinceEpoch: Int(try days(column)))
    }
}
