package import Domain
import PostgresDriver
package import Store

/// Which refused calls a report is asked for; the period has a default.
package struct RefusalRequest: Sendable {
    package var from: Timestamp?
    package var to: Timestamp?
    package var workspace: WorkspaceID?
    package var key: KeyID?
    package var code: String?
    /// Of lines, and of samples.
    package var limit = 100

    package static let maximumLimit = RefusalStore.maximumLines

    package init() {}
}

/// Refused calls by key and reason, and some of them as they were.
package struct RefusalStatement: Sendable {
    package let from: Timestamp
    package let to: Timestamp
    /// The most frequent first.
    package let lines: [RefusalLine]
    /// There were more lines than the limit; the rarest are missing.
    package let isCut: Bool
    /// Over all lines.
    package let total: Int64
    /// The newest first.
    package let samples: [RefusedCall]
}

/// What nodes refused of a tenant's calls.
package struct RefusalOperations {
    /// How long counters and samples are kept. Unit: days.
    package static let keptDays: Int64 = 90
    package static let samplesKeptDays: Int64 = 7
    private static let secondsPerDay: Int64 = 86_400

    let environment: OperationEnvironment

    /// Calls of a tenant's keys that were refused; for those who may only read in a workspace, when they ask
    /// for that one. Without a period: the last day.
    package func report(
        _ request: RefusalRequest, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> RefusalStatement {
        let scope = request.workspace.map { Scope.workspace(tenant, $0) } ?? .tenant(tenant)
        let filter = try Self.filter(request, now: environment.clock.now())
        return try await environment.read(.usageRead, in: scope, by: caller) { connection in
            let lines = try await RefusalStore.lines(of: tenant, filter, limit: request.limit + 1, connection)
            return RefusalStatement(
                from: filter.from, to: filter.to, lines: Array(lines.prefix(request.limit)),
                isCut: lines.count > request.limit,
                total: try await RefusalStore.total(of: tenant, filter, connection),
                samples: try await RefusalStore.samples(
                    of: tenant, filter, limit: request.limit, connection))
        }
    }

    /// Removes what is too old, tenant by tenant; gives the number of rows.
    package func forgetOld() async throws(OperationError) -> Int {
        let now = environment.clock.now()
        let minutes = now.advanced(bySeconds: -Self.keptDays * Self.secondsPerDay)
        let samples = now.advanced(bySeconds: -Self.samplesKeptDays * Self.secondsPerDay)
        let tenants = try await environment.viewAcrossTenants { connection in
            try await RefusalStore.tenants(minutesBefore: minutes, samplesBefore: samples, connection)
        }
        var removed = 0
        for tenant in tenants {
            do {
                removed += try await environment.database.withTenant(tenant) { connection in
                    try await RefusalStore.purge(
                        minutesBefore: minutes, samplesBefore: samples, connection)
                }
            } catch { throw OperationError(error) }
        }
        return removed
    }

    private static func filter(
        _ request: RefusalRequest, now: Timestamp
    ) throws(OperationError) -> RefusalFilter {
        let to = request.to ?? now.advanced(bySeconds: 60)
        let from = request.from ?? to.advanced(bySeconds: -secondsPerDay)
        guard from < to else { throw .invalid([ValidationError("from", .outOfRange, "must lie before to")]) }
        var filter = RefusalFilter(from: from, to: to)
        filter.workspace = request.workspace
        filter.key = request.key
        filter.code = request.code
        return filter
    }
}
