package import Domain
package import JSONText
import PostgresDriver
import Store

/// One entry of an audit log, for reading.
package struct AuditEntry: Sendable {
    /// Its place in the chain: 1, 2, 3 … without a gap.
    package let sequence: Int64
    package let id: AuditEventID
    /// Whose log it stands in; nil: the platform's.
    package let tenant: TenantID?
    package let occurredAt: Timestamp
    /// The ID of the user, service account or node; nil: the system, or somebody who was not signed in.
    package let actor: String?
    package let action: String
    package let targetKind: String
    package let target: String?
    /// An object.
    package let details: JSONValue
    package let address: String
    package let requestID: String
    package let hash: [UInt8]

    init(_ listed: AuditStore.Listed) {
        let event = listed.event
        sequence = listed.sequence
        id = event.id
        tenant = event.tenant
        occurredAt = event.occurredAt
        actor =
            switch event.actor {
            case .user(let id): id.description
            case .serviceAccount(let id): id.description
            case .node(let id): id.description
            case .system: nil
            }
        action = event.action
        targetKind = event.target.kind
        target = event.target.id
        details = (try? JSONValue.parse(event.details)) ?? .object(JSONObject())
        address = event.address
        requestID = event.requestID
        hash = listed.hash
    }
}

/// Which events of a log; what is nil does not matter.
package struct AuditQuery: Sendable {
    /// The ID of a user or a node.
    package var actor: String?
    /// `keys.revoke`, or a noun for all of its verbs: `keys`.
    package var action: String?
    package var targetKind: String?
    /// The ID of any thing.
    package var target: String?
    package var from: Timestamp?
    package var to: Timestamp?

    package init() {}

    var filter: AuditFilter {
        get throws(OperationError) {
            var filter = AuditFilter()
            if let actor {
                let user = UserID(actor).map { PostgresUUID(high: $0.high, low: $0.low) }
                let node = NodeID(actor).map { PostgresUUID(high: $0.high, low: $0.low) }
                let machine = ServiceAccountID(actor).map { PostgresUUID(high: $0.high, low: $0.low) }
                guard let id = user ?? machine ?? node else {
                    throw .invalid([
                        ValidationError(
                            "actor", .invalidFormat, "must be the ID of a user, a service account or a node")
                    ])
                }
                filter.actor = id
            }
            if let from, let to, from >= to {
                throw .invalid([ValidationError("from", .outOfRange, "must lie before to")])
            }
            filter.action = action
            filter.targetKind = targetKind
            filter.target = target
            filter.from = from
            filter.to = to
            return filter
        }
    }
}

/// What a check of a log's chain found.
package struct AuditVerification: Sendable {
    package let events: Int64
    /// The place of the first event that does not follow from the one before; nil: the chain holds.
    package let firstBroken: Int64?
}

/// Who did what.
package struct AuditOperations {
    let environment: OperationEnvironment

    /// The log of a tenant, or (owner nil) of the platform; newest first.
    package func list(
        of owner: TenantID?, _ query: AuditQuery, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<AuditEntry> {
        let filter = try query.filter
        let before = try Self.sequence(page.after)
        return try await environment.read(.auditRead, in: .owner(owner), by: caller) { connection in
            let listed = try await AuditStore.list(
                of: owner, filter, before: before, limit: page.limit + 1, connection)
            let entries = listed.prefix(page.limit).map(AuditEntry.init)
            let isMore = listed.count > page.limit
            return ListPage(items: entries, next: isMore ? entries.last.map(Self.cursor) : nil)
        }
    }

    package func get(
        _ id: AuditEventID, of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> AuditEntry {
        try await environment.read(.auditRead, in: .owner(owner), by: caller) { connection in
            AuditEntry(try found(try await AuditStore.find(id, of: owner, connection)))
        }
    }

    /// What a user did, in all logs of the platform and its tenants; newest first.
    package func list(
        of user: UserID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<AuditEntry> {
        try caller.demand(.auditRead, in: .platform)
        return try await environment.viewAcrossTenants { connection in
            _ = try found(try await UserStore.find(user, connection))
            return try await Self.activity(of: user, page, connection)
        }
    }

    /// What the caller did themselves, wherever; newest first.
    package func list(
        ofCaller caller: Caller, _ page: PageRequest
    ) async throws(OperationError) -> ListPage<AuditEntry> {
        let user = try caller.ownAccount.user
        return try await environment.viewAcrossTenants { connection in
            try await Self.activity(of: user, page, connection)
        }
    }

    /// Recomputes the whole chain of a log from its stored events, as they stand at one moment.
    package func verify(
        of owner: TenantID?, by caller: Caller
    ) async throws(OperationError) -> AuditVerification {
        try await environment.read(.auditRead, in: .owner(owner), by: caller) { connection in
            let found = try await AuditStore.verify(owner, connection)
            return AuditVerification(events: found.events, firstBroken: found.firstBroken)
        }
    }

    /// A log from its newest event on, in parts of some hundred events: as many as there are when the first
    /// part is asked for. Each part is a short read of its own, so that a slow reader holds nothing.
    package func export(
        of owner: TenantID?, _ query: AuditQuery, by caller: Caller
    ) async throws(OperationError) -> AuditExport {
        try caller.demand(.auditRead, in: .owner(owner))
        let export = AuditExport(environment, owner, try query.filter)
        try await export.begin()
        return export
    }

    private static func activity(
        of user: UserID, _ page: PageRequest, _ connection: PostgresConnection
    ) async throws -> ListPage<AuditEntry> {
        ListPage(
            try await AuditStore.list(by: user, page.of(AuditEventNoun.self), connection), AuditEntry.init)
    }

    // A log's pages go on at a sequence; cursors hold the sixteen bytes of an ID.
    private static func cursor(_ entry: AuditEntry) -> PageCursor {
        PageCursor(AuditEventID(high: 0, low: UInt64(entry.sequence)))
    }

    private static func sequence(_ cursor: PageCursor?) throws(OperationError) -> Int64? {
        guard let cursor else { return nil }
        guard let place: AuditEventID = cursor.id(), place.high == 0, let sequence = Int64(exactly: place.low)
        else {
            throw .invalid([
                ValidationError("cursor", .invalidFormat, "must be a next_cursor of this list")
            ])
        }
        return sequence
    }
}

/// A log that is being read from its newest event to its oldest. Non-Sendable: it lives on its loop.
package final class AuditExport {
    private static let eventsPerPart = 500

    private let environment: OperationEnvironment
    private let owner: TenantID?
    private let filter: AuditFilter
    private var first: [AuditEntry]?
    /// Where the next part begins; nil: at the newest.
    private var before: Int64?
    private var isAtEnd = false

    init(_ environment: OperationEnvironment, _ owner: TenantID?, _ filter: AuditFilter) {
        self.environment = environment
        self.owner = owner
        self.filter = filter
    }

    /// Reads the first part, so that what can fail has failed before an answer begins.
    func begin() async throws(OperationError) { first = try await read() }

    /// The next events; nil when there are no more.
    package func next() async throws(OperationError) -> [AuditEntry]? {
        if let part = first {
            first = nil
            return part
        }
        return isAtEnd ? nil : try await read()
    }

    private func read() async throws(OperationError) -> [AuditEntry] {
        let listed = try await environment.view(of: owner) { connection in
            try await AuditStore.list(
                of: owner, filter, before: before, limit: Self.eventsPerPart, connection)
        }
        before = listed.last?.sequence ?? before
        isAtEnd = listed.count < Self.eventsPerPart
        return listed.map(AuditEntry.init)
    }
}
