import Domain
import HTTPWire
import JSONText
import Operations
import Store

enum LedgerProofRoutes {
    private static let base = "/api/v1/ledger-proofs"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.ledgerRead, in: .platform), "ledger-proofs.list",
            "List proofs that the books hold, the newest first", of: .ledgerProof
        ) { call throws(OperationError) in
            try await call.operations.ledgerProofs.list(try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.ledgerProve, in: .platform), "ledger-proofs.create",
            "Prove now that calls, their sums, the books and the budgets agree", body: LedgerProofBody.shape,
            status: 201, answers: .ledgerProof
        ) { call throws(OperationError) in
            try await call.operations.ledgerProofs.create(
                from: try call.body[LedgerProofBody.from], to: try call.body[LedgerProofBody.to],
                by: try call.caller)
        }.within(seconds: 600),
        .one(
            .get, "\(base)/{ledger_proof}", .needs(.ledgerRead, in: .platform), "ledger-proofs.get",
            "Get a proof and what it found", answers: .ledgerProof
        ) { call throws(OperationError) in
            try await call.operations.ledgerProofs.get(try call.ledgerProof, by: try call.caller)
        },
    ]
}

enum LedgerProofBody {
    static let from = Field<Timestamp?>.optional(
        "from", .time, "Its day (UTC) is the first; missing: six days before the last.")
    static let to = Field<Timestamp?>.optional("to", .time, "Its day is the last; missing: today.")
    static let shape = BodyShape("NewLedgerProof", [from, to])
}

extension Representation<LedgerProof> {
    static let ledgerProof = Representation(
        "LedgerProof",
        [
            .init("id", .id(LedgerProofNoun.self), "Never changes.") { .text($0.id) },
            .init("from", .text(10...10), "The first day, in UTC.") { .string($0.first.description) },
            .init("to", .text(10...10), "The last day.") { .string($0.last.description) },
            .init("holds", .boolean, "Whether everything agreed.") { .boolean($0.differences == 0) },
            .init("differences", .count, "How many things did not.") { .integer($0.differences) },
            .init(
                "findings",
                .list(
                    Representation<LedgerDifference>.ledgerDifference.schema,
                    maximumCount: LedgerProofStore.maximumFindings), "The first of them."
            ) { .array($0.findings.map(Representation<LedgerDifference>.ledgerDifference.json)) },
            .init("started_at", .time, "When it began.") { .text($0.startedAt) },
            .init("finished_at", .time, "When it ended.") { .text($0.finishedAt) },
            .init("requested_by", .nullable(.id(User.self)), "Who asked for it; null: the schedule.") {
                .optional($0.requestedBy)
            },
        ])
}

extension Representation<LedgerDifference> {
    static let ledgerDifference = Representation(
        "LedgerDifference",
        [
            .init("tenant", .id(Tenant.self), "Whose.") { .text($0.tenant) },
            .init("day", .nullable(.text(10...10)), "Of which day; null: over all time.") {
                .optional($0.day)
            },
            .init("what", .text(1...200), "What does not agree.") { .string($0.what) },
            .init("expected", .text(1...40), "On the one side: calls, tokens or nano-dollars.") {
                .string($0.expected)
            },
            .init("found", .text(1...40), "On the other.") { .string($0.found) },
        ])
}
