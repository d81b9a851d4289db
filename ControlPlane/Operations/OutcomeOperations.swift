package import Domain
import PostgresDriver
package import Store

/// What a report about how calls ended and how long they took is asked for.
package struct OutcomeRequest: Sendable {
    package var from: Timestamp?
    package var to: Timestamp?
    package var step: UsageStep?
    package var groupBy: [OutcomeQuery.Dimension] = []
    package var route: RouteID?
    package var provider: ProviderID?
    package var model: ModelID?

    package init() {}
}

/// The answer, in whole hours.
package struct OutcomeStatement: Sendable {
    package let from: Timestamp
    package let to: Timestamp
    package let lines: [OutcomeLine]
}

extension UsageOperations {
    /// How a tenant's calls ended and how long they took: by default those of the last day.
    package func outcomes(
        _ request: OutcomeRequest, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> OutcomeStatement {
        let now = environment.clock.now()
        let to = request.to ?? now.startOfHour.advanced(bySeconds: 3_600)
        let from = (request.from ?? to.advanced(bySeconds: -86_400)).startOfHour
        guard from < to else { throw .invalid([ValidationError("from", .outOfRange, "must lie before to")]) }
        guard to.microseconds(since: from) <= Self.maximumEventDays * 86_400_000_000 else {
            throw .invalid([
                ValidationError(
                    "from", .outOfRange, "must lie at most \(Self.maximumEventDays) days before to")
            ])
        }
        if request.step == .minute {
            throw .invalid([ValidationError("step", .notAllowed, "must be hour, day or month")])
        }
        var query = OutcomeQuery(tenant: tenant, from: from, to: to)
        query.step = request.step?.stored
        query.groupBy = request.groupBy
        query.route = request.route
        query.provider = request.provider
        query.model = request.model
        let asked = query
        return try await environment.read(.usageRead, in: .tenant(tenant), by: caller) { connection in
            OutcomeStatement(from: from, to: to, lines: try await UsageStore.outcomes(asked, connection))
        }
    }
}
