package import Domain
package import PostgresDriver

/// What models cost, from when. Prices are added, never changed.
package enum PriceStore {
    static let columns: SQL =
        """
        tenant_id, id, model_id, effective_from,
        input_rate, cached_input_rate, cache_write_rate, output_rate, reasoning_rate, created_at
        """

    package static func create(
        _ price: Price, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let rates = price.rates
        try await connection.execute(
            """
            insert into prices (tenant_id, id, model_id, effective_from, input_rate, cached_input_rate,
                                cache_write_rate, output_rate, reasoning_rate, created_at)
            values (\(TenantID.owner(price.tenant)), \(price.id), \(price.model), \(price.effectiveFrom),
                    \(rates.input), \(rates.cachedInput), \(rates.cacheWrite), \(rates.output),
                    \(rates.reasoning), \(price.createdAt))
            """)
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

    /// The price in force at a moment; nil before the first begins.
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
        return try rows.first.map(read)
    }

    static func read(_ row: Row) throws(PostgresError) -> Price {
        let rates = PriceRates(
            input: try row.int64(4), cachedInput: try row.int64(5), cacheWrite: try row.int64(6),
            output: try row.int64(7), reasoning: try row.int64(8))
        guard let rates else { throw row.unreadable(4) }
        return Price(
            id: try row.id(1), model: try row.id(2), tenant: try row.owner(0), rates: rates,
            effectiveFrom: try row.timestamp(3), createdAt: try row.timestamp(9))
    }
}
