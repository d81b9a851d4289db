import Domain
import HTTPWire
import Operations

enum RouteRoutes {
    private static let base = "/api/v1/tenants/{tenant}/routes"

    static let all: [AdminRoute] = [
        .list(base, .needs(.routesRead, in: .tenant), "routes.list", "List routes", of: .route) {
            call throws(OperationError) in
            try await call.operations.routes.list(in: try call.tenant, try call.page, by: try call.caller)
        },
        .write(
            .post, base, .needs(.routesCreate, in: .tenant), "routes.create", "Create a route",
            body: RouteBody.new, status: 201, answers: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.create(
                in: try call.tenant, name: try call.body[RouteBody.name],
                targets: try call.body[RouteBody.targets], isEnabled: try call.body[RouteBody.enabled],
                by: try call.caller)
        },
        .one(
            .get, "\(base)/{route}", .needs(.routesRead, in: .tenant), "routes.get", "Get a route",
            answers: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.get(try call.route, in: try call.tenant, by: try call.caller)
        },
        .write(
            .patch, "\(base)/{route}", .needs(.routesUpdate, in: .tenant), "routes.update", "Change a route",
            body: RouteBody.change, answers: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.update(
                try call.route, in: try call.tenant, name: try call.body[RouteBody.newName],
                targets: try call.body[RouteBody.newTargets], isEnabled: try call.body[RouteBody.newEnabled],
                by: try call.caller)
        },
    ]
}
