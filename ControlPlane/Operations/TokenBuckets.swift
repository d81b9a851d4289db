package import Domain

/// Limits how often each of many subjects may do something: `burst` at once, then `perSecond`. Pure; holds at
/// most `maximumSubjects`, of which those that are idle are forgotten first.
package struct TokenBuckets<Subject: Hashable & Sendable>: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: Timestamp
    }

    package let perSecond: Double
    package let burst: Double
    private let maximumSubjects: Int
    private var buckets: [Subject: Bucket] = [:]

    package init(perSecond: Double, burst: Int, maximumSubjects: Int = 65_536) {
        self.perSecond = perSecond
        self.burst = Double(burst)
        self.maximumSubjects = maximumSubjects
    }

    package var subjectCount: Int { buckets.count }

    /// Takes one token. Gives nil when there was one, else the seconds until there is.
    package mutating func take(_ subject: Subject, at now: Timestamp) -> Double? {
        if buckets[subject] == nil && buckets.count >= maximumSubjects { makeRoom(now) }
        var bucket = buckets[subject] ?? Bucket(tokens: burst, at: now)
        // A clock that went back gives nothing and takes nothing.
        let seconds = max(0, Double(now.microseconds(since: bucket.at)) / 1_000_000)
        bucket.tokens = min(burst, bucket.tokens + seconds * perSecond)
        bucket.at = now
        let isThere = bucket.tokens >= 1
        if isThere { bucket.tokens -= 1 }
        buckets[subject] = bucket
        return isThere ? nil : (1 - bucket.tokens) / perSecond
    }

    /// Forgets who has a full bucket by now: it would be the same as a new one. When that is nobody, forgets
    /// the half that asked longest ago.
    private mutating func makeRoom(_ now: Timestamp) {
        let secondsToFull = burst / perSecond
        buckets = buckets.filter {
            Double(now.microseconds(since: $0.value.at)) / 1_000_000 < secondsToFull
        }
        guard buckets.count >= maximumSubjects else { return }
        let median = buckets.values.map(\.at).sorted()[buckets.count / 2]
        buckets = buckets.filter { $0.value.at > median }
    }
}
