import Contract
import Domain
import PostgresDriver
import TestSupport
import Testing

@testable import Store

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
                    try await LimitStore.create(
                        Self.limit(fixture, of: mine, .workspace(workspace.id), name: "two"), connection)
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
            let id = GrantID(high: 5, low: 6), other = GrantID(high: 9, low: 9)
            let march = try #require(Timestamp("2026-03-09T12:00:00Z"))
            let april = try #require(Timestamp("2026-04-09T12:00:00Z"))
            var grant = GrantStore.Stored(id: id, node: node.id, seenAt: fixture.now)
            (grant.serial, grant.lent, grant.reported) = (1, 100, 10)
            (grant.held, grant.need, grant.hold, grant.demand) = (5, 4, 3, 2)
            try await database.pool.withTransaction { connection in
                func subject(_ grant: GrantID, _ moment: Timestamp) async throws -> GrantStore.Subject {
                    let found = try await GrantStore.resolve(
                        [(account, grant, moment)], at: .epoch, connection)
                    return try #require(found.first ?? nil)
                }
                let opened = try await subject(id, march)
                #expect(opened.amount == limit.amount && opened.thresholds == limit.thresholds)
                #expect(try await GrantStore.lock([opened], connection) == [opened.account: 0])
                try await GrantStore.write(.saving(grant, in: opened.account), connection)
                // A grant stays where it was opened; another one of April is another account.
                let later = try await subject(id, april), next = try await subject(other, april)
                #expect(later.account == opened.account)
                #expect(next.account.window.start == opened.account.window.end)
                try await GrantSettlement([
                    Self.event(limit.tenant, cost: 30, [id, other]), Self.event(limit.tenant, cost: 12, [id]),
                ]).write(of: node.id, connection)
                // Not lent to this node, so not settled by it.
                try await GrantSettlement([Self.event(limit.tenant, cost: 5, [id])])
                    .write(of: NodeID(high: 1, low: 1), connection)
                grant.lent = 60
                try await GrantStore.write(.saving(grant, in: opened.account), connection)
                grant.settled = 42
                #expect(try await GrantStore.list(of: [opened], connection) == [opened.account: [grant]])
                var deletion = GrantStore.Changes()
                deletion.deletes = [(limit.tenant, id)]
                try await GrantStore.write(deletion, connection)
                #expect(try await GrantStore.list(of: [opened], connection).isEmpty)
                try await GrantStore.write(.saving(grant, in: opened.account), connection)
                _ = try await LimitStore.delete(limit.id, of: limit.tenant, connection)
                #expect(try await GrantStore.list(of: [opened], connection).isEmpty)
                #expect(try await GrantStore.resolve([(account, id, nil)], at: march, connection) == [nil])
            }
        }
    }

    @Test("an amount counts with its increase, and a limit that is not parted has no parts")
    func subjects() async throws {
        try await withTestDatabase { database in
            try await database.pool.withTransaction { connection in
                let fixture = Fixture()
                let tenant = try await fixture.tenant("acme", connection)
                let now = fixture.now
                let limit = Limit(
                    id: LimitID(at: now), tenant: tenant.id, name: "calls", subject: .tenant,
                    metric: .requests, amount: 10, period: .minute,
                    increase: LimitIncrease(amount: 5, expires: now.advanced(bySeconds: 60)), createdAt: now,
                    updatedAt: now)
                try await LimitStore.create(limit, connection)
                let whole = GrantAccount(tenant: tenant.id, limit: limit.id)
                let part = GrantAccount(tenant: tenant.id, limit: limit.id, partHigh: 1, partLow: 1)
                let foreign = GrantAccount(tenant: TenantID(high: 1, low: 1), limit: limit.id)
                let id = GrantID(high: 1, low: 1)
                let asked =
                    [(whole, id, nil), (part, id, nil), (foreign, id, nil), (whole, id, nil)]
                    as [(account: GrantAccount, grant: GrantID, within: Timestamp?)]
                let found = try await GrantStore.resolve(asked, at: now, connection)
                #expect(found.map { $0?.amount } == [15, nil, nil, 15])
                #expect(found[0]?.account.window == .always)
                let later = now.advanced(bySeconds: 61)
                let after = try await GrantStore.resolve([(whole, id, nil)], at: later, connection)
                #expect(after.first??.amount == 10)
            }
        }
    }

    @Test(
        "a joining node was lent nothing; after a restore all but the revoked ones have to speak first"
    )
    func streams() async throws {
        try await withTestDatabase { database in
            try await database.pool.withTransaction { connection in
                let fixture = Fixture()
                let (one, two) = (
                    try await fixture.joined("node-1", connection),
                    try await fixture.joined("node-2", connection)
                )
                var stream = try #require(try await GrantStore.openStream(of: one.id, connection))
                #expect(stream.sequence == 0 && stream.isWhole && stream.importedEpoch == stream.epoch)
                _ = try await SnapshotStore.raiseEpoch(to: 9, connection)
                stream.sequence = 4
                stream.firstRound = 2
                try await GrantStore.closeStream(stream, of: one.id, connection)
                stream = try #require(try await GrantStore.openStream(of: one.id, connection))
                #expect(
                    stream.sequence == 4 && stream.firstRound == 2 && !stream.isWhole && stream.epoch == 9)
                stream.importedEpoch = 9
                try await GrantStore.closeStream(stream, of: one.id, connection)
                #expect(try await GrantStore.openStream(of: one.id, connection)?.isWhole == false)
                try await connection.execute("update nodes set status = 'revoked' where id = \(two.id)")
                #expect(try await GrantStore.openStream(of: one.id, connection)?.isWhole == true)
                #expect(try await GrantStore.openStream(of: two.id, connection) == nil)
            }
        }
    }

    @Test("each metric settles in its own unit")
    func metrics() async throws {
        let expected: [(LimitMetric, Int64)] = [
            (.requests, 2), (.inputTokens, 14), (.outputTokens, 6), (.totalTokens, 20), (.cost, 9),
        ]
        try await withTestDatabase { database in
            try await database.pool.withTransaction { connection in
                let fixture = Fixture(), now = fixture.now
                let tenant = try await fixture.tenant("acme", connection)
                let node = try await fixture.joined("node-1", connection)
                for (index, (metric, amount)) in expected.enumerated() {
                    let limit = Limit(
                        id: LimitID(at: now), tenant: tenant.id, name: metric.name, subject: .tenant,
                        metric: metric, amount: 100, period: .day, createdAt: now, updatedAt: now)
                    try await LimitStore.create(limit, connection)
                    let id = GrantID(high: 7, low: UInt64(index))
                    let account = GrantAccount(tenant: tenant.id, limit: limit.id)
                    let found = try await GrantStore.resolve([(account, id, nil)], at: now, connection)
                    let subject = try #require(found.first ?? nil)
                    _ = try await GrantStore.lock([subject], connection)
                    let grant = GrantStore.Stored(id: id, node: node.id, seenAt: now)
                    try await GrantStore.write(.saving(grant, in: subject.account), connection)
                    let events = [4, 5].map { Self.event(tenant.id, cost: $0, [id]) }
                    try await GrantSettlement(events).write(of: node.id, connection)
                    let listed = try await GrantStore.list(of: [subject], connection)
                    #expect(listed[subject.account]?.map(\.settled) == [amount], "\(metric)")
                }
            }
        }
    }

    private static func event(_ tenant: TenantID, cost: Int64, _ grants: [GrantID]) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 1, low: 1), tenant: tenant, workspace: WorkspaceID(high: 1, low: 1),
            key: KeyID(high: 1, low: 1), route: RouteID(high: 1, low: 1),
            provider: ProviderID(high: 1, low: 1),
            model: ModelID(high: 1, low: 1), price: nil, endpoint: .chat, startedAt: .epoch,
            latencyMicroseconds: 0, firstByteMicroseconds: 0, usage: TokenUsage(input: 7, output: 3),
            cost: NanoUSD(nanos: cost), costState: .settled, status: 200, isStream: false, ending: .completed,
            grants: grants)
    }
}

extension GrantStore.Changes {
    fileprivate static func saving(_ grant: GrantStore.Stored, in account: GrantStore.Account) -> Self {
        var changes = GrantStore.Changes()
        changes.saves = [(account, grant)]
        return changes
    }
}
