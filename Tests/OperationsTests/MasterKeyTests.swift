import Contract
import Cryptography
import Domain
import EventLoops
import Operations
import PostgresDriver
import Store
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
    func secretCount() async throws -> Int64 {
        try await pool.withConnection {
            try await $0.query("select count(*) from platform_secrets").first?.int64(0) ?? 0
        }
    }
}
