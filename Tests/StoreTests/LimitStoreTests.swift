import Contract
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("limits and grants")
struct LimitStoreTests {
    private static func limit(
        _ fixture: Fixture, of tenant: Tenant, _ subject: LimitSubject = .tenant, name: String = "monthly",
        zone: String = "Europe/Lisbon"
    ) -> Limit {
        let now = fixture.now
        return Limit(
            id: LimitID(at: now), tenant: tenant.id, name: name, subject: subject,
            match: LimitMatch(
                routes: [RouteID(high: 1, low: 2)], models: [ModelID(high: 3, low: 4)], tags: ["a", "b"]),
            partition: .key, metric: .cost, amount: 5_000_000_000, period: .month, timeZone: zone,
            mode: .soft, thresholds: [50, 80], createdAt: now, updatedAt: now)
    }

    @Test("a limit reads back whole, is changed with its stamp, and is seen by its own tenant only")
    func limits() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let workspace = try await fixture.workspace(of: mine, connection)
                let (key, _) = try await fixture.key(of: workspace, connection)
                var limit = Self.limit(fixture, of: mine)
                let second = Self.limit(fixture, of: mine, .workspace(workspace.id), name: "two")
                let third = Self.limit(fixture, of: mine, .key(key.id), name: "three")
                for made in [limit, second, third] { try await LimitStore.create(made, connection) }
                let listed = try await pages(limit: 2) {
                    try await LimitStore.list(of: mine.id, $0, connection)
                }
                #expect(listed == [[third, second], [limit]])
                #expect(try await LimitStore.find(limit.id, of: other.id, connection) == nil)

                let seen = limit.updatedAt
                limit.name = "renamed"
                limit.amount = 7
                limit.mode = .shadow
                limit.thresholds = []
                limit.match = .everything
                limit.increase = LimitIncrease(amount: 3, expires: fixture.now)
                limit.updatedAt = fixture.now
                #expect(try await LimitStore.update(limit, expecting: seen, connection))
                #expect(try await LimitStore.find(limit.id, of: mine.id, connection) == limit)
                #expect(try await !LimitStore.update(limit, expecting: seen, connection))
                #expect(try await !LimitStore.delete(limit.id, of: other.id, connection))
                #expect(try await LimitStore.delete(limit.id, of: mine.id, connection))

                let taken = await postgresFailure {
                    try await LimitStore.create(Self.limit(fixture, of: mine, name: "two"), connection)
                }
                #expect(taken?.constraint == Constraint.limitNameIsUnique)
                let foreign = await postgresFailure {
                    try await LimitStore.create(
                        Self.limit(fixture, of: other, .workspace(workspace.id)), connection)
                }
                #expect(foreign?.constraint == Constraint.limitWorkspaceExists)
            }
        }
    }

    @Test("windows follow the calendar of their zone, over changes of the clocks too")
    func windows() async throws {
        let cases: [(LimitPeriod, String, String, String, String?)] = [
            (.day, "UTC", "2026-03-09T12:00:00Z", "2026-03-09T00:00:00Z", "2026-03-10T00:00:00Z"),
            // Clocks go forward on 29 March in Lisbon: a day of 23 hours; back on 25 October: 25 hours.
            (.day, "Europe/Lisbon", "2026-03-29T12:00:00Z", "2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z"),
            (.day, "Europe/Lisbon", "2026-10-25T12:00:00Z", "2026-10-24T23:00:00Z", "2026-10-26T00:00:00Z"),
            (
                .week, "America/New_York", "2026-03-09T02:00:00Z", "2026-03-02T05:00:00Z",
                "2026-03-09T04:00:00Z"
            ),
            (.month, "Asia/Tokyo", "2026-02-28T15:00:00Z", "2026-02-28T15:00:00Z", "2026-03-31T15:00:00Z"),
            (.lifetime, "Asia/Tokyo", "2026-02-28T15:00:00Z", "1970-01-01T00:00:00Z", nil),
            (.minute, "UTC", "2026-02-28T15:00:00Z", "1970-01-01T00:00:00Z", nil),
        ]
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                for (period, zone, moment, start, end) in cases {
                    let moment = try #require(Timestamp(moment))
                    let window = try await LimitStore.window(of: period, in: zone, at: moment, connection)
                    #expect(window.start.description == start, "\(period) in \(zone)")
                    #expect(window.end?.description == end, "\(period) in \(zone)")
                    #expect(window.contains(moment))
                }
                #expect(try await LimitStore.isTimeZone("Europe/Lisbon", connection))
                #expect(try await !LimitStore.isTimeZone("Europe/Atlantis", connection))
            }
        }
    }

    @Test("grants stay in the window they were opened in, settle with usage, and go with their limit")
    func grants() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let (limit, node) = try await database.pool.withConnection { connection in
                let tenant = try await fixture.tenant("acme", connection)
                let limit = Self.limit(fixture, of: tenant)
                try await LimitStore.create(limit, connection)
                return (limit, try await fixture.joined("node-1", connection))
            }
            let account = GrantAccount(tenant: limit.tenant, limit: limit.id, partHigh: 1, partLow: 2)
            let id = GrantID(high: 5, low: 6)
            var grant = GrantStore.Stored(
                id: id, node: node.id, serial: 1, lent: 100, settled: 0, reported: 10, held: 5, need: 4,
                hold: 3, demand: 2, isOrphan: false, seenAt: fixture.now)
            let march = try #require(Timestamp("2026-03-09T12:00:00Z"))
            let april = try #require(Timestamp("2026-04-09T12:00:00Z"))
            try await database.pool.withTransaction { connection in
                let found = try await GrantStore.lock(account, grant: id, within: march, connection)
                let (_, window) = try #require(found)
                try await GrantStore.save(grant, of: account, in: window, connection)
                let later = try await GrantStore.lock(account, grant: id, within: april, connection)
                #expect(later?.window == window)
                let other = try await GrantStore.lock(
                    account, grant: GrantID(high: 9, low: 9), within: april, connection)
                #expect(other?.window.start == window.end)
                try await GrantStore.settle(
                    [(id, 30), (id, 12), (GrantID(high: 9, low: 9), 1)], of: limit.tenant, connection)
                grant.lent = 60
                try await GrantStore.save(grant, of: account, in: window, connection)
                grant.settled = 42
                #expect(try await GrantStore.list(of: account, in: window, connection) == [grant])
                let whole = GrantAccount(tenant: limit.tenant, limit: limit.id)
                #expect(try await GrantStore.list(of: whole, in: window, connection).isEmpty)
                _ = try await LimitStore.delete(limit.id, of: limit.tenant, connection)
                #expect(try await GrantStore.list(of: account, in: window, connection).isEmpty)
                #expect(try await GrantStore.lock(account, grant: id, within: march, connection) == nil)
            }
        }
    }

    @Test("a late message of a node is told the newest one")
    func sequences() async throws {
        try await withTestDatabase { database in
            try await database.pool.withTransaction { connection in
                let node = try await Fixture().joined("node-1", connection)
                #expect(try await GrantStore.takeSequence(7, of: node.id, connection) == 7)
                #expect(try await GrantStore.takeSequence(6, of: node.id, connection) == 7)
                #expect(try await GrantStore.takeSequence(8, of: node.id, connection) == 8)
                #expect(try await GrantStore.isNewest(8, of: node.id, connection))
                #expect(try await !GrantStore.isNewest(7, of: node.id, connection))
            }
        }
    }
}
