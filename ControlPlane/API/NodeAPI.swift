import Contract
import Domain
package import EventLoops
package import HTTPServing
package import HTTPWire
package import Ingest
import Operations
package import Publishing
package import Telemetry
import Transport

/// The node listener of one loop: join, renew, stream, objects, usage, contents, status, grants. Loop thread.
///
/// A node is who its client certificate's key is registered for; only joining and renewing go without a
/// certificate, and are signed instead.
package final class NodeAPI {
    /// What a listener works with; all of it lives on its loop, except `streams`.
    package struct Parts {
        package let loop: EventLoop
        package let registry: NodeRegistry
        package let enroller: NodeEnroller
        package let reports: NodeReports
        package let objects: SnapshotObjects
        package let ingest: UsageIngest
        package let contents: ContentIngest
        package let lender: GrantLender
        package let streams: SnapshotStreams
        package let log: Log
        package let metrics: MetricsRegistry

        package init(
            loop: EventLoop, registry: NodeRegistry, enroller: NodeEnroller, reports: NodeReports,
            objects: SnapshotObjects, ingest: UsageIngest, contents: ContentIngest, lender: GrantLender,
            streams: SnapshotStreams, log: Log, metrics: MetricsRegistry
        ) {
            self.loop = loop
            self.registry = registry
            self.enroller = enroller
            self.reports = reports
            self.objects = objects
            self.ingest = ingest
            self.contents = contents
            self.lender = lender
            self.streams = streams
            self.log = log
            self.metrics = metrics
        }
    }

    private enum Endpoint { case join, renew, stream, object, usage, contents, status, grants }

    private static let maximumMessage = 64 << 10
    private static let maximumStatus = 16 << 10

    let parts: Parts
    var streamAdmission = StreamAdmission()
    private let matcher: RouteMatcher<Endpoint>
    private let requests: Counter

    package init(_ parts: Parts) throws(RoutePatternError) {
        self.parts = parts
        var matcher = RouteMatcher<Endpoint>()
        try matcher.add(.post, NodeProtocol.joinPath, .join)
        try matcher.add(.post, NodeProtocol.renewPath, .renew)
        try matcher.add(.get, NodeProtocol.streamPath, .stream)
        try matcher.add(.get, NodeProtocol.objectsPath + "{address}", .object)
        try matcher.add(.post, NodeProtocol.usagePath, .usage)
        try matcher.add(.post, NodeProtocol.contentsPath, .contents)
        try matcher.add(.post, NodeProtocol.statusPath, .status)
        try matcher.add(.post, NodeProtocol.grantsPath, .grants)
        self.matcher = matcher
        requests = parts.metrics.counter(
            "eclusa_node_requests_total", help: "Requests of nodes.", labels: ["endpoint", "status"])
    }

    /// Serves one request.
    package func handle(_ exchange: Exchange) async {
        switch matcher.match(exchange.method, exchange.path) {
        case .notFound: await refuse(exchange, .notFound, "none")
        case .methodNotAllowed(let allowed): await refuse(exchange, .methodNotAllowed, "none", allow: allowed)
        case .found(let endpoint, let parameters):
            do throws(Refusal) {
                try await serve(endpoint, parameters, exchange)
            } catch {
                await refuse(
                    exchange, error.code, "\(endpoint)", error.detail, retryAfter: error.retryAfterSeconds)
            }
        }
    }

    /// An answer that is an error of the catalogue.
    struct Refusal: Error {
        let code: ErrorCode
        var detail: String?
        var retryAfterSeconds: Int?

        init(_ code: ErrorCode, _ detail: String? = nil, retryAfterSeconds: Int? = nil) {
            self.code = code
            self.detail = detail
            self.retryAfterSeconds = retryAfterSeconds
        }
    }

    private func serve(
        _ endpoint: Endpoint, _ parameters: RouteParameters, _ exchange: Exchange
    ) async throws(Refusal) {
        switch endpoint {
        case .join: try await join(exchange)
        case .renew: try await renew(exchange)
        case .stream: try await stream(exchange)
        case .object: try await object(parameters["address"] ?? "", exchange)
        case .usage: try await usage(exchange)
        case .contents: try await contents(exchange)
        case .status: try await status(exchange)
        case .grants: try await grants(exchange)
        }
    }

    /// Who the other end has proved to be.
    func node(_ exchange: Exchange, _ freshness: NodeRegistry.Freshness) async throws(Refusal) -> Node {
        guard let key = exchange.connection.peerCertificateKey else {
            throw Refusal(.nodeUnknown, "this needs the node's client certificate")
        }
        do throws(NodeRefusal) { return try await parts.registry.node(identityKey: key, freshness) } catch {
            throw Refusal(error.errorCode)
        }
    }

    private func body(_ exchange: Exchange, limit: Int) async throws(Refusal) -> [UInt8] {
        do throws(RequestError) { return [UInt8](try await exchange.readBody(limit: limit)) } catch {
            throw Refusal(error == .tooLarge ? .payloadTooLarge : .badRequest)
        }
    }

    // MARK: Answers

    func respond(
        _ exchange: Exchange, _ endpoint: String, status: Int = 200, type: String, _ body: [UInt8],
        _ fields: HeaderFields = ["cache-control": "no-store"]
    ) async {
        var fields = fields
        fields.append("content-type", type)
        try? await exchange.respond(status: status, fields: fields, body: body)
        count(endpoint, status)
    }

    func count(_ endpoint: String, _ status: Int) { requests.cell(endpoint, String(status)).add() }

    private func refuse(
        _ exchange: Exchange, _ code: ErrorCode, _ endpoint: String, _ detail: String? = nil,
        allow: [HTTPMethod] = [], retryAfter: Int? = nil
    ) async {
        var fields: HeaderFields = ["cache-control": "no-store"]
        if !allow.isEmpty { fields.append("allow", allow.map(\.description).joined(separator: ", ")) }
        if code.status == 503 || retryAfter != nil { fields.append("retry-after", String(retryAfter ?? 1)) }
        let document = ErrorEdge.document(
            OperationError(code, detail: detail), requestID: exchange.requestID.description)
        await respond(exchange, endpoint, status: code.status, type: ErrorEdge.mediaType, document, fields)
    }

    // MARK: Enrollment

    private func join(_ exchange: Exchange) async throws(Refusal) {
        let bytes = try await body(exchange, limit: Self.maximumMessage)
        let request: JoinRequest
        do throws(MessageError) { request = try JoinRequest(json: bytes) } catch {
            throw Refusal(.invalidRequest, error.description)
        }
        do throws(NodeEnroller.Refusal) {
            let credentials = try await parts.enroller.join(request)
            await respond(exchange, "join", type: "application/json", credentials.json)
        } catch { throw Refusal(error.errorCode) }
    }

    private func renew(_ exchange: Exchange) async throws(Refusal) {
        let bytes = try await body(exchange, limit: Self.maximumMessage)
        let request: RenewRequest
        do throws(MessageError) { request = try RenewRequest(json: bytes) } catch {
            throw Refusal(.invalidRequest, error.description)
        }
        do throws(NodeEnroller.Refusal) {
            let credentials = try await parts.enroller.renew(request)
            await respond(exchange, "renew", type: "application/json", credentials.json)
        } catch { throw Refusal(error.errorCode) }
    }

    // MARK: Usage and status

    private func usage(_ exchange: Exchange) async throws(Refusal) {
        let node = try await node(exchange, .now)
        let bytes = try await body(exchange, limit: UsageBatch.maximumBytes)
        switch await parts.ingest.take(bytes, from: node.id) {
        case .answer(let answer):
            await respond(
                exchange, "usage", status: answer.status, type: NodeProtocol.answerType, answer.encoded)
        case .invalid(let reason): throw Refusal(.batchInvalid, reason)
        case .foreign: throw Refusal(.batchInvalid, "it was sealed by another node")
        case .unavailable: throw Refusal(.unavailable, retryAfterSeconds: 2)
        }
    }

    private func contents(_ exchange: Exchange) async throws(Refusal) {
        let node = try await node(exchange, .recent)
        let bytes = try await body(exchange, limit: CallContentBatch.maximumBytes)
        switch await parts.contents.take(bytes, from: node.id) {
        case .stored: break
        case .invalid(let reason): throw Refusal(.badRequest, reason)
        case .unavailable: throw Refusal(.unavailable, retryAfterSeconds: 2)
        }
        try? await exchange.respond(status: 204)
        count("contents", 204)
    }

    private func grants(_ exchange: Exchange) async throws(Refusal) {
        let node = try await node(exchange, .recent)
        let bytes = try await body(exchange, limit: GrantExchange.maximumBytes)
        switch await parts.lender.take(bytes, from: node.id) {
        case .answer(let answer):
            await respond(exchange, "grants", type: GrantExchange.answerType, answer.encoded)
        case .invalid(let reason): throw Refusal(.badRequest, reason)
        case .refused: throw Refusal(.nodeRevoked)
        case .unavailable: throw Refusal(.unavailable, retryAfterSeconds: 1)
        }
    }

    private func status(_ exchange: Exchange) async throws(Refusal) {
        let node = try await node(exchange, .now)
        let bytes = try await body(exchange, limit: Self.maximumStatus)
        let status: NodeStatus
        do throws(MessageError) { status = try NodeStatus(json: bytes) } catch {
            throw Refusal(.invalidRequest, error.description)
        }
        switch await parts.reports.keep(status, of: node) {
        case .kept: break
        case .duplicate: throw Refusal(.nodeDuplicate)
        case .unavailable: throw Refusal(.unavailable, retryAfterSeconds: 2)
        }
        try? await exchange.respond(status: 204)
        count("status", 204)
    }
}
