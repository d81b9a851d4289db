import Domain

/// Slows guessing down: after some failed sign-ins of one account from one address, or of one address alone,
/// the next try has to wait, twice as long each time. Pure; bounded; per loop.
struct SignInThrottle {
    struct Subject: Hashable {
        /// Lowercased; empty: the address as such.
        let email: String
        let address: String
    }

    private struct Failures {
        var count: Int
        var blockedUntil: Timestamp
        var last: Timestamp
    }

    /// Failures that cost nothing: people mistype.
    static let freeFailuresPerAccount = 5
    static let freeFailuresPerAddress = 50
    static let longestWaitSeconds: Int64 = 300
    /// After so long without a failure a subject starts afresh.
    static let forgetAfterSeconds: Int64 = 900
    static let maximumSubjects = 10_000

    private var failures: [Subject: Failures] = [:]

    var subjectCount: Int { failures.count }

    /// How many seconds a try from here has to wait; nil: it may go on.
    func wait(email: String, address: String, now: Timestamp) -> Int? {
        let until = subjects(email, address).compactMap { failures[$0.subject]?.blockedUntil }.max()
        guard let until, until > now else { return nil }
        return Int((until.microseconds(since: now) + 999_999) / 1_000_000)
    }

    mutating func failed(email: String, address: String, now: Timestamp) {
        for (subject, free) in subjects(email, address) {
            var entry = failures[subject] ?? Failures(count: 0, blockedUntil: .epoch, last: now)
            if now.microseconds(since: entry.last) > Self.forgetAfterSeconds * 1_000_000 { entry.count = 0 }
            entry.count += 1
            entry.last = now
            let excess = entry.count - free
            if excess > 0 {
                let seconds = min(Self.longestWaitSeconds, 1 << Int64(min(excess - 1, 20)))
                entry.blockedUntil = now.advanced(bySeconds: seconds)
            }
            if failures[subject] == nil && failures.count >= Self.maximumSubjects { makeRoom(now) }
            failures[subject] = entry
        }
    }

    /// A right password clears the account, not the address: one's own account must not buy tries at others'.
    mutating func succeeded(email: String, address: String) {
        failures[Subject(email: email, address: address)] = nil
    }

    private func subjects(_ email: String, _ address: String) -> [(subject: Subject, free: Int)] {
        [
            (Subject(email: email, address: address), Self.freeFailuresPerAccount),
            (Subject(email: "", address: address), Self.freeFailuresPerAddress),
        ]
    }

    /// Drops what has been forgotten anyway, or else the half that failed longest ago.
    private mutating func makeRoom(_ now: Timestamp) {
        let oldest = now.advanced(bySeconds: -Self.forgetAfterSeconds)
        failures = failures.filter { $0.value.last > oldest }
        guard failures.count >= Self.maximumSubjects else { return }
        let median = failures.values.map(\.last).sorted()[failures.count / 2]
        failures = failures.filter { $0.value.last > median }
    }
}
