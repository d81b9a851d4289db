package import Domain
import PostgresDriver
import Store

/// By what a report can be split up.
package enum UsageDimension: String, Sendable, CaseIterable {
    case tenant, workspace, key, route, provider, model, user, group, tag, status

    var stored: UsageQuery.Dimension {
        switch self {
        case .tenant: .tenant
        case .workspace: .workspace
        case .key: .key
        case .route: .route
        case .provider: .provider
        case .model: .model
        case .user: .user
        case .group: .group
        case .tag: .tag
        case .status: .status
        }
    }
}

/// How long one line of a time series lasts.
package enum UsageStep: String, Sendable, CaseIterable {
    case minute, hour, day, month

    var stored: UsageQuery.Step {
        switch self {
        case .minute: .minute
        case .hour: .hour
        case .day: .day
        case .month: .month
        }
    }

    var lengthSeconds: Int64 {
        switch self {
        case .minute: 60
        case .hour: 3_600
        case .day: 86_400
        case .month: 28 * 86_400
        }
    }
}

/// What lines of a report are ordered by, the most first.
package enum UsageOrder: String, Sendable, CaseIterable {
    case cost, calls, failedCalls = "failed_calls", inputTokens = "input_tokens"
    case outputTokens = "output_tokens"

    var stored: UsageQuery.Order {
        switch self {
        case .cost: .cost
        case .calls: .calls
        case .failedCalls: .failedCalls
        case .inputTokens: .inputTokens
        case .outputTokens: .outputTokens
        }
    }
}

/// What a report is asked for; the period and the rest have defaults.
package struct UsageReportRequest: Sendable {
    package var from: Timestamp?
    package var to: Timestamp?
    package var step: UsageStep?
    package var groupBy: [UsageDimension] = []
    package var workspace: WorkspaceID?
    package var key: KeyID?
    package var route: RouteID?
    package var provider: ProviderID?
    package var model: ModelID?
    package var limit: Int = 1000
    package var order = UsageOrder.cost
    /// Whether the time of the same length before is summed too.
    package var isCompared = false

    package static let maximumLimit = UsageQuery.maximumLimit

    package init() {}
}

/// Sums over calls.
package struct UsageFigures: Sendable, Hashable {
    package let calls: Int64
    package let failedCalls: Int64
    package let estimatedCalls: Int64
    package let inputTokens: Int64
    package let cachedInputTokens: Int64
    package let cacheWriteTokens: Int64
    package let outputTokens: Int64
    package let reasoningTokens: Int64
    package let cost: NanoUSD
    package let latencyMicroseconds: Int64

    init(_ totals: UsageTotals) {
        calls = totals.calls
        failedCalls = totals.failedCalls
        estimatedCalls = totals.estimatedCalls
        inputTokens = totals.inputTokens
        cachedInputTokens = totals.cachedInputTokens
        cacheWriteTokens = totals.cacheWriteTokens
        outputTokens = totals.outputTokens
        reasoningTokens = totals.reasoningTokens
        cost = totals.cost
        latencyMicroseconds = totals.latencyMicroseconds
    }
}

/// The sums of one step and one combination of what the report is grouped by.
package struct UsageLine: Sendable {
    package let startsAt: Timestamp?
    package let tenant: TenantID?
    package let workspace: WorkspaceID?
    package let key: KeyID?
    package let route: RouteID?
    package let provider: ProviderID?
    package let model: ModelID?
    package let user: UserID?
    package let group: GroupID?
    package let tag: String?
    package let status: Int?
    package let figures: UsageFigures
    /// Of the time before; nil: it was not asked for, or there was nothing.
    package internal(set) var previous: UsageFigures?

    init(_ line: UsageReport.Line) {
        // Calls without a route, a provider or a model are summed under the zero id.
        func real<Noun>(_ id: ID<Noun>?) -> ID<Noun>? { id?.high == 0 && id?.low == 0 ? nil : id }
        startsAt = line.startsAt
        tenant = real(line.tenant)
        workspace = real(line.workspace)
        key = real(line.key)
        route = real(line.route)
        provider = real(line.provider)
        model = real(line.model)
        user = line.user
        group = line.group
        tag = line.tag
        status = line.status
        figures = UsageFigures(line.totals)
    }

    /// What tells lines of one step apart.
    var names: [String?] {
        [
            tenant?.description, workspace?.description, key?.description, route?.description,
            provider?.description, model?.description, user?.description, group?.description, tag,
            status.map { String($0) },
        ]
    }
}

/// A report: its lines, and the sum over the whole period whether or not all lines are there.
package struct UsageStatement: Sendable {
    /// The period that was summed: what was asked for, widened to whole steps.
    package let from: Timestamp
    package let to: Timestamp
    /// By step, in the order that was asked for.
    package let lines: [UsageLine]
    /// There were more lines than the limit.
    package let isCut: Bool
    package let total: UsageFigures
    /// Of the time of the same length before; nil: it was not asked for.
    package let previousTotal: UsageFigures?
}

/// What was used and what it cost.
package struct UsageOperations {
    /// The longest period of a report. Unit: days.
    package static let maximumDays: Int64 = 400
    /// The most lines of a time series would be steps × groups; steps alone are bounded by this.
    package static let maximumSteps: Int64 = 10_000
    /// The longest period of what is read from single calls. Unit: days.
    package static let maximumEventDays: Int64 = 31
    private static let defaultDays: Int64 = 30
    private static let secondsPerDay: Int64 = 86_400

    let environment: OperationEnvironment

    /// Sums of a tenant's calls of the current minute, as far as they have come in.
    package func current(
        in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> UsageFigures {
        let now = environment.clock.now()
        var request = UsageReportRequest()
        request.from = now
        request.to = now.advanced(bySeconds: 1)
        return try await report(request, in: tenant, by: caller).total
    }

    /// Sums of a tenant's calls; for those who may only read in a workspace, when they ask for that one.
    package func report(
        _ request: UsageReportRequest, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> UsageStatement {
        let scope = request.workspace.map { Scope.workspace(tenant, $0) } ?? .tenant(tenant)
        let query = try Self.query(request, tenant, now: environment.clock.now())
        return try await environment.read(.usageRead, in: scope, by: caller) { connection in
            try await Self.statement(query, isCompared: request.isCompared, connection)
        }
    }

    /// Sums of all tenants' calls, for readers of the platform's usage.
    package func report(
        ofAll request: UsageReportRequest, by caller: Caller
    ) async throws(OperationError) -> UsageStatement {
        try caller.demand(.usageRead, in: .platform)
        let query = try Self.query(request, nil, now: environment.clock.now())
        return try await environment.viewAcrossTenants { connection in
            try await Self.statement(query, isCompared: request.isCompared, connection)
        }
    }

    static func statement(
        _ query: UsageQuery, isCompared: Bool, _ connection: PostgresConnection
    ) async throws(PostgresError) -> UsageStatement {
        let report = try await UsageStore.report(query, connection)
        var lines = report.lines.map(UsageLine.init)
        // Over the very period of the lines, which was widened to whole steps.
        let total = try await total(query, from: report.from, to: report.to, connection)
        var previousTotal: UsageFigures?
        if isCompared {
            let length = report.to.microseconds(since: report.from)
            let from = report.from.advanced(byMicroseconds: -length)
            previousTotal = try await Self.total(query, from: from, to: report.from, connection)
            if query.step == nil, !query.groupBy.isEmpty {
                var before = query
                (before.from, before.to, before.limit) = (from, report.from, UsageQuery.maximumLimit)
                let known = try await UsageStore.report(before, connection).lines.map(UsageLine.init)
                let figures = Dictionary(known.map { ($0.names, $0.figures) }) { first, _ in first }
                for index in lines.indices { lines[index].previous = figures[lines[index].names] }
            }
        }
        return UsageStatement(
            from: report.from, to: report.to, lines: lines, isCut: report.isCut, total: total,
            previousTotal: previousTotal)
    }

    private static func total(
        _ query: UsageQuery, from: Timestamp, to: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> UsageFigures {
        var sum = query
        (sum.step, sum.groupBy, sum.from, sum.to) = (nil, [], from, to)
        let totals = try await UsageStore.report(sum, connection).lines.first?.totals
        return UsageFigures(totals ?? UsageTotals())
    }

    static func query(
        _ request: UsageReportRequest, _ tenant: TenantID?, now: Timestamp
    ) throws(OperationError) -> UsageQuery {
        // Whole days by default: they are answered from the smallest table.
        let to = request.to ?? now.startOfDay.advanced(bySeconds: secondsPerDay)
        let from = request.from ?? to.startOfDay.advanced(bySeconds: -defaultDays * secondsPerDay)
        let seconds = to.microseconds(since: from) / 1_000_000
        guard from < to else { throw .invalid([ValidationError("from", .outOfRange, "must lie before to")]) }
        guard seconds <= maximumDays * secondsPerDay else {
            throw .invalid([
                ValidationError("from", .outOfRange, "must lie at most \(maximumDays) days before to")
            ])
        }
        if let step = request.step, seconds / step.lengthSeconds > maximumSteps {
            throw .invalid([
                ValidationError(
                    "step", .outOfRange, "is too short for this period: at most \(maximumSteps) steps")
            ])
        }
        if request.groupBy.contains(.status), seconds > maximumEventDays * secondsPerDay {
            throw .invalid([
                ValidationError(
                    "from", .outOfRange,
                    "must lie at most \(maximumEventDays) days before to when grouped by status")
            ])
        }
        var query = UsageQuery(tenant: tenant, from: from, to: to)
        query.step = request.step?.stored
        query.groupBy = request.groupBy.map(\.stored)
        query.workspace = request.workspace
        query.key = request.key
        query.route = request.route
        query.provider = request.provider
        query.model = request.model
        query.limit = request.limit
        query.order = request.order.stored
        return query
    }
}
