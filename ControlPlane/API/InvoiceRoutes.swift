import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum InvoiceRoutes {
    private static let base = "/api/v1/tenants/{tenant}/invoices"
    private static let one = "\(base)/{invoice}"
    private static let pdf = "application/pdf"

    static let all: [AdminRoute] = reads + files + writes

    private static let reads: [AdminRoute] = [
        .list(
            base, .needs(.invoicesRead, in: .tenant), "invoices.list",
            "A tenant's invoices, the newest first", query: [InvoiceParameters.status], of: .invoice
        ) { call throws(OperationError) in
            try await call.operations.invoices.list(
                in: try call.tenant, status: try call.query[InvoiceParameters.status], try call.page,
                by: try call.caller)
        },
        .one(
            .get, one, .needs(.invoicesRead, in: .tenant), "invoices.get",
            "Get an invoice and what stands on it", answers: .invoiceView
        ) { call throws(OperationError) in
            try await call.operations.invoices.get(try call.invoice, in: try call.tenant, by: try call.caller)
        },
    ]

    private static let files: [AdminRoute] = [
        AdminRoute(
            method: .get, path: "\(one)/pdf", access: .needs(.invoicesRead, in: .tenant),
            operationID: "invoices.get-pdf", summary: "Get an invoice as a PDF file", query: nil, body: nil,
            answer: AnswerShape(status: 200, content: .stream(mediaTypes: [pdf]))
        ) { call throws(OperationError) in
            let view = try await call.operations.invoices.get(
                try call.invoice, in: try call.tenant, by: try call.caller)
            var answer = Answer(status: 200, mediaType: pdf, body: try view.pdf())
            answer.fileName = "invoice-\(view.invoice.number).pdf"
            return answer
        },
        .stream(
            "\(one)/lines", .needs(.invoicesRead, in: .tenant), "invoices.export-lines",
            "What stands on an invoice as rows", formats: [.csv, .ndjson]
        ) { call throws(OperationError) in
            let view = try await call.operations.invoices.get(
                try call.invoice, in: try call.tenant, by: try call.caller)
            let encoder = RowEncoder(Representation<InvoiceLine>.invoiceLine, as: try call.format)
            var lines: [InvoiceLine]? = view.lines
            return StreamedAnswer(fileName: "invoice-\(view.invoice.number)") { () throws(OperationError) in
                defer { lines = nil }
                return lines.map(encoder.encode)
            }
        },
    ]

    private static let writes: [AdminRoute] = [
        .write(
            .post, base, .needs(.invoicesCreate, in: .tenant), "invoices.create",
            "Issue the invoice of a month that is over; it is mailed to the address of the billing settings",
            body: InvoiceBody.shape, status: 201,
            answers: .invoiceView
        ) { call throws(OperationError) in
            try await call.operations.invoices.create(
                for: try call.body[InvoiceBody.month], of: try call.tenant, by: try call.caller
            ) { view throws(OperationError) in try view.pdf() }
        },
        .write(
            .post, "\(one)/void", .needs(.invoicesVoid, in: .tenant), "invoices.void",
            "Take an invoice back; its usage is invoiced anew by the next one", body: InvoiceVoidBody.shape,
            answers: .invoiceView
        ) { call throws(OperationError) in
            try await call.operations.invoices.void(
                try call.invoice, because: try call.body[InvoiceVoidBody.reason], in: try call.tenant,
                by: try call.caller)
        },
    ]
}

enum InvoiceParameters {
    static let status = Field<Invoice.Status?>.optional("status", .word(), "Only in this status.")
}

enum InvoiceBody {
    private static let monthReader = Reader<CalendarMonth>(
        .text(TextSchema(7...7, pattern: "^[0-9]{4}-(0[1-9]|1[0-2])$", example: "2026-03"))
    ) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        guard let month = CalendarMonth(text) else {
            throw InvalidInput(.invalidFormat, "must be a month such as \"2026-03\"")
        }
        return month
    }
    static let month = Field<CalendarMonth>.required(
        "month", monthReader, "A month that is over, in UTC; what came late for earlier ones is in it too.")
    static let shape = BodyShape("NewInvoice", [month])
}

enum InvoiceVoidBody {
    static let reason = Field<String>.required("reason", .anyText(1...1000), "Kept with it, and audited.")
    static let shape = BodyShape("InvoiceVoid", [reason])
}

extension Representation<Invoice> {
    static let invoice = Representation("Invoice", members { $0 })

    static func members<Owner>(
        _ invoice: @escaping @Sendable (Owner) -> Invoice
    ) -> [Representation<Owner>.Member] {
        let party = Representation<InvoiceParty>.invoiceParty
        return [
            .init("id", .id(InvoiceNoun.self), "Never changes.") { .text(invoice($0).id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text(invoice($0).tenant) },
            .init("number", .text(11...26), "Without a gap over the platform, anew each year.") {
                .string(invoice($0).number)
            },
            .init("month", .text(7...7), "Up to whose end usage is in it.") {
                .string(invoice($0).month.description)
            },
            .init("status", .words(Invoice.Status.allCases.map(\.rawValue)), "Whether it stands.") {
                .string(invoice($0).status.rawValue)
            },
            .init("currency", .words(["USD"]), "Of all amounts.") { _ in "USD" },
            .init("total", .money, "The exact sum of its lines.") { .text(invoice($0).total) },
            .init("due", .money, "What is to be paid: the total, rounded once to a cent.") {
                .text(invoice($0).due)
            },
            .init("issuer", party.schema, "Who issued it, as it was then.") {
                party.json(invoice($0).issuer)
            },
            .init("customer", party.schema, "Who is to pay, as it was then.") {
                party.json(invoice($0).customer)
            },
            .init("issued_at", .time, "When it was issued.") { .text(invoice($0).issuedAt) },
            .init("issued_by", .nullable(.id(User.self)), "Who issued it; null: a machine.") {
                .optional(invoice($0).issuedBy)
            },
            .init("voided_at", .nullable(.time), "When it was taken back; null: it stands.") {
                .optional(invoice($0).voidedAt)
            },
            .init("void_reason", .nullable(.text(1...1000)), "Why.") { .optional(invoice($0).voidReason) },
        ]
    }
}

extension Representation<InvoiceView> {
    static let invoiceView = Representation(
        "InvoiceWithLines",
        Representation<Invoice>.members { $0.invoice } + [
            .init(
                "lines",
                .list(Representation<InvoiceLine>.invoiceLine.schema, maximumCount: 100_000),
                "By month of the usage, the newest first, workspace and model."
            ) { .array($0.lines.map(Representation<InvoiceLine>.invoiceLine.json)) }
        ])
}

extension Representation<InvoiceParty> {
    static let invoiceParty = Representation(
        "InvoiceParty",
        [
            .init("name", .text(0...200), "Its name.") { .string($0.name) },
            .init("address", .text(0...1000), "As many lines as it has.") { .string($0.address) },
            .init("email", .nullable(.text(3...254)), "Where to write to.") { .optional($0.email) },
            .init("tax_number", .text(0...100), "As its country writes it.") { .string($0.taxNumber) },
        ])
}

extension Representation<InvoiceLine> {
    static let invoiceLine = Representation(
        "InvoiceLine",
        [
            .init("month", .text(7...7), "Of the usage.") { .string($0.month.description) },
            .init("workspace", .id(Workspace.self), "Which workspace.") { .text($0.workspace) },
            .init("workspace_name", .text(0...200), "Its name when the invoice was issued.") {
                .string($0.workspaceName)
            },
            .init("model", .id(Model.self), "Which model.") { .text($0.model) },
            .init("model_name", .text(0...200), "Its name when the invoice was issued.") {
                .string($0.modelName)
            },
            .init("calls", .integer(Int64.min...Int64.max), "How many; below 0: fewer than invoiced before.")
            { .integer($0.calls) },
            .init("input_tokens", .integer(Int64.min...Int64.max), "Tokens read.") {
                .integer($0.inputTokens)
            },
            .init("output_tokens", .integer(Int64.min...Int64.max), "Tokens written.") {
                .integer($0.outputTokens)
            },
            .init("amount", .money, "Exact, not rounded. US dollars.") { .text($0.amount) },
        ])
}
