package import Domain
package import PostgresDriver

/// One entry of an audit log.
package struct AuditEvent: Hashable, Sendable {
    package enum Actor: Hashable, Sendable {
        case user(UserID)
        case node(NodeID)
        /// The product itself: start-up, jobs.
        case system
    }

    /// What was acted on: its kind (`key`, `tenant` …) and, if it has one, its id in sixteen bytes.
    package struct Target: Hashable, Sendable {
        package let kind: String
        package let id: PostgresUUID?

        package init(kind: String, id: PostgresUUID? = nil) {
            self.kind = kind
            self.id = id
        }

        package init<Noun>(kind: String, _ id: ID<Noun>) {
            self.init(kind: kind, id: PostgresUUID(high: id.high, low: id.low))
        }
    }

    package let id: AuditEventID
    /// Whose log; nil: the platform's.
    package let tenant: TenantID?
    package let occurredAt: Timestamp
    package let actor: Actor
    /// `key.revoke`
    package let action: String
    package let target: Target
    /// A JSON object: before and after, secrets left out.
    package let details: String
    package let address: String
    package let requestID: String

    package init(
        id: AuditEventID, tenant: TenantID?, occurredAt: Timestamp, actor: Actor, action: String,
        target: Target, details: String = "{}", address: String = "", requestID: String = ""
    ) {
        self.id = id
        self.tenant = tenant
        self.occurredAt = occurredAt
        self.actor = actor
        self.action = action
        self.target = target
        self.details = details
        self.address = address
        self.requestID = requestID
    }
}

/// Audit logs: one hash chain per tenant and one for the platform; nothing in them is ever changed.
package enum AuditStore {
    /// Adds to the chain. Locks the chain's end until the transaction ends: make it the last statement.
    package static func append(
        _ event: AuditEvent, _ connection: PostgresConnection
    ) async throws(PostgresError) {
        let (kind, actor) = parts(of: event.actor)
        try await connection.execute(
            """
            insert into audit_events (tenant_id, id, occurred_at, actor_kind, actor_id, action, target_kind,
                                      target_id, details, address, request_id)
            values (\(TenantID.owner(event.tenant)), \(event.id), \(event.occurredAt), \(kind), \(actor),
                    \(event.action), \(event.target.kind), \(event.target.id), \(.json(event.details)),
                    \(event.address), \(event.requestID))
            """)
    }

    /// An event with its place in the chain.
    package struct Listed: Hashable, Sendable {
        package let sequence: Int64
        package let event: AuditEvent
        package let hash: [UInt8]
    }

    /// The events before a place (nil: from the newest), newest first, at most 200.
    package static func list(
        of tenant: TenantID?, before sequence: Int64? = nil, limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Listed] {
        let rows = try await connection.query(
            """
            select tenant_id, sequence, id, occurred_at, actor_kind, actor_id, action, target_kind, target_id,
                   details, address, request_id, hash
              from audit_events
             where tenant_id = \(TenantID.owner(tenant)) and sequence < \(sequence ?? .max)
             order by sequence desc
             limit \(min(max(limit, 1), 200))
            """)
        return try rows.read(read)
    }

    /// The place of the first event that does not follow from the one before; nil: the chain holds.
    package static func firstBroken(
        of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Int64? {
        let rows = try await connection.query("select first_broken_audit_event(\(TenantID.owner(tenant)))")
        return try rows.first?.optionalInt64(0)
    }

    private static func parts(of actor: AuditEvent.Actor) -> (kind: String, id: PostgresUUID?) {
        switch actor {
        case .user(let id): ("user", PostgresUUID(high: id.high, low: id.low))
        case .node(let id): ("node", PostgresUUID(high: id.high, low: id.low))
        case .system: ("system", nil)
        }
    }

    private static func read(_ row: Row) throws(PostgresError) -> Listed {
        let actor: AuditEvent.Actor =
            switch try row.text(4) {
            case "user": .user(try row.id(5))
            case "node": .node(try row.id(5))
            default: .system
            }
        return Listed(
            sequence: try row.int64(1),
            event: AuditEvent(
                id: try row.id(2), tenant: try row.owner(0), occurredAt: try row.timestamp(3), actor: actor,
                action: try row.text(6),
                target: AuditEvent.Target(kind: try row.text(7), id: try row.optionalUUID(8)),
                details: try row.text(9), address: try row.text(10), requestID: try row.text(11)),
            hash: try row.bytes(12))
    }
}
