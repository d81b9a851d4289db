package import Domain
package import Store

/// Which calls of a tenant; what is nil does not matter.
package struct CallLogQuery: Sendable {
    package var filter = CallFilter()

    package init() {}

    func checked() throws(OperationError) -> CallFilter {
        if let from = filter.from, let to = filter.to, from >= to {
            throw .invalid([ValidationError("from", .outOfRange, "must lie before to")])
        }
        return filter
    }

    /// Who may read one workspace's usage only, can when asking for that one.
    func scope(in tenant: TenantID) -> Scope {
        filter.workspace.map { .workspace(tenant, $0) } ?? .tenant(tenant)
    }
}

/// The log of single calls.
package struct CallLogOperations {
    let environment: OperationEnvironment

    /// A tenant's calls, the newest first.
    package func list(
        in tenant: TenantID, _ query: CallLogQuery, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LoggedCall> {
        let filter = try query.checked()
        let before: (at: Timestamp, id: UsageEventID)?
        if let cursor = page.after {
            guard let place: (at: Timestamp, id: UsageEventID) = cursor.place() else {
                throw .invalid([
                    ValidationError("cursor", .invalidFormat, "must be a next_cursor of this list")
                ])
            }
            before = place
        } else {
            before = nil
        }
        return try await environment.read(.usageRead, in: query.scope(in: tenant), by: caller) { connection in
            let calls = try await UsageStore.calls(
                of: tenant, filter, before: before, limit: page.limit + 1, connection)
            let kept = Array(calls.prefix(page.limit))
            let isMore = calls.count > page.limit
            return ListPage(
                items: kept, next: isMore ? kept.last.map { PageCursor(at: $0.startedAt, $0.id) } : nil)
        }
    }

    /// The calls from the newest on, in parts of some hundred, each a short read of its own: a slow reader
    /// holds nothing, and a filter that few calls pass makes no long one.
    package func export(
        in tenant: TenantID, _ query: CallLogQuery, by caller: Caller
    ) async throws(OperationError) -> CallExport {
        try caller.demand(.usageRead, in: query.scope(in: tenant))
        let export = CallExport(environment, tenant, try query.checked())
        try await export.begin()
        return export
    }
}

/// A log of calls that is being read from the newest to the oldest. Non-Sendable: it lives on its loop.
package final class CallExport {
    private let environment: OperationEnvironment
    private let tenant: TenantID
    private let filter: CallFilter
    private var first: [LoggedCall]?
    private var last: CallPlace?
    private var isAtEnd = false

    init(_ environment: OperationEnvironment, _ tenant: TenantID, _ filter: CallFilter) {
        self.environment = environment
        self.tenant = tenant
        self.filter = filter
    }

    /// Reads the first part, so that what can fail has failed before an answer begins.
    func begin() async throws(OperationError) { first = try await read() }

    /// The next calls, none when those that were looked through do not count; nil when there are no more.
    package func next() async throws(OperationError) -> [LoggedCall]? {
        if let part = first {
            first = nil
            return part
        }
        return isAtEnd ? nil : try await read()
    }

    private func read() async throws(OperationError) -> [LoggedCall] {
        let limit = UsageStore.maximumCalls
        let (tenant, filter, last) = (tenant, filter, last)
        let (calls, end) = try await environment.view(of: tenant) { connection in
            let end =
                filter.isNarrow
                ? try await UsageStore.place(Self.searched, behind: last, of: tenant, filter, connection)
                : nil
            let calls = try await UsageStore.calls(
                of: tenant, filter, before: last, downTo: end, limit: limit, connection)
            return (calls, end)
        }
        if calls.count == limit {
            self.last = calls.last.map { ($0.startedAt, $0.id) }
        } else {
            self.last = end
            isAtEnd = end == nil
        }
        return calls
    }

    /// Calls one read of a filtered log looks through.
    private static let searched = 20_000
}
