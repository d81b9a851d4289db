import Domain
import JSONText
import Operations

/// A target of a route as it goes in and comes out.
enum TargetBody {
    private static let model = Field<ModelID?>.optional(
        "model", .id(), "A model of the tenant, or a shared one; either this or 'route'.")
    private static let route = Field<RouteID?>.optional(
        "route", .id(), "Another route of the tenant, with its own strategy; either this or 'model'.")
    private static let weight = Field<Int32>.defaulted(
        "weight", .integer(Target.weights), to: 100, "Its share among targets of the same priority.")
    private static let priority = Field<Int32>.defaulted(
        "priority", .integer(Target.priorities), to: 0, "Lower numbers are tried first.")
    private static let use = Field<TargetUse>.defaulted(
        "use", .word(), to: .traffic,
        "What it is for: the usual traffic; calls too long for the others' context windows; calls a provider "
            + "refused for their content; calls whose budget does not bear the others; or copies of calls "
            + "('shadow': as many of 1000 as its weight says).")
    private static let conditions = Field<TargetConditions>.defaulted(
        "conditions", ConditionsBody.reader, to: .none, "Which calls it takes: those that meet all.")
    private static let parameters = Field<[TargetParameter]>.defaulted(
        "parameters", .parameters, to: [],
        "Members of the request's body it sets, whatever the caller said; null takes the caller's away.")
    static let shape = BodyShape(
        "RouteTarget", [model, route, weight, priority, use, conditions, parameters])

    static let reader = Reader<Target>.object(shape) { values throws(OperationError) in
        let terms = TargetTerms(
            weight: try values[weight], priority: try values[priority], use: try values[use],
            conditions: try values[conditions], parameters: try values[parameters])
        switch (try values[model], try values[route]) {
        case (let model?, nil): return Target(.model(model), terms)
        case (nil, let route?): return Target(.route(route), terms)
        case (nil, nil):
            throw .invalid([ValidationError("/model", .required, "is required, or 'route' is")])
        case (_?, _?):
            throw .invalid([ValidationError("/route", .notAllowed, "must not stand beside 'model'")])
        }
    }

    static func json(_ target: Target) -> JSONValue {
        let terms = target.terms
        var parameters = JSONObject()
        for parameter in terms.parameters {
            // It was JSON when it came in.
            parameters[parameter.name] = (try? JSONValue.parse(parameter.json)) ?? .null
        }
        return [
            model.name: .optional(target.model), route.name: .optional(target.route),
            weight.name: .integer(terms.weight), priority.name: .integer(terms.priority),
            use.name: .string(terms.use.rawValue), conditions.name: ConditionsBody.json(terms.conditions),
            self.parameters.name: .object(parameters),
        ]
    }
}

extension Reader where Value == [TargetParameter] {
    /// Names and any values; what names may be is Domain's to say.
    static let parameters = Reader(.anyObject) { json throws(InvalidInput) in
        guard let object = json.object else { throw InvalidInput(.wrongType, "must be a JSON object") }
        return object.members.map { TargetParameter(name: $0.name, json: $0.value.text) }
    }
}

/// Which calls a target takes.
enum ConditionsBody {
    private static let tags = Field<[String]>.defaulted(
        "tags", .list(of: .text(.label), 0...TargetConditions.maximumTags), to: [],
        "Calls whose key has all of these.")
    private static let minimumInput = Field<Int64>.defaulted(
        "minimum_input", .integer(0...TokenUsage.maximumTokens), to: 0,
        "Calls that read at least so many tokens.")
    private static let maximumInput = Field<Int64?>.optional(
        "maximum_input", .integer(0...TokenUsage.maximumTokens), "Calls that read at most so many tokens.")
    private static let needs = Field<[ModelCapability]>.defaulted(
        "needs", .capabilities, to: [], "Calls that need all of these.")
    private static let hours = Field<WeeklyHours?>.optional(
        "hours", HoursBody.reader, "Calls at these hours; missing: always.")
    static let shape = BodyShape(
        "TargetConditions", [tags, minimumInput, maximumInput, needs, hours])

    static let reader = Reader<TargetConditions>.object(shape) { values throws(OperationError) in
        TargetConditions(
            tags: try values[tags], minimumInput: try values[minimumInput],
            maximumInput: try values[maximumInput], needs: CapabilitySet(try values[needs]),
            hours: try values[hours])
    }

    static func json(_ conditions: TargetConditions) -> JSONValue {
        [
            tags.name: .array(conditions.tags.map { .string($0) }),
            minimumInput.name: .integer(conditions.minimumInput),
            maximumInput.name: .optional(conditions.maximumInput),
            needs.name: .array(conditions.needs.members.map { .string($0.rawValue) }),
            hours.name: conditions.hours.map(HoursBody.json) ?? .null,
        ]
    }
}

/// Hours of the week.
enum HoursBody {
    private static let days = Field<[WeeklyHours.Day]>.required(
        "days", .list(of: .word(), 1...7), "On which days they begin.")
    private static let from = Field<Int32>.required("from", .timeOfDay, "From when on, UTC.")
    private static let until = Field<Int32>.required(
        "until", .timeOfDay, "Until when, UTC; before 'from' it is on the next day.")
    static let shape = BodyShape("WeeklyHours", [days, from, until])

    static let reader = Reader<WeeklyHours>.object(shape) { values throws(OperationError) in
        WeeklyHours(days: try values[days], from: try values[from], until: try values[until])
    }

    static func json(_ hours: WeeklyHours) -> JSONValue {
        [
            days.name: .array(hours.weekdays.map { .string($0.rawValue) }),
            from.name: .string(text(hours.from)), until.name: .string(text(hours.until)),
        ]
    }

    private static func text(_ minute: Int32) -> String {
        let digits = ["\(minute / 60)", "\(minute % 60)"].map { $0.count == 1 ? "0\($0)" : $0 }
        return digits.joined(separator: ":")
    }
}

extension Reader where Value == Int32 {
    /// `08:30` as minutes since midnight, up to `24:00`.
    static let timeOfDay = Reader(
        .text(TextSchema(5...5, pattern: "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", example: "08:30"))
    ) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard text.utf8.count == 5, parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 }),
            parts.allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let hour = Int32(parts[0]), let minute = Int32(parts[1]), minute < 60,
            hour * 60 + minute <= WeeklyHours.minutesPerDay
        else {
            throw InvalidInput(.invalidFormat, "must be a time of the day from 00:00 to 24:00, as in 08:30")
        }
        return hour * 60 + minute
    }
}
