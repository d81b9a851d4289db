import Contract
package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new limit is made of.
package struct NewLimit: Sendable {
    package var name: String
    package var subject: LimitSubject
    package var match: LimitMatch
    package var partition: LimitPartition
    package var metric: LimitMetric
    /// A decimal text in the metric's unit: dollars for cost.
    package var amount: String
    package var period: LimitPeriod
    /// Nil: the tenant's.
    package var timeZone: String?
    package var mode: LimitMode
    package var thresholds: [Int]

    package init(
        name: String, subject: LimitSubject, match: LimitMatch = .everything,
        partition: LimitPartition = .none, metric: LimitMetric, amount: String, period: LimitPeriod,
        timeZone: String? = nil, mode: LimitMode = .enforce, thresholds: [Int] = []
    ) {
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
    }
}

/// More of a limit for a while; the amount in the metric's unit.
package struct NewIncrease: Sendable {
    package let amount: String
    package let expires: Timestamp

    package init(amount: String, expires: Timestamp) {
        self.amount = amount
        self.expires = expires
    }
}

/// What changes about a limit; nil stays as it is.
package struct LimitChange: Sendable {
    package var name: String?
    package var match: LimitMatch?
    package var amount: String?
    package var mode: LimitMode?
    package var thresholds: [Int]?
    package var increase: Edit<NewIncrease> = .keep

    package init() {}
}

/// A limit and what can only be said at a moment.
package struct LimitView: Sendable {
    package let limit: Limit
    /// With a temporary increase that has not ended.
    package let amountNow: Int64

    init(_ limit: Limit, at now: Timestamp) {
        self.limit = limit
        amountNow = limit.amount(at: now)
    }
}

/// Ceilings of a tenant: rates and slots that refill, budgets that are spent.
package struct LimitOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, where filter: LimitFilter, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<LimitView> {
        let now = environment.clock.now()
        return try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await LimitStore.list(of: tenant, where: filter, page.of(Limit.self), connection)
            ) { LimitView($0, at: now) }
        }
    }

    package func get(
        _ id: LimitID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> LimitView {
        let now = environment.clock.now()
        return try await environment.read(.limitsRead, in: .tenant(tenant), by: caller) { connection in
            LimitView(try found(try await LimitStore.find(id, of: tenant, connection)), at: now)
        }
    }

    /// Makes a limit; nodes hold calls against it within moments. Calls of before do not count.
    package func create(
        _ new: NewLimit, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LimitView> {
        let amount = try Self.amount(new.amount, new.metric, at: "/amount")
        try check(
            Limit.problems(
                name: new.name, match: new.match, partition: new.partition, metric: new.metric,
                amount: amount, period: new.period, mode: new.mode, thresholds: new.thresholds))
        let now = environment.clock.now()
        return try await environment.write("limits.create", .limitsCreate, in: .tenant(tenant), by: caller) {
            connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("limits of \(tenant)", connection)
            try await demandRoom(for: new.subject, in: tenant, connection)
            try await demandRoutesAndModels(new.match, in: tenant, connection)
            let limit = Limit(
                id: LimitID(at: now), tenant: tenant, name: new.name, subject: new.subject, match: new.match,
                partition: new.partition, metric: new.metric, amount: amount, period: new.period,
                timeZone: try await zone(new.timeZone, in: tenant, connection), mode: new.mode,
                thresholds: new.thresholds, createdAt: now, updatedAt: now)
            try await LimitStore.create(limit, connection)
            return Recorded(
                LimitView(limit, at: now), AuditSubject("limit", limit.id, Self.details(limit)))
        }
    }

    /// Changes what is not nil. A lower amount is taken back from the nodes at once: what calls hold stays
    /// held until they settle.
    package func update(
        _ id: LimitID, _ change: LimitChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LimitView> {
        let now = environment.clock.now()
        return try await environment.write("limits.update", .limitsUpdate, in: .tenant(tenant), by: caller) {
            connection in
            let before = try found(try await LimitStore.find(id, of: tenant, connection))
            try await demandIsNotBalance(id, in: tenant, connection)
            var limit = before
            try change.apply(to: &limit, at: now)
            try check(
                Limit.problems(
                    name: limit.name, match: limit.match, partition: limit.partition, metric: limit.metric,
                    amount: limit.amount, period: limit.period, mode: limit.mode,
                    thresholds: limit.thresholds))
            if let match = change.match { try await demandRoutesAndModels(match, in: tenant, connection) }
            limit.updatedAt = now
            guard try await LimitStore.update(limit, expecting: before.updatedAt, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(
                LimitView(limit, at: now),
                AuditSubject("limit", id, from: Self.details(before), to: Self.details(limit)))
        }
    }

    /// Nodes stop to hold calls against it; what was spent of it is forgotten.
    package func delete(
        _ id: LimitID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<LimitView> {
        let now = environment.clock.now()
        return try await environment.write("limits.delete", .limitsDelete, in: .tenant(tenant), by: caller) {
            connection in
            let limit = try found(try await LimitStore.find(id, of: tenant, connection))
            try await demandIsNotBalance(id, in: tenant, connection)
            _ = try await LimitStore.delete(id, of: tenant, connection)
            return Recorded(LimitView(limit, at: now), AuditSubject("limit", id, Self.details(limit)))
        }
    }

    // MARK: Checks

    private func demandIsNotBalance(
        _ id: LimitID, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        if try await BillingStore.prepaidLimit(of: tenant, connection) == id {
            throw OperationError(
                .conflict,
                detail: "It follows the tenant's balance; a tenant that pays by invoice does not have it.")
        }
    }

    static func amount(
        _ text: String, _ metric: LimitMetric, at pointer: String
    ) throws(OperationError) -> Int64 {
        if let amount = metric.amount(text) { return amount }
        let rule =
            metric == .cost
            ? "must be an amount of dollars such as \"100.00\"" : "must be a whole number such as \"1000\""
        throw .invalid([ValidationError(pointer, .invalidFormat, rule)])
    }

    private func demandRoom(
        for subject: LimitSubject, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        var key: KeyID?
        if case .key(let id) = subject { key = id }
        let maximum = key == nil ? Limit.maximumOfTenant : Limit.maximumOfKey
        if try await LimitStore.count(of: key, in: tenant, connection) >= maximum {
            let whose =
                key == nil
                ? "A tenant has at most \(maximum) limits besides those of keys."
                : "A key has at most \(maximum) limits of its own."
            throw OperationError(.conflict, detail: whose)
        }
    }

    /// What is matched must be there: a limit on nothing would be a limit nobody notices is missing.
    private func demandRoutesAndModels(
        _ match: LimitMatch, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws {
        let unknown = try await LimitStore.unknown(in: match, of: tenant, connection)
        try check(
            unknown.routes.map {
                ValidationError("/match/routes/\($0)", .notFound, "must name a route of this tenant")
            }
                + unknown.models.map {
                    ValidationError(
                        "/match/models/\($0)", .notFound, "must name a model of this tenant or a shared one")
                })
    }

    private func zone(
        _ name: String?, in tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> String {
        guard let name else {
            return try found(try await TenantStore.find(tenant, connection)).settings.timeZone
        }
        guard try await LimitStore.isTimeZone(name, connection) else {
            throw OperationError.invalid([
                ValidationError(
                    "/time_zone", .notFound, "must be a name of the time zone database such as Europe/Lisbon")
            ])
        }
        return name
    }

    static func details(_ limit: Limit) -> JSONValue {
        var details = JSONObject()
        details["name"] = .string(limit.name)
        details["subject"] = .string(limit.subject.text)
        details["metric"] = .string(limit.metric.name)
        details["amount"] = .string(limit.metric.text(limit.amount))
        details["period"] = .string(limit.period.name)
        details["mode"] = .string(limit.mode.name)
        details["partition_by"] = .string(limit.partition.name)
        details["routes"] = .array(limit.match.routes.map { .string($0.description) })
        details["models"] = .array(limit.match.models.map { .string($0.description) })
        details["tags"] = .array(limit.match.tags.map { .string($0) })
        details["thresholds"] = .array(limit.thresholds.map { .number(JSONNumber(Int64($0))) })
        if let increase = limit.increase {
            details["increase"] = .string(
                "\(limit.metric.text(increase.amount)) until \(increase.expires)")
        }
        return .object(details)
    }
}

extension LimitChange {
    fileprivate func apply(to limit: inout Limit, at now: Timestamp) throws(OperationError) {
        limit.name = name ?? limit.name
        limit.match = match ?? limit.match
        if let amount { limit.amount = try LimitOperations.amount(amount, limit.metric, at: "/amount") }
        limit.mode = mode ?? limit.mode
        limit.thresholds = thresholds ?? limit.thresholds
        switch increase {
        case .keep: break
        case .clear: limit.increase = nil
        case .set(let new):
            let amount = try LimitOperations.amount(new.amount, limit.metric, at: "/increase/amount")
            guard (1...Limit.maximumAmount).contains(amount) else {
                throw .invalid([
                    ValidationError(
                        "/increase/amount", .outOfRange, "must be above 0 and at most 10^18 units")
                ])
            }
            guard new.expires > now else {
                throw .invalid([
                    ValidationError("/increase/expires_at", .outOfRange, "must lie in the future")
                ])
            }
            limit.increase = LimitIncrease(amount: amount, expires: new.expires)
        }
    }
}

extension LimitSubject {
    /// The kind, and whom: `key key_01h…`.
    package var text: String {
        switch self {
        case .tenant: "tenant"
        case .workspace(let id): "workspace \(id)"
        case .group(let id): "group \(id)"
        case .user(let id): "user \(id)"
        case .key(let id): "key \(id)"
        }
    }
}
