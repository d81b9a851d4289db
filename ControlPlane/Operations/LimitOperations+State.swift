import Contract
package import Domain
import JSONText
import PostgresDriver
import Store

/// What became of one amount in the window that is now.
package struct LimitState: Sendable {
    package let limit: Limit
    /// Which part of it; nil: it is not parted.
    package let part: String?
    package let window: LimitWindow
    package let amount: Int64
    /// By usage that has come in.
    package let settled: Int64
    /// Settled, or said by nodes whose usage is still on its way.
    package let used: Int64
    /// Lent to nodes beyond that.
    package let reserved: Int64
    package let grants: [LimitGrant]
    /// What will be used when the window ends, at its mean pace so far; nil: it has no end, or only began.
    package let forecast: Int64?

    package var remaining: Int64 { max(0, amount - used) }
}

/// What one node was lent of an amount.
package struct LimitGrant: Sendable {
    package let node: NodeID
    package let lent: Int64
    package let used: Int64
    package let held: Int64
    package let isOrphan: Bool
    package let isWrittenOff: Bool
    package let seenAt: Timestamp

    init(_ grant: GrantStore.Stored) {
        node = grant.node
        lent = grant.lent
        used = grant.used
        held = grant.held
        isOrphan = grant.isOrphan
        isWrittenOff = grant.isWrittenOff
        seenAt = grant.seenAt
    }
}

/// One part of a partitioned limit in the window that is now.
package struct LimitPartState: Sendable {
    package let limit: Limit
    package let part: String
    package let amount: Int64
    package let settled: Int64
    package let used: Int64
    package let reserved: Int64
    package var remaining: Int64 { max(0, amount - used) }
}

/// What was used of a limit in windows that were.
package struct LimitHistory: Sendable {
    package let limit: Limit
    /// The newest first; the one that is now too.
    package let windows: [Window]

    package struct Window: Sendable {
        /// nil: a lifetime has no beginning.
        package let start: Timestamp?
        package let end: Timestamp?
        package let used: Int64
        package let settled: Int64
        package let metric: LimitMetric
    }
}

/// A threshold of a budget that was crossed.
package struct LimitAlert: Sendable {
    package let id: LimitAlertID
    package let limit: LimitID
    package let name: String
    /// Nil: the limit is not parted.
    package let part: String?
    /// Nil: of a lifetime.
    package let windowStart: Timestamp?
    package let threshold: Int
    package let metric: LimitMetric
    package let used: Int64
    package let amount: Int64
    package let crossedAt: Timestamp

    init(_ alert: LimitStateStore.Alert, of limit: Limit?) {
        id = alert.id
        self.limit = alert.limit
        name = alert.name
        part = limit.flatMap { alert.part.name(in: $0) }
        windowStart = LimitOperations.beginning(alert.windowStart)
        threshold = alert.threshold
        metric = alert.metric
        used = alert.used
        amount = alert.amount
        crossedAt = alert.crossedAt
    }
}

extension LimitOperations {
    /// Nodes shown in the state of one amount.
    package static let maximumGrants = LimitStateStore.maximumGrants

    /// What is lent, used and left, and where.
    ///
    /// - Parameter part: of a partitioned limit: an ID, or the tag.
    package func state(
        of id: LimitID, part: String?, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> LimitState {
        let now = environment.clock.now()
        return try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            let limit = try found(try await LimitStore.find(id, of: tenant, connection))
            return try await Self.state(of: limit, try Self.part(part, of: limit), at: now, connection)
        }
    }

    /// The most windows of a history.
    package static let maximumWindows = 100

    /// What was used in the window that is now and in those before, of all parts together.
    package func history(
        of id: LimitID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> LimitHistory {
        try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            let limit = try found(try await LimitStore.find(id, of: tenant, connection))
            let windows = try await LimitStateStore.windows(
                of: id, in: tenant, limit: Self.maximumWindows, connection)
            return LimitHistory(
                limit: limit,
                windows: windows.map {
                    LimitHistory.Window(
                        start: Self.beginning($0.start), end: $0.end, used: $0.used,
                        settled: $0.settled, metric: limit.metric)
                })
        }
    }

    /// Where a stored window begins; nil: the window of a lifetime, which is stored as beginning in 1970.
    fileprivate static func beginning(_ start: Timestamp) -> Timestamp? { start == .epoch ? nil : start }

    /// The parts of a partitioned limit of which something was lent in the window that is now.
    package func parts(
        of id: LimitID, in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LimitPartState> {
        let now = environment.clock.now()
        return try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            let limit = try found(try await LimitStore.find(id, of: tenant, connection))
            let window = try await LimitStore.window(
                of: limit.period, in: limit.timeZone, at: now, connection)
            let listing = try await LimitStateStore.parts(
                of: id, in: tenant, window, page.of(GrantNoun.self), connection)
            return ListPage(listing) { part in
                LimitPartState(
                    limit: limit, part: part.part.name(in: limit) ?? "", amount: limit.amount(at: now),
                    settled: part.settled, used: part.used, reserved: max(0, part.open - part.used))
            }
        }
    }

    /// Thresholds of budgets that were crossed, the newest first.
    package func alerts(
        of limit: LimitID?, in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LimitAlert> {
        try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            let listing = try await LimitStateStore.alerts(
                of: tenant, limit: limit, page.of(LimitAlertNoun.self), connection)
            var limits: [LimitID: Limit] = [:]
            for id in Set(listing.items.map(\.limit)) {
                limits[id] = try await LimitStore.find(id, of: tenant, connection)
            }
            return ListPage(listing) { LimitAlert($0, of: limits[$0.limit]) }
        }
    }

    /// Gives up what a node that will not come back was lent of a limit, so that others can be lent it. What
    /// the node is known to have used stays counted; what it used beyond that is found out when its usage
    /// comes in, if ever.
    package func writeOff(
        _ node: NodeID, of id: LimitID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LimitView> {
        let now = environment.clock.now()
        return try await environment.write(
            "limits.write-off", .limitsUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let limit = try found(try await LimitStore.find(id, of: tenant, connection))
            let count = try await LimitStateStore.writeOff(node, of: id, in: tenant, connection)
            return Recorded(
                LimitView(limit, at: now),
                AuditSubject(
                    "limit", id,
                    ["node": .string(node.description), "grants": .number(JSONNumber(Int64(count)))]))
        }
    }

    /// What is lent, used and left of one part of a limit.
    static func state(
        of limit: Limit, _ part: LimitPart, at now: Timestamp, _ connection: PostgresConnection
    ) async throws -> LimitState {
        let window = try await LimitStore.window(of: limit.period, in: limit.timeZone, at: now, connection)
        let account = GrantAccount(tenant: limit.tenant, limit: limit.id, part: part)
        let grants = try await LimitStateStore.grants(of: GrantStore.Account(account, window), connection)
        let used = grants.reduce(Int64(0)) { $0 + $1.used }
        let open = grants.reduce(Int64(0)) { $0 + max($1.lent, $1.used) }
        return LimitState(
            limit: limit, part: part.name(in: limit), window: window, amount: limit.amount(at: now),
            settled: grants.reduce(0) { $0 + $1.settled }, used: used, reserved: open - used,
            grants: grants.map { LimitGrant($0) },
            forecast: BudgetForecast(used: used, from: window.start, to: window.end, at: now)
                .map { Int64(min($0.used, 1e18)) })
    }

    private static func part(_ name: String?, of limit: Limit) throws(OperationError) -> LimitPart {
        func invalid(_ code: ValidationError.Code, _ message: String) -> OperationError {
            .invalid([ValidationError("/part", code, message)])
        }
        if limit.partition == .none {
            guard name == nil else { throw invalid(.notAllowed, "must be missing: the limit is not parted") }
            return .whole
        }
        guard let name else {
            throw invalid(.required, "is required: the limit is parted by \(limit.partition.name)")
        }
        let part: LimitPart? =
            switch limit.partition {
            case .none: .whole
            case .workspace: WorkspaceID(name).map { LimitPart($0) }
            case .key: KeyID(name).map { LimitPart($0) }
            case .user: name == LimitPart.nobody ? .whole : UserID(name).map { LimitPart($0) }
            case .tag: LimitPart(tag: name)
            }
        guard let part else { throw invalid(.invalidFormat, "must be the ID of a \(limit.partition.name)") }
        return part
    }
}

extension LimitPart {
    /// The part of keys that nobody owns.
    fileprivate static let nobody = "nobody"

    /// What people call it; nil for the whole of a limit that is not parted.
    func name(in limit: Limit) -> String? {
        switch limit.partition {
        case .none: nil
        case .workspace: WorkspaceID(high: high, low: low).description
        case .key: KeyID(high: high, low: low).description
        case .user: self == .whole ? Self.nobody : UserID(high: high, low: low).description
        // A tag that the limit does not match any more has no name here.
        case .tag:
            limit.match.tags.first { LimitPart(tag: $0) == self } ?? GrantID(high: high, low: low).description
        }
    }
}
