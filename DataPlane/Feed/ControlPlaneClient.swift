import Contract
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Transport

/// Why the control plane did not do what was asked.
enum ControlPlaneError: Error, Sendable, Equatable, CustomStringConvertible {
    /// No answer: it, or the way to it, is down.
    case unreachable(String)
    /// It answered no.
    case refused(status: Int, code: String, retryAfterNanoseconds: Int64?)
    /// It answered something that cannot be understood.
    case unusable(String)

    var description: String {
        switch self {
        case .unreachable(let reason): "the control plane cannot be reached: \(reason)"
        case .refused(let status, let code, _): "the control plane refused: \(status) \(code)"
        case .unusable(let reason): "the control plane's answer cannot be used: \(reason)"
        }
    }

    init(_ error: CallError) { self = .unreachable("\(error)") }
}

/// The node's side of the node protocol. Loop thread.
///
/// The control plane must show a certificate of the pinned authority. Joining and renewing go without a
/// client certificate, because their requests are signed; everything else shows the node's.
final class ControlPlaneClient {
    private static let timeoutNanoseconds: Int64 = 20_000_000_000
    private static let maximumAnswer = GrantExchange.maximumBytes

    private let client: HTTPClient
    private let base: WebAddress
    private let anonymous: TLSContext
    /// The system's authorities; nil when there are none.
    private let mirrorTLS: TLSContext?
    private let identified: TLSContext

    init(loop: EventLoop, resolver: BlockingPool, identity: NodeIdentity) throws(ControlPlaneError) {
        guard let base = WebAddress(identity.controlURL), base.isSecure else {
            throw .unusable("\(identity.controlURL) is no https address")
        }
        self.base = base
        // The operator chose this destination with the join bundle; tenants have no say in it.
        let dialer = Dialer(loop: loop, resolver: resolver, policy: .unrestricted)
        client = HTTPClient(loop: loop, dialer: dialer)
        mirrorTLS = try? TLSContext.client()
        do throws(TLSError) {
            anonymous = try TLSContext.client(trustPEM: identity.authorityPEM)
            identified = try TLSContext.client(
                trustPEM: identity.authorityPEM,
                certificateChainPEM: identity.enrolled?.credentials.certificatePEM,
                privateKeyPEM: identity.enrolled == nil ? nil : identity.identityKey.pem)
        } catch {
            throw .unusable(error.description)
        }
    }

    /// Shows a new certificate from the next connection on.
    func use(_ identity: NodeIdentity) throws(ControlPlaneError) {
        do throws(TLSError) {
            try anonymous.reloadClient(trustPEM: identity.authorityPEM)
            try identified.reloadClient(
                trustPEM: identity.authorityPEM,
                certificateChainPEM: identity.enrolled?.credentials.certificatePEM,
                privateKeyPEM: identity.identityKey.pem)
        } catch {
            throw .unusable(error.description)
        }
        client.closeIdle()
    }

    // MARK: Requests

    func join(_ request: JoinRequest) async throws(ControlPlaneError) -> NodeCredentials {
        try credentials(try await post(NodeProtocol.joinPath, "application/json", request.json, anonymous))
    }

    func renew(_ request: RenewRequest) async throws(ControlPlaneError) -> NodeCredentials {
        try credentials(try await post(NodeProtocol.renewPath, "application/json", request.json, anonymous))
    }

    private func credentials(_ response: Response) throws(ControlPlaneError) -> NodeCredentials {
        guard response.status == 200 else { throw Self.refusal(response) }
        do throws(MessageError) { return try NodeCredentials(json: response.body) } catch {
            throw .unusable(error.description)
        }
    }

    func report(_ status: NodeStatus) async throws(ControlPlaneError) {
        let response = try await post(NodeProtocol.statusPath, "application/json", status.json, identified)
        guard response.status < 300 else { throw Self.refusal(response) }
    }

    /// The answer to a usage batch, whatever it says.
    func upload(_ batch: [UInt8]) async throws(ControlPlaneError) -> (status: Int, body: [UInt8]) {
        let response = try await post(NodeProtocol.usagePath, NodeProtocol.usageType, batch, identified)
        return (response.status, response.body)
    }

    /// The status of the answer to a `CallContentBatch`, whatever it is.
    func uploadContents(_ batch: [UInt8]) async throws(ControlPlaneError) -> Int {
        try await post(NodeProtocol.contentsPath, NodeProtocol.contentsType, batch, identified).status
    }

    /// The answer to a `GrantRequest`, whatever it says.
    func exchangeGrants(_ request: [UInt8]) async throws(ControlPlaneError) -> (status: Int, body: [UInt8]) {
        let response = try await post(NodeProtocol.grantsPath, GrantExchange.requestType, request, identified)
        return (response.status, response.body)
    }

    /// A page or shard, its address proved.
    func object(
        _ address: SHA256Digest, limit: Int
    ) async throws(ControlPlaneError) -> SnapshotObject {
        let response: Response
        do throws(CallError) {
            response = try await client.request(
                .get, url(NodeProtocol.objectsPath + address.hexadecimal), tls: identified,
                timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: limit)
        } catch { throw ControlPlaneError(error) }
        guard response.status == 200 else { throw Self.refusal(response) }
        let object = SnapshotObject(bytes: response.body)
        guard object.address == address else { throw .unusable("an object is not what its address says") }
        return object
    }

    /// A file of a mirror, with no proof of who this node is. What it says proves itself.
    func plain(_ url: String, limit: Int) async throws(ControlPlaneError) -> [UInt8] {
        let response: Response
        do throws(CallError) {
            response = try await client.request(
                .get, url, tls: mirrorTLS, timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: limit)
        } catch { throw ControlPlaneError(error) }
        guard response.status == 200 else { throw Self.refusal(response) }
        return response.body
    }

    private func post(
        _ path: String, _ type: String, _ body: [UInt8], _ tls: TLSContext
    ) async throws(ControlPlaneError) -> Response {
        do throws(CallError) {
            do throws(CallError) {
                return try await send(path, type, body, tls)
            } catch  where error.isStaleConnection {
                // All posts of this protocol may be repeated: the second has the effect of the first.
                client.closeIdle()
                return try await send(path, type, body, tls)
            }
        } catch { throw ControlPlaneError(error) }
    }

    private func send(
        _ path: String, _ type: String, _ body: [UInt8], _ tls: TLSContext
    ) async throws(CallError) -> Response {
        try await client.request(
            .post, url(path), fields: ["content-type": type], body: body, tls: tls,
            timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: Self.maximumAnswer)
    }

    private func url(_ path: String) -> String { "https://\(base.authority)\(path)" }

    private static func refusal(_ response: Response) -> ControlPlaneError {
        refusal(response.status, response.fields, response.body)
    }

    private static func refusal(_ status: Int, _ fields: HeaderFields, _ body: [UInt8]) -> ControlPlaneError {
        let code = (try? JSONValue.parse(body))?["code"]?.string
        return .refused(status: status, code: code ?? "unknown", retryAfterNanoseconds: retryAfter(fields))
    }

    /// Seconds only, which is what the control plane sends; at most a minute.
    private static func retryAfter(_ fields: HeaderFields) -> Int64? {
        fields["retry-after"].flatMap(Int64.init).map { min(max($0, 0), 60) * 1_000_000_000 }
    }

    // MARK: The stream

    /// Opens the stream; its content is a run of frames. End it with `close()`.
    func openStream() async throws(ControlPlaneError) -> ClientConnection {
        guard let origin = Origin(base, tls: identified) else { throw .unusable("no https address") }
        var deadlines = CallDeadlines()
        deadlines.firstByteNanoseconds = Self.timeoutNanoseconds
        deadlines.betweenReadsNanoseconds = NodeProtocol.silenceSeconds * 1_000_000_000
        let call: ClientConnection
        do throws(CallError) {
            call = try await client.checkOut(origin, fresh: true, deadlines: deadlines)
        } catch { throw ControlPlaneError(error) }
        do throws(CallError) { try await askForStream(call) } catch {
            call.close()
            throw ControlPlaneError(error)
        }
        if call.head.status == 200 { return call }
        let fields = HeaderFields(call.head.fields, in: call.headBytes), status = call.head.status
        var body: [UInt8] = []
        while body.count < 64 << 10, let part = try? await call.nextBody() { body.append(contentsOf: part) }
        call.close()
        throw Self.refusal(status, fields, body)
    }

    private func askForStream(_ call: ClientConnection) async throws(CallError) {
        var writer = HeadWriter()
        writer.beginRequest(.get, target: NodeProtocol.streamPath)
        writer.field("host", base.authority)
        writer.field("accept", NodeProtocol.streamType)
        guard let head = writer.finish() else { throw .invalidRequest("the stream's head") }
        try await call.send(head)
        try await call.receiveHead(answering: .get)
    }
}
