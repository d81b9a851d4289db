import Domain
import HTTPWire
import JSONText
import Operations

enum MailRoutes {
    private static let status = Field<Mail.Status?>.optional(
        "status", .word(), "Only messages of this status.")
    private static let kind = Field<Mail.Kind?>.optional("kind", .word(), "Only messages about this.")

    static let all: [AdminRoute] = [
        .list(
            "/api/v1/mails", .needs(.settingsRead, in: .platform), "mails.list",
            "List messages to people and what became of them", query: [status, kind], of: .mail
        ) { call throws(OperationError) in
            try await call.operations.mails.list(
                status: try call.query[status], kind: try call.query[kind], try call.page,
                by: try call.caller)
        }
    ]
}

extension Representation<Mail> {
    static let mail = Representation(
        "Mail",
        [
            .init("id", .id(Mail.self), "Never changes; also its Message-ID.") { .text($0.id) },
            .init("kind", .words(Mail.Kind.allCases.map(\.rawValue)), "What it is about.") {
                .string($0.kind.rawValue)
            },
            .init("recipient", .text(3...254), "Whose mailbox it goes to.") { .string($0.recipient) },
            .init(
                "status", .words(Mail.Status.allCases.map(\.rawValue)),
                "Whether it waits, was handed to the mail server, or was given up."
            ) { .string($0.status.rawValue) },
            .init("attempts", .count, "How often it was tried.") { .integer($0.attempts) },
            .init("reason", .text(0...500), "Why the last attempt failed; empty when none did.") {
                .string($0.reason)
            },
            .init("next_attempt_at", .nullable(.time), "When it is tried next; null when it is over.") {
                $0.status == .waiting ? .text($0.nextAttemptAt) : .null
            },
            .init("give_up_at", .time, "When it is of no use any more.") { .text($0.giveUpAt) },
            .init("created_at", .time, "When it was queued.") { .text($0.createdAt) },
            .init("finished_at", .nullable(.time), "When it was handed over or given up.") {
                .optional($0.finishedAt)
            },
        ])
}
