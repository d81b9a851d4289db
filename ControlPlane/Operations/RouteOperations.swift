package import Domain
import JSONText
import Store

/// Routes: the model names applications ask for.
package struct RouteOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, _ page: PageRequest, by caller: Caller
    ) async throws(OperationError) -> ListPage<Route> {
        try await environment.read(.routesRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(try await RouteStore.list(of: tenant, page.of(Route.self), connection))
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
        in tenant: TenantID, name: String, targets: [Target], isEnabled: Bool, by caller: Caller
    ) async throws(OperationError) -> Changed<Route> {
        try check(Route.problems(name: name, targets: targets))
        let now = environment.clock.now()
        let route = Route(
            id: RouteID(at: now), tenant: tenant, name: name, targets: targets, isEnabled: isEnabled,
            createdAt: now, updatedAt: now)
        return try await environment.write("routes.create", .routesCreate, in: .tenant(tenant), by: caller) {
            connection in
            try await RouteStore.create(route, connection)
            return Recorded(route, AuditSubject("route", route.id, Self.details(route)))
        }
    }

    /// Changes what is not nil.
    package func update(
        _ id: RouteID, in tenant: TenantID, name: String?, targets: [Target]?, isEnabled: Bool?,
        by caller: Caller
    ) async throws(OperationError) -> Changed<Route> {
        try await environment.write("routes.update", .routesUpdate, in: .tenant(tenant), by: caller) {
            connection in
            var route = try found(try await RouteStore.find(id, of: tenant, connection))
            let (seen, before) = (route.updatedAt, Self.details(route))
            route.name = name ?? route.name
            route.targets = targets ?? route.targets
            route.isEnabled = isEnabled ?? route.isEnabled
            try check(Route.problems(name: route.name, targets: route.targets))
            route.updatedAt = environment.clock.now()
            guard try await RouteStore.update(route, expecting: seen, connection) else {
                throw OperationError(.preconditionFailed)
            }
            return Recorded(route, AuditSubject("route", id, from: before, to: Self.details(route)))
        }
    }

    private static func details(_ route: Route) -> JSONValue {
        [
            "name": .string(route.name), "enabled": .boolean(route.isEnabled),
            "targets": .array(
                route.targets.map {
                    [
                        "model": .string($0.model.description),
                        "weight": .number(JSONNumber(Int64($0.weight))),
                        "priority": .number(JSONNumber(Int64($0.priority))),
                    ]
                }),
        ]
    }
}
