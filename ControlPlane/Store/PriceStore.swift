package import Domain
package import PostgresDriver

/// What models cost, from when. Prices are added and ended; those that have begun are never changed, and
/// outlive their models.
package enum PriceStore {
    static let columns: SQL =
        """
        tenant_id, id, model_id, effective_from,
        input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate, created_at, tier_above,
        tier_rates, batch_rates, effective_until
        """

    /// False: its owner has no such model.
    package static func create(
        _ price: Price, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        let (rates, tiers) = (price.table.base, price.table.tiers)
        return try await connection.execute(
            """
            insert into prices (tenant_id, id, model_id, effective_from, effective_until, input_rate,
                                cached_input_rate, cache_write_rate, output_rate, reasoning_rate, tier_above,
                                tier_rates, batch_rates, created_at)
            select tenant_id, \(price.id), id, \(price.effectiveFrom), \(price.effectiveUntil),
                   \(rates.input), \(rates.cachedInput), \(rates.cacheWrite), \(rates.output),
                   \(rates.reasoning), \(tiers.map(\.above)), \(tiers.flatMap(\.rates.all)),
                   \(price.table.batch?.all ?? []), \(price.createdAt)
              from models
             where tenant_id = \(TenantID.owner(price.tenant)) and id = \(price.model)
               for key share
            """) == 1
    }

    /// Ends a price at a moment not before it begins. nil: no such price, or it had ended by `now`.
    package static func end(
        _ id: PriceID, of tenant: TenantID?, at end: Timestamp, now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Price? {
        let rows = try await connection.query(
            """
            update prices
               set effective_until = \(end)
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and effective_from <= \(end)
               and (effective_until is null or effective_until > \(now))
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    /// Deletes a price that has not begun, so that no usage names it. False: no such price, or it has begun.
    package static func delete(
        _ id: PriceID, of tenant: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            delete from prices
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id) and effective_from > \(now)
            """) == 1
    }

    /// The parts of a statement that deletes models, for after `with doomed as (…)`, which lists their ids:
    /// prices that have begun end, the others go.
    static func ending(of tenant: TenantID?, at now: Timestamp) -> SQL {
        """
        ended as (
            update prices
               set effective_until = greatest(\(now), effective_from)
             where tenant_id = \(TenantID.owner(tenant)) and model_id in (select id from doomed)
               and effective_from <= \(now) and (effective_until is null or effective_until > \(now))
        ), unborn as (
            delete from prices
             where tenant_id = \(TenantID.owner(tenant)) and model_id in (select id from doomed)
               and effective_from > \(now)
        )
        """
    }

    package static func find(
        _ id: PriceID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Price? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from prices
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    /// Those of the platform and of these tenants, by their IDs.
    static func find(
        _ ids: Set<PriceID>, of tenants: Set<TenantID>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [PriceID: Price] {
        if ids.isEmpty { return [:] }
        let owners = [TenantID.platform] + tenants
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from prices
             where tenant_id = any(\(owners)) and id = any(\(Array(ids)))
            """)
        var prices: [PriceID: Price] = [:]
        for row in rows {
            let price = try read(row)
            prices[price.id] = price
        }
        return prices
    }

    /// The prices of a model, the one made last first.
    package static func list(
        of model: ModelID, ownedBy tenant: TenantID?, _ page: Page<Price>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Price, Price> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from prices
             where tenant_id = \(TenantID.owner(tenant)) and model_id = \(model) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// The price in force at a moment; nil before the first begins, and when the last was ended.
    package static func inForce(
        of model: ModelID, ownedBy tenant: TenantID?, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Price? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from prices
             where tenant_id = \(TenantID.owner(tenant)) and model_id = \(model) and effective_from <= \(now)
             order by effective_from desc, id desc
             limit 1
            """)
        return Price.inForce(try rows.read(read), at: now)
    }

    static func read(_ row: Row) throws(PostgresError) -> Price {
        let rates = PriceRates(
            input: try row.int64(4), cachedInput: try row.int64(5), cacheWrite: try row.int64(6),
            output: try row.int64(7), reasoning: try row.int64(8))
        guard let rates else { throw row.unreadable(4) }
        let above = try row.int64Array(10)
        let tierRates = try row.int64Array(11)
        let batch = try row.int64Array(12)
        guard tierRates.count == 5 * above.count else { throw row.unreadable(11) }
        var tiers: [PriceTier] = []
        for (index, limit) in above.enumerated() {
            guard let rates = PriceRates(tierRates[5 * index..<5 * index + 5]) else {
                throw row.unreadable(11)
            }
            tiers.append(PriceTier(above: limit, rates: rates))
        }
        let table = PriceTable(base: rates, tiers: tiers, batch: PriceRates(batch[...]))
        guard let table else { throw row.unreadable(10) }
        return Price(
            id: try row.id(1), model: try row.id(2), tenant: try row.owner(0), table: table,
            effectiveFrom: try row.timestamp(3), effectiveUntil: try row.optionalTimestamp(13),
            createdAt: try row.timestamp(9))
    }
}

extension PriceRates {
    /// In the order of the columns.
    fileprivate var all: [Int64] { [input, cachedInput, cacheWrite, output, reasoning] }

    /// nil unless there are five, each in range.
    fileprivate init?(_ rates: ArraySlice<Int64>) {
        guard rates.count == 5 else { return nil }
        let first = rates.startIndex
        self.init(
            input: rates[first], cachedInput: rates[first + 1], cacheWrite: rates[first + 2],
            output: rates[first + 3], reasoning: rates[first + 4])
    }
}
