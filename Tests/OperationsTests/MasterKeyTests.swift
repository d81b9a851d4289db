import Contract
import Cryptography
import Domain
import EventLoops
import Operations
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@testable import Operations

@Suite("Master key")
struct MasterKeyTests {
    @Test("32 random bytes are taken in base64, base64url and hexadecimal, with blanks around")
    func forms() throws {
        let key = MasterKey.random()
        let bytes = try #require(Base64.decode(key.reveal()))
        for text in [
            key.reveal(), "  \(key.reveal())\n", Base64.encodeURL(bytes), Hexadecimal.encode(bytes) + "\r\n",
        ] {
            #expect(try MasterKey(text: text).reveal() == key.reveal())
        }
    }

    @Test(
        "what is empty, short, long or a pattern is refused",
        arguments: [
            ("", MasterKey.Refusal.empty), (" \n", .empty), ("changeme", .malformed),
            (String(repeating: "0", count: 64), .guessable), (String(repeating: "ab", count: 32), .guessable),
            (Base64.encode([UInt8](repeating: 7, count: 32)), .guessable),
            (Base64.encode(Array(0..<31)), .malformed), (Base64.encode(Array(0..<33)), .malformed),
            (Base64.encode(Array(0..<32)) + " " + Base64.encode(Array(0..<32)), .malformed),
        ])
    func refused(_ text: String, _ refusal: MasterKey.Refusal) {
        #expect(throws: refusal) { try MasterKey(text: text) }
        #expect(text.count < 8 || !"\(refusal)".contains(text))
    }

    @Test("what is sealed for one row opens for no other")
    func places() throws {
        let key = MasterKey.random()
        let sealed = key.seal(Secret(utf8: "x"), purpose: "root", keyID: "1")
        #expect(try key.open(sealed, purpose: "root", keyID: "1") == Secret(utf8: "x"))
        #expect(throws: CryptographyError.self) { try key.open(sealed, purpose: "root", keyID: "2") }
        #expect(throws: CryptographyError.self) { try key.open(sealed, purpose: "roo", keyID: "t1") }
        #expect(throws: CryptographyError.self) {
            try MasterKey.random().open(sealed, purpose: "root", keyID: "1")
        }
    }
}

@Suite("Platform keys")
struct PlatformKeysTests {
    @Test("the first start makes them, every later one finds the same")
    func stable() async throws {
        try await withTestDatabase { database in
            let key = MasterKey.random(), clock = FakeClock()
            let first = try await PlatformKeys.load(database.pool, masterKey: key, clock: clock.clock)
            clock.advance(seconds: 86_400)
            let second = try await PlatformKeys.load(database.pool, masterKey: key, clock: clock.clock)
            #expect(first.certificateAuthority.certificatePEM == second.certificateAuthority.certificatePEM)
            #expect(first.rootKey.publicKey == second.rootKey.publicKey)
            #expect(first.snapshotKey.publicKey == second.snapshotKey.publicKey)
            #expect(first.fleetKey == second.fleetKey)
            #expect(first.keySets == second.keySets)
            let user = UserID(at: clock.now), session = SessionID(at: clock.now)
            let token = first.accessTokens.issue(user: user, session: session, now: clock.now)
            let verified = try second.accessTokens.verify(token, now: clock.now)
            #expect(verified.user == user && verified.session == session)
        }
    }

    @Test("programs that start at the same time agree on them")
    func together() async throws {
        try await withTestDatabase { database in
            let key = MasterKey.random(), clock = FakeClock()
            var loaded: [PlatformKeys] = []
            let done = Wakeup()
            for _ in 0..<4 {
                database.loop.spawn {
                    let keys = try? await PlatformKeys.load(database.pool, masterKey: key, clock: clock.clock)
                    if let keys { loaded.append(keys) }
                    if loaded.count == 4 { done.signal() }
                }
            }
            await done.wait()
            #expect(Set(loaded.map(\.rootKey.publicKey)).count == 1)
            #expect(Set(loaded.map(\.certificateAuthority.certificatePEM)).count == 1)
            #expect(Set(loaded.map(\.fleetKey.id)).count == 1)
        }
    }

    @Test("another master key opens nothing, says so, and changes nothing")
    func wrongKey() async throws {
        try await withTestDatabase { database in
            let clock = FakeClock()
            _ = try await PlatformKeys.load(database.pool, masterKey: .random(), clock: clock.clock)
            let before = try await database.secretCount()
            do {
                _ = try await PlatformKeys.load(database.pool, masterKey: .random(), clock: clock.clock)
                Issue.record("another master key was taken")
            } catch let error as PlatformKeys.Failure {
                #expect("\(error)".contains("the master key does not open"))
            }
            #expect(try await database.secretCount() == before)
        }
    }

    @Test("everything moves to a new master key, a part at a time, and then the old one opens nothing")
    func rotation() async throws {
        try await withTestDatabase { database in
            let old = MasterKey.random(), new = MasterKey.random(), clock = FakeClock()
            let before = try await PlatformKeys.load(database.pool, masterKey: old, clock: clock.clock)
            let tenants = try await database.pool.withTransaction { connection in
                var tenants: [TenantID] = []
                for _ in 0..<(MasterKeyOperations.batch + 30) {
                    clock.advance(seconds: 1)
                    tenants.append(TenantID(at: clock.now))
                    try await before.vault.createDataKey(
                        of: tenants.last, now: clock.now, connection)
                }
                return tenants
            }
            let provider = ProviderID(at: clock.now), secret = Secret(utf8: "sk-rotated")
            let sealed = try await database.pool.withConnection {
                try await before.vault.seal(secret, of: .provider(provider), owner: tenants[7], $0)
            }
            let both = try await PlatformKeys.load(
                database.pool, masterKey: new.accepting(old), clock: clock.clock)
            #expect(both.rootKey.publicKey == before.rootKey.publicKey)
            let operations = try database.operations(both, clock)
            var states: [MasterKeyState] = []
            let unopened = try await operations.masterKey.rewrap { states.append($0) }
            #expect(unopened.isEmpty)
            #expect(states.count >= 2 && states.last?.isComplete == true)
            #expect(zip(states, states.dropFirst()).allSatisfy { $0.sealed < $1.sealed })
            let again = try await operations.masterKey.rewrap { states.append($0) }
            #expect(again.isEmpty)
            let after = try await PlatformKeys.load(database.pool, masterKey: new, clock: clock.clock)
            let opened = try await database.pool.withConnection {
                try await after.vault.open(sealed, of: .provider(provider), owner: tenants[7], $0)
            }
            #expect(opened == secret)
            await #expect(throws: PlatformKeys.Failure.self) {
                _ = try await PlatformKeys.load(database.pool, masterKey: old, clock: clock.clock)
            }
        }
    }

    @Test("what neither key opens is left as it is, and told")
    func foreignSecrets() async throws {
        try await withTestDatabase { database in
            let old = MasterKey.random(), clock = FakeClock()
            let keys = try await PlatformKeys.load(
                database.pool, masterKey: MasterKey.random().accepting(old), clock: clock.clock)
            let stranger = PlatformSecret(
                purpose: "stranger", keyID: "1", sealed: [1, 2, 3], createdAt: clock.now)
            try await database.pool.withConnection { try await SettingsStore.insert(stranger, $0) }
            let unopened = try await database.operations(keys, clock).masterKey.rewrap()
            #expect(unopened == ["stranger"])
            let kept = try await database.pool.withConnection {
                try await SettingsStore.current("stranger", $0)
            }
            #expect(kept == stranger)
        }
    }

    @Test("without its data key nothing of a tenant's opens any more, and nobody else's is touched")
    func shredding() async throws {
        try await withTestDatabase { database in
            let clock = FakeClock()
            let vault = try await PlatformKeys.load(
                database.pool, masterKey: .random(), clock: clock.clock
            ).vault
            let gone = TenantID(at: clock.now), stays = TenantID(at: clock.now)
            let provider = ProviderID(at: clock.now), secret = Secret(utf8: "sk-x")
            try await database.pool.withConnection { connection in
                var sealed: [[UInt8]] = []
                for tenant in [gone, stays] {
                    try await vault.createDataKey(of: tenant, now: clock.now, connection)
                    sealed.append(
                        try await vault.seal(secret, of: .provider(provider), owner: tenant, connection))
                }
                let first = try await vault.shred(gone, connection)
                let second = try await vault.shred(gone, connection)
                #expect(first && !second)
                await #expect(throws: OperationError.self) {
                    _ = try await vault.open(sealed[0], of: .provider(provider), owner: gone, connection)
                }
                let opened = try await vault.open(
                    sealed[1], of: .provider(provider), owner: stays, connection)
                #expect(opened == secret)
            }
        }
    }

    @Test("a row that was swapped or changed is refused", arguments: ["swap", "flip", "public"])
    func tampered(_ how: String) async throws {
        try await withTestDatabase { database in
            let key = MasterKey.random(), clock = FakeClock()
            _ = try await PlatformKeys.load(database.pool, masterKey: key, clock: clock.clock)
            try await database.pool.withConnection { connection in
                switch how {
                case "swap":
                    try await connection.execute(
                        """
                        update platform_secrets
                           set sealed = (select sealed from platform_secrets where purpose = 'snapshot')
                         where purpose = 'root'
                        """)
                case "flip":
                    try await connection.execute(
                        """
                        update platform_secrets set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)
                         where purpose = 'fleet'
                        """)
                default:
                    try await connection.execute(
                        "update platform_secrets set public = sha256('x') where purpose = 'root'")
                }
            }
            await #expect(throws: PlatformKeys.Failure.self) {
                _ = try await PlatformKeys.load(database.pool, masterKey: key, clock: clock.clock)
            }
        }
    }
}

extension TestDatabase {
    /// Operations on this database with some keys.
    fileprivate func operations(_ keys: PlatformKeys, _ clock: FakeClock) throws -> Operations {
        Operations(
            try OperationEnvironment(
                database: pool, clock: clock.clock, keys: keys,
                hashing: BlockingPool(threads: 1, queueLimit: 1, name: "unused"), nodeURL: "", log: .silent,
                changed: {}))
    }

    func secretCount() async throws -> Int64 {
        try await pool.withConnection {
            try await $0.query("select count(*) from platform_secrets").first?.int64(0) ?? 0
        }
    }
}
