package import Domain
package import PostgresDriver

/// Who stands on an invoice, as they were when it was issued.
package struct InvoiceParty: Hashable, Sendable {
    package var name: String
    package var address: String
    package var email: String?
    package var taxNumber: String

    package init(name: String, address: String, email: String?, taxNumber: String) {
        self.name = name
        self.address = address
        self.email = email
        self.taxNumber = taxNumber
    }
}

/// What one workspace used of one model in one month.
package struct InvoiceLine: Hashable, Sendable {
    /// Of the usage: an earlier one than the invoice's when it came late, or was rated anew.
    package let month: CalendarMonth
    package let workspace: WorkspaceID
    package let workspaceName: String
    package let model: ModelID
    package let modelName: String
    package let calls: Int64
    package let inputTokens: Int64
    package let outputTokens: Int64
    package let amount: NanoUSD
}

package struct Invoice: Hashable, Sendable {
    package enum Status: String, Sendable, CaseIterable { case issued, void }

    package let id: InvoiceID
    package let tenant: TenantID
    /// `2026-000042`: of the year it was issued in, without a gap over the platform.
    package let number: String
    package let month: CalendarMonth
    package var status: Status
    /// The exact sum of its lines.
    package let total: NanoUSD
    package let issuer: InvoiceParty
    package let customer: InvoiceParty
    package let issuedAt: Timestamp
    package let issuedBy: UserID?
    package var voidedAt: Timestamp?
    package var voidReason: String?

    /// What is to be paid: the total, rounded once.
    package var due: NanoUSD { total.roundedToCents }

    package init(
        id: InvoiceID, tenant: TenantID, number: String, month: CalendarMonth, total: NanoUSD,
        issuer: InvoiceParty, customer: InvoiceParty, issuedAt: Timestamp, issuedBy: UserID?
    ) {
        self.id = id
        self.tenant = tenant
        self.number = number
        self.month = month
        status = .issued
        self.total = total
        self.issuer = issuer
        self.customer = customer
        self.issuedAt = issuedAt
        self.issuedBy = issuedBy
    }
}

/// Invoices: issued once, frozen, voided never changed.
package enum InvoiceStore {
    private static let columns: SQL =
        """
        tenant_id, id, number, month, total_nanos, issuer->>'name', issuer->>'address', issuer->>'email',
        issuer->>'tax_number', customer->>'name', customer->>'address', customer->>'email',
        customer->>'tax_number', issued_at, issued_by, status, voided_at, void_reason
        """

    /// What a tenant used at the platform's prices up to the end of a month and no standing invoice has:
    /// of that month, and of earlier ones what came late or was rated anew since.
    package static func openLines(
        of tenant: TenantID, upTo month: CalendarMonth, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [InvoiceLine] {
        let rows = try await connection.query(
            """
            with used as (
                select (date_trunc('month', starts_at, 'UTC') at time zone 'UTC')::date as month,
                       workspace_id, model_id, calls, input_tokens, output_tokens, cost_nanos
                  from usage_days
                 where tenant_id = \(tenant) and starts_at < \(month.end.start)
                   and exists (select
                                 from prices
                                where prices.tenant_id = \(TenantID.platform)
                                  and prices.model_id = usage_days.model_id)
                union all
                select line.month, workspace_id, model_id, -calls, -input_tokens, -output_tokens,
                       -amount_nanos
                  from invoice_lines as line
                  join invoices on invoices.tenant_id = line.tenant_id and invoices.id = line.invoice_id
                 where line.tenant_id = \(tenant) and status = 'issued'
                   and line.month < \(fragment: LedgerStore.day(month.end))
            )
            select used.month, workspace_id, coalesce(workspaces.name, ''), model_id,
                   coalesce(models.name, ''), sum(calls)::int8, sum(input_tokens)::int8,
                   sum(output_tokens)::int8, sum(cost_nanos)::int8
              from used
              left join workspaces on workspaces.tenant_id = \(tenant) and workspaces.id = workspace_id
              left join models on models.tenant_id = \(TenantID.platform) and models.id = model_id
             group by 1, 2, 3, 4, 5
            having sum(cost_nanos) <> 0
             order by 1 desc, 3, 2, 5, 4
            """)
        return try rows.read { row throws(PostgresError) in try readLine(row) }
    }

    /// Tenants that used something at the platform's prices in a month of which they never had an invoice.
    /// Across tenants.
    package static func tenantsWithout(
        _ month: CalendarMonth, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [TenantID] {
        let rows = try await connection.query(
            """
            select tenants.id
              from tenants
             where status <> 'deleting' and id <> \(TenantID.platform)
               and not exists (select
                                 from invoices
                                where tenant_id = tenants.id
                                  and month = \(fragment: LedgerStore.day(month.first)))
               and exists (select
                             from usage_days
                            where tenant_id = tenants.id and starts_at >= \(month.first.start)
                              and starts_at < \(month.end.start) and cost_nanos <> 0
                              and exists (select
                                            from prices
                                           where prices.tenant_id = \(TenantID.platform)
                                             and prices.model_id = usage_days.model_id))
             order by tenants.id
            """)
        return try rows.read { row throws(PostgresError) in try row.id(0) }
    }

    /// What the books say a tenant owes for calls up to the end of a month, and what its standing invoices
    /// have of it.
    package static func charged(
        to tenant: TenantID, upTo month: CalendarMonth, _ connection: PostgresConnection
    ) async throws(PostgresError) -> (used: NanoUSD, invoiced: NanoUSD) {
        let rows = try await connection.query(
            """
            select (select coalesce(sum(amount_nanos), 0)::int8
                      from ledger_days
                     where tenant_id = \(tenant) and account = 'usage'
                       and day < \(fragment: LedgerStore.day(month.end))),
                   (select coalesce(sum(amount_nanos), 0)::int8
                      from invoice_lines as line
                      join invoices on invoices.tenant_id = line.tenant_id and invoices.id = line.invoice_id
                     where line.tenant_id = \(tenant) and status = 'issued'
                       and line.month < \(fragment: LedgerStore.day(month.end)))
            """)
        guard let row = rows.first else { return (.zero, .zero) }
        return (NanoUSD(nanos: try row.int64(0)), NanoUSD(nanos: try row.int64(1)))
    }

    /// The next number of a year; the row stays locked, so that one that is not used leaves no gap.
    package static func nextNumber(
        of year: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> String {
        let rows = try await connection.query(
            """
            insert into invoice_numbers as old (year, number) values (\(Int32(clamping: year)), 1)
            on conflict (year) do update set number = old.number + 1
            returning to_char(year, 'FM0000') || '-' || to_char(number, 'FM000000')
            """)
        return try rows.first?.text(0) ?? ""
    }

    /// Fails on `invoiceIsTheOnlyOneOfItsMonth` of `Constraint`.
    package static func create(
        _ invoice: Invoice, _ lines: [InvoiceLine], _ connection: PostgresConnection
    ) async throws(PostgresError) {
        func numbers(_ value: (InvoiceLine) -> Int64) -> SQL { "\(lines.map(value))" }
        try await connection.execute(
            """
            insert into invoices (tenant_id, id, number, month, status, total_nanos, issuer, customer,
                                  issued_at, issued_by)
            values (\(invoice.tenant), \(invoice.id), \(invoice.number),
                    \(fragment: LedgerStore.day(invoice.month.first)), 'issued', \(invoice.total),
                    \(fragment: json(invoice.issuer)), \(fragment: json(invoice.customer)),
                    \(invoice.issuedAt), \(invoice.issuedBy))
            """)
        try await connection.execute(
            """
            insert into invoice_lines (tenant_id, invoice_id, position, month, workspace_id, workspace_name,
                                       model_id, model_name, calls, input_tokens, output_tokens, amount_nanos)
            select \(invoice.tenant), \(invoice.id), position, month, workspace_id, workspace_name, model_id,
                   model_name, calls, input_tokens, output_tokens, amount_nanos
              from unnest(\(fragment: LedgerStore.days(lines.map(\.month.first))), \(lines.map(\.workspace)),
                          \(lines.map(\.workspaceName)), \(lines.map(\.model)), \(lines.map(\.modelName)),
                          \(fragment: numbers(\.calls)), \(fragment: numbers(\.inputTokens)),
                          \(fragment: numbers(\.outputTokens)), \(fragment: numbers(\.amount.nanos)))
                   with ordinality as line (month, workspace_id, workspace_name, model_id, model_name, calls,
                                            input_tokens, output_tokens, amount_nanos, position)
            """)
    }

    private static func json(_ party: InvoiceParty) -> SQL {
        """
        jsonb_build_object('name', \(party.name), 'address', \(party.address), 'email', \(party.email),
                           'tax_number', \(party.taxNumber))
        """
    }

    package static func find(
        _ id: InvoiceID, of tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Invoice? {
        let rows = try await connection.query(
            "select \(fragment: columns) from invoices where tenant_id = \(tenant) and id = \(id)")
        return try rows.first.map(read)
    }

    package static func lines(
        of id: InvoiceID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [InvoiceLine] {
        let rows = try await connection.query(
            """
            select month, workspace_id, workspace_name, model_id, model_name, calls, input_tokens,
                   output_tokens, amount_nanos
              from invoice_lines
             where tenant_id = \(tenant) and invoice_id = \(id)
             order by position
            """)
        return try rows.read { row throws(PostgresError) in try readLine(row) }
    }

    /// A tenant's invoices, the newest first.
    package static func list(
        of tenant: TenantID, status: Invoice.Status?, _ page: Page<InvoiceNoun>,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Invoice, InvoiceNoun> {
        let filter: SQL = status.map { "and status = \($0.rawValue)" } ?? ""
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from invoices
             where tenant_id = \(tenant) and id < \(page.bound) \(fragment: filter)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read), \.id)
    }

    /// nil: no such invoice, or it was void already.
    package static func void(
        _ id: InvoiceID, of tenant: TenantID, reason: String, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws(PostgresError) -> Invoice? {
        let rows = try await connection.query(
            """
            update invoices
               set status = 'void', voided_at = \(now), void_reason = \(reason)
             where tenant_id = \(tenant) and id = \(id) and status = 'issued'
            returning \(fragment: columns)
            """)
        return try rows.first.map(read)
    }

    private static func read(_ row: Row) throws(PostgresError) -> Invoice {
        func party(_ first: Int) throws(PostgresError) -> InvoiceParty {
            InvoiceParty(
                name: try row.text(first), address: try row.text(first + 1),
                email: try row.optionalText(first + 2), taxNumber: try row.text(first + 3))
        }
        var invoice = Invoice(
            id: try row.id(1), tenant: try row.id(0), number: try row.text(2),
            month: CalendarMonth(of: try row.date(3)), total: NanoUSD(nanos: try row.int64(4)),
            issuer: try party(5), customer: try party(9), issuedAt: try row.timestamp(13),
            issuedBy: try row.optionalID(14))
        invoice.status = try row.value(15) { Invoice.Status(rawValue: $0) }
        invoice.voidedAt = try row.optionalTimestamp(16)
        invoice.voidReason = try row.optionalText(17)
        return invoice
    }

    private static func readLine(_ row: Row) throws(PostgresError) -> InvoiceLine {
        InvoiceLine(
            month: CalendarMonth(of: try row.date(0)), workspace: try row.id(1),
            workspaceName: try row.text(2), model: try row.id(3), modelName: try row.text(4),
            calls: try row.int64(5), inputTokens: try row.int64(6), outputTokens: try row.int64(7),
            amount: NanoUSD(nanos: try row.int64(8)))
    }
}
