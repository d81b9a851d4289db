import Domain
import JSONText
import Operations

/// The body that makes a limit.
enum LimitBody {
    static let amountSchema = Schema.text(
        TextSchema(1...24, pattern: "^(0|[1-9][0-9]{0,18})(\\.[0-9]{1,9})?$", example: "100.00"))
    private static let amountReader = Reader<String>(amountSchema) { json throws(InvalidInput) in
        guard let text = json.string else { throw InvalidInput(.wrongType, "must be a text") }
        guard (1...24).contains(text.utf8.count) else {
            throw InvalidInput(.invalidFormat, "must be a decimal number such as \"100.00\" or \"1000\"")
        }
        return text
    }

    static let workspace = Field<WorkspaceID?>.optional("workspace", .id(), "All calls in this workspace.")
    static let group = Field<GroupID?>.optional("group", .id(), "The keys of this group's members.")
    static let user = Field<UserID?>.optional("user", .id(), "The keys of this member.")
    static let key = Field<KeyID?>.optional("key", .id(), "This key.")
    static let subjectShape = BodyShape("LimitSubject", [workspace, group, user, key])

    private static let subjectReader = Reader<LimitSubject>.object(subjectShape) {
        values throws(OperationError) in
        let subjects: [LimitSubject?] = [
            try values[workspace].map { .workspace($0) }, try values[group].map { .group($0) },
            try values[user].map { .user($0) }, try values[key].map { .key($0) },
        ]
        let named = subjects.compactMap(\.self)
        guard named.count <= 1 else {
            throw .invalid([ValidationError("", .notAllowed, "must name one of workspace, group, user, key")])
        }
        return named.first ?? .tenant
    }

    static let routes = Field<[RouteID]>.defaulted(
        "routes", .list(of: .id(), 0...LimitMatch.maximumEntries), to: [], "To one of these; empty: to any.")
    static let models = Field<[ModelID]>.defaulted(
        "models", .list(of: .id(), 0...LimitMatch.maximumEntries), to: [],
        "To a route that may lead to one of these; empty: to any.")
    static let tags = Field<[String]>.defaulted(
        "tags", .list(of: .text(.label, example: "team:search"), 0...LimitMatch.maximumEntries), to: [],
        "Of keys with one of these; empty: of all.")
    static let matchShape = BodyShape("LimitMatch", [routes, models, tags])

    static let matchReader = Reader<LimitMatch>.object(matchShape) { values throws(OperationError) in
        LimitMatch(routes: try values[routes], models: try values[models], tags: try values[tags])
    }

    static let increaseAmount = Field<String>.required(
        "amount", amountReader, "Added to the limit's amount, in its unit.")
    static let increaseExpires = Field<Timestamp>.required("expires_at", .time, "When it ends.")
    static let increaseShape = BodyShape("LimitIncrease", [increaseAmount, increaseExpires])

    static let name = Field<String>.required(
        "name", .text(.displayName, example: "monthly"), "Told to callers that are refused.")
    static let subject = Field<LimitSubject>.defaulted(
        "subject", subjectReader, to: .tenant, "Whom it binds; missing or empty: the whole tenant.")
    static let match = Field<LimitMatch>.defaulted(
        "match", matchReader, to: .everything, "Which calls count; missing: all.")
    static let partition = Field<LimitPartition>.defaulted(
        "partition_by", .word(LimitPartition.allCases.map { ($0.name, $0) }), to: .none,
        "Gives each part of the subject the whole amount; by tag needs match.tags.")
    static let metric = Field<LimitMetric>.required(
        "metric", .word(LimitMetric.allCases.map { ($0.name, $0) }), "What is counted.")
    static let amount = Field<String>.required(
        "amount", amountReader, "Dollars for cost, else a whole number; above 0.")
    static let period = Field<LimitPeriod>.required(
        "period", .word(LimitPeriod.allCases.map { ($0.name, $0) }),
        "second, minute and hour refill; day, week, month and lifetime are spent; open for concurrency.")
    static let timeZone = Field<String?>.optional(
        "time_zone", .anyText(1...64), "Whose calendar a budget follows; missing: the tenant's.")
    static let mode = Field<LimitMode>.defaulted(
        "mode", .word(LimitMode.allCases.map { ($0.name, $0) }), to: .enforce,
        "enforce refuses; soft budgets may overshoot; shadow only counts.")
    static let thresholds = Field<[Int]>.defaulted(
        "thresholds", .list(of: .integer(1...100), 0...Limit.maximumThresholds), to: [],
        "Per cent of a budget at which an alert is recorded, ascending.")
    static let shape = BodyShape(
        "NewLimit",
        [name, subject, match, partition, metric, amount, period, timeZone, mode, thresholds])

    static func value(_ body: BodyValues) throws(OperationError) -> NewLimit {
        NewLimit(
            name: try body[name], subject: try body[subject], match: try body[match],
            partition: try body[partition], metric: try body[metric], amount: try body[amount],
            period: try body[period], timeZone: try body[timeZone], mode: try body[mode],
            thresholds: try body[thresholds])
    }

    static func json(_ subject: LimitSubject) -> JSONValue {
        var object = JSONObject()
        for field in subjectShape.fields { object[field.name] = .null }
        switch subject {
        case .tenant: break
        case .workspace(let id): object[workspace.name] = .text(id)
        case .group(let id): object[group.name] = .text(id)
        case .user(let id): object[user.name] = .text(id)
        case .key(let id): object[key.name] = .text(id)
        }
        return .object(object)
    }

    static func json(_ match: LimitMatch) -> JSONValue {
        [
            routes.name: .array(match.routes.map { .text($0) }),
            models.name: .array(match.models.map { .text($0) }),
            tags.name: .array(match.tags.map { .string($0) }),
        ]
    }

    fileprivate static let newAmount = Field<String?>.change(
        "amount", amountReader, "Dollars for cost, else a whole number; above 0.")
}

/// The body that changes a limit; what is missing stays.
enum LimitChangeBody {
    static let name = Field<String?>.change("name", .text(.displayName), "Told to callers that are refused.")
    static let match = Field<LimitMatch?>.change(
        "match", LimitBody.matchReader, "Which calls count, in place of those before.")
    static let mode = Field<LimitMode?>.change(
        "mode", .word(LimitMode.allCases.map { ($0.name, $0) }), "How it acts.")
    static let thresholds = Field<[Int]?>.change(
        "thresholds", .list(of: .integer(1...100), 0...Limit.maximumThresholds), "All of them, ascending.")
    private static let increaseReader = Reader<NewIncrease>.object(LimitBody.increaseShape) {
        values throws(OperationError) in
        NewIncrease(
            amount: try values[LimitBody.increaseAmount], expires: try values[LimitBody.increaseExpires])
    }
    static let increase = Field<Edit<NewIncrease>>.edit(
        "increase", increaseReader, "More for a while; null ends it.")
    static let shape = BodyShape(
        "LimitChange", [name, match, LimitBody.newAmount, mode, thresholds, increase])

    static func value(_ body: BodyValues) throws(OperationError) -> LimitChange {
        var change = LimitChange()
        change.name = try body[name]
        change.match = try body[match]
        change.amount = try body[LimitBody.newAmount]
        change.mode = try body[mode]
        change.thresholds = try body[thresholds]
        change.increase = try body[increase]
        return change
    }
}

/// The body that gives up what a node was lent.
enum LimitWriteOffBody {
    static let node = Field<NodeID>.required("node", .id(), "The node that will not come back.")
    static let shape = BodyShape("LimitWriteOff", [node])
}

/// Filters of the list of limits.
enum LimitQuery {
    static let kind = Field<LimitKind?>.optional("kind", .word(), "Only of this kind: budget, say.")
    static let subject = Field<LimitSubject.Kind?>.optional("subject", .word(), "Only with such a subject.")
    static let workspace = Field<WorkspaceID?>.optional("workspace", .id(), "Only of this workspace.")
    static let group = Field<GroupID?>.optional("group", .id(), "Only of this group.")
    static let user = Field<UserID?>.optional("user", .id(), "Only of this member.")
    static let key = Field<KeyID?>.optional("key", .id(), "Only of this key.")
    static let metric = Field<LimitMetric?>.optional(
        "metric", .word(LimitMetric.allCases.map { ($0.name, $0) }), "Only of this metric.")
    static let mode = Field<LimitMode?>.optional(
        "mode", .word(LimitMode.allCases.map { ($0.name, $0) }), "Only in this mode.")
    private static let period = Field<LimitPeriod?>.optional(
        "period", .word(LimitPeriod.allCases.map { ($0.name, $0) }), "Only of this period.")
    private static let partition = Field<LimitPartition?>.optional(
        "partition_by", .word(LimitPartition.allCases.map { ($0.name, $0) }), "Only with such parts.")
    static let fields: [any AnyField] = [
        kind, subject, workspace, group, user, key, metric, period, partition, mode, Paging.namePrefix,
    ]

    static func value(_ query: BodyValues) throws(OperationError) -> LimitFilter {
        var filter = LimitFilter()
        filter.kind = try query[kind]
        filter.subject = try query[subject]
        filter.workspace = try query[workspace]
        filter.group = try query[group]
        filter.user = try query[user]
        filter.key = try query[key]
        filter.metric = try query[metric]
        filter.period = try query[period]
        filter.partition = try query[partition]
        filter.mode = try query[mode]
        return filter
    }
}

enum LimitStateQuery {
    static let part = Field<String?>.optional(
        "part", .anyText(1...64), "Of a partitioned limit: an ID, the tag, or nobody.")
}

enum LimitAlertQuery {
    // Not `limit`: that is how long a page is.
    static let of = Field<LimitID?>.optional("of", .id(), "Only of this budget.")
}
