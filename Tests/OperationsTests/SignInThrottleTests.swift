import Cryptography
import Domain
import EventLoops
import PostgresDriver
import Telemetry
import TestSupport
import Testing

@testable import Operations

@Suite("Sign-in throttle")
struct SignInThrottleTests {
    private static let hashing = BlockingPool(threads: 1, queueLimit: 8, name: "throttle-hash")
    private static let origin = RequestOrigin(requestID: "", address: "10.0.0.1")

    /// Two control planes on one database.
    private static func withTwo(
        _ body:
            @escaping @Sendable (OperationEnvironment, OperationEnvironment, FakeClock) async throws -> Void
    ) async throws {
        try await withTestDatabase { database in
            let clock = FakeClock()
            let keys = try await PlatformKeys.load(database.pool, masterKey: .random(), clock: clock.clock)
            func environment() throws -> OperationEnvironment {
                try OperationEnvironment(
                    database: database.pool, clock: clock.clock, keys: keys, hashing: hashing,
                    nodeURL: "https://control.example.com", log: .silent, changed: {})
            }
            try await body(try environment(), try environment(), clock)
        }
    }

    private static func wait(
        _ throttle: SignInThrottle, _ environment: OperationEnvironment
    ) async -> Int? {
        do throws(OperationError) {
            try await throttle.attempt(environment)
            return nil
        } catch { return error.code == .rateLimited ? error.retryAfterSeconds : -1 }
    }

    @Test("tries count for all control planes together")
    func together() async throws {
        try await Self.withTwo { one, other, clock in
            let throttle = SignInThrottle("sign-in", account: "Ana@example.com", from: Self.origin)
            for environment in [one, other, one, other, one, other] {
                let waits = await Self.wait(throttle, environment)
                #expect(waits == nil)
            }
            let (here, there) = (await Self.wait(throttle, one), await Self.wait(throttle, other))
            #expect(here == 1 && there == 1)
            let otherCase = SignInThrottle("sign-in", account: "aNA@example.com", from: Self.origin)
            let same = await Self.wait(otherCase, one)
            #expect(same == 1)
            clock.advance(seconds: 1)
            let later = await Self.wait(throttle, other)
            #expect(later == nil)
        }
    }

    @Test("other accounts, addresses and purposes are not slowed down by it")
    func apart() async throws {
        try await Self.withTwo { one, _, _ in
            let throttle = SignInThrottle("sign-in", account: "ana@example.com", from: Self.origin)
            for _ in 0..<7 { _ = await Self.wait(throttle, one) }
            let elsewhere = RequestOrigin(requestID: "", address: "10.0.0.2")
            for free in [
                SignInThrottle("sign-in", account: "bob@example.com", from: Self.origin),
                SignInThrottle("sign-in", account: "ana@example.com", from: elsewhere),
                SignInThrottle("password-reset", account: "ana@example.com", from: Self.origin),
            ] {
                let waits = await Self.wait(free, one)
                #expect(waits == nil)
            }
        }
    }
}
