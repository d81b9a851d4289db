import Domain
import HTTPWire
import JSONText
import Operations

/// The way from the console into Grafana.
enum DashboardRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/api/v1/dashboards", .needs(.nodesRead, in: .platform), "dashboards.get",
            "Get a short-lived token with which you are a viewer at Grafana", answers: .dashboards
        ) { call throws(OperationError) in try await call.operations.dashboards.access(by: try call.caller) },
        AdminRoute(
            method: .get, path: "/.well-known/jwks.json",
            access: .public(reason: "public keys, for Grafana to check the tokens with."),
            operationID: "dashboards.keys", summary: "The keys of tokens for Grafana (RFC 7517)", query: nil,
            body: nil, answer: AnswerShape(status: 200, content: .text(mediaType: "application/jwk-set+json"))
        ) { call throws(OperationError) in
            Answer(
                status: 200, mediaType: "application/jwk-set+json",
                body: call.operations.dashboards.keySet.bytes)
        },
    ]
}

extension Representation<DashboardAccess> {
    static let dashboards = Representation(
        "Dashboards",
        [
            .init("url", .text(8...512), "Where Grafana is.") { .string($0.url) },
            .init(
                "token", .text(64...2048),
                "A JSON Web Token, in the query parameter `auth_token` of Grafana's addresses.",
                isMoving: true
            ) { .string($0.token) },
            .init("expires_at", .time, "When the token stops working.", isMoving: true) { .text($0.expires) },
        ])
}
