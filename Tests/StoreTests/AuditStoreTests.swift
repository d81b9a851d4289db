import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("audit and idempotency")
struct AuditStoreTests {
    private func event(_ action: String, _ tenant: TenantID?, _ fixture: Fixture) -> AuditEvent {
        let now = fixture.now
        return AuditEvent(
            id: AuditEventID(at: now), tenant: tenant, occurredAt: now, actor: .user(UserID(at: now)),
            action: action,
            target: .init(kind: "key", KeyID(at: now)), details: #"{"after": {"name": "a"}, "before": null}"#,
            address: "127.0.0.1", requestID: "req_1")
    }

    @Test("each tenant and the platform have a chain of their own, numbered without gaps")
    func chains() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let first = event("key.create", mine.id, fixture)
                let second = event("key.revoke", mine.id, fixture)
                let shared = AuditEvent(
                    id: AuditEventID(at: fixture.now), tenant: nil, occurredAt: fixture.now, actor: .system,
                    action: "platform.start", target: .init(kind: "platform"))
                let node = AuditEvent(
                    id: AuditEventID(at: fixture.now), tenant: nil, occurredAt: fixture.now,
                    actor: .node(NodeID(at: fixture.now)), action: "node.join", target: .init(kind: "node"))
                for one in [first, shared, second, node] { try await AuditStore.append(one, connection) }
                let ofMine = try await AuditStore.list(of: mine.id, limit: 10, connection)
                #expect(ofMine.map(\.event) == [second, first] && ofMine.map(\.sequence) == [2, 1])
                let ofPlatform = try await AuditStore.list(of: nil, limit: 10, connection)
                #expect(ofPlatform.map(\.event) == [node, shared])
                let older = try await AuditStore.list(of: mine.id, before: 2, limit: 10, connection)
                #expect(older.map(\.sequence) == [1])
                for tenant in [mine.id, nil] {
                    let broken = try await AuditStore.firstBroken(of: tenant, connection)
                    #expect(broken == nil)
                }
            }
        }
    }

    @Test("history cannot be changed, and a change behind its back is found")
    func tampering() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                for _ in 0..<5 { try await AuditStore.append(event("key.create", nil, fixture), connection) }
                for statement in [
                    "update audit_events set action = 'nothing'",
                    "delete from audit_events where sequence = 2",
                ] {
                    let error = await postgresFailure { try await connection.executeScript(statement) }
                    #expect(error?.sqlState == "42501")
                }
                try await connection.executeScript("alter table audit_events disable trigger history_stays")
                try await connection.executeScript(
                    "update audit_events set action = 'nothing' where sequence = 3")
                let altered = try await AuditStore.firstBroken(of: nil, connection)
                try await connection.executeScript("delete from audit_events where sequence = 2")
                let removed = try await AuditStore.firstBroken(of: nil, connection)
                #expect(altered == 3 && removed == 3)
            }
        }
    }

    @Test("an end that was cut off is missed, also by a check in parts, and so is a whole log")
    func truncation() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                for _ in 0..<5 { try await AuditStore.append(event("key.create", nil, fixture), connection) }
                func broken(_ after: Int64, _ upto: Int64) async throws -> Int64? {
                    try await connection.query(
                        """
                        select first_broken_audit_event('00000000-0000-0000-0000-000000000000',
                                                        \(after), \(upto))
                        """
                    ).first?.optionalInt64(0)
                }
                for (after, upto) in [(0, 2), (2, 4), (4, 6), (0, 5), (5, 9)] as [(Int64, Int64)] {
                    let found = try await broken(after, upto)
                    #expect(found == nil, "\(after)…\(upto)")
                }
                let whole = try await AuditStore.verify(nil, connection)
                #expect(whole.events == 5 && whole.firstBroken == nil)
                try await connection.executeScript("alter table audit_events disable trigger history_stays")
                try await connection.executeScript("delete from audit_events where sequence >= 4")
                let cut = try await AuditStore.verify(nil, connection)
                #expect(cut.events == 3 && cut.firstBroken == 4)
                let early = try await broken(0, 2)
                let late = try await broken(2, 4)
                #expect(early == nil && late == 4)
                try await connection.executeScript("delete from audit_events")
                let gone = try await AuditStore.verify(nil, connection)
                #expect(gone.events == 0 && gone.firstBroken == 1)
            }
        }
    }

    @Test("events are found by who, what, on what and when, and by who in every log")
    func filters() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let tenant = try await fixture.tenant("mine", connection).id
                let (ana, ben) = (UserID(at: fixture.now), UserID(at: fixture.now))
                let key = KeyID(at: fixture.now)
                var events: [AuditEvent] = []
                for (owner, actor, action) in [
                    (tenant, ana, "keys.create"), (tenant, ben, "keys.revoke"), (nil, ana, "tenants.create"),
                    (tenant, ana, "keysets.create"),
                ] as [(TenantID?, UserID, String)] {
                    let now = fixture.now
                    let event = AuditEvent(
                        id: AuditEventID(at: now), tenant: owner, occurredAt: now, actor: .user(actor),
                        action: action,
                        target: action.hasPrefix("keys.") ? .init(kind: "key", key) : .init(kind: "thing"))
                    try await AuditStore.append(event, connection)
                    events.append(event)
                }
                func found(_ edit: (inout AuditFilter) -> Void) async throws -> [AuditEvent] {
                    var filter = AuditFilter()
                    edit(&filter)
                    return try await AuditStore.list(of: tenant, filter, limit: 10, connection).map(\.event)
                }
                let byAna = try await found { $0.actor = PostgresUUID(high: ana.high, low: ana.low) }
                #expect(byAna == [events[3], events[0]])
                let revocations = try await found { $0.action = "keys.revoke" }
                let ofKeys = try await found { $0.action = "keys" }
                #expect(revocations == [events[1]] && ofKeys == [events[1], events[0]])
                let onKey = try await found { $0.target = key.description }
                let ofKind = try await found { $0.targetKind = "thing" }
                #expect(onKey == [events[1], events[0]] && ofKind == [events[3]])
                let between = try await found {
                    $0.from = events[1].occurredAt
                    $0.to = events[3].occurredAt
                }
                #expect(between == [events[1]])
                let activity = try await pages(limit: 2) {
                    try await AuditStore.list(by: ana, $0, connection)
                }
                #expect(activity.map { $0.map(\.event) } == [[events[3], events[2]], [events[0]]])
                let one = try await AuditStore.find(events[1].id, of: tenant, connection)
                let foreign = try await AuditStore.find(events[1].id, of: nil, connection)
                #expect(one?.event == events[1] && foreign == nil)
            }
        }
    }

    @Test("an event whose transaction fails leaves no hole in the chain")
    func rollback() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            struct Refusal: Error {}
            for number in 0..<4 {
                try? await database.pool.withTransaction { connection in
                    try await AuditStore.append(self.event("key.create", nil, fixture), connection)
                    if number % 2 == 0 { throw Refusal() }
                }
            }
            try await database.pool.withConnection { connection in
                let listed = try await AuditStore.list(of: nil, limit: 10, connection)
                let broken = try await AuditStore.firstBroken(of: nil, connection)
                #expect(listed.map(\.sequence) == [2, 1] && broken == nil)
            }
        }
    }

    @Test("an idempotency key has one effect and one answer, for one request")
    func idempotency() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let key = IdempotencyStore.Key(caller: UserID(at: fixture.now), text: "abc")
                let other = IdempotencyStore.Key(caller: UserID(at: fixture.now), text: "abc")
                let now = fixture.now
                let expires = now.advanced(bySeconds: 86_400)
                func claim(
                    _ key: IdempotencyStore.Key, _ body: String, _ moment: Timestamp
                ) async throws -> IdempotencyStore.Claim {
                    try await IdempotencyStore.claim(
                        key, request: sha256(body), at: moment, until: moment.advanced(bySeconds: 86_400),
                        connection)
                }
                func answer(_ body: [UInt8]?) -> IdempotencyStore.Answer {
                    IdempotencyStore.Answer(
                        status: 201, body: body, changeToken: "change_1", entityTag: nil, holdsSecret: true,
                        createdAt: now)
                }
                let first = try await claim(key, "a", now)
                let mismatch = try await claim(key, "b", fixture.now)
                let somebodyElse = try await claim(other, "b", fixture.now)
                #expect(first == .claimed && mismatch == .mismatch && somebodyElse == .claimed)
                try await IdempotencyStore.finish(key, answer([1, 2]), connection)
                let again = try await claim(key, "a", fixture.now)
                #expect(again == .answered(answer([1, 2])))

                let blanked = try await IdempotencyStore.purge(
                    at: fixture.now, secretsBefore: fixture.now, connection)
                let secret = try await claim(key, "a", fixture.now)
                #expect(blanked == 1 && secret == .answered(answer(nil)))
                let expired = try await claim(key, "b", expires)
                #expect(expired == .claimed, "after its time a key is new")
                let purged = try await IdempotencyStore.purge(
                    at: expires.advanced(bySeconds: 90_000), secretsBefore: .epoch, connection)
                #expect(purged == 2)
            }
        }
    }
}
