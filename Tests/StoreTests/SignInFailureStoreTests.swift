import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("tries to sign in")
struct SignInFailureStoreTests {
    private static let account = SignInFailureStore.Subject(digest: sha256("account"), free: 5)
    private static let address = SignInFailureStore.Subject(digest: sha256("address"), free: 50)

    @Test("five tries are free, then each one doubles the wait, up to five minutes")
    func doubling() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let clock = FakeClock()
                func attempt() async throws -> Timestamp? {
                    try await SignInFailureStore.attempt(
                        [Self.account, Self.address], at: clock.now, connection)
                }
                for _ in 0..<6 { #expect(try await attempt() == nil) }
                var waits: [Int64] = []
                for _ in 0..<11 {
                    let until = try #require(try await attempt())
                    waits.append(until.microseconds(since: clock.now) / 1_000_000)
                    clock.set(until)
                    #expect(try await attempt() == nil)
                }
                #expect(waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
            }
        }
    }

    @Test("what is cleared, taken back or long ago counts no more")
    func forgetting() async throws {
        try await withTestDatabase { database in
            try await database.pool.withConnection { connection in
                let clock = FakeClock()
                func attempt() async throws -> Timestamp? {
                    try await SignInFailureStore.attempt([Self.account], at: clock.now, connection)
                }
                for _ in 0..<6 { #expect(try await attempt() == nil) }
                #expect(try await attempt() != nil)
                try await SignInFailureStore.clear(Self.account.digest, connection)
                #expect(try await attempt() == nil)
                for _ in 0..<20 {
                    #expect(try await attempt() == nil)
                    try await SignInFailureStore.takeBack(Self.account.digest, connection)
                }
                for _ in 0..<5 { #expect(try await attempt() == nil) }
                #expect(try await attempt() != nil)
                clock.advance(seconds: SignInFailureStore.forgetAfterSeconds)
                for _ in 0..<6 { #expect(try await attempt() == nil) }
                clock.advance(seconds: SignInFailureStore.forgetAfterSeconds)
                let purged = try await SignInFailureStore.purge(at: clock.now, connection)
                #expect(purged == 1)
            }
        }
    }
}
