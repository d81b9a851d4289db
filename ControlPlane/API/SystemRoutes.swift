import Domain
import HTTPWire
import JSONText
import Operations
import Telemetry

/// What a load balancer, a scraper or a client asks before anybody signs in.
enum SystemRoutes {
    static let all: [AdminRoute] = [
        .one(
            .get, "/health/live", .public(reason: "a supervisor has no credentials."), "health.live",
            "Whether the process runs", answers: .health
        ) { _ throws(OperationError) in Health(status: "live") },
        .one(
            .get, "/health/ready", .public(reason: "a load balancer has no credentials."), "health.ready",
            "Whether requests can be served; 503 when not", answers: .health
        ) { call throws(OperationError) in
            let unready = await call.surroundings.unreadyParts()
            guard unready.isEmpty else {
                throw OperationError(
                    .unavailable, detail: "Not ready: \(unready.joined(separator: ", ")).",
                    retryAfterSeconds: 2)
            }
            return Health(status: "ready")
        },
        AdminRoute(
            method: .get, path: "/metrics",
            access: .public(reason: "scrapers have no credentials; the listener is not for the public."),
            operationID: "metrics.get", summary: "Metrics in the Prometheus text format", query: nil,
            body: nil,
            answer: AnswerShape(status: 200, content: .text(mediaType: "text/plain"))
        ) { call throws(OperationError) in
            let text = call.surroundings.metrics.text()
            return Answer(status: 200, mediaType: MetricsRegistry.mediaType, body: Array(text.utf8))
        },
        AdminRoute(
            method: .get, path: "/api/openapi.json",
            access: .public(reason: "it describes the API and holds nothing of any tenant."),
            operationID: "openapi.get", summary: "This description", query: nil, body: nil,
            answer: AnswerShape(status: 200, content: .text(mediaType: "application/json"))
        ) { _ throws(OperationError) in
            Answer(status: 200, mediaType: "application/json", body: RouteTable.openAPI)
        },
    ]
}

/// How the program is.
struct Health: Sendable {
    let status: String
}

extension Representation<Health> {
    static let health = Representation(
        "Health", [.init("status", .words(["live", "ready"]), "What was asked for.") { .string($0.status) }])
}
