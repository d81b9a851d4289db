import Domain
import EventLoops
package import HTTPServing
package import HTTPWire
import JSONText
package import Operations
package import Telemetry
import Transport

/// The admin API of one loop: finds the route, knows the caller, reads the request by its shapes, runs the
/// handler and answers. Everything about a route comes from its `AdminRoute`. Loop thread.
package final class AdminAPI {
    /// The largest body any route takes. Unit: bytes.
    package static let maximumBodyBytes = 1 << 20

    private let operations: Operations
    private let surroundings: Surroundings
    private let matcher: RouteMatcher<AdminRoute>
    private let log: Log
    private let metrics: AdminMetrics

    /// Throws when two routes of the table have the same method and path.
    package init(
        operations: Operations, surroundings: Surroundings, log: Log, routes: [AdminRoute] = RouteTable.all
    ) throws(RoutePatternError) {
        self.operations = operations
        self.surroundings = surroundings
        self.log = log
        metrics = AdminMetrics(surroundings.metrics)
        var matcher = RouteMatcher<AdminRoute>()
        for route in routes { try matcher.add(route.method, route.path, route) }
        self.matcher = matcher
    }

    /// Serves one request.
    package func handle(_ exchange: Exchange) async {
        let start = monotonicNanoseconds()
        let requestID = exchange.requestID.description
        let operation: String
        var reply: Reply
        switch matcher.match(exchange.method, exchange.path) {
        case .notFound:
            operation = "none"
            reply = .failure(.notFound, requestID: requestID)
        case .methodNotAllowed(let allowed):
            operation = "none"
            reply = .failure(OperationError(.methodNotAllowed), allow: allowed, requestID: requestID)
        case .found(let route, let parameters):
            operation = route.operationID
            do throws(OperationError) {
                reply = .success(try await run(route, parameters, exchange))
            } catch {
                note(error, operation, requestID)
                reply = .failure(error, requestID: requestID)
            }
        }
        reply.fields.append("cache-control", "no-store")
        reply.fields.append("x-content-type-options", "nosniff")
        reply.fields.append("referrer-policy", "no-referrer")
        reply.fields.append("content-security-policy", "default-src 'none'; frame-ancestors 'none'")
        if let parts = reply.parts {
            await stream(parts, reply, exchange, operation)
        } else {
            try? await exchange.respond(status: reply.status, fields: reply.fields, body: reply.body)
        }
        metrics.count(operation, status: reply.status, nanoseconds: monotonicNanoseconds() - start)
    }

    /// Sends an answer part by part. Without its end the client sees a cut: that is how it learns of a
    /// failure.
    private func stream(
        _ parts: () async throws(OperationError) -> [UInt8]?, _ reply: Reply, _ exchange: Exchange,
        _ operation: String
    ) async {
        let requestID = exchange.requestID.description
        var piece = GrowableBytes()
        do {
            try await exchange.startStreaming(status: reply.status, fields: reply.fields)
            while let part = try await parts() {
                piece.removeAll()
                part.withUnsafeBytes { piece.append($0) }
                try await exchange.write(piece.view)
            }
            try await exchange.finish()
        } catch let error as OperationError {
            note(error, operation, requestID)
        } catch {
            log.info("a client left before the end of its answer", ["request_id": "\(requestID)"])
        }
    }

    private func run(
        _ route: AdminRoute, _ parameters: RouteParameters, _ exchange: Exchange
    ) async throws(OperationError) -> Answer {
        let origin = RequestOrigin(
            requestID: exchange.requestID.description, address: exchange.connection.peer.address.description,
            userAgent: exchange.fieldText("user-agent") ?? "")
        // Who before what: nobody learns about shapes and limits of things they cannot reach.
        var caller: Caller?
        if case .public = route.access {
        } else {
            caller = try await operations.sessions.authenticate(try bearer(exchange), from: origin)
        }
        let query = try RequestReader.query(exchange.query, by: route.query)
        let body = try await RequestReader.body(of: exchange, by: route.body)
        return try await route.handle(
            Call(
                operations: operations, origin: origin, query: query, body: body, signedIn: caller,
                parameters: parameters, surroundings: surroundings))
    }

    /// The token of `Authorization: Bearer …` (RFC 6750 §2.1; the scheme compares without case).
    private func bearer(_ exchange: Exchange) throws(OperationError) -> String {
        guard let field = exchange.fieldText(.authorization) else { throw .unauthenticated }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw .unauthenticated }
        return String(parts[1])
    }

    /// What the caller does not get to see goes to the log, under the request's id.
    private func note(_ error: OperationError, _ operation: String, _ requestID: String) {
        guard error.code.status >= 500 else { return }
        log.error(
            "an admin request failed",
            [
                "operation": "\(operation)", "code": "\(error.code.code)", "request_id": "\(requestID)",
                "detail": "\(error.privateDetail)",
            ])
    }
}

/// A complete answer, whatever it came from.
private struct Reply {
    var status: Int
    var fields: HeaderFields
    var body: [UInt8]
    var parts: (() async throws(OperationError) -> [UInt8]?)?

    static func success(_ answer: Answer) -> Reply {
        var fields = HeaderFields()
        if !answer.mediaType.isEmpty { fields.append("content-type", answer.mediaType) }
        if let change = answer.change { fields.append("eclusa-change", change.description) }
        if let name = answer.fileName {
            fields.append("content-disposition", "attachment; filename=\"\(name)\"")
        }
        return Reply(status: answer.status, fields: fields, body: answer.body, parts: answer.parts)
    }

    static func failure(_ error: OperationError, allow: [HTTPMethod] = [], requestID: String) -> Reply {
        var fields = ErrorEdge.fields(error, allow: allow)
        fields.append("content-type", ErrorEdge.mediaType)
        return Reply(
            status: ErrorEdge.status(error), fields: fields,
            body: ErrorEdge.document(error, requestID: requestID))
    }
}
