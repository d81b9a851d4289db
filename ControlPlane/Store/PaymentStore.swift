package import Domain
package import PostgresDriver

/// Money a payment provider says it has taken for us.
package struct Payment: Hashable, Sendable {
    package let id: PaymentID
    package let tenant: TenantID
    /// Whose event: `stripe`, `bank` …
    package let provider: String
    /// The provider's own ID of it: the same again is a repetition.
    package let event: String
    package let amount: NanoUSD
    package let receivedAt: Timestamp
    package let transaction: LedgerTransactionID

    package init(
        id: PaymentID, tenant: TenantID, provider: String, event: String, amount: NanoUSD,
        receivedAt: Timestamp, transaction: LedgerTransactionID
    ) {
        self.id = id
        self.tenant = tenant
        self.provider = provider
        self.event = event
        self.amount = amount
        self.receivedAt = receivedAt
        self.transaction = transaction
    }
}

package enum PaymentStore {
    private static let columns: SQL =
        "id, tenant_id, provider, event, amount_nanos, received_at, transaction_id"

    /// False: this event was taken before. Of two at once the second waits for the first.
    package static func create(
        _ payment: Payment, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into payments (\(fragment: columns))
            values (\(payment.id), \(payment.tenant), \(payment.provider), \(payment.event),
                    \(payment.amount), \(payment.receivedAt), \(payment.transaction))
            on conflict (tenant_id, provider, event) do nothing
            """) == 1
    }

    package static func find(
        event: String, of provider: String, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Payment? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from payments
             where tenant_id = \(tenant) and provider = \(provider) and event = \(event)
            """)
        return try rows.first.map(read)
    }

    /// A tenant's payments, the newest first.
    package static func list(
        of tenant: TenantID, _ page: Page<PaymentNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Payment, PaymentNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from payments
             where tenant_id = \(tenant) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    private static func read(_ row: Row) throws(PostgresError) -> Payment {
        Payment(
            id: try row.id(0), tenant: try row.id(1), provider: try row.text(2), event: try row.text(3),
            amount: NanoUSD(nanos: try row.int64(4)), receivedAt: try row.timestamp(5),
            transaction: try row.id(6))
    }
}
