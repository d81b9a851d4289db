package import Domain
import JSONText
import PostgresDriver
package import Store
import Telemetry

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
    /// has. Refused when the books and the sums of usage do not agree. It is mailed where the customer wants
    /// it, as `file` makes it.
    package func create(
        for month: CalendarMonth, of tenant: TenantID, by caller: Caller,
        file: (InvoiceView) throws(OperationError) -> [UInt8]
    ) async throws(OperationError) -> Changed<InvoiceView> {
        let now = environment.clock.now()
        guard month.end.start <= now else {
            throw .invalid([ValidationError("/month", .outOfRange, "must be over (UTC)")])
        }
        return try await environment.write(
            "invoices.create", .invoicesCreate, in: .tenant(tenant), by: caller
        ) { connection in
            try await issue(month, of: tenant, by: caller.user, connection, file: file)
        }
    }

    /// Issues what is due by itself: of last month, for every tenant that never had an invoice of it, from
    /// the day on that the platform settled. How many. Any number of control planes may: each is issued once.
    package func issueDue(
        file: (InvoiceView) throws(OperationError) -> [UInt8]
    ) async throws(OperationError) -> Int {
        let today = environment.clock.now().date
        let settings = try await environment.view { try await BillingStore.settings(of: nil, $0) }
        guard let day = settings.issueDay, today.day >= Int(day) else { return 0 }
        let month = CalendarMonth(of: CivilDate(daysSinceEpoch: today.daysSinceEpoch - today.day))
        let due = try await environment.viewAcrossTenants { try await InvoiceStore.tenantsWithout(month, $0) }
        var count = 0
        for tenant in due {
            do throws(OperationError) {
                _ = try await environment.write("invoices.create", in: .tenant(tenant), by: .system) {
                    connection in
                    try await issue(month, of: tenant, by: nil, connection, file: file)
                }
                count += 1
            } catch {
                // One tenant's books must not keep the others' invoices back.
                environment.log.error(
                    "an invoice was not issued; it is tried again",
                    [
                        "tenant": "\(tenant)", "month": "\(month)", "code": "\(error.code.code)",
                        "detail": "\(error.privateDetail)",
                    ])
            }
        }
        return count
    }

    private func issue(
        _ month: CalendarMonth, of tenant: TenantID, by user: UserID?, _ connection: PostgresConnection,
        file: (InvoiceView) throws(OperationError) -> [UInt8]
    ) async throws -> Recorded<InvoiceView> {
        let now = environment.clock.now()
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
            total: total, issuer: issuer, customer: customer, issuedAt: now, issuedBy: user)
        try await InvoiceStore.create(invoice, lines, connection)
        let view = InvoiceView(invoice: invoice, lines: lines)
        if invoice.customer.email != nil { try await queue(invoice, try file(view), connection) }
        return Recorded(view, AuditSubject("invoice", invoice.id, Self.details(invoice)))
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
            try await queue(invoice, nil, connection)
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

    /// Writes to the customer, if there is an address: an invoice with its file, or that it was taken back.
    private func queue(
        _ invoice: Invoice, _ file: [UInt8]?, _ connection: PostgresConnection
    ) async throws {
        guard let recipient = invoice.customer.email else { return }
        let (number, month) = (invoice.number, invoice.month)
        let page = "\(environment.publicURL)/console/tenants/\(invoice.tenant)/invoices/\(invoice.id)"
        var draft = MailDraft(
            kind: .invoice, recipient: recipient,
            subject: invoice.status == .void
                ? "Invoice \(number) was taken back" : "Invoice \(number)",
            text: invoice.status == .void
                ? "Invoice \(number) of \(month) is void: nothing is to be paid for it.\n\n\(page)"
                : "Invoice \(number) of \(month): \(invoice.due) USD.\n\n\(page)",
            giveUpAt: environment.clock.now().advanced(bySeconds: Self.mailSeconds))
        // A larger one is behind the link.
        if let file, file.count <= MailFile.maximumBytes {
            draft.file = MailFile(
                name: "invoice-\(invoice.number).pdf", mediaType: "application/pdf", bytes: file)
        }
        try await environment.queue(draft, connection)
    }

    /// How long a mail server may be away before an invoice is not mailed.
    private static let mailSeconds: Int64 = 7 * 86_400

    private static func details(_ invoice: Invoice) -> JSONValue {
        [
            "number": .string(invoice.number), "month": .string(invoice.month.description),
            "total": .string(invoice.total.description),
        ]
    }
}
