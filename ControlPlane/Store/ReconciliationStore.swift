package import Domain
package import PostgresDriver

/// Figures of one day and model; nil: not said.
package struct ReconciledFigures: Hashable, Sendable {
    package var calls: Int64?
    package var inputTokens: Int64?
    package var outputTokens: Int64?
    package var cost: NanoUSD?

    package init(
        calls: Int64? = nil, inputTokens: Int64? = nil, outputTokens: Int64? = nil, cost: NanoUSD? = nil
    ) {
        self.calls = calls
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

package struct ReconciliationLine: Hashable, Sendable {
    package let day: CivilDate
    /// As the provider calls it.
    package let model: String
    package let ours: ReconciledFigures
    package let theirs: ReconciledFigures

    package init(day: CivilDate, model: String, ours: ReconciledFigures, theirs: ReconciledFigures) {
        self.day = day
        self.model = model
        self.ours = ours
        self.theirs = theirs
    }

    /// How far apart the costs are.
    package var drift: UInt64 { ((theirs.cost?.nanos ?? 0) - (ours.cost?.nanos ?? 0)).magnitude }
}

/// A shared provider's own figures beside ours.
package struct Reconciliation: Hashable, Sendable {
    package let id: ReconciliationID
    package let provider: ProviderID
    package let first: CivilDate
    package let last: CivilDate
    package let createdAt: Timestamp
    package let createdBy: UserID?
    package var ourCost = NanoUSD.zero
    package var theirCost = NanoUSD.zero

    package init(
        id: ReconciliationID, provider: ProviderID, first: CivilDate, last: CivilDate, createdAt: Timestamp,
        createdBy: UserID?
    ) {
        self.id = id
        self.provider = provider
        self.first = first
        self.last = last
        self.createdAt = createdAt
        self.createdBy = createdBy
    }
}

package enum ReconciliationStore {
    /// What all tenants used of a provider, by day and model. For roles that see all tenants.
    package static func used(
        of provider: ProviderID, from first: CivilDate, to last: CivilDate, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [(day: CivilDate, model: ModelID, figures: ReconciledFigures)] {
        let end = CivilDate(daysSinceEpoch: last.daysSinceEpoch + 1)
        let rows = try await connection.query(
            """
            select day, model_id, sum(calls)::int8, sum(input_tokens)::int8, sum(output_tokens)::int8,
                   sum(cost)::int8
              from (select (starts_at at time zone 'UTC')::date as day, model_id, calls, input_tokens,
                           output_tokens, 0 as cost
                      from usage_days
                     where provider_id = \(provider) and starts_at >= \(first.start)
                       and starts_at < \(end.start)
                    union all
                    select day, model_id, 0, 0, 0, amount_nanos
                      from provider_costs
                     where provider_id = \(provider) and day >= \(fragment: LedgerStore.day(first))
                       and day < \(fragment: LedgerStore.day(end))) as used
             group by day, model_id
            """)
        return try rows.read { row throws(PostgresError) in
            (
                try row.date(0), try row.id(1) as ModelID,
                ReconciledFigures(
                    calls: try row.int64(2), inputTokens: try row.int64(3), outputTokens: try row.int64(4),
                    cost: NanoUSD(nanos: try row.int64(5)))
            )
        }
    }

    /// The names of a shared provider's models.
    package static func models(
        of provider: ProviderID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ModelID: String] {
        let rows = try await connection.query(
            """
            select id, name from models where tenant_id = \(TenantID.platform) and provider_id = \(provider)
            """)
        var names: [ModelID: String] = [:]
        for row in rows { names[try row.id(0)] = try row.text(1) }
        return names
    }

    package static func create(
        _ reconciliation: Reconciliation, _ lines: [ReconciliationLine], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        func ours(_ value: (ReconciledFigures) -> Int64?) -> SQL { "\(lines.map { value($0.ours) ?? 0 })" }
        func theirs(_ value: (ReconciledFigures) -> Int64?) -> SQL { "\(lines.map { value($0.theirs) })" }
        try await connection.execute(
            """
            insert into reconciliations (id, provider_id, starts_on, ends_on, created_at, created_by)
            values (\(reconciliation.id), \(reconciliation.provider),
                    \(fragment: LedgerStore.day(reconciliation.first)),
                    \(fragment: LedgerStore.day(
                        CivilDate(daysSinceEpoch: reconciliation.last.daysSinceEpoch + 1))),
                    \(reconciliation.createdAt), \(reconciliation.createdBy))
            """)
        try await connection.execute(
            """
            insert into reconciliation_lines
            select \(reconciliation.id), position, day, model, our_calls, our_input, our_output, our_cost,
                   their_calls, their_input, their_output, their_cost
              from unnest(\(fragment: LedgerStore.days(lines.map(\.day))), \(lines.map(\.model)),
                          \(fragment: ours(\.calls)), \(fragment: ours(\.inputTokens)),
                          \(fragment: ours(\.outputTokens)), \(fragment: ours { $0.cost?.nanos }),
                          \(fragment: theirs(\.calls)), \(fragment: theirs(\.inputTokens)),
                          \(fragment: theirs(\.outputTokens)), \(fragment: theirs { $0.cost?.nanos }))
                   with ordinality as line (day, model, our_calls, our_input, our_output, our_cost,
                                            their_calls, their_input, their_output, their_cost, position)
            """)
    }

    package static func find(
        _ id: ReconciliationID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Reconciliation? {
        try await read("where id = \(id)", connection).first
    }

    package static func list(
        _ page: Page<ReconciliationNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Reconciliation, ReconciliationNoun> {
        page.listing(
            try await read(
                "where id < \(page.bound) order by id desc limit \(page.fetchLimit)", connection), \.id)
    }

    package static func lines(
        of id: ReconciliationID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [ReconciliationLine] {
        let rows = try await connection.query(
            """
            select day, model, our_calls, our_input_tokens, our_output_tokens, our_cost_nanos, their_calls,
                   their_input_tokens, their_output_tokens, their_cost_nanos
              from reconciliation_lines
             where reconciliation_id = \(id)
             order by position
            """)
        return try rows.read { row throws(PostgresError) in
            func figures(_ first: Int) throws(PostgresError) -> ReconciledFigures {
                ReconciledFigures(
                    calls: try row.optionalInt64(first), inputTokens: try row.optionalInt64(first + 1),
                    outputTokens: try row.optionalInt64(first + 2),
                    cost: try row.optionalInt64(first + 3).map { NanoUSD(nanos: $0) })
            }
            return ReconciliationLine(
                day: try row.date(0), model: try row.text(1), ours: try figures(2), theirs: try figures(6))
        }
    }

    private static func read(
        _ condition: SQL, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Reconciliation] {
        let rows = try await connection.query(
            """
            select id, provider_id, starts_on, ends_on - 1, created_at, created_by, ours, theirs
              from reconciliations
             cross join lateral (select coalesce(sum(our_cost_nanos), 0)::int8 as ours,
                                        coalesce(sum(their_cost_nanos), 0)::int8 as theirs
                                   from reconciliation_lines
                                  where reconciliation_id = reconciliations.id) as sums
            \(fragment: condition)
            """)
        return try rows.read { row throws(PostgresError) in
            var reconciliation = Reconciliation(
                id: try row.id(0), provider: try row.id(1), first: try row.date(2), last: try row.date(3),
                createdAt: try row.timestamp(4), createdBy: try row.optionalID(5))
            reconciliation.ourCost = NanoUSD(nanos: try row.int64(6))
            reconciliation.theirCost = NanoUSD(nanos: try row.int64(7))
            return reconciliation
        }
    }
}
