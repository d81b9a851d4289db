import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum AuditRoutes {
    static let all: [AdminRoute] = [route(of: .tenant), route(of: .platform)]

    private static func route(of owner: Ownership) -> AdminRoute {
        let whose = owner == .tenant ? "the tenant" : "the platform"
        return .one(
            .get, "\(owner.basePath)/audit-events", .needs(.auditRead, in: owner.place),
            "\(owner == .tenant ? "audit-events" : "platform-audit-events").list",
            "Who did what in \(whose), the newest first", query: [AuditParameters.before, Paging.limit],
            answers: .auditPage
        ) { call throws(OperationError) in
            let limit = try call.query[Paging.limit]
            let entries = try await call.operations.auditEvents.list(
                of: try owner.tenant(of: call), before: try call.query[AuditParameters.before], limit: limit,
                by: try call.caller)
            return AuditPage(entries: entries, limit: limit)
        }
    }
}

enum AuditParameters {
    static let before = Field<Int64?>.optional(
        "before", .integer(1...Int64.max), "Only events before this one: `next_before` of the page before.")
}

/// Audit events are numbered without a gap, so a page goes on at a number.
struct AuditPage: Sendable {
    let entries: [AuditEntry]
    let limit: Int

    var next: Int64? {
        entries.count == limit ? entries.last.map(\.sequence).flatMap { $0 > 1 ? $0 : nil } : nil
    }
}

extension Representation<AuditPage> {
    static let auditPage = Representation(
        "AuditEventList",
        [
            .init(
                "data", .list(Representation<AuditEntry>.auditEvent.schema, maximumCount: 200),
                "The newest first."
            ) {
                .array($0.entries.map(Representation<AuditEntry>.auditEvent.json))
            },
            .init("next_before", .nullable(.count), "`before` of the next page; null on the last.") {
                .optional($0.next)
            },
        ])
}

extension Representation<AuditEntry> {
    static let auditEvent = Representation(
        "AuditEvent",
        [
            .init("sequence", .count, "Its place: 1, 2, 3 … without a gap.") { .integer($0.sequence) },
            .init("id", .id(AuditEventNoun.self), "Never changes.") { .text($0.id) },
            .init("occurred_at", .time, "When it happened.") { .text($0.occurredAt) },
            .init(
                "actor", .nullable(.text(1...64)), "Who did it; null: the system, or somebody not signed in."
            ) {
                .optional($0.actor)
            },
            .init("action", .text(1...64), "`noun.verb`, as in operation ids.") { .string($0.action) },
            .init("target_kind", .text(1...64), "What it was done to.") { .string($0.targetKind) },
            .init("target_id", .nullable(.text(36...36)), "Its id, as a plain UUID.") {
                .optional($0.targetID)
            },
            .init("details", .text(2...65_536), "Names and settings as JSON text; never secrets.") {
                .string($0.details)
            },
            .init("address", .text(0...64), "Where the request came from.") { .string($0.address) },
            .init("request_id", .text(0...64), "Finds the request in the log.") { .string($0.requestID) },
            .init("hash", .text(64...64), "Links the chain: SHA-256 over this event and the hash before.") {
                .string(Hexadecimal.encode($0.hash))
            },
        ])
}
