package import Domain
package import PostgresDriver

/// A time's calls of one model, rated anew.
package struct Rerating: Hashable, Sendable {
    package let id: ReratingID
    package let tenant: TenantID
    package let model: ModelID
    package let from: Timestamp
    /// The moment after the last one that counts.
    package let to: Timestamp
    /// nil: of each call the one that was in force when it began.
    package let price: PriceID?
    /// On the platform's prices.
    package let markup: Markup
    package let createdAt: Timestamp
    package let createdBy: UserID?
    /// Calls whose cost changed.
    package var events: Int64 = 0
    /// What these cost before, and cost now.
    package var before = NanoUSD.zero
    package var after = NanoUSD.zero

    package init(
        id: ReratingID, tenant: TenantID, model: ModelID, from: Timestamp, to: Timestamp, price: PriceID?,
        markup: Markup, createdAt: Timestamp, createdBy: UserID?
    ) {
        self.id = id
        self.tenant = tenant
        self.model = model
        self.from = from
        self.to = to
        self.price = price
        self.markup = markup
        self.createdAt = createdAt
        self.createdBy = createdBy
    }
}

/// Past calls rated anew: corrections are added, calls never changed.
package enum ReratingStore {
    private static let timeoutMilliseconds = "240000"
    private static let columns: SQL =
        """
        tenant_id, id, model_id, starts_at, ends_at, price_id, markup, events, before_nanos, after_nanos,
        created_at, created_by
        """

    /// Writes what changes for the calls into corrections, the sums, the books and the record of it; the
    /// record with its figures. Calls without a price now, and those that cost the same, stay as they are:
    /// the same again changes nothing.
    ///
    /// The tenant's calls only; `pool.withTenant` of it. Reads every call of the time.
    package static func run(
        _ rerating: Rerating, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Rerating {
        _ = try await connection.query(
            "select set_config('statement_timeout', \(timeoutMilliseconds), true)")
        var done = rerating
        let sums = try await connection.query(correction(of: rerating))
        if let row = sums.first {
            done.events = try row.int64(0)
            done.before = NanoUSD(nanos: try row.int64(1))
            done.after = NanoUSD(nanos: try row.int64(2))
        }
        if done.events > 0 {
            for (table, step) in [
                ("usage_minutes", "minute"), ("usage_hours", "hour"), ("usage_days", "day"),
            ] as [(SQL, String)] {
                try await correct(table, by: step, rerating, connection)
            }
            try await post(rerating, connection)
        }
        try await connection.execute(
            """
            insert into reratings (\(fragment: columns))
            values (\(done.tenant), \(done.id), \(done.model), \(done.from), \(done.to), \(done.price),
                    \(done.markup.hundredths), \(done.events), \(done.before), \(done.after),
                    \(done.createdAt), \(done.createdBy))
            """)
        return done
    }

    /// One correction for each call that costs something else now, counting those it had before.
    private static func correction(of rerating: Rerating) -> SQL {
        let calls: SQL =
            """
            tenant_id = \(rerating.tenant) and model_id = \(rerating.model)
               and started_at >= \(rerating.from) and started_at < \(rerating.to)
            """
        let price: SQL =
            rerating.price.map { "id = \($0)" }
                ?? """
                effective_from <= event.started_at
                   and (effective_until is null or effective_until > event.started_at)
                """
        return """
            with corrected as (
                select event_id, sum(cost_nanos) as cost, sum(provider_cost_nanos) as provider_cost
                  from usage_corrections
                 where \(fragment: calls)
                 group by event_id
            ), rated as (
                select event.*, (price).id as new_price,
                       (price).tenant_id <> \(TenantID.platform) as is_own,
                       rated_cost(price, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens,
                                  reasoning_tokens) as new_base,
                       event.cost_nanos + coalesce(corrected.cost, 0) as old_cost,
                       coalesce((select rated_cost(former, input_tokens, cached_input_tokens,
                                                   cache_write_tokens, output_tokens, reasoning_tokens)
                                   from prices as former
                                  where former.tenant_id = \(TenantID.platform)
                                    and former.id = event.price_id
                                    and event.cost_nanos > 0), 0)
                           + coalesce(corrected.provider_cost, 0) as old_base
                  from (select *
                          from usage_events
                         where purpose <> 'mirror' and \(fragment: calls)) as event
                  left join corrected on corrected.event_id = event.id
                 cross join lateral (select prices as price
                                       from prices
                                      where tenant_id in (\(rerating.tenant), \(TenantID.platform))
                                        and model_id = event.model_id and \(fragment: price)
                                      order by effective_from desc, id desc
                                      limit 1) as now
            ), changed as (
                select *, case when is_own then new_base
                               else div(new_base::numeric * \(10_000 + Int64(rerating.markup.hundredths))
                                        + 5000, 10000)::bigint end as new_cost,
                       case when is_own then 0 else new_base end as new_provider_cost
                  from rated
            ), written as (
                insert into usage_corrections (tenant_id, event_id, rerating_id, started_at, workspace_id,
                                               key_id, route_id, provider_id, model_id, price_id, is_own,
                                               cost_nanos, provider_cost_nanos)
                select tenant_id, id, \(rerating.id), started_at, workspace_id, key_id, route_id, provider_id,
                       model_id, new_price, is_own, new_cost - old_cost, new_provider_cost - old_base
                  from changed
                 where new_cost <> old_cost or new_provider_cost <> old_base
                returning event_id
            )
            select count(*), coalesce(sum(old_cost), 0)::int8, coalesce(sum(new_cost), 0)::int8
              from changed
             where new_cost <> old_cost or new_provider_cost <> old_base
            """
    }

    /// Adds the differences to one table of sums. Every call that is corrected has its line there.
    private static func correct(
        _ table: SQL, by step: String, _ rerating: Rerating, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let rows = try await connection.query(
            """
            with delta as (
                select date_trunc(\(step), started_at, 'UTC') as starts_at, workspace_id, key_id, route_id,
                       provider_id, model_id, sum(cost_nanos)::int8 as cost
                  from usage_corrections
                 where tenant_id = \(rerating.tenant) and rerating_id = \(rerating.id)
                 group by 1, 2, 3, 4, 5, 6
            ), corrected as (
                update \(fragment: table) as sums
                   set cost_nanos = sums.cost_nanos + delta.cost
                  from delta
                 where sums.tenant_id = \(rerating.tenant) and sums.starts_at = delta.starts_at
                   and sums.workspace_id = delta.workspace_id and sums.key_id = delta.key_id
                   and sums.route_id = delta.route_id and sums.provider_id = delta.provider_id
                   and sums.model_id = delta.model_id
                returning 1
            )
            select (select count(*) from delta), (select count(*) from corrected)
            """)
        guard let row = rows.first, try row.int64(0) == row.int64(1) else {
            throw PostgresError(.decoding, privateDetail: "sums of usage do not have every call's line")
        }
    }

    private static func post(
        _ rerating: Rerating, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let rows = try await connection.query(
            """
            select (started_at at time zone 'UTC')::date, workspace_id, is_own, sum(cost_nanos)::int8,
                   sum(provider_cost_nanos)::int8
              from usage_corrections
             where tenant_id = \(rerating.tenant) and rerating_id = \(rerating.id)
             group by 1, 2, 3
            """)
        var sums = UsagePosting.Sums()
        for row in rows {
            let day = try row.date(0)
            let use = UsagePosting.Use(isOwn: try row.bool(2), workspace: try row.id(1), day: day)
            sums.uses[use, default: 0] += try row.int64(3)
            sums.costs[day, default: 0] += try row.int64(4)
        }
        // In the order in which batches lock them.
        try await connection.execute(
            """
            insert into provider_costs as old (tenant_id, day, provider_id, model_id, amount_nanos)
            select tenant_id, (started_at at time zone 'UTC')::date, provider_id, model_id,
                   sum(provider_cost_nanos)
              from usage_corrections
             where tenant_id = \(rerating.tenant) and rerating_id = \(rerating.id)
             group by 1, 2, 3, 4
            having sum(provider_cost_nanos) <> 0
             order by 1, 2, 3, 4
            on conflict (tenant_id, day, provider_id, model_id)
            do update set amount_nanos = old.amount_nanos + excluded.amount_nanos
            """)
        try await LedgerStore.post(
            [
                LedgerTransaction(
                    .correction, of: rerating.tenant, at: rerating.createdAt,
                    reference: rerating.id.description, by: rerating.createdBy, sums.entries)
            ], connection)
    }

    package static func find(
        _ id: ReratingID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Rerating? {
        let rows = try await connection.query(
            "select \(fragment: columns) from reratings where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    /// A tenant's re-ratings, the newest first.
    package static func list(
        of tenant: TenantID, _ page: Page<ReratingNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Rerating, ReratingNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from reratings
             where tenant_id = \(tenant) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    private static func read(_ row: Row) throws(PostgresError) -> Rerating {
        var rerating = Rerating(
            id: try row.id(1), tenant: try row.id(0), model: try row.id(2), from: try row.timestamp(3),
            to: try row.timestamp(4), price: try row.optionalID(5),
            markup: Markup(hundredths: try row.int32(6)) ?? .none, createdAt: try row.timestamp(10),
            createdBy: try row.optionalID(11))
        rerating.events = try row.int64(7)
        rerating.before = NanoUSD(nanos: try row.int64(8))
        rerating.after = NanoUSD(nanos: try row.int64(9))
        return rerating
    }
}
