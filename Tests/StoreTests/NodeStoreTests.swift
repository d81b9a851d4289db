import Contract
import Cryptography
import Domain
import EventLoops
import PostgresDriver
import TestSupport
import Testing

@testable import Store

@Suite("nodes and key material")
struct NodeStoreTests {
    private func token(_ fixture: Fixture) -> (token: JoinToken, hash: SHA256Digest) {
        let now = fixture.now
        let token = JoinToken(
            id: JoinTokenID(at: now), nodeName: "edge-1", region: "eu-west", createdBy: nil, createdAt: now,
            expires: now.advanced(bySeconds: 900))
        return (token, sha256("\(token.id)"))
    }

    private func joining(_ seed: String, _ fixture: Fixture) -> NodeStore.Joining {
        NodeStore.Joining(
            id: NodeID(at: fixture.now), identityKey: sha256("i\(seed)").bytes,
            sealingKey: sha256("s\(seed)").bytes, softwareVersion: "1.2.3")
    }

    @Test("a token lets one node in, once, before it expires")
    func join() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let (open, hash) = token(fixture)
                try await JoinTokenStore.create(open, hash: hash, connection)
                let unknown = try await NodeStore.join(
                    joining("a", fixture), token: sha256("other"), at: fixture.now, connection)
                let late = try await NodeStore.join(
                    joining("a", fixture), token: hash, at: open.expires, connection)
                #expect(unknown == nil && late == nil)
                let request = joining("a", fixture)
                let now = fixture.now
                let node = try await NodeStore.join(request, token: hash, at: now, connection)
                #expect(node?.id == request.id && node?.name == "edge-1" && node?.region == "eu-west")
                #expect(node?.status == .active && node?.joinedAt == now && node?.lastSeenAt == nil)
                let again = try await NodeStore.join(
                    joining("b", fixture), token: hash, at: fixture.now, connection)
                #expect(again == nil)
                let used = try await JoinTokenStore.find(open.id, connection)
                #expect(used?.usedAt == now && used?.usedBy == request.id)
                let deleted = try await JoinTokenStore.delete(open.id, connection)
                #expect(!deleted, "a used token stays")
                let byKey = try await NodeStore.find(identityKey: request.identityKey, connection)
                let byOther = try await NodeStore.find(identityKey: request.sealingKey, connection)
                #expect(byKey == node && byOther == nil)
            }
        }
    }

    @Test("of simultaneous joins with one token, one succeeds")
    func joinRace() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.makePool(size: 6)
            let (open, hash) = token(fixture)
            try await pool.withConnection { try await JoinTokenStore.create(open, hash: hash, $0) }
            let now = fixture.now
            var joined = 0
            var ended = 0
            let done = Wakeup()
            for number in 0..<12 {
                let request = joining("\(number)", fixture)
                database.loop.spawn {
                    let node = try? await pool.withConnection {
                        try await NodeStore.join(request, token: hash, at: now, $0)
                    }
                    if node != nil { joined += 1 }
                    ended += 1
                    if ended == 12 { done.signal() }
                }
            }
            await done.wait()
            #expect(joined == 1)
            await pool.close()
        }
    }

    @Test("an identity key is registered once; the token stays open for another try")
    func identity() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let (first, firstHash) = token(fixture)
                let (second, secondHash) = token(fixture)
                try await JoinTokenStore.create(first, hash: firstHash, connection)
                try await JoinTokenStore.create(second, hash: secondHash, connection)
                _ = try await NodeStore.join(
                    joining("a", fixture), token: firstHash, at: fixture.now, connection)
                let error = await postgresFailure {
                    try await NodeStore.join(
                        joining("a", fixture), token: secondHash, at: fixture.now, connection)
                }
                #expect(error?.constraint == Constraint.nodeIdentityIsUnique)
                let open = try await JoinTokenStore.find(second.id, connection)
                #expect(open?.usedAt == nil)
                let listed = try await pages(limit: 1) { try await JoinTokenStore.list($0, connection) }
                #expect(listed.map { $0.map(\.id) } == [[second.id], [first.id]])
                let deleted = try await JoinTokenStore.delete(second.id, connection)
                let again = try await JoinTokenStore.delete(second.id, connection)
                #expect(deleted && !again)
            }
        }
    }

    @Test("a node is drained, resumed and revoked, which is for ever")
    func status() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let node = try await fixture.joined("node-1", connection)
                let draining = try await NodeStore.setStatus(.draining, of: node.id, connection)
                let active = try await NodeStore.setStatus(.active, of: node.id, connection)
                let revoked = try await NodeStore.setStatus(.revoked, of: node.id, connection)
                let back = try await NodeStore.setStatus(.active, of: node.id, connection)
                #expect(draining?.status == .draining && active?.status == .active)
                #expect(revoked?.status == .revoked && back == nil)
            }
        }
    }

    @Test("a report is kept whole, shown with its node, and tells what the one before said")
    func reports() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let silent = try await fixture.joined("silent", connection)
                let node = try await fixture.joined("node-1", connection)
                let version = SnapshotVersion(epoch: 1, counter: 42)
                var status = NodeStatus(
                    softwareVersion: "2.0", processNonce: "n1", startedAt: fixture.now, running: version,
                    runningIssuedAt: fixture.now,
                    rejected: .init(version: version.next, stage: .checked, text: "poison"), callsInFlight: 3,
                    outboxEvents: 4, outboxBytes: 500, isDraining: true)
                let seen = fixture.now
                let nothing = try await NodeStore.report(status, of: node.id, at: seen, connection)
                #expect(nothing == nil)
                let listed = try await NodeStore.list(Page(), connection)
                #expect(listed.items.map(\.report) == [status, nil])
                #expect(listed.items.first?.node.lastSeenAt == seen)
                #expect(listed.items.first?.node.softwareVersion == "2.0")
                #expect(listed.items.last?.node == silent)

                status.processNonce = "n2"
                status.running = nil
                status.runningIssuedAt = nil
                status.rejected = nil
                let previous = try await NodeStore.report(status, of: node.id, at: fixture.now, connection)
                #expect(previous == NodeStore.PreviousReport(processNonce: "n1", seenAt: seen))
                let one = try await NodeStore.findListed(node.id, connection)
                #expect(one?.report == status)
            }
        }
    }

    @Test("the census tells connected, silent, revoked and lagging nodes apart, and adds up what they hold")
    func census() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let newest = SnapshotVersion(epoch: 1, counter: 42)
                var status = NodeStatus(
                    softwareVersion: "2.0", processNonce: "n", startedAt: fixture.now, running: newest,
                    runningIssuedAt: fixture.now, rejected: nil, callsInFlight: 0, outboxEvents: 4,
                    outboxBytes: 500, isDraining: false)
                _ = try await fixture.joined("silent", connection)
                let current = try await fixture.joined("current", connection)
                let late = try await fixture.joined("late", connection)
                let gone = try await fixture.joined("gone", connection)
                let seen = fixture.now
                for node in [current, gone] {
                    _ = try await NodeStore.report(status, of: node.id, at: seen, connection)
                }
                status.running = SnapshotVersion(epoch: 1, counter: 41)
                _ = try await NodeStore.report(status, of: late.id, at: seen, connection)
                _ = try await NodeStore.setStatus(.revoked, of: gone.id, connection)
                let now = try await NodeStore.census(at: seen, newest: newest, connection)
                #expect(
                    now == NodeStore.Census(connected: 2, away: 1, revoked: 1, behind: 1, undelivered: 8))
                let later = seen.advanced(bySeconds: Node.silenceLimitSeconds + 1)
                let then = try await NodeStore.census(at: later, newest: nil, connection)
                #expect(
                    then == NodeStore.Census(connected: 0, away: 3, revoked: 1, behind: 0, undelivered: 8))
            }
        }
    }

    private func secret(_ keyID: String, _ fixture: Fixture) -> PlatformSecret {
        let now = fixture.now
        return PlatformSecret(
            purpose: "fleet", keyID: keyID, sealed: [1, 2], publicPart: [3], createdAt: now,
            expires: now.advanced(bySeconds: 60))
    }

    @Test("the youngest secret that is not retired is current")
    func secrets() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let nothing = try await SettingsStore.current("fleet", connection)
                #expect(nothing == nil)
                let first = secret("a", fixture)
                let second = secret("b", fixture)
                try await SettingsStore.insert(first, connection)
                try await SettingsStore.insert(second, connection)
                let current = try await SettingsStore.current("fleet", connection)
                #expect(current == second)
                let moment = fixture.now
                let retired = try await SettingsStore.retire("fleet", keyID: "b", at: moment, connection)
                let again = try await SettingsStore.retire("fleet", keyID: "b", at: fixture.now, connection)
                let now = try await SettingsStore.current("fleet", connection)
                #expect(retired && !again && now == first)
                var expected = second
                expected.retired = moment
                let all = try await SettingsStore.list("fleet", connection)
                #expect(all == [expected, first])
                let rewrapped = try await SettingsStore.rewrap(first, to: [7], by: "a", connection)
                let stale = try await SettingsStore.rewrap(first, to: [8], by: "a", connection)
                let sealed = try await SettingsStore.current("fleet", connection)?.sealed
                #expect(rewrapped && !stale && sealed == [7])
            }
        }
    }

    @Test("programs that start at once agree on one secret")
    func firstStart() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.makePool(size: 5)
            var agreed: Set<String> = []
            var ended = 0
            let done = Wakeup()
            for number in 0..<10 {
                let mine = secret("k\(number)", fixture)
                database.loop.spawn {
                    let kept = try? await pool.withTransaction {
                        try await SettingsStore.insertIfNone(mine, $0)
                    }
                    agreed.insert(kept?.keyID ?? "failed")
                    ended += 1
                    if ended == 10 { done.signal() }
                }
            }
            await done.wait()
            #expect(agreed.count == 1 && !agreed.contains("failed"))
            await pool.close()
        }
    }
}
