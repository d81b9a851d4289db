import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum ReconciliationRoutes {
    private static let base = "/api/v1/reconciliations"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.reconciliationsRead, in: .platform), "reconciliations.list",
            "List comparisons with providers' figures, the newest first", of: .reconciliation
        ) { call throws(OperationError) in
            try await call.operations.reconciliations.list(try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.reconciliationsCreate, in: .platform), "reconciliations.create",
            "Compare a shared provider's own figures with ours, by day and model",
            body: ReconciliationBody.shape, status: 201, answers: .reconciliationView
        ) { call throws(OperationError) in
            try await call.operations.reconciliations.create(
                try ReconciliationBody.value(call.body), by: try call.caller)
        },
        .one(
            .get, "\(base)/{reconciliation}", .needs(.reconciliationsRead, in: .platform),
            "reconciliations.get", "Get a comparison and its lines, those that differ most first",
            answers: .reconciliationView
        ) { call throws(OperationError) in
            try await call.operations.reconciliations.get(try call.reconciliation, by: try call.caller)
        },
    ]
}

enum ReconciliationBody {
    static let day = Field<CivilDate>.required("day", .day, "The day, in UTC.")
    static let model = Field<String>.required(
        "model", .anyText(1...200), "The model, as the provider calls it.")
    private static let figure = Reader<Int64>.integer(0...1_000_000_000_000_000)
    static let calls = Field<Int64?>.optional("calls", figure, "How many; missing: it does not say.")
    static let input = Field<Int64?>.optional("input_tokens", figure, "Tokens read.")
    static let output = Field<Int64?>.optional("output_tokens", figure, "Tokens written.")
    static let cost = Field<NanoUSD?>.optional("cost", .money, "What it asks for them. US dollars.")
    static let rowShape = BodyShape("ProviderUsageRow", [day, model, calls, input, output, cost])
    private static let row = Reader<ProviderUsageRow>.object(rowShape) { values throws(OperationError) in
        ProviderUsageRow(
            day: try values[day], model: try values[model], calls: try values[calls],
            inputTokens: try values[input], outputTokens: try values[output], cost: try values[cost])
    }

    static let provider = Field<ProviderID>.required("provider", .id(), "A shared provider.")
    static let from = Field<CivilDate>.required("from", .day, "The first day, in UTC.")
    static let to = Field<CivilDate>.required("to", .day, "The last day; at most 92 later.")
    static let rows = Field<[ProviderUsageRow]>.defaulted(
        "rows", .list(of: row, 0...NewReconciliation.maximumRows), to: [],
        "Its figures; of one day and model they are added up.")
    static let csv = Field<String?>.optional(
        "csv", .anyText(1...900_000),
        "The same as a table with a line of names: day, model, calls, input_tokens, output_tokens, cost.")
    static let shape = BodyShape("NewReconciliation", [provider, from, to, rows, csv])

    static func value(_ body: BodyValues) throws(OperationError) -> NewReconciliation {
        NewReconciliation(
            provider: try body[provider], from: try body[from], to: try body[to], rows: try body[rows],
            csv: try body[csv])
    }
}

extension Reader where Value == CivilDate {
    /// A day such as 2026-03-09.
    static var day: Reader {
        Reader(.text(TextSchema(10...10, format: "date"))) { json throws(InvalidInput) in
            guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
            guard let date = CivilDate(iso: text) else {
                throw InvalidInput(.invalidFormat, "must be a day such as \"2026-03-09\"")
            }
            return date
        }
    }
}

extension Representation<Reconciliation> {
    static let reconciliation = Representation("Reconciliation", members { $0 })

    static func members<Owner>(
        _ value: @escaping @Sendable (Owner) -> Reconciliation
    ) -> [Representation<Owner>.Member] {
        [
            .init("id", .id(ReconciliationNoun.self), "Never changes.") { .text(value($0).id) },
            .init("provider", .id(Provider.self), "Whose figures.") { .text(value($0).provider) },
            .init("from", .text(10...10), "The first day, in UTC.") {
                .string(value($0).first.description)
            },
            .init("to", .text(10...10), "The last day.") { .string(value($0).last.description) },
            .init("our_cost", .money, "What we expect it to ask for. US dollars.") {
                .text(value($0).ourCost)
            },
            .init("their_cost", .money, "What it asks for.") { .text(value($0).theirCost) },
            .init("drift", .money, "Theirs less ours.") {
                .text(NanoUSD(nanos: value($0).theirCost.nanos - value($0).ourCost.nanos))
            },
            .init("created_at", .time, "When it was made.") { .text(value($0).createdAt) },
            .init("created_by", .nullable(.id(User.self)), "Who made it; null: a machine.") {
                .optional(value($0).createdBy)
            },
        ]
    }
}

extension Representation<ReconciliationView> {
    static let reconciliationView = Representation(
        "ReconciliationWithLines",
        Representation<Reconciliation>.members { $0.reconciliation } + [
            .init(
                "lines",
                .list(
                    Representation<ReconciliationLine>.reconciliationLine.schema, maximumCount: 100_000),
                "By day and model; what differs most comes first."
            ) { .array($0.lines.map(Representation<ReconciliationLine>.reconciliationLine.json)) }
        ])
}

extension Representation<ReconciliationLine> {
    private static func figure(
        _ name: String, _ summary: String, _ value: @escaping @Sendable (ReconciliationLine) -> Int64?
    ) -> Member {
        .init(name, .nullable(.count), summary) { .optional(value($0)) }
    }

    static let reconciliationLine = Representation(
        "ReconciliationLine",
        [
            .init("day", .text(10...10), "In UTC.") { .string($0.day.description) },
            .init("model", .text(1...200), "As the provider calls it.") { .string($0.model) },
            figure("our_calls", "Calls we know of.") { $0.ours.calls },
            figure("their_calls", "Calls it names; null: it does not say.") { $0.theirs.calls },
            figure("our_input_tokens", "Tokens read.") { $0.ours.inputTokens },
            figure("their_input_tokens", "The same by its figures.") { $0.theirs.inputTokens },
            figure("our_output_tokens", "Tokens written.") { $0.ours.outputTokens },
            figure("their_output_tokens", "The same by its figures.") { $0.theirs.outputTokens },
            .init("our_cost", .money, "At its prices, without markup. US dollars.") {
                .text($0.ours.cost ?? .zero)
            },
            .init("their_cost", .nullable(.money), "What it asks for; null: it does not say.") {
                .optional($0.theirs.cost)
            },
        ])
}
