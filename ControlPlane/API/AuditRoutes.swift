import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations

enum AuditRoutes {
    static let all: [AdminRoute] = routes(of: .tenant) + routes(of: .platform) + activity

    private static func routes(of owner: Ownership) -> [AdminRoute] {
        let whose = owner == .tenant ? "the tenant" : "the platform"
        let noun = owner == .tenant ? "audit-events" : "platform-audit-events"
        let base = "\(owner.basePath)/audit-events"
        let access = Access.needs(.auditRead, in: owner.place)
        return [
            .list(
                base, access, "\(noun).list", "Who did what in \(whose), the newest first",
                isByCreation: false, query: AuditParameters.filters, of: .auditEvent
            ) { call throws(OperationError) in
                try await call.operations.auditEvents.list(
                    of: try owner.tenant(of: call), try AuditParameters.query(call.query), try call.page,
                    by: try call.caller)
            },
            // Before the route of one event, which would take the word for an ID.
            .stream(
                "\(base)/export", access, "\(noun).export",
                "Every event of the log of \(whose), the newest first, streamed",
                query: AuditParameters.filters, formats: [.ndjson, .csv]
            ) { call throws(OperationError) in
                let export = try await call.operations.auditEvents.export(
                    of: try owner.tenant(of: call), try AuditParameters.query(call.query),
                    by: try call.caller)
                let rows = RowEncoder(.auditEvent, as: try call.format)
                return StreamedAnswer(fileName: "audit-events") { () throws(OperationError) in
                    try await export.next().map(rows.encode)
                }
            },
            .one(
                .post, "\(base)/verify", access, "\(noun).verify",
                "Check that no event of the log of \(whose) was changed, removed or put in",
                answers: .auditVerification
            ) { call throws(OperationError) in
                try await call.operations.auditEvents.verify(
                    of: try owner.tenant(of: call), by: try call.caller)
            },
            .one(
                .get, "\(base)/{audit_event}", access, "\(noun).get", "Get an audit event",
                answers: .auditEvent
            ) { call throws(OperationError) in
                try await call.operations.auditEvents.get(
                    try call.auditEvent, of: try owner.tenant(of: call), by: try call.caller)
            },
        ]
    }

    private static let activity: [AdminRoute] = [
        .list(
            "/api/v1/users/{user}/audit-events", .needs(.auditRead, in: .platform), "users.list-activity",
            "What a user did, in every log, the newest first", of: .auditEvent
        ) { call throws(OperationError) in
            try await call.operations.auditEvents.list(
                of: try call.user, try call.page, by: try call.caller)
        },
        .list(
            "/api/v1/me/audit-events", .signedIn(reason: "everybody may see what they did themselves."),
            "me.list-activity", "What you did, in every log, the newest first", of: .auditEvent
        ) { call throws(OperationError) in
            try await call.operations.auditEvents.list(ofCaller: try call.caller, try call.page)
        },
    ]
}

enum AuditParameters {
    static let actor = Field<String?>.optional(
        "actor", .anyText(1...64), "Only what this user or node did: its ID.")
    static let action = Field<String?>.optional(
        "action", .anyText(1...64), "Only this action, as `keys.revoke`, or all of a noun, as `keys`.")
    static let targetKind = Field<String?>.optional(
        "target_kind", .anyText(1...64), "Only what was done to things of this kind, as `key`.")
    static let target = Field<String?>.optional(
        "target", .anyText(1...64), "Only what was done to this thing: its ID.")
    static let from = Field<Timestamp?>.optional("from", .time, "Only from this time on.")
    static let to = Field<Timestamp?>.optional("to", .time, "Only before this time.")
    static let filters: [any AnyField] = [actor, action, targetKind, target, from, to]

    static func query(_ values: BodyValues) throws(OperationError) -> AuditQuery {
        var query = AuditQuery()
        query.actor = try values[actor]
        query.action = try values[action]
        query.targetKind = try values[targetKind]
        query.target = try values[target]
        query.from = try values[from]
        query.to = try values[to]
        return query
    }
}

extension Representation<AuditEntry> {
    static let auditEvent = Representation(
        "AuditEvent",
        [
            .init("sequence", .count, "Its place in its log: 1, 2, 3 … without a gap.") {
                .integer($0.sequence)
            },
            .init("id", .id(AuditEventNoun.self), "Never changes.") { .text($0.id) },
            .init("tenant", .nullable(.id(Tenant.self)), "Whose log it stands in; null: the platform's.") {
                .optional($0.tenant)
            },
            .init("occurred_at", .time, "When it happened.") { .text($0.occurredAt) },
            .init(
                "actor", .nullable(.text(1...64)), "Who did it; null: the system, or somebody not signed in."
            ) {
                .optional($0.actor)
            },
            .init("action", .text(1...64), "`noun.verb`, as in operation ids.") { .string($0.action) },
            .init("target_kind", .text(1...64), "What it was done to.") { .string($0.targetKind) },
            .init("target_id", .nullable(.text(1...64)), "Its ID.") { .optional($0.target) },
            .init(
                "details", .anyObject,
                "Names and settings; of a change, `before` and `after` of what changed. Never secrets."
            ) { $0.details },
            .init("address", .text(0...64), "Where the request came from.") { .string($0.address) },
            .init("request_id", .text(0...64), "Finds the request in the log.") { .string($0.requestID) },
            .init("hash", .text(64...64), "Links the chain: SHA-256 over this event and the hash before.") {
                .string(Hexadecimal.encode($0.hash))
            },
        ])
}

extension Representation<AuditVerification> {
    static let auditVerification = Representation(
        "AuditVerification",
        [
            .init("holds", .boolean, "Whether every event follows from the one before, to the end.") {
                .boolean($0.firstBroken == nil)
            },
            .init("events", .count, "How many events there are.") { .integer($0.events) },
            .init(
                "first_broken", .nullable(.count),
                "The place of the first event that was changed, or is missing; null when the chain holds."
            ) { .optional($0.firstBroken) },
        ])
}
