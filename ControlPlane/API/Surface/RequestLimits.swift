package import Domain
import Operations
import Synchronization

/// How often one address and one user may ask; shared by all loops of the program. Any thread.
///
/// Bounded in memory: see `TokenBuckets`. Of IPv6 addresses a /64 is one; behind a proxy that is not trusted
/// all its clients are one.
package final class RequestLimits: Sendable {
    /// What is allowed at once, in seconds of the rate.
    package static let burstSeconds = 10

    private let clock: WallClock
    private let addresses: Mutex<TokenBuckets<String>>?
    private let users: Mutex<TokenBuckets<UserID>>?

    /// Requests a second of each; 0: no limit.
    package init(perAddress: Int, perUser: Int, clock: WallClock) {
        self.clock = clock
        addresses = perAddress > 0 ? Mutex(Self.buckets(perAddress)) : nil
        users = perUser > 0 ? Mutex(Self.buckets(perUser)) : nil
    }

    private static func buckets<Subject>(_ rate: Int) -> TokenBuckets<Subject> {
        TokenBuckets(perSecond: Double(rate), burst: rate * burstSeconds)
    }

    func check(address: String) throws(OperationError) {
        let now = clock.now()
        try Self.refuse(addresses?.withLock { $0.take(address, at: now) })
    }

    func check(user: UserID) throws(OperationError) {
        let now = clock.now()
        try Self.refuse(users?.withLock { $0.take(user, at: now) })
    }

    private static func refuse(_ seconds: Double??) throws(OperationError) {
        guard let seconds = seconds ?? nil else { return }
        throw OperationError(.rateLimited, retryAfterSeconds: max(1, Int(seconds.rounded(.up))))
    }
}
