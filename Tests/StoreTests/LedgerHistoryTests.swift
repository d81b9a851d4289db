import Contract
import Domain
import Foundation
import PostgresDriver
import Store
import TestSupport
import Testing

/// Random histories of everything that moves money: whatever happens in whatever order, the books sum to zero
/// and say what calls cost, to the nano-dollar.
///
/// `make ledger` runs 100,000 operations; `make test` a slice. A seed that fails is printed:
/// ECLUSA_SEED=… ECLUSA_LEDGER_OPERATIONS=… repeats it.
@Suite("ledger histories")
struct LedgerHistoryTests {
    @Test("whatever happens, the books hold and equal what calls cost")
    func histories() async throws {
        let settings = ProcessInfo.processInfo.environment
        let operations = settings["ECLUSA_LEDGER_OPERATIONS"].flatMap { Int($0) } ?? 3_000
        let seed = settings["ECLUSA_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000)
        print("ledger history: seed \(seed), \(operations) operations")
        try await withTestDatabase(timeLimitSeconds: 1_800) { database in
            let history = try await History(database.pool, seed: seed)
            while history.done < operations { try await history.step() }
            try await history.settle()
            try await history.check("seed \(seed)")
        }
    }

    @Test("a call is rated by the database as it is by a node, at any tier")
    func ratedCost() async throws {
        try await withTestDatabase { database in
            let shop = try await Shop(database.pool)
            var random = SeededGenerator(seed: 7)
            let tables = History.tables(using: &random)
            for table in tables {
                let now = shop.fixture.now
                let price = Price(
                    id: PriceID(at: now), model: shop.models[.shared]!.model, tenant: nil, table: table,
                    effectiveFrom: now, createdAt: now)
                try await database.pool.withConnection { connection in
                    _ = try await PriceStore.create(price, connection)
                    for _ in 0..<40 {
                        let usage = History.usage(using: &random)
                        let row = try #require(
                            try await connection.query(
                                """
                                select rated_cost(prices, \(usage.input), \(usage.cachedInput),
                                                  \(usage.cacheWrite), \(usage.output), \(usage.reasoning))
                                  from prices
                                 where id = \(PostgresUUID(high: price.id.high, low: price.id.low))
                                """
                            ).first)
                        #expect(try row.int64(0) == table.cost(of: usage).nanos, "\(usage)")
                    }
                }
            }
        }
    }
}

/// One history: what is done to the database, and what that should come to.
private final class History {
    private struct Call {
        var event: UsageEvent
        var cost: Int64
        let tenant: Int
        let owner: Shop.Owner
    }

    private let pool: PostgresPool
    private var random: SeededGenerator
    private let shops: [Shop]
    private let prices: [Price]
    private var calls: [Call] = []
    private var waiting: [Call] = []
    private var sequence: Int64 = 0
    /// Of each tenant, by hand.
    private var moved: [Int64]
    private var events = 0
    private(set) var done = 0
    private let start: Timestamp

    init(_ pool: PostgresPool, seed: UInt64) async throws {
        self.pool = pool
        var random = SeededGenerator(seed: seed)
        shops = [
            try await Shop(pool, slug: "a"), try await Shop(pool, slug: "b"), try await Shop(pool, slug: "c"),
        ]
        start = shops[0].fixture.clock.now.startOfDay
        moved = shops.map { _ in 0 }
        var prices: [Price] = []
        for (index, table) in Self.tables(using: &random).enumerated() {
            let now = start.advanced(bySeconds: Int64(index))
            prices.append(
                Price(
                    id: PriceID(at: now), model: shops[0].models[.shared]!.model, tenant: nil, table: table,
                    effectiveFrom: now, createdAt: now))
        }
        self.prices = prices
        self.random = random
        for price in prices { try await pool.withConnection { _ = try await PriceStore.create(price, $0) } }
    }

    static func tables(using random: inout SeededGenerator) -> [PriceTable] {
        func rates() -> PriceRates {
            func rate() -> Int64 {
                Int64.random(
                    in: 0...(Bool.random(using: &random) ? 1_000_000_000 : 1_000_000_000_000),
                    using: &random)
            }
            return PriceRates(
                input: rate(), cachedInput: rate(), cacheWrite: rate(), output: rate(), reasoning: rate())!
        }
        return [
            PriceTable(rates()),
            PriceTable(
                base: rates(),
                tiers: [PriceTier(above: 1_000, rates: rates()), PriceTier(above: 100_000, rates: rates())])!,
            PriceTable(base: .free, tiers: [PriceTier(above: 10, rates: rates())])!,
        ]
    }

    static func usage(using random: inout SeededGenerator) -> TokenUsage {
        let top = [12, 1_500, 200_000][Int.random(in: 0..<3, using: &random)]
        func tokens() -> Int64 { Int64.random(in: 0...Int64(top), using: &random) }
        return TokenUsage(
            input: tokens(), cachedInput: tokens(), cacheWrite: tokens(), output: tokens(),
            reasoning: tokens())
    }

    func step() async throws {
        done += 1
        switch Int.random(in: 0..<1_000, using: &random) {
        case 0..<20: try await move()
        case 20..<23: try await rerate()
        case 23..<26: try await invoice()
        default:
            call()
            if waiting.count >= Int.random(in: 1...60, using: &random) { try await ship() }
        }
    }

    /// Everything that is on its way comes in.
    func settle() async throws { try await ship() }

    private func call() {
        let tenant = Int.random(in: 0..<shops.count, using: &random)
        let owner = Shop.Owner.allCases.randomElement(using: &random)!
        // Late by up to three days, sometimes by a year.
        let late = Int.random(in: 0..<50, using: &random) == 0 ? 400 * 86_400 : 3 * 86_400
        let moment = start.advanced(bySeconds: -Int64.random(in: 0...Int64(late), using: &random))
        let cost = owner == .none ? 0 : Int64.random(in: 0...2_000_000, using: &random)
        var event = shops[tenant].event(
            owner, at: moment, usage: Self.usage(using: &random), cost: cost,
            key: KeyID(high: 3, low: UInt64.random(in: 1...3, using: &random)))
        events += 1
        event.id = UsageEventID(high: event.id.high, low: UInt64(events))
        if owner != .own {
            (event.provider, event.model) = (
                shops[0].models[.shared]!.provider, shops[0].models[.shared]!.model
            )
            if owner == .shared { event.price = prices.randomElement(using: &random)!.id }
        }
        waiting.append(Call(event: event, cost: cost, tenant: tenant, owner: owner))
    }

    /// A batch of all tenants' calls; sometimes twice, as after a lost answer.
    private func ship() async throws {
        if waiting.isEmpty { return }
        sequence += 1
        for _ in 0..<(Int.random(in: 0..<10, using: &random) == 0 ? 2 : 1) {
            let answer = try await shops[0].ingest(waiting.map(\.event), sequence: sequence)
            #expect(answer == .acknowledged(sequence: sequence))
        }
        calls += waiting
        waiting = []
    }

    private func move() async throws {
        let tenant = Int.random(in: 0..<shops.count, using: &random)
        let kind = [LedgerKind.credit, .payment, .adjustment].randomElement(using: &random)!
        var amount = Int64.random(in: 1...5_000_000, using: &random)
        if kind == .adjustment, Bool.random(using: &random) { amount = -amount }
        let transaction = LedgerTransaction(
            kind, of: shops[tenant].tenant.id, at: start,
            [
                LedgerEntry(.balance, NanoUSD(nanos: amount), on: start.date),
                LedgerEntry(
                    LedgerAccount.counterpart(of: kind)!, NanoUSD(nanos: -amount), on: start.date),
            ])
        try await pool.withTransaction { try await LedgerStore.post([transaction], $0) }
        moved[tenant] += amount
    }

    private func rerate() async throws {
        let tenant = Int.random(in: 0..<shops.count, using: &random)
        let price = prices.randomElement(using: &random)!
        let markup = Markup(hundredths: Int32.random(in: 0...5_000, using: &random))!
        let from = start.advanced(bySeconds: -Int64.random(in: 1...4 * 86_400, using: &random))
        let to = from.advanced(bySeconds: Int64.random(in: 1...2 * 86_400, using: &random))
        func run() async throws -> Rerating {
            try await pool.withTransaction { connection in
                try await ReratingStore.run(
                    Rerating(
                        id: ReratingID(at: self.start), tenant: self.shops[tenant].tenant.id,
                        model: price.model, from: from, to: to, price: price.id, markup: markup,
                        createdAt: self.start, createdBy: nil), connection)
            }
        }
        let first = try await run()
        var (before, after) = (Int64(0), Int64(0))
        for index in calls.indices
        where calls[index].tenant == tenant && calls[index].event.model == price.model
            && calls[index].event.startedAt >= from && calls[index].event.startedAt < to
        {
            before += calls[index].cost
            calls[index].cost = markup.applied(to: price.table.cost(of: calls[index].event.usage)).nanos
            after += calls[index].cost
        }
        #expect(first.after.nanos - first.before.nanos == after - before)
        let second = try await run()
        #expect(second.events == 0 && second.after == second.before, "the same again changes nothing")
    }

    /// A month's invoice is what is not invoiced yet; now and then one is taken back.
    private func invoice() async throws {
        let shop = shops.randomElement(using: &random)!
        let (month, tenant) = (CalendarMonth(of: start), shop.tenant.id)
        let party = InvoiceParty(name: "A", address: "", email: nil, taxNumber: "")
        try await pool.withTransaction { connection in
            for standing in try await InvoiceStore.list(of: tenant, status: .issued, Page(), connection).items
            {
                _ = try await InvoiceStore.void(
                    standing.id, of: tenant, reason: "Anew", at: self.start, connection)
            }
            let lines = try await InvoiceStore.openLines(of: tenant, upTo: month, connection)
            let total = lines.reduce(Int64(0)) { $0 + $1.amount.nanos }
            let books = try await InvoiceStore.charged(to: tenant, upTo: month, connection)
            #expect(books.used.nanos - books.invoiced.nanos == total)
            let invoice = Invoice(
                id: InvoiceID(at: self.start), tenant: tenant,
                number: try await InvoiceStore.nextNumber(of: 2026, connection), month: month,
                total: NanoUSD(nanos: total), issuer: party, customer: party, issuedAt: self.start,
                issuedBy: nil)
            try await InvoiceStore.create(invoice, lines, connection)
            let rest = try await InvoiceStore.openLines(of: tenant, upTo: month, connection)
            #expect(rest.isEmpty, "all of it is invoiced now")
        }
    }

    func check(_ seed: String) async throws {
        try await pool.withConnection { connection in
            let (count, findings) = try await LedgerProofStore.differences(
                from: CivilDate(daysSinceEpoch: 0), to: CivilDate(daysSinceEpoch: 40_000), connection)
            #expect(count == 0, "\(seed): \(findings)")
            for (index, shop) in self.shops.enumerated() {
                let balances = try await LedgerStore.balances(of: shop.tenant.id, connection)
                let mine = self.calls.filter { $0.tenant == index }
                let charged = mine.filter { $0.owner != .own }.reduce(Int64(0)) { $0 + $1.cost }
                let own = mine.filter { $0.owner == .own }.reduce(Int64(0)) { $0 + $1.cost }
                #expect(balances.values.reduce(0) { $0 + $1.nanos } == 0, "\(seed)")
                #expect(balances[.usage]?.nanos ?? 0 == charged, "\(seed)")
                #expect(balances[.ownUsage]?.nanos ?? 0 == own, "\(seed)")
                #expect(balances[.balance]?.nanos ?? 0 == self.moved[index] - charged, "\(seed)")
                let total = try await UsageStore.report(
                    UsageQuery(tenant: shop.tenant.id, from: .epoch, to: Timestamp("2030-01-01T00:00:00Z")!),
                    connection)
                let reported = total.lines.first?.totals
                #expect(reported?.cost.nanos ?? 0 == charged + own, "\(seed)")
                #expect(reported?.calls ?? 0 == Int64(mine.count), "\(seed)")
            }
        }
    }
}
