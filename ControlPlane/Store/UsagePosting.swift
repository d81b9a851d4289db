import Contract
import Domain
import PostgresDriver

/// What a batch's events come to in the books: one ledger transaction for each tenant, and what the calls
/// cost at their providers.
struct UsagePosting {
    private struct Cost: Hashable {
        let tenant: TenantID
        let day: CivilDate
        let provider: ProviderID
        let model: ModelID
    }

    struct Use: Hashable {
        /// Rated with a price of the tenant's own.
        let isOwn: Bool
        let workspace: WorkspaceID
        let day: CivilDate
    }

    private let events: [UsageEvent]
    private let now: Timestamp

    init(_ events: [UsageEvent], at now: Timestamp) {
        self.events = events
        self.now = now
    }

    /// The last statements of a batch's transaction: all that a tenant does meets in its balance's row.
    func write(_ connection: PostgresConnection) async throws(PostgresError) {
        let charged = events.filter { $0.cost > .zero }
        if charged.isEmpty { return }
        let prices = try await PriceStore.find(
            Set(charged.compactMap(\.price)), of: Set(charged.map(\.tenant)), connection)
        var sums: [TenantID: Sums] = [:]
        var costs: [Cost: Int64] = [:]
        for event in charged {
            let price = event.price.flatMap { prices[$0] }.flatMap { price in
                price.tenant == nil || price.tenant == event.tenant ? price : nil
            }
            let day = event.startedAt.date
            // A price nobody knows any more was the tenant's: the platform's outlive everything.
            let isOwn = price.map { $0.tenant != nil } ?? true
            let use = Use(isOwn: isOwn, workspace: event.workspace, day: day)
            sums[event.tenant, default: Sums()].uses[use, default: 0] += event.cost.nanos
            if let price, price.tenant == nil {
                let cost = Cost(
                    tenant: event.tenant, day: day, provider: event.provider, model: event.model)
                let amount = price.table.cost(of: event.usage).nanos
                costs[cost, default: 0] += amount
                sums[event.tenant, default: Sums()].costs[day, default: 0] += amount
            }
        }
        let transactions = sums.sorted { $0.key < $1.key }.map { tenant, sums in
            LedgerTransaction(.usage, of: tenant, at: now, sums.entries)
        }
        _ = try await connection.pipeline(
            Self.addCosts(costs) + LedgerStore.posting(transactions))
    }

    /// What a tenant's calls come to, and the entries of that.
    struct Sums {
        var uses: [Use: Int64] = [:]
        /// At the providers' prices.
        var costs: [CivilDate: Int64] = [:]

        var entries: [LedgerEntry] {
            var entries: [LedgerEntry] = []
            var days: [CivilDate: (charged: Int64, own: Int64)] = [:]
            for (use, amount) in uses where amount != 0 {
                entries.append(
                    LedgerEntry(
                        use.isOwn ? .ownUsage : .usage, NanoUSD(nanos: amount), on: use.day,
                        workspace: use.workspace))
                if use.isOwn {
                    days[use.day, default: (0, 0)].own += amount
                } else {
                    days[use.day, default: (0, 0)].charged += amount
                }
            }
            for day in Set(days.keys).union(costs.keys) {
                let (sums, cost) = (days[day] ?? (0, 0), costs[day] ?? 0)
                let moves: [(LedgerAccount, Int64)] = [
                    (.balance, -sums.charged), (.ownProviders, -sums.own), (.providerCosts, cost),
                    (.providers, -cost),
                ]
                for (account, amount) in moves where amount != 0 {
                    entries.append(LedgerEntry(account, NanoUSD(nanos: amount), on: day))
                }
            }
            return entries
        }
    }

    private static func addCosts(_ costs: [Cost: Int64]) -> [SQL] {
        let list = costs.filter { $0.value != 0 }
        if list.isEmpty { return [] }
        let keys = Array(list.keys)
        return [
            """
            insert into provider_costs as old (tenant_id, day, provider_id, model_id, amount_nanos)
            select *
              from unnest(\(keys.map(\.tenant)), \(fragment: LedgerStore.days(keys.map(\.day))),
                          \(keys.map(\.provider)), \(keys.map(\.model)), \(keys.map { list[$0] ?? 0 }))
                   as new (tenant_id, day, provider_id, model_id, amount_nanos)
             order by 1, 2, 3, 4
            on conflict (tenant_id, day, provider_id, model_id)
            do update set amount_nanos = old.amount_nanos + excluded.amount_nanos
            """
        ]
    }
}
