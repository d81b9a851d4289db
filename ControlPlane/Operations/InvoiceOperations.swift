package import Domain
import JSONText
import PostgresDriver
package import Store

/// An invoice and what stands on it.
package struct InvoiceView: Sendable {
    package let invoice: Invoice
    package let lines: [InvoiceLine]
}

/// Monthly invoices: numbered, frozen, voided but never changed.
package struct InvoiceOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, status: Invoice.Status?, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Invoice> {
        try await environment.read(.invoicesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await InvoiceStore.list(
                    of: tenant, status: status, page.of(InvoiceNoun.self), connection))
        }
    }

    package func get(
        _ id: InvoiceID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> InvoiceView {
        try await environment.read(.invoicesRead, in: .tenant(tenant), by: caller) { connection in
            let invoice = try found(try await InvoiceStore.find(id, of: tenant, connection))
            return InvoiceView(
                invoice: invoice, lines: try await InvoiceStore.lines(of: id, in: tenant, connection))
        }
    }

    /// Issues the invoice of a month that is over: what the tenant used up to its end and no standing invoice
    /// has. Refused when the books and the sums of usage do not agree.
    package func create(
        for month: CalendarMonth, of tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<InvoiceView> {
        let now = environment.clock.now()
        guard month.end.start <= now else {
            throw .invalid([ValidationError("/month", .outOfRange, "must be over (UTC)")])
        }
        return try await environment.write(
            "invoices.create", .invoicesCreate, in: .tenant(tenant), by: caller
        ) { connection in
            // Two at once must not both invoice the same usage.
            try await NounLock.take("invoices of \(tenant)", connection)
            let lines = try await InvoiceStore.openLines(of: tenant, upTo: month, connection)
            let total = lines.reduce(NanoUSD.zero) { NanoUSD(nanos: $0.nanos + $1.amount.nanos) }
            let books = try await InvoiceStore.charged(to: tenant, upTo: month, connection)
            guard books.used.nanos - books.invoiced.nanos == total.nanos else {
                throw OperationError(
                    .conflict,
                    detail: "The books and the sums of usage do not agree: prove the ledger first.")
            }
            let customer = try await party(of: tenant, connection)
            let issuer = try await TenantIsolation.visit(nil, from: tenant, connection) {
                try await party(of: nil, connection)
            }
            let invoice = Invoice(
                id: InvoiceID(at: now), tenant: tenant,
                number: try await InvoiceStore.nextNumber(of: now.date.year, connection), month: month,
                total: total, issuer: issuer, customer: customer, issuedAt: now, issuedBy: caller.user)
            try await InvoiceStore.create(invoice, lines, connection)
            return Recorded(
                InvoiceView(invoice: invoice, lines: lines),
                AuditSubject("invoice", invoice.id, Self.details(invoice)))
        }
    }

    /// Takes an invoice back: its usage is invoiced anew by the next one. Its number stays used.
    package func void(
        _ id: InvoiceID, because reason: String, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<InvoiceView> {
        let now = environment.clock.now()
        return try await environment.write(
            "invoices.void", .invoicesVoid, in: .tenant(tenant), by: caller
        ) { connection in
            try await NounLock.take("invoices of \(tenant)", connection)
            _ = try found(try await InvoiceStore.find(id, of: tenant, connection))
            guard
                let invoice = try await InvoiceStore.void(
                    id, of: tenant, reason: reason, at: now, connection)
            else { throw OperationError(.conflict, detail: "It is void already.") }
            return Recorded(
                InvoiceView(
                    invoice: invoice, lines: try await InvoiceStore.lines(of: id, in: tenant, connection)),
                AuditSubject("invoice", id, Self.details(invoice).adding("reason", .string(reason))))
        }
    }

    /// Who stands on it: the settings, or else the tenant's name.
    private func party(
        of owner: TenantID?, _ connection: PostgresConnection
    ) async throws -> InvoiceParty {
        let settings = try await BillingStore.settings(of: owner, connection)
        var name = settings.name
        if name.isEmpty, let owner { name = try found(try await TenantStore.find(owner, connection)).name }
        return InvoiceParty(
            name: name, address: settings.address, email: settings.email, taxNumber: settings.taxNumber)
    }

    private static func details(_ invoice: Invoice) -> JSONValue {
        [
            "number": .string(invoice.number), "month": .string(invoice.month.description),
            "total": .string(invoice.total.description),
        ]
    }
}
