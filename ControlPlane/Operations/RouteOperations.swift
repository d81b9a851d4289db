package import Domain
import JSONText
import PostgresDriver
import Store

/// What a new route is made of.
package struct NewRoute: Sendable {
    package var name: String
    package var targets: [Target]
    package var rules: RouteRules
    package var isEnabled: Bool

    package init(name: String, targets: [Target], rules: RouteRules = .standard, isEnabled: Bool = true) {
        self.name = name
        self.targets = targets
        self.rules = rules
        self.isEnabled = isEnabled
    }
}

/// What changes about a route; nil stays as it is.
package struct RouteChange: Sendable {
    package var name: String?
    package var targets: [Target]?
    package var strategy: RouteStrategy?
    package var affinity: RouteAffinity?
    package var retries: RetryRules?
    package var timeouts: RouteTimeouts?
    package var cache: Edit<RouteCache> = .keep
    package var untranslated: UntranslatedFields?
    package var isEnabled: Bool?

    package init() {}
}

/// Routes: the model names applications ask for.
package struct RouteOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, where filter: RouteFilter = RouteFilter(), _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<Route> {
        try await environment.read(.routesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await RouteStore.list(of: tenant, where: filter, page.of(Route.self), connection))
        }
    }

    package func get(
        _ id: RouteID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Route {
        try await environment.read(.routesRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await RouteStore.find(id, of: tenant, connection))
        }
    }

    package func create(
        _ new: NewRoute, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Route> {
        try check(Route.problems(name: new.name, targets: new.targets, rules: new.rules))
        let now = environment.clock.now()
        let route = Route(
            id: RouteID(at: now), tenant: tenant, name: new.name, targets: new.targets, rules: new.rules,
            isEnabled: new.isEnabled, createdAt: now, updatedAt: now)
        return try await environment.write("routes.create", .routesCreate, in: .tenant(tenant), by: caller) {
            connection in
            try await Self.checkTargets(route, connection)
            try await Self.checkGraph(route, connection)
            try await RouteStore.create(route, connection)
            return Recorded(route, AuditSubject("route", route.id, Self.details(route)))
        }
    }

    /// Changes what is not nil.
    package func update(
        _ id: RouteID, _ change: RouteChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Route> {
        try await environment.write("routes.update", .routesUpdate, in: .tenant(tenant), by: caller) {
            connection in
            var route = try found(try await RouteStore.find(id, of: tenant, connection))
            let (seen, before) = (route.updatedAt, Self.details(route))
            route.name = change.name ?? route.name
            route.targets = change.targets ?? route.targets
            route.isEnabled = change.isEnabled ?? route.isEnabled
            route.rules.strategy = change.strategy ?? route.rules.strategy
            route.rules.affinity = change.affinity ?? route.rules.affinity
            route.rules.retries = change.retries ?? route.rules.retries
            route.rules.timeouts = change.timeouts ?? route.rules.timeouts
            route.rules.untranslated = change.untranslated ?? route.rules.untranslated
            switch change.cache {
            case .keep: break
            case .clear: route.rules.cache = nil
            case .set(let cache): route.rules.cache = cache
            }
            try check(Route.problems(name: route.name, targets: route.targets, rules: route.rules))
            if change.targets != nil {
                try await Self.checkTargets(route, connection)
                try await Self.checkGraph(route, connection)
            }
            route.updatedAt = environment.clock.now()
            guard try await RouteStore.update(route, expecting: seen, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(route, AuditSubject("route", id, from: before, to: Self.details(route)))
        }
    }

    /// Deletes it; `in_use` while another route leads to it. Keys held to it may then call what else they are
    /// held to, or nothing.
    package func delete(
        _ id: RouteID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Route> {
        try await environment.write("routes.delete", .routesDelete, in: .tenant(tenant), by: caller) {
            connection in
            let route = try found(try await RouteStore.find(id, of: tenant, connection))
            do throws(PostgresError) {
                _ = try await RouteStore.delete(id, of: tenant, connection)
            } catch  where error.constraint == Constraint.targetRouteExists {
                throw OperationError(.inUse, detail: "Another route has it as a target.")
            }
            return Recorded(route, AuditSubject("route", id, Self.details(route)))
        }
    }

    /// Says of each target that is not there which it is. The table refuses those too that go meanwhile.
    private static func checkTargets(_ route: Route, _ connection: PostgresConnection) async throws {
        let (models, routes) = try await RouteStore.targets(of: route, connection)
        let problems = route.targets.enumerated().compactMap { index, target -> ValidationError? in
            if let model = target.model, !models.contains(model) {
                let message = "must name a model of this tenant or a shared one"
                return ValidationError("/targets/\(index)/model", .notFound, message)
            }
            if let inner = target.route, !routes.contains(inner) {
                return ValidationError(
                    "/targets/\(index)/route", .notFound, "must name a route of this tenant")
            }
            return nil
        }
        try check(problems)
    }

    /// Routes must not go in circles, nor lead to more models than a call can choose from.
    private static func checkGraph(_ route: Route, _ connection: PostgresConnection) async throws {
        let named = [route.id] + route.targets.compactMap(\.route)
        let graph = try await RouteStore.lockedGraph(of: route.tenant, with: named, connection)
        if let problem = graph.problem(with: route) { throw OperationError.invalid([problem]) }
    }

    private static func details(_ route: Route) -> JSONValue {
        [
            "name": .string(route.name), "enabled": .boolean(route.isEnabled),
            "strategy": .string(route.rules.strategy.rawValue),
            "untranslated_fields": .string(route.rules.untranslated.rawValue),
            "cache_seconds": route.rules.cache.map { .number(JSONNumber(Int64($0.seconds))) } ?? .null,
            "targets": .array(
                route.targets.map { target in
                    let name = target.model?.description ?? target.route?.description ?? ""
                    return [
                        (target.model == nil ? "route" : "model"): .string(name),
                        "use": .string(target.terms.use.rawValue),
                        "weight": .number(JSONNumber(Int64(target.terms.weight))),
                        "priority": .number(JSONNumber(Int64(target.terms.priority))),
                    ]
                }),
        ]
    }
}
