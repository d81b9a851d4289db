import Domain
import HTTPWire
import Operations

enum RouteRoutes {
    private static let base = "/api/v1/tenants/{tenant}/routes"

    static let all: [AdminRoute] = [
        .list(
            base, .needs(.routesRead, in: .tenant), "routes.list", "List routes", query: RouteQuery.fields,
            of: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.list(
                in: try call.tenant, where: try RouteQuery.value(call.query), try call.page,
                by: try call.caller)
        },
        .write(
            .post, base, .needs(.routesCreate, in: .tenant), "routes.create", "Create a route",
            body: RouteBody.new, status: 201, answers: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.create(
                try RouteBody.new(call.body), in: try call.tenant, by: try call.caller)
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
                try call.route, try RouteBody.change(call.body), in: try call.tenant, by: try call.caller)
        },
        .write(
            .delete, "\(base)/{route}", .needs(.routesDelete, in: .tenant), "routes.delete",
            "Delete a route", answers: .route
        ) { call throws(OperationError) in
            try await call.operations.routes.delete(
                try call.route, in: try call.tenant, by: try call.caller)
        },
        .one(
            .post, "/api/v1/tenants/{tenant}/explain", .needs(.routesRead, in: .tenant), "routes.explain",
            "Say what a node would do with a call, and what it would cost", body: ExplainBody.shape,
            answers: .explanation
        ) { call throws(OperationError) in
            try await call.operations.explanations.explain(
                try ExplainBody.value(call.body), in: try call.tenant, by: try call.caller)
        },
    ]
}
