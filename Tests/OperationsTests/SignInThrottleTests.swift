import Domain
import TestSupport
import Testing

@testable import Operations

@Suite("Sign-in throttle")
struct SignInThrottleTests {
    private let start = FakeClock().now

    private func wait(_ throttle: SignInThrottle, after seconds: Int64 = 0) -> Int? {
        throttle.wait(email: "a@example.com", address: "10.0.0.1", now: start.advanced(bySeconds: seconds))
    }

    @Test("five failures are free, then each one doubles the wait, up to five minutes")
    func doubling() {
        var throttle = SignInThrottle()
        var waits: [Int?] = []
        for _ in 0..<16 {
            throttle.failed(email: "a@example.com", address: "10.0.0.1", now: start)
            waits.append(wait(throttle))
        }
        #expect(waits == [nil, nil, nil, nil, nil, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
        #expect(wait(throttle, after: 299) == 1)
        #expect(wait(throttle, after: 300) == nil)
    }

    @Test("other accounts and other addresses are not slowed down")
    func apart() {
        var throttle = SignInThrottle()
        for _ in 0..<10 { throttle.failed(email: "a@example.com", address: "10.0.0.1", now: start) }
        #expect(throttle.wait(email: "b@example.com", address: "10.0.0.1", now: start) == nil)
        #expect(throttle.wait(email: "a@example.com", address: "10.0.0.2", now: start) == nil)
    }

    @Test("an address that tries many accounts is slowed down as a whole; one's own success does not help it")
    func spraying() {
        var throttle = SignInThrottle()
        for index in 0..<60 { throttle.failed(email: "\(index)", address: "10.0.0.1", now: start) }
        throttle.succeeded(email: "own", address: "10.0.0.1")
        #expect((throttle.wait(email: "new", address: "10.0.0.1", now: start) ?? 0) > 100)
    }

    @Test("a success clears the account; a quiet quarter of an hour does too")
    func forgetting() {
        var throttle = SignInThrottle()
        for _ in 0..<6 { throttle.failed(email: "a@example.com", address: "10.0.0.1", now: start) }
        throttle.succeeded(email: "a@example.com", address: "10.0.0.1")
        #expect(wait(throttle) == nil)
        for _ in 0..<6 { throttle.failed(email: "a@example.com", address: "10.0.0.1", now: start) }
        throttle.failed(
            email: "a@example.com", address: "10.0.0.1", now: start.advanced(bySeconds: 901))
        #expect(wait(throttle, after: 901) == nil)
    }

    @Test("memory is bounded, and those who failed last are remembered")
    func bounded() {
        var throttle = SignInThrottle()
        for index in 0..<30_000 {
            throttle.failed(
                email: "\(index)", address: "\(index)", now: start.advanced(byMicroseconds: Int64(index)))
        }
        #expect(throttle.subjectCount <= SignInThrottle.maximumSubjects)
        for _ in 0..<6 {
            throttle.failed(email: "29999", address: "29999", now: start.advanced(bySeconds: 1))
        }
        #expect(throttle.wait(email: "29999", address: "29999", now: start.advanced(bySeconds: 1)) == 2)
    }
}
