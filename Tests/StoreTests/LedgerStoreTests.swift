import Contract
import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

/// The double-entry books, and what usage comes to in them.
@Suite("ledger")
struct LedgerStoreTests {
    @Test("calls at the platform's prices are taken from the balance, those at a tenant's own are not")
    func usage() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            let now = shop.fixture.clock.now
            _ = try await shop.ingest([
                shop.event(.shared, at: now, usage: TokenUsage(input: 1_000_000, output: 0), cost: 300),
                shop.event(.own, at: now, usage: TokenUsage(input: 10, output: 0), cost: 7),
                shop.event(.shared, at: now.advanced(bySeconds: -86_400), cost: 20),
                shop.event(.none, at: now, cost: 0),
            ])
            try await database.pool.withConnection { connection in
                let balances = try await LedgerStore.balances(of: shop.tenant.id, connection)
                let (base, none) = (Shop.inputRate, NanoUSD.zero)
                #expect(balances[.balance]?.nanos == -320 && balances[.usage]?.nanos == 320)
                #expect(balances[.ownUsage]?.nanos == 7 && balances[.ownProviders]?.nanos == -7)
                #expect(balances[.providerCosts]?.nanos == base && balances[.providers]?.nanos == -base)
                #expect(balances[.payments] ?? none == none)
                let days = try await LedgerStore.statement(
                    of: shop.tenant.id, by: .day, from: CivilDate(daysSinceEpoch: 0),
                    to: CivilDate(daysSinceEpoch: 40_000), connection)
                #expect(days.map(\.amount.nanos) == [20, 307])
                let workspaces = try await LedgerStore.statement(
                    of: shop.tenant.id, by: .workspace, from: CivilDate(daysSinceEpoch: 0),
                    to: CivilDate(daysSinceEpoch: 40_000), connection)
                #expect(workspaces.map(\.workspace) == [shop.workspace])
                #expect(workspaces.map(\.amount.nanos) == [327])
                let costs = try await connection.query(
                    "select provider_id, amount_nanos from provider_costs"
                ).map { try $0.int64(1) }
                #expect(costs == [base])
            }
        }
    }

    @Test("a price that is another tenant's, or nobody's, takes nothing from the balance")
    func foreignPrices() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            var event = shop.event(.own, at: shop.fixture.clock.now, cost: 5)
            event.tenant = TenantID(high: 77, low: 7)
            var unknown = shop.event(.own, at: shop.fixture.clock.now, cost: 6)
            unknown.price = PriceID(high: 6, low: 6)
            _ = try await shop.ingest([event, unknown])
            try await database.pool.withConnection { connection in
                let other = try await LedgerStore.balances(of: event.tenant, connection)
                #expect(other == [.ownUsage: NanoUSD(nanos: 5), .ownProviders: NanoUSD(nanos: -5)])
                let own = try await LedgerStore.balances(of: shop.tenant.id, connection)
                #expect(own == [.ownUsage: NanoUSD(nanos: 6), .ownProviders: NanoUSD(nanos: -6)])
            }
        }
    }

    @Test("what does not sum to zero is refused, and everything with it")
    func balanced() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            let (now, tenant) = (shop.fixture.clock.now, shop.tenant.id)
            func transaction(_ amounts: [Int64]) -> LedgerTransaction {
                LedgerTransaction(
                    .adjustment, of: tenant, at: now,
                    zip([LedgerAccount.balance, .adjustments, .credits], amounts).map {
                        LedgerEntry($0, NanoUSD(nanos: $1), on: now.date)
                    })
            }
            for wrong: [Int64] in [[1], [1, -2], [5, -5, 1]] {
                let refused = await postgresFailure {
                    try await database.pool.withTransaction {
                        try await LedgerStore.post([transaction([3, -3]), transaction(wrong)], $0)
                    }
                }
                #expect(refused?.constraint == "ledger_transaction_is_balanced", "\(wrong)")
            }
            try await database.pool.withConnection { connection in
                #expect(try await LedgerStore.balances(of: tenant, connection).isEmpty)
                try await LedgerStore.post([transaction([5, -3, -2])], connection)
                #expect(try await LedgerStore.balances(of: tenant, connection)[.balance]?.nanos == 5)
            }
        }
    }

    @Test("not even the owner of the tables changes or deletes what was posted or invoiced")
    func onlyAddedTo() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            _ = try await shop.ingest([shop.event(.shared, at: shop.fixture.clock.now, cost: 3)])
            for statement in [
                "update ledger_entries set amount_nanos = 0", "delete from ledger_entries",
                "truncate ledger_entries", "update ledger_transactions set reason = 'x'",
                "delete from ledger_transactions", "delete from invoice_lines", "delete from payments",
            ] {
                let refused = await postgresFailure {
                    try await database.pool.withConnection { try await $0.executeScript(statement) }
                }
                #expect(refused?.sqlState == "42501", "\(statement)")
            }
        }
    }

    @Test("transactions are listed by kind with their entries, usage only when it is asked for")
    func lists() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            let now = shop.fixture.clock.now
            _ = try await shop.ingest([shop.event(.shared, at: now, cost: 3)])
            let credit = LedgerTransaction(
                .credit, of: shop.tenant.id, at: now.advanced(bySeconds: 1), reason: "A gift",
                [
                    LedgerEntry(.balance, NanoUSD(nanos: 9), on: now.date),
                    LedgerEntry(.credits, NanoUSD(nanos: -9), on: now.date),
                ])
            try await database.pool.withConnection { connection in
                try await LedgerStore.post([credit], connection)
                let byHand = try await LedgerStore.list(
                    of: shop.tenant.id, kind: nil, Page(), connection)
                #expect(byHand.items == [credit])
                let usage = try await LedgerStore.list(
                    of: shop.tenant.id, kind: .usage, Page(), connection)
                #expect(usage.items.first?.entries.map(\.account) == [.balance, .usage])
                #expect(usage.items.first?.entries.map(\.amount.nanos) == [-3, 3])
                let found = try await LedgerStore.find(credit.id, of: shop.tenant.id, connection)
                let foreign = try await LedgerStore.find(
                    credit.id, of: TenantID(high: 5, low: 5), connection)
                #expect(found == credit && foreign == nil)
            }
        }
    }

    @Test("what a prepaid budget lends follows the balance: up with credits, not down by what it settled")
    func prepaid() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            let (now, tenant) = (shop.fixture.clock.now, shop.tenant.id)
            let node = try await database.pool.withConnection { try await shop.fixture.joined("node-1", $0) }
            let limit = Limit(
                id: LimitID(at: now), tenant: tenant, name: "Prepaid balance", subject: .tenant,
                metric: .cost, amount: 1, period: .lifetime, createdAt: now, updatedAt: now)
            let account = GrantAccount(tenant: tenant, limit: limit.id, part: .whole)
            let grant = GrantID(high: 1, low: 99)
            func amount(_ connection: PostgresConnection) async throws -> GrantStore.Subject {
                let asked = [(account: account, grant: grant, within: nil as Timestamp?)]
                return try #require(try await GrantStore.resolve(asked, at: now, connection)[0])
            }
            func credit(_ nanos: Int64, _ connection: PostgresConnection) async throws {
                let entries = [
                    LedgerEntry(.balance, NanoUSD(nanos: nanos), on: now.date),
                    LedgerEntry(.credits, NanoUSD(nanos: -nanos), on: now.date),
                ]
                try await LedgerStore.post(
                    [LedgerTransaction(.credit, of: tenant, at: now, entries)], connection)
                try await BillingStore.refreshAmount(of: tenant, connection)
            }
            try await database.pool.withTransaction { connection in
                try await credit(1_000, connection)
                try await LimitStore.create(limit, connection)
                try await BillingStore.follow(limit.id, of: tenant, connection)
                let subject = try await amount(connection)
                #expect(subject.amount == 1_000)
                _ = try await GrantStore.lock([subject], connection)
                var stored = GrantStore.Stored(id: grant, node: node.id, seenAt: now)
                stored.lent = 400
                var changes = GrantStore.Changes()
                changes.saves = [(subject.account, stored)]
                try await GrantStore.write(changes, connection)
            }
            var held = shop.event(.shared, at: now, cost: 300)
            held.grants = [grant]
            var own = shop.event(.own, at: now, cost: 50)
            own.grants = [grant]
            _ = try await shop.ingest([held, own], node: node.id)
            try await database.pool.withConnection { connection in
                // 700 are left, 350 were settled: calls at own prices count, and cost nothing.
                #expect(try await amount(connection).amount == 1_050)
                try await credit(100, connection)
                #expect(try await amount(connection).amount == 1_150)
                let shown = try #require(try await LimitStore.find(limit.id, of: tenant, connection))
                #expect(shown.amount == 1_150)
                let listed = try await LimitStore.list(of: tenant, Page(), connection)
                #expect(listed.items.isEmpty, "nobody sets it by hand")
            }
            // Not held against it: late, or from before it began.
            _ = try await shop.ingest([shop.event(.shared, at: now, cost: 5_000)], sequence: 2, node: node.id)
            try await database.pool.withConnection { connection in
                let left = try await amount(connection).amount
                #expect(left == 0, "never below nothing")
            }
        }
    }
}

/// A tenant that calls a shared model and one of its own.
final class Shop {
    enum Owner: Sendable, CaseIterable { case shared, own, none }

    /// Of the shared model's provider: nano-dollars for a million tokens.
    static let inputRate: Int64 = 150

    let fixture = Fixture()
    let pool: PostgresPool
    let tenant: Tenant
    let workspace: WorkspaceID
    let models: [Owner: (provider: ProviderID, model: ModelID, price: PriceID?)]
    let node = NodeID(high: 4, low: 1)

    init(_ pool: PostgresPool, slug: String = "acme") async throws {
        self.pool = pool
        let fixture = fixture
        (tenant, workspace, models) = try await pool.withTransaction { connection in
            let tenant = try await fixture.tenant(slug, connection)
            let workspace = try await fixture.workspace(of: tenant, connection)
            var models: [Owner: (provider: ProviderID, model: ModelID, price: PriceID?)] = [:]
            for (owner, whose) in [(Owner.shared, nil), (.own, tenant)] as [(Owner, Tenant?)] {
                let provider = try await fixture.provider("\(slug)-\(owner)", of: whose, connection)
                let model = try await fixture.model(of: provider, connection)
                let price = try await fixture.price(
                    of: model, input: Self.inputRate, from: .epoch, connection)
                models[owner] = (provider.id, model.id, price.id)
            }
            models[.none] = models[.shared].map { ($0.provider, $0.model, nil) }
            return (tenant, workspace.id, models)
        }
    }

    func event(
        _ owner: Owner, at moment: Timestamp, usage: TokenUsage = .zero, cost: Int64,
        key: KeyID = KeyID(high: 3, low: 1)
    ) -> UsageEvent {
        let made = models[owner]!
        return UsageEvent(
            id: UsageEventID(at: moment), tenant: tenant.id, workspace: workspace, key: key,
            route: RouteID(high: 5, low: 1), provider: made.provider, model: made.model, price: made.price,
            endpoint: .chat, startedAt: moment, latencyMicroseconds: 2000, firstByteMicroseconds: 500,
            usage: usage, cost: NanoUSD(nanos: cost), costState: made.price == nil ? .unpriced : .settled,
            status: 200, isStream: true, ending: .completed)
    }

    func ingest(
        _ events: [UsageEvent], sequence: Int64 = 1, node: NodeID? = nil, epoch: Int64 = 77
    ) async throws -> BatchAnswer {
        let sealed = try SealedUsageBatch(
            node: node ?? self.node, outboxEpoch: epoch, sequence: sequence, events: events)
        return try await UsageStore.ingest(
            try sealed.opened(), digest: try #require(sealed.digest), at: fixture.clock.now, pool)
    }
}
