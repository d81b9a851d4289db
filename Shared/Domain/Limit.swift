/// A ceiling on what a tenant, a workspace, a group, a user or a key may use: a rate that refills, slots that
/// are held, or a budget that is spent.
package struct Limit: Hashable, Sendable {
    package let id: LimitID
    package let tenant: TenantID
    /// Told to callers that are refused; unique for its subject.
    package var name: String
    package let subject: LimitSubject
    package var match: LimitMatch
    package let partition: LimitPartition
    package let metric: LimitMetric
    /// In the metric's unit: nano-USD for `cost`, else a count.
    package var amount: Int64
    package let period: LimitPeriod
    /// The IANA zone whose calendar a budget follows.
    package let timeZone: String
    package var mode: LimitMode
    /// Per cent of a budget at which somebody is to be told, ascending.
    package var thresholds: [Int]
    package var increase: LimitIncrease?
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: LimitID, tenant: TenantID, name: String, subject: LimitSubject, match: LimitMatch = .everything,
        partition: LimitPartition = .none, metric: LimitMetric, amount: Int64, period: LimitPeriod,
        timeZone: String = Self.utc, mode: LimitMode = .enforce, thresholds: [Int] = [],
        increase: LimitIncrease? = nil, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.subject = subject
        self.match = match
        self.partition = partition
        self.metric = metric
        self.amount = amount
        self.period = period
        self.timeZone = timeZone
        self.mode = mode
        self.thresholds = thresholds
        self.increase = increase
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let utc = "UTC"
    package static let maximumThresholds = 10
    /// Of one key; and of everything else of a tenant together.
    package static let maximumOfKey = 20
    package static let maximumOfTenant = 1000
    /// The largest amount: a billion dollars, or 10¹⁸ of anything else.
    package static let maximumAmount: Int64 = 1_000_000_000_000_000_000

    package var kind: LimitKind { LimitKind(metric, period) }

    /// The amount in force at a moment: with the temporary increase while it lasts.
    package func amount(at now: Timestamp) -> Int64 { LimitIncrease.amount(amount, with: increase, at: now) }

    /// What is wrong with the parts of a limit, each at its place.
    package static func problems(
        name: String, match: LimitMatch, partition: LimitPartition = .none, metric: LimitMetric,
        amount: Int64, period: LimitPeriod, mode: LimitMode, thresholds: [Int]
    ) -> [ValidationError] {
        var found = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self) + match.problems
        if partition == .tag, match.tags.isEmpty {
            found.append(
                ValidationError("/match/tags", .required, "is required when the limit is parted by tag"))
        }
        if !(1...maximumAmount).contains(amount) {
            found.append(ValidationError("/amount", .outOfRange, "must be above 0 and at most 10^18 units"))
        }
        let kind = LimitKind(metric, period)
        if (metric == .concurrency) != (period == .open) {
            found.append(
                ValidationError(
                    "/period", .notAllowed, "must be 'open' for concurrency, and only for concurrency"))
        }
        if mode == .soft, kind != .budget {
            found.append(ValidationError("/mode", .notAllowed, "must be 'enforce' or 'shadow' for a rate"))
        }
        if !thresholds.isEmpty, kind != .budget {
            found.append(ValidationError("/thresholds", .notAllowed, "must be empty: only budgets have them"))
        }
        if thresholds.count > maximumThresholds {
            found.append(ValidationError("/thresholds", .tooLong, "must be at most \(maximumThresholds)"))
        }
        let isAscending = zip(thresholds, thresholds.dropFirst()).allSatisfy { $0 < $1 }
        if !isAscending || thresholds.contains(where: { !(1...100).contains($0) }) {
            found.append(
                ValidationError("/thresholds", .outOfRange, "must be per cents from 1 to 100, ascending"))
        }
        return found
    }
}

/// How a limit is used up.
package enum LimitKind: String, Sendable, CaseIterable {
    /// Refills continuously.
    case rate
    /// Held while a call runs.
    case concurrency
    /// Spent in a calendar window.
    case budget

    package init(_ metric: LimitMetric, _ period: LimitPeriod) {
        self = metric == .concurrency ? .concurrency : period.isCalendar ? .budget : .rate
    }
}

/// Whom a limit binds: every call of a key that belongs to the subject.
package enum LimitSubject: Hashable, Sendable {
    /// The whole tenant the limit belongs to.
    case tenant
    case workspace(WorkspaceID)
    /// The keys of its members.
    case group(GroupID)
    /// The keys they own.
    case user(UserID)
    case key(KeyID)

    package enum Kind: String, Sendable, CaseIterable { case tenant, workspace, group, user, key }

    package var kind: Kind {
        switch self {
        case .tenant: .tenant
        case .workspace: .workspace
        case .group: .group
        case .user: .user
        case .key: .key
        }
    }
}

/// Which calls of the subject count: those to one of the routes, and answered by one of the models, and of a
/// key with one of the tags; an empty list takes all.
package struct LimitMatch: Hashable, Sendable {
    package var routes: [RouteID]
    /// A route counts when any target it may dial has one of these models.
    package var models: [ModelID]
    package var tags: [String]

    package init(routes: [RouteID] = [], models: [ModelID] = [], tags: [String] = []) {
        self.routes = routes
        self.models = models
        self.tags = tags
    }

    package static let everything = LimitMatch()
    package static let maximumEntries = 100

    package var problems: [ValidationError] {
        let lists = [
            ("/match/routes", routes.count), ("/match/models", models.count), ("/match/tags", tags.count),
        ]
        var found = lists.compactMap { pointer, count in
            count <= Self.maximumEntries
                ? nil : ValidationError(pointer, .tooLong, "must have at most \(Self.maximumEntries) entries")
        }
        for (index, tag) in tags.enumerated() {
            if let problem = TextRule.label.check(tag, at: "/match/tags/\(index)") { found.append(problem) }
            if tags[..<index].contains(tag) {
                found.append(ValidationError("/match/tags/\(index)", .duplicate, "is there already"))
            }
        }
        return found
    }
}

/// Whether the subject shares one amount, or each of its parts has its own.
package enum LimitPartition: UInt8, Sendable, CaseIterable {
    case none = 0
    case workspace = 1
    case key = 2
    /// The key's owner; keys without one share a part.
    case user = 3
    /// Every one of the matched tags; a key with two of them counts in both.
    case tag = 4

    package var name: String {
        switch self {
        case .none: "none"
        case .workspace: "workspace"
        case .key: "key"
        case .user: "user"
        case .tag: "tag"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

package enum LimitMetric: UInt8, Sendable, CaseIterable {
    case requests = 1
    case inputTokens = 2
    case outputTokens = 3
    case totalTokens = 4
    /// Nano-USD.
    case cost = 5
    /// Calls under way at one moment.
    case concurrency = 6

    package var name: String {
        switch self {
        case .requests: "requests"
        case .inputTokens: "input_tokens"
        case .outputTokens: "output_tokens"
        case .totalTokens: "total_tokens"
        case .cost: "cost"
        case .concurrency: "concurrency"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// What a call used up, in the metric's unit.
    package func amount(of usage: TokenUsage, cost: NanoUSD) -> Int64 {
        switch self {
        case .requests, .concurrency: 1
        case .inputTokens: usage.input
        case .outputTokens: usage.output
        case .totalTokens: usage.total
        case .cost: max(0, cost.nanos)
        }
    }
}

package enum LimitPeriod: UInt8, Sendable, CaseIterable {
    case second = 1
    case minute = 2
    case hour = 3
    case day = 4
    case week = 5
    case month = 6
    case lifetime = 7
    /// For concurrency: no period at all.
    case open = 8

    package var name: String {
        switch self {
        case .second: "second"
        case .minute: "minute"
        case .hour: "hour"
        case .day: "day"
        case .week: "week"
        case .month: "month"
        case .lifetime: "lifetime"
        case .open: "open"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// Whether it is a window of a calendar: such amounts are spent, not refilled.
    package var isCalendar: Bool {
        switch self {
        case .day, .week, .month, .lifetime: true
        case .second, .minute, .hour, .open: false
        }
    }

    /// The length of a rate's period, and of the burst it allows: 1 s of a second, 10 s of a minute, 60 s of
    /// an hour. Nil for the others.
    package var rateSeconds: (period: Int64, burst: Int64)? {
        switch self {
        case .second: (1, 1)
        case .minute: (60, 10)
        case .hour: (3600, 60)
        default: nil
        }
    }
}

package enum LimitMode: UInt8, Sendable, CaseIterable {
    /// Refuses what does not fit; a budget reserves the worst case of every call.
    case enforce = 1
    /// A budget that reserves what calls usually cost, so it may overshoot.
    case soft = 2
    /// Counts, and refuses nothing.
    case shadow = 3

    package var name: String {
        switch self {
        case .enforce: "enforce"
        case .soft: "soft"
        case .shadow: "shadow"
        }
    }

    package init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// More for a while.
package struct LimitIncrease: Hashable, Sendable {
    /// Added to the limit's amount, in its unit.
    package let amount: Int64
    package let expires: Timestamp

    package init(amount: Int64, expires: Timestamp) {
        self.amount = amount
        self.expires = expires
    }

    package static func amount(_ base: Int64, with increase: LimitIncrease?, at now: Timestamp) -> Int64 {
        guard let increase, now < increase.expires else { return base }
        return min(Limit.maximumAmount, base.addingReportingOverflow(increase.amount).partialValue)
    }
}

/// The calendar window an amount is spent in; a window without an end is a lifetime.
package struct LimitWindow: Hashable, Sendable {
    package let start: Timestamp
    package let end: Timestamp?

    package init(start: Timestamp, end: Timestamp?) {
        self.start = start
        self.end = end
    }

    /// The window of limits that have none.
    package static let always = LimitWindow(start: .epoch, end: nil)

    package func contains(_ moment: Timestamp) -> Bool {
        moment >= start && end.map { moment < $0 } ?? true
    }
}
