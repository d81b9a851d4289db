package import Domain
package import PostgresDriver

/// One entry of an audit log.
package struct AuditEvent: Hashable, Sendable {
    package enum Actor: Hashable, Sendable {
        case user(UserID)
        case serviceAccount(ServiceAccountID)
        case node(NodeID)
        /// The product itself: start-up, jobs.
        case system
    }

    /// What was acted on: its kind (`key`, `tenant` …) and, if it has one, its ID as it is shown.
    package struct Target: Hashable, Sendable {
        package let kind: String
        package let id: String?

        package init(kind: String, id: String? = nil) {
            self.kind = kind
            self.id = id
        }

        package init<Noun>(kind: String, _ id: ID<Noun>) {
            self.init(kind: kind, id: id.description)
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

/// Which events of a log; what is nil does not matter.
package struct AuditFilter: Hashable, Sendable {
    /// The sixteen bytes of a user's or node's ID.
    package var actor: PostgresUUID?
    /// `keys.revoke`, or a noun for all of its verbs: `keys`.
    package var action: String?
    package var targetKind: String?
    package var target: String?
    package var from: Timestamp?
    /// The moment after the last one that counts.
    package var to: Timestamp?

    package init() {}
}

/// Audit logs: one hash chain per tenant and one for the platform; nothing in them is ever changed.
package enum AuditStore {
    package static let maximumLimit = 1000

    private static let columns: SQL = """
        tenant_id, sequence, id, occurred_at, actor_kind, actor_id, action, target_kind, target_id,
        details, address, request_id, hash
        """

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

    /// The events before a place (nil: from the newest), newest first, at most `maximumLimit`.
    package static func list(
        of tenant: TenantID?, _ filter: AuditFilter = AuditFilter(), before sequence: Int64? = nil,
        limit: Int, _ connection: PostgresConnection
    ) async throws(PostgresError) -> [Listed] {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from audit_events
             where tenant_id = \(TenantID.owner(tenant)) and sequence < \(sequence ?? .max)
                   \(fragment: predicate(filter))
             order by sequence desc
             limit \(min(max(limit, 1), maximumLimit))
            """)
        return try rows.read(read)
    }

    /// What somebody did in all logs, newest first, page by page. Across tenants.
    package static func list(
        by actor: UserID, _ page: Page<AuditEventNoun>, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listing<Listed, AuditEventNoun> {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from audit_events
             where actor_id = \(actor) and id < \(page.bound)
             order by id desc
             limit \(page.fetchLimit)
            """)
        return page.listing(try rows.read(read)) { $0.event.id }
    }

    package static func find(
        _ id: AuditEventID, of tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Listed? {
        let rows = try await connection.query(
            """
            select \(fragment: columns)
              from audit_events
             where tenant_id = \(TenantID.owner(tenant)) and id = \(id)
            """)
        return try rows.first.map(read)
    }

    private static func predicate(_ filter: AuditFilter) -> SQL {
        var predicate: SQL = ""
        if let actor = filter.actor { predicate = predicate + " and actor_id = \(actor)" }
        if let action = filter.action {
            predicate =
                predicate
                + (action.contains(".")
                    ? " and action = \(action)" : " and starts_with(action, \("\(action)."))")
        }
        if let kind = filter.targetKind { predicate = predicate + " and target_kind = \(kind)" }
        if let target = filter.target { predicate = predicate + " and target_id = \(target)" }
        if let from = filter.from { predicate = predicate + " and occurred_at >= \(from)" }
        if let to = filter.to { predicate = predicate + " and occurred_at < \(to)" }
        return predicate
    }

    // MARK: The chain

    /// What a check of a chain found.
    package struct Verification: Hashable, Sendable {
        /// How many events there are.
        package let events: Int64
        /// The place of the first event that does not follow from the one before; nil: the chain holds.
        package let firstBroken: Int64?
    }

    /// Keeps each statement of a check well below a second.
    private static let eventsPerCheck: Int64 = 10_000

    /// Recomputes a whole chain. Several statements: inside a `.readOnlySnapshot`.
    package static func verify(
        _ tenant: TenantID?, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Verification {
        let owner = TenantID.owner(tenant)
        let counted = try await connection.query(
            """
            select count(*)::int8, coalesce(max(sequence), 0) from audit_events where tenant_id = \(owner)
            """)
        guard let row = counted.first else {
            throw PostgresError(.decoding, privateDetail: "no count of events")
        }
        let (events, last) = (try row.int64(0), try row.int64(1))
        var checked: Int64 = 0
        while true {
            let upto = checked + eventsPerCheck
            let rows = try await connection.query(
                "select first_broken_audit_event(\(owner), \(checked), \(upto))")
            if let broken = try rows.first?.optionalInt64(0) {
                return Verification(events: events, firstBroken: broken)
            }
            if upto >= last { return Verification(events: events, firstBroken: nil) }
            checked = upto
        }
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
        case .serviceAccount(let id): ("service_account", PostgresUUID(high: id.high, low: id.low))
        case .node(let id): ("node", PostgresUUID(high: id.high, low: id.low))
        case .system: ("system", nil)
        }
    }

    private static func read(_ row: Row) throws(PostgresError) -> Listed {
        let actor: AuditEvent.Actor =
            switch try row.text(4) {
            case "user": .user(try row.id(5))
            case "service_account": .serviceAccount(try row.id(5))
            case "node": .node(try row.id(5))
            default: .system
            }
        return Listed(
            sequence: try row.int64(1),
            event: AuditEvent(
                id: try row.id(2), tenant: try row.owner(0), occurredAt: try row.timestamp(3), actor: actor,
                action: try row.text(6),
                target: AuditEvent.Target(kind: try row.text(7), id: try row.optionalText(8)),
                details: try row.text(9), address: try row.text(10), requestID: try row.text(11)),
            hash: try row.bytes(12))
    }
}
