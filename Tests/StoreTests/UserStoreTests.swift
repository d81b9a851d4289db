import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("users, roles and sessions")
struct UserStoreTests {
    @Test("a user is found whatever the case of the address, which stays as it was written")
    func addresses() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let user = try await fixture.user("Ana@Example.com", connection)
                let found = try await UserStore.find(email: "aNA@example.COM", connection)
                let byID = try await UserStore.find(user.id, connection)
                #expect(found == user && byID == user && found?.email == "Ana@Example.com")
                let duplicate = await postgresFailure {
                    try await fixture.user("ana@example.com", connection)
                }
                #expect(duplicate?.constraint == Constraint.userEmailIsUnique)
                let nobody = try await UserStore.credentials(email: "no@example.com", connection)
                #expect(nobody == nil)
            }
        }
    }

    @Test("passwords are stored as argon2id or not at all")
    func passwords() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let user = try await fixture.user("ana@example.com", connection)
                let old = try await UserStore.credentials(email: user.email, connection)?.passwordHash
                let plain = await postgresFailure {
                    try await UserStore.setPassword(hash: "secret", of: user.id, at: fixture.now, connection)
                }
                #expect(plain?.constraint == "user_password_is_hashed")
                let set = try await UserStore.setPassword(
                    hash: "$argon2id$new", of: user.id, at: fixture.now, connection)
                #expect(set)
                // A rehash of the old password that comes late must not bring it back.
                try await UserStore.rehash(
                    from: try #require(old), to: "$argon2id$x", of: user.id, connection)
                var credentials = try await UserStore.credentials(email: user.email, connection)
                #expect(credentials?.passwordHash == "$argon2id$new")
                try await UserStore.rehash(from: "$argon2id$new", to: "$argon2id$y", of: user.id, connection)
                credentials = try await UserStore.credentials(email: user.email, connection)
                #expect(credentials?.passwordHash == "$argon2id$y")
                let missing = try await UserStore.setPassword(
                    hash: "$argon2id$z", of: UserID(at: fixture.now), at: fixture.now, connection)
                #expect(!missing)
            }
        }
    }

    @Test("users are listed, changed and deleted")
    func lifecycle() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                var ana = try await fixture.user("ana@example.com", connection)
                let bob = try await fixture.user("bob@example.com", connection)
                let listed = try await pages(limit: 1) {
                    try await UserStore.search(UserFilter(), $0, connection)
                }
                #expect(listed == [[bob], [ana]])
                let seen = ana.updatedAt
                ana.name = "Ana Maria"
                ana.status = .disabled
                ana.updatedAt = fixture.now
                let updated = try await UserStore.update(ana, expecting: seen, connection)
                let late = try await UserStore.update(ana, expecting: seen, connection)
                #expect(updated == ana && late == nil)
                let deleted = try await UserStore.delete(bob.id, connection)
                let again = try await UserStore.delete(bob.id, connection)
                #expect(deleted && !again)
            }
        }
    }

    private func binding(
        _ role: String, _ user: User, _ scope: Scope, _ fixture: Fixture
    ) -> Binding {
        let now = fixture.now
        return Binding(
            id: BindingID(at: now), user: user.id, role: role, scope: scope, createdBy: user.id,
            createdAt: now)
    }

    @Test("roles make members; each tenant sees its own, and the platform its own")
    func bindings() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let workspace = try await fixture.workspace(of: mine, connection)
                let user = try await fixture.user("ana@example.com", connection)
                let given = [
                    binding("platform-admin", user, .platform, fixture),
                    binding("tenant-admin", user, .tenant(mine.id), fixture),
                    binding("viewer", user, .workspace(mine.id, workspace.id), fixture),
                    binding("of-a-later-release", user, .tenant(mine.id), fixture),
                ]
                for one in given { try await BindingStore.create(one, connection) }
                let ofMine = try await BindingStore.list(of: mine.id, Page(), connection)
                let ofOther = try await BindingStore.list(of: other.id, Page(), connection)
                let ofPlatform = try await BindingStore.list(of: nil, Page(), connection)
                #expect(ofMine.items == [given[3], given[2], given[1]])
                #expect(ofOther.items.isEmpty && ofPlatform.items == [given[0]])
                let all = try await BindingStore.list(of: user.id, connection)
                #expect(Set(all) == Set(given))
                let authority = try await BindingStore.authority(of: user.id, connection)
                #expect(authority.bindings.count == 3)
                #expect(authorise(authority, .tenantsCreate, in: .platform) == .allowed)

                let members = try await UserStore.members(of: mine.id, Page(), connection)
                let strangers = try await UserStore.members(of: other.id, Page(), connection)
                let tenants = try await TenantStore.list(of: user.id, Page(), connection)
                #expect(members.items == [user] && strangers.items.isEmpty && tenants.items == [mine])

                let foreign = try await BindingStore.find(given[1].id, of: other.id, connection)
                let own = try await BindingStore.find(given[1].id, of: mine.id, connection)
                #expect(foreign == nil && own == given[1])
                let foreignDelete = try await BindingStore.delete(given[1].id, of: other.id, connection)
                let ownDelete = try await BindingStore.delete(given[1].id, of: mine.id, connection)
                #expect(!foreignDelete && ownDelete)
                let removed = try await UserStore.removeMember(user.id, of: mine.id, connection)
                let left = try await BindingStore.list(of: user.id, connection)
                #expect(removed && left == [given[0]])
            }
        }
    }

    @Test("a role is given once in a scope, and only in a workspace that is there")
    func bindingRules() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let mine = try await fixture.tenant("mine", connection)
                let other = try await fixture.tenant("other", connection)
                let foreign = try await fixture.workspace(of: other, connection)
                let user = try await fixture.user("ana@example.com", connection)
                try await BindingStore.create(binding("viewer", user, .tenant(mine.id), fixture), connection)
                let twice = await postgresFailure {
                    try await BindingStore.create(
                        binding("viewer", user, .tenant(mine.id), fixture), connection)
                }
                #expect(twice?.constraint == Constraint.bindingIsGivenOnce)
                let elsewhere = await postgresFailure {
                    try await BindingStore.create(
                        binding("viewer", user, .workspace(mine.id, foreign.id), fixture), connection)
                }
                #expect(elsewhere?.constraint == Constraint.bindingWorkspaceExists)
            }
        }
    }

    @Test("a disabled user may do nothing")
    func disabled() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                var user = try await fixture.user("ana@example.com", connection)
                try await BindingStore.create(binding("platform-admin", user, .platform, fixture), connection)
                user.status = .disabled
                _ = try await UserStore.update(user, connection)
                let authority = try await BindingStore.authority(of: user.id, connection)
                #expect(authority == .none)
            }
        }
    }

    private func session(_ user: User, _ fixture: Fixture) -> Session {
        let now = fixture.now
        return Session(
            id: SessionID(at: now), user: user.id, userAgent: "curl", address: "127.0.0.1", createdAt: now,
            lastSeenAt: now, expires: now.advanced(bySeconds: 3600))
    }

    @Test("a refresh token works once; showing it again tells who it belonged to")
    func rotation() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                let user = try await fixture.user("ana@example.com", connection)
                let opened = session(user, fixture)
                try await SessionStore.create(opened, token: sha256("one"), connection)
                let now = fixture.now
                let first = try await SessionStore.rotate(
                    sha256("one"), to: sha256("two"), at: now, connection)
                guard case .rotated(let rotated) = first else { throw Unexpected("\(first)") }
                #expect(rotated.id == opened.id && rotated.lastSeenAt == now)
                let again = try await SessionStore.rotate(
                    sha256("one"), to: sha256("evil"), at: fixture.now, connection)
                #expect(again == .usedBefore(opened.id, user.id, usedAt: now))
                let next = try await SessionStore.rotate(
                    sha256("two"), to: sha256("three"), at: fixture.now, connection)
                guard case .rotated = next else { throw Unexpected("\(next)") }
                let unknown = try await SessionStore.rotate(
                    sha256("evil"), to: sha256("x"), at: fixture.now, connection)
                #expect(unknown == .refused)
            }
        }
    }

    @Test("of fifty simultaneous exchanges of one token, one wins")
    func rotationRace() async throws {
        try await withTestDatabase { database in
            let fixture = Fixture()
            let pool = database.makePool(size: 8)
            let user = try await pool.withConnection { try await fixture.user("ana@example.com", $0) }
            let opened = session(user, fixture)
            try await pool.withConnection { try await SessionStore.create(opened, token: sha256("t"), $0) }
            let now = fixture.now
            var winners = 0
            var ended = 0
            let done = Wakeup()
            for number in 0..<50 {
                database.loop.spawn {
                    let outcome = try? await pool.withConnection {
                        try await SessionStore.rotate(sha256("t"), to: sha256("n\(number)"), at: now, $0)
                    }
                    if case .rotated = outcome { winners += 1 }
                    ended += 1
                    if ended == 50 { done.signal() }
                }
            }
            await done.wait()
            #expect(winners == 1)
            await pool.close()
        }
    }

    @Test("a session ends by revocation, by time, and with its user")
    func endings() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let fixture = Fixture()
                var user = try await fixture.user("ana@example.com", connection)
                let other = try await fixture.user("bob@example.com", connection)
                let list = [session(user, fixture), session(user, fixture), session(user, fixture)]
                for (index, one) in list.enumerated() {
                    try await SessionStore.create(one, token: sha256("t\(index)"), connection)
                }
                let live = try await SessionStore.list(of: user.id, at: fixture.now, Page(), connection)
                #expect(live.items == list.reversed())
                let foreign = try await SessionStore.revoke(
                    list[0].id, of: other.id, at: fixture.now, connection)
                let own = try await SessionStore.revoke(list[0].id, of: user.id, at: fixture.now, connection)
                #expect(!foreign && own)
                let refused = try await SessionStore.rotate(
                    sha256("t0"), to: sha256("x"), at: fixture.now, connection)
                #expect(refused == .refused)
                let others = try await SessionStore.revokeAll(
                    of: user.id, except: list[1].id, at: fixture.now, connection)
                let kept = try await SessionStore.findLive(list[1].id, at: fixture.now, connection)
                let gone = try await SessionStore.findLive(list[2].id, at: fixture.now, connection)
                #expect(others == 1 && kept != nil && gone == nil)
                let late = try await SessionStore.findLive(
                    list[1].id, at: list[1].expires, connection)
                #expect(late == nil)
                user.status = .disabled
                _ = try await UserStore.update(user, connection)
                let disabled = try await SessionStore.findLive(list[1].id, at: fixture.now, connection)
                let token = try await SessionStore.rotate(
                    sha256("t1"), to: sha256("y"), at: fixture.now, connection)
                #expect(disabled == nil && token == .refused)
                let purged = try await SessionStore.purge(
                    endedBefore: fixture.now.advanced(bySeconds: 10), connection)
                #expect(purged == 2)
            }
        }
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
