package import Domain
import JSONText
import PostgresDriver
package import Store

/// One row of what a provider says was used; nil: it does not say.
package struct ProviderUsageRow: Hashable, Sendable {
    package var day: CivilDate
    package var model: String
    package var calls: Int64?
    package var inputTokens: Int64?
    package var outputTokens: Int64?
    package var cost: NanoUSD?

    package init(
        day: CivilDate, model: String, calls: Int64? = nil, inputTokens: Int64? = nil,
        outputTokens: Int64? = nil, cost: NanoUSD? = nil
    ) {
        self.day = day
        self.model = model
        self.calls = calls
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.cost = cost
    }
}

/// A provider's figures of a time: rows, or a table of them as CSV.
package struct NewReconciliation: Sendable {
    package static let maximumRows = 5_000

    package let provider: ProviderID
    package let from: CivilDate
    package let to: CivilDate
    package let rows: [ProviderUsageRow]
    package let csv: String?

    package init(
        provider: ProviderID, from: CivilDate, to: CivilDate, rows: [ProviderUsageRow], csv: String?
    ) {
        self.provider = provider
        self.from = from
        self.to = to
        self.rows = rows
        self.csv = csv
    }
}

/// A reconciliation and its lines, those that differ most first.
package struct ReconciliationView: Sendable {
    package let reconciliation: Reconciliation
    package let lines: [ReconciliationLine]
}

/// What providers of the platform say was used, held against what came in.
package struct ReconciliationOperations {
    private static let maximumDays = 92

    let environment: OperationEnvironment

    package func list(
        _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Reconciliation> {
        try await environment.read(.reconciliationsRead, in: .platform, by: caller) { connection in
            ListPage(try await ReconciliationStore.list(page.of(ReconciliationNoun.self), connection))
        }
    }

    package func get(
        _ id: ReconciliationID, by caller: Caller
    ) async throws(OperationError) -> ReconciliationView {
        try await environment.read(.reconciliationsRead, in: .platform, by: caller) { connection in
            ReconciliationView(
                reconciliation: try found(try await ReconciliationStore.find(id, connection)),
                lines: try await ReconciliationStore.lines(of: id, connection))
        }
    }

    /// Holds a provider's figures against ours and keeps the comparison. Days and models that only one side
    /// has are lines too.
    package func create(
        _ new: NewReconciliation, by caller: Caller
    ) async throws(OperationError) -> Changed<ReconciliationView> {
        try caller.demand(.reconciliationsCreate, in: .platform)
        let theirs = try Self.theirs(new)
        let (now, provider) = (environment.clock.now(), new.provider)
        let used = try await environment.viewAcrossTenants { connection in
            try await ReconciliationStore.used(of: provider, from: new.from, to: new.to, connection)
        }
        return try await environment.write(
            "reconciliations.create", .reconciliationsCreate, in: .platform, by: caller
        ) { connection in
            guard try await ProviderStore.find(provider, of: nil, connection) != nil else {
                throw OperationError.missing("/provider", "a shared provider")
            }
            let names = try await ReconciliationStore.models(of: provider, connection)
            let lines = Self.lines(used, names, theirs)
            var reconciliation = Reconciliation(
                id: ReconciliationID(at: now), provider: provider, first: new.from, last: new.to,
                createdAt: now, createdBy: caller.user)
            reconciliation.ourCost = Self.sum(lines.map(\.ours.cost))
            reconciliation.theirCost = Self.sum(lines.map(\.theirs.cost))
            try await ReconciliationStore.create(reconciliation, lines, connection)
            return Recorded(
                ReconciliationView(reconciliation: reconciliation, lines: lines),
                AuditSubject(
                    "reconciliation", reconciliation.id,
                    [
                        "provider": .string(provider.description),
                        "our_cost": .string(reconciliation.ourCost.description),
                        "their_cost": .string(reconciliation.theirCost.description),
                    ]))
        }
    }

    private struct Place: Hashable {
        let day: CivilDate
        let model: String
    }

    private static func theirs(
        _ new: NewReconciliation
    ) throws(OperationError) -> [(Int, ProviderUsageRow)] {
        guard new.from <= new.to, new.to.daysSinceEpoch - new.from.daysSinceEpoch < maximumDays else {
            throw .invalid([
                ValidationError(
                    "/to", .outOfRange, "must not lie before from, nor \(maximumDays) days or more later")
            ])
        }
        guard new.rows.isEmpty != (new.csv == nil) else {
            throw .invalid([ValidationError("/csv", .notAllowed, "must be given when rows are not")])
        }
        let rows =
            if let csv = new.csv { try ProviderUsageTable.read(csv) } else {
                new.rows.enumerated().map { ($0, $1) }
            }
        let outside = rows.filter { !(new.from...new.to).contains($0.1.day) }
        guard outside.isEmpty else {
            throw .invalid(
                outside.prefix(10).map { index, _ in
                    ValidationError(
                        new.csv == nil ? "/rows/\(index)/day" : "/csv", .outOfRange,
                        "must lie in the period (row \(index + 1))")
                })
        }
        return rows
    }

    private static func lines(
        _ used: [(day: CivilDate, model: ModelID, figures: ReconciledFigures)], _ names: [ModelID: String],
        _ theirs: [(Int, ProviderUsageRow)]
    ) -> [ReconciliationLine] {
        var ours: [Place: ReconciledFigures] = [:]
        for (day, model, figures) in used {
            // A model that is gone keeps its ID as its name.
            let place = Place(day: day, model: names[model] ?? model.description)
            ours[place] = ours[place].map { $0.adding(figures) } ?? figures
        }
        var said: [Place: ReconciledFigures] = [:]
        for (_, row) in theirs {
            let place = Place(day: row.day, model: row.model)
            let figures = ReconciledFigures(
                calls: row.calls, inputTokens: row.inputTokens, outputTokens: row.outputTokens,
                cost: row.cost)
            said[place] = said[place].map { $0.adding(figures) } ?? figures
        }
        let nothing = ReconciledFigures(calls: 0, inputTokens: 0, outputTokens: 0, cost: .zero)
        return Set(ours.keys).union(said.keys).map { place in
            ReconciliationLine(
                day: place.day, model: place.model, ours: ours[place] ?? nothing,
                theirs: said[place] ?? ReconciledFigures())
        }.sorted { ($1.drift, $0.day, $0.model) < ($0.drift, $1.day, $1.model) }
    }

    private static func sum(_ costs: [NanoUSD?]) -> NanoUSD {
        NanoUSD(nanos: costs.reduce(0) { $0 + ($1?.nanos ?? 0) })
    }
}

extension ReconciledFigures {
    /// What neither says stays unsaid.
    fileprivate func adding(_ other: ReconciledFigures) -> ReconciledFigures {
        func sum(_ left: Int64?, _ right: Int64?) -> Int64? {
            guard let left, let right else { return left ?? right }
            let (sum, overflow) = left.addingReportingOverflow(right)
            return overflow ? .max : sum
        }
        return ReconciledFigures(
            calls: sum(calls, other.calls), inputTokens: sum(inputTokens, other.inputTokens),
            outputTokens: sum(outputTokens, other.outputTokens),
            cost: sum(cost?.nanos, other.cost?.nanos).map { NanoUSD(nanos: $0) })
    }
}
