import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum LedgerRoutes {
    private static let base = "/api/v1/tenants/{tenant}"

    static let all: [AdminRoute] = reads + postings + payments

    private static let reads: [AdminRoute] = [
        .one(
            .get, "\(base)/balance", .needs(.ledgerRead, in: .tenant), "balance.get",
            "What the tenant has, and how it pays", answers: .balance
        ) { call throws(OperationError) in
            try await call.operations.ledger.balance(of: try call.tenant, by: try call.caller)
        },
        .list(
            "\(base)/ledger", .needs(.ledgerRead, in: .tenant), "ledger.list",
            "The tenant's ledger, the newest transaction first", query: [LedgerParameters.kind],
            of: .ledgerTransaction
        ) { call throws(OperationError) in
            try await call.operations.ledger.list(
                in: try call.tenant, kind: try call.query[LedgerParameters.kind], try call.page,
                by: try call.caller)
        },
        // Before the route of one transaction, which would take the word for an ID.
        .one(
            .get, "\(base)/ledger/statement", .needs(.ledgerRead, in: .tenant), "ledger.statement",
            "Sums of the tenant's ledger over days, by account, workspace, user or day",
            query: LedgerParameters.statement, answers: .ledgerStatement
        ) { call throws(OperationError) in
            try await call.operations.ledger.statement(
                of: try call.tenant, by: try call.query[LedgerParameters.groupBy],
                from: try call.query[LedgerParameters.from], to: try call.query[LedgerParameters.to],
                by: try call.caller)
        },
        .one(
            .get, "\(base)/ledger/{ledger_transaction}", .needs(.ledgerRead, in: .tenant), "ledger.get",
            "Get a transaction of the ledger", answers: .ledgerTransaction
        ) { call throws(OperationError) in
            try await call.operations.ledger.get(
                try call.ledgerTransaction, in: try call.tenant, by: try call.caller)
        },
    ]

    private static let postings: [AdminRoute] = [
        .write(
            .post, "\(base)/credits", .needs(.creditsCreate, in: .tenant), "credits.create",
            "Give a tenant money it did not pay", body: CreditBody.shape, status: 201,
            answers: .ledgerTransaction
        ) { call throws(OperationError) in
            try await call.operations.ledger.credit(
                try call.body[CreditBody.amount], because: try call.body[CreditBody.reason],
                to: try call.tenant, by: try call.caller)
        },
        .write(
            .post, "\(base)/adjustments", .needs(.adjustmentsCreate, in: .tenant), "adjustments.create",
            "Put a balance right, upwards or downwards", body: AdjustmentBody.shape, status: 201,
            answers: .ledgerTransaction
        ) { call throws(OperationError) in
            try await call.operations.ledger.adjust(
                by: try call.body[AdjustmentBody.amount], because: try call.body[CreditBody.reason],
                of: try call.tenant, by: try call.caller)
        },
    ]

    private static let payments: [AdminRoute] = [
        .list(
            "\(base)/payments", .needs(.ledgerRead, in: .tenant), "payments.list",
            "A tenant's payments, the newest first", of: .payment
        ) { call throws(OperationError) in
            try await call.operations.payments.list(in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, "\(base)/payments", .needs(.paymentsCreate, in: .tenant), "payments.create",
            "Enter a payment, once for each event of its provider", body: PaymentBody.shape, status: 201,
            answers: .payment
        ) { call throws(OperationError) in
            try await call.operations.payments.create(
                try PaymentBody.value(call.body), of: try call.tenant, by: try call.caller)
        },
        .one(
            .post, "/api/v1/payment-events",
            .public(reason: "a payment provider has no account here; it signs what it sends."),
            "payment-events.receive",
            "Take a payment provider's message, signed in the field Eclusa-Signature",
            body: PaymentEventBody.shape, answers: .payment
        ) { call throws(OperationError) in
            try await call.operations.payments.receive(
                try PaymentBody.value(call.body), of: try call.body[PaymentEventBody.tenant],
                bytes: call.signed.bytes, signature: call.signed.signature, from: call.origin)
        }.signed(),
    ]
}

enum LedgerParameters {
    static let kind = Field<LedgerKind?>.optional(
        "kind", .word(), "Only of this kind; missing: all but usage, of which every batch makes one.")
    static let from = Field<Timestamp?>.optional(
        "from", .time, "The first day, in UTC; missing: thirty days before the end.")
    static let to = Field<Timestamp?>.optional("to", .time, "Where it ends; missing: with today.")
    static let groupBy = Field<LedgerStore.Dimension>.defaulted(
        "group_by", .word(), to: .account,
        "One line for each account, or what calls cost by workspace, by owner of their keys, or by day.")
    static let statement: [any AnyField] = [from, to, groupBy]
}

extension Reader where Value == NanoUSD {
    /// Dollars as a decimal text.
    static var money: Reader {
        Reader(.money) { json throws(InvalidInput) in
            guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
            guard text.utf8.count <= 24, let amount = NanoUSD(text) else {
                throw InvalidInput(
                    .invalidFormat, "must be an amount of dollars such as \"100.00\", at most nine decimals")
            }
            return amount
        }
    }
}

enum CreditBody {
    static let amount = Field<NanoUSD>.required("amount", .money, "US dollars, above 0.")
    static let reason = Field<String>.required("reason", .anyText(1...1000), "Kept with it, and audited.")
    static let shape = BodyShape("NewCredit", [amount, reason])
}

enum AdjustmentBody {
    static let amount = Field<NanoUSD>.required(
        "amount", .money, "US dollars the balance changes by; below 0 lowers it.")
    static let shape = BodyShape("NewAdjustment", [amount, CreditBody.reason])
}

enum PaymentBody {
    static let provider = Field<String>.required(
        "provider", .anyText(1...64), "Who says so: stripe, bank …")
    static let event = Field<String>.required(
        "event", .anyText(1...255), "Its own ID of the payment: the same again is not counted.")
    static let amount = Field<NanoUSD>.required("amount", .money, "US dollars, above 0.")
    static let shape = BodyShape("NewPayment", [provider, event, amount])

    static func value(_ body: BodyValues) throws(OperationError) -> NewPayment {
        NewPayment(provider: try body[provider], event: try body[event], amount: try body[amount])
    }
}

enum PaymentEventBody {
    static let tenant = Field<TenantID>.required("tenant", .id(), "Who paid.")
    static let shape = BodyShape(
        "PaymentEvent", [tenant, PaymentBody.provider, PaymentBody.event, PaymentBody.amount])
}

extension Representation<Balance> {
    static let balance = Representation(
        "Balance",
        [
            .init("mode", .words(BillingMode.allCases.map(\.rawValue)), "Whether it pays before it calls.") {
                .string($0.mode.rawValue)
            },
            .init(
                "limit", .nullable(.id(Limit.self)),
                "The budget that follows the balance; null: calls are not refused for it."
            ) { .optional($0.limit) },
            .init("currency", .words(["USD"]), "Of all amounts.") { _ in "USD" },
            .init("balance", .money, "What the tenant has; below 0: what it owes.", isMoving: true) {
                .text($0.amount(.balance))
            },
        ] + LedgerAccount.allCases.filter { $0 != .balance }.map(account))

    private static func account(_ account: LedgerAccount) -> Member {
        .init(account.rawValue, .money, summary(account), isMoving: true) { .text($0.amount(account)) }
    }

    private static func summary(_ account: LedgerAccount) -> String {
        switch account {
        case .balance: "What the tenant has."
        case .usage: "What its calls at the platform's prices came to, with its markup."
        case .ownUsage: "What its calls at its own prices came to; it pays those providers itself."
        case .ownProviders: "The other side of own_usage."
        case .providerCosts: "What the platform's providers ask for its calls, without markup."
        case .providers: "The other side of provider_costs."
        case .payments: "The other side of what it paid."
        case .credits: "The other side of what it was given."
        case .adjustments: "The other side of what was put right."
        }
    }
}

extension Representation<LedgerTransaction> {
    static let ledgerTransaction = Representation(
        "LedgerTransaction",
        [
            .init("id", .id(LedgerTransactionNoun.self), "Never changes.") { .text($0.id) },
            .init("kind", .words(LedgerKind.allCases.map(\.rawValue)), "Why it was posted.") {
                .string($0.kind.rawValue)
            },
            .init("posted_at", .time, "When.") { .text($0.postedAt) },
            .init("reason", .text(0...1000), "What was given as the reason.") { .string($0.reason) },
            .init("reference", .nullable(.text(1...100)), "What it comes from: a payment, a re-rating.") {
                .optional($0.reference)
            },
            .init("posted_by", .nullable(.id(User.self)), "Who posted it; null: the program.") {
                .optional($0.postedBy)
            },
            .init(
                "entries",
                .list(Representation<LedgerEntry>.ledgerEntry.schema, maximumCount: 100_000),
                "They sum to zero."
            ) { .array($0.entries.map(Representation<LedgerEntry>.ledgerEntry.json)) },
        ])
}

extension Representation<LedgerEntry> {
    static let ledgerEntry = Representation(
        "LedgerEntry",
        [
            .init("account", .words(LedgerAccount.allCases.map(\.rawValue)), "Which account.") {
                .string($0.account.rawValue)
            },
            .init("amount", .money, "US dollars; what one account gains another loses.") {
                .text($0.amount)
            },
            .init("day", .text(10...10), "The day it counts for, in UTC.") {
                .string($0.day.description)
            },
            .init("workspace", .nullable(.id(Workspace.self)), "Of usage: whose.") {
                .optional($0.workspace)
            },
        ])
}

extension Representation<LedgerStatement> {
    static let ledgerStatement = Representation(
        "LedgerStatement",
        [
            .init("from", .text(10...10), "The first day, in UTC.") { .string($0.from.description) },
            .init("to", .text(10...10), "The day after the last one.") { .string($0.to.description) },
            .init("currency", .words(["USD"]), "Of all amounts.") { _ in "USD" },
            .init(
                "data",
                .list(
                    Representation<LedgerStore.StatementLine>.statementLine.schema,
                    maximumCount: LedgerStore.maximumLines),
                "One line for each of what it is grouped by."
            ) { .array($0.lines.map(Representation<LedgerStore.StatementLine>.statementLine.json)) },
        ])
}

extension Representation<LedgerStore.StatementLine> {
    static let statementLine = Representation(
        "LedgerStatementLine",
        [
            .init(
                "account", .nullable(.words(LedgerAccount.allCases.map(\.rawValue))), "When grouped by it."
            ) { $0.account.map { .string($0.rawValue) } ?? .null },
            .init("workspace", .nullable(.id(Workspace.self)), "When grouped by it.") {
                .optional($0.workspace)
            },
            .init(
                "user", .nullable(.id(User.self)), "When grouped by it; null: of keys that nobody owns."
            ) { .optional($0.user) },
            .init("day", .nullable(.text(10...10)), "When grouped by it.") { .optional($0.day) },
            .init("amount", .money, "US dollars.") { .text($0.amount) },
        ])
}

extension Representation<Payment> {
    static let payment = Representation(
        "Payment",
        [
            .init("id", .id(PaymentNoun.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Who paid.") { .text($0.tenant) },
            .init("provider", .text(1...64), "Who said so.") { .string($0.provider) },
            .init("event", .text(1...255), "Its own ID of the payment.") { .string($0.event) },
            .init("amount", .money, "US dollars.") { .text($0.amount) },
            .init("received_at", .time, "When it was taken.") { .text($0.receivedAt) },
            .init("transaction", .id(LedgerTransactionNoun.self), "Where it stands in the ledger.") {
                .text($0.transaction)
            },
        ])
}
