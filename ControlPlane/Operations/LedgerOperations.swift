package import Domain
import JSONText
import PostgresDriver
package import Store

/// What a tenant has, and how it came to that.
package struct Balance: Sendable {
    package let mode: BillingMode
    /// The budget that refuses calls when the balance is used up; nil: it pays by invoice.
    package let limit: LimitID?
    package let accounts: [LedgerAccount: NanoUSD]

    package func amount(_ account: LedgerAccount) -> NanoUSD { accounts[account] ?? .zero }
}

/// Sums of a tenant's books over days.
package struct LedgerStatement: Sendable {
    package let from: CivilDate
    /// The day after the last one that counts.
    package let to: CivilDate
    package let lines: [LedgerStore.StatementLine]
}

/// The books of tenants: double entry, only added to.
package struct LedgerOperations {
    /// The largest amount of one posting: a billion dollars.
    package static let maximum = NanoUSD(nanos: 1_000_000_000_000_000_000)
    private static let maximumDays = 400

    let environment: OperationEnvironment

    package func balance(
        of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Balance {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            let settings = try await BillingStore.settings(of: tenant, connection)
            return Balance(
                mode: settings.mode, limit: settings.limit,
                accounts: try await LedgerStore.balances(of: tenant, connection))
        }
    }

    /// Transactions, the newest first: of one kind, or (nil) all but those of usage.
    package func list(
        in tenant: TenantID, kind: LedgerKind?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LedgerTransaction> {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await LedgerStore.list(
                    of: tenant, kind: kind, page.of(LedgerTransactionNoun.self), connection))
        }
    }

    package func get(
        _ id: LedgerTransactionID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> LedgerTransaction {
        try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await LedgerStore.find(id, of: tenant, connection))
        }
    }

    /// Sums over whole days (UTC); missing: the last thirty.
    package func statement(
        of tenant: TenantID, by dimension: LedgerStore.Dimension, from: Timestamp?, to: Timestamp?,
        by caller: Caller
    ) async throws(OperationError) -> LedgerStatement {
        let today = environment.clock.now().date
        let end = to.map(Self.dayAfter) ?? CivilDate(daysSinceEpoch: today.daysSinceEpoch + 1)
        let start = from?.date ?? CivilDate(daysSinceEpoch: end.daysSinceEpoch - 30)
        guard start < end else {
            throw .invalid([ValidationError("from", .outOfRange, "must lie before to")])
        }
        guard end.daysSinceEpoch - start.daysSinceEpoch <= Self.maximumDays else {
            throw .invalid([
                ValidationError("from", .outOfRange, "must lie at most \(Self.maximumDays) days before to")
            ])
        }
        return try await environment.read(.ledgerRead, in: .tenant(tenant), by: caller) { connection in
            LedgerStatement(
                from: start, to: end,
                lines: try await LedgerStore.statement(
                    of: tenant, by: dimension, from: start, to: end, connection))
        }
    }

    /// A moment that is not midnight counts its whole day.
    private static func dayAfter(_ moment: Timestamp) -> CivilDate {
        moment.startOfDay == moment
            ? moment.date : CivilDate(daysSinceEpoch: moment.date.daysSinceEpoch + 1)
    }

    /// Gives a tenant money it did not pay.
    package func credit(
        _ amount: NanoUSD, because reason: String, to tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LedgerTransaction> {
        guard amount > .zero, amount <= Self.maximum else {
            throw .invalid([ValidationError("/amount", .outOfRange, "must be above 0 and at most 10^9")])
        }
        return try await post(
            .credit, amount, because: reason, "credits.create", .creditsCreate, in: tenant, by: caller)
    }

    /// Puts a balance right, upwards or downwards.
    package func adjust(
        by amount: NanoUSD, because reason: String, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LedgerTransaction> {
        guard amount != .zero, amount.nanos.magnitude <= Self.maximum.nanos.magnitude else {
            throw .invalid([
                ValidationError("/amount", .outOfRange, "must not be 0, and between -10^9 and 10^9")
            ])
        }
        return try await post(
            .adjustment, amount, because: reason, "adjustments.create", .adjustmentsCreate, in: tenant,
            by: caller)
    }

    private func post(
        _ kind: LedgerKind, _ amount: NanoUSD, because reason: String, _ action: String,
        _ permission: Permission, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LedgerTransaction> {
        let transaction = Self.moving(
            amount, kind, of: tenant, at: environment.clock.now(), reason: reason, by: caller.user)
        return try await environment.write(action, permission, in: .tenant(tenant), by: caller) {
            connection in
            try await LedgerStore.post([transaction], connection)
            try await BillingStore.refreshAmount(of: tenant, connection)
            return Recorded(
                transaction,
                AuditSubject(
                    "ledger-transaction", transaction.id,
                    ["amount": .string(amount.description), "reason": .string(reason)]))
        }
    }

    /// A transaction that moves the balance against the kind's own account.
    static func moving(
        _ amount: NanoUSD, _ kind: LedgerKind, of tenant: TenantID, at now: Timestamp, reason: String = "",
        reference: String? = nil, by user: UserID? = nil
    ) -> LedgerTransaction {
        let against = LedgerAccount.counterpart(of: kind) ?? .adjustments
        return LedgerTransaction(
            kind, of: tenant, at: now, reason: reason, reference: reference, by: user,
            [
                LedgerEntry(.balance, amount, on: now.date),
                LedgerEntry(against, NanoUSD(nanos: -amount.nanos), on: now.date),
            ])
    }
}
