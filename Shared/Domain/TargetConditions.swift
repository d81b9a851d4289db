/// Which calls a target takes: those that meet all of these.
package struct TargetConditions: Hashable, Sendable {
    /// Calls whose key has all of these tags.
    package var tags: [String]
    /// Calls that read at least so many tokens.
    package var minimumInput: Int64
    /// Calls that read at most so many tokens; nil: any number.
    package var maximumInput: Int64?
    /// Calls that need all of these.
    package var needs: CapabilitySet
    /// Calls at these times; nil: always.
    package var hours: WeeklyHours?

    package static let none = TargetConditions()
    package static let maximumTags = 8

    package init(
        tags: [String] = [], minimumInput: Int64 = 0, maximumInput: Int64? = nil, needs: CapabilitySet = [],
        hours: WeeklyHours? = nil
    ) {
        self.tags = tags
        self.minimumInput = minimumInput
        self.maximumInput = maximumInput
        self.needs = needs
        self.hours = hours
    }

    package var problems: [ValidationError] {
        let place = "/conditions"
        var found: [ValidationError] = []
        if tags.count > Self.maximumTags {
            found.append(
                ValidationError("\(place)/tags", .tooLong, "must have at most \(Self.maximumTags) tags"))
        }
        for (index, tag) in tags.enumerated() {
            if let problem = TextRule.label.check(tag, at: "\(place)/tags/\(index)") { found.append(problem) }
        }
        let limits: ClosedRange<Int64> = 0...TokenUsage.maximumTokens
        if !limits.contains(minimumInput) {
            found.append(ValidationError("\(place)/minimum_input", .outOfRange, "must be 0 to 10^9 tokens"))
        }
        if let maximumInput, !limits.contains(maximumInput) || maximumInput < minimumInput {
            found.append(
                ValidationError(
                    "\(place)/maximum_input", .outOfRange,
                    "must be at most 10^9 tokens, and not below minimum_input"))
        }
        if let hours, !hours.isValid {
            found.append(
                ValidationError(
                    "\(place)/hours", .outOfRange,
                    "must have at least one day, and two different times of the day"))
        }
        return found
    }
}

/// Hours of days of the week, in UTC.
package struct WeeklyHours: Hashable, Sendable {
    package enum Day: String, Sendable, CaseIterable {
        case monday, tuesday, wednesday, thursday, friday, saturday, sunday
    }

    /// One bit a day, Monday's the lowest.
    package let days: UInt8
    /// Minutes since midnight, the first one inside.
    package let from: Int32
    /// The first minute behind it; below `from` it is the next day's.
    package let until: Int32

    package static let minutesPerDay: Int32 = 1440

    package init(days: UInt8, from: Int32, until: Int32) {
        self.days = days
        self.from = from
        self.until = until
    }

    package init(days: [Day], from: Int32, until: Int32) {
        let bits = Day.allCases.enumerated().filter { days.contains($0.element) }.map {
            UInt8(1) << $0.offset
        }
        self.init(days: bits.reduce(0, |), from: from, until: until)
    }

    package var isValid: Bool {
        (1...127).contains(days) && (0..<Self.minutesPerDay).contains(from)
            && (1...Self.minutesPerDay).contains(until) && from != until
    }

    package var weekdays: [Day] {
        Day.allCases.enumerated().filter { days >> UInt8($0.offset) & 1 == 1 }.map(\.element)
    }

    /// Whether a moment lies inside. Hours over midnight belong to the day they begin on.
    package func contains(_ now: Timestamp) -> Bool {
        let minutes = now.startOfMinute.microseconds / 60_000_000
        let length = Int64(Self.minutesPerDay)
        let minute = Int32((minutes % length + length) % length)
        // The first of January 1970 was a Thursday.
        let day = ((minutes - Int64(minute)) / length + 3) % 7
        let today = UInt8((day + 7) % 7)
        func isDay(_ day: UInt8) -> Bool { days >> day & 1 == 1 }
        if from < until { return isDay(today) && (from..<until).contains(minute) }
        return isDay(today) && minute >= from || isDay((today + 6) % 7) && minute < until
    }
}

/// Some of what models can do, as bits.
package struct CapabilitySet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package init(_ capabilities: some Sequence<ModelCapability>) {
        self.init(rawValue: capabilities.reduce(0) { $0 | 1 << $1.bit })
    }

    package var members: [ModelCapability] { ModelCapability.allCases.filter { rawValue >> $0.bit & 1 == 1 } }
}
