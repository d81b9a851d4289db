import Domain
import EventLoops
import Feed
import HTTPServing
import HTTPWire
import JSONText
import Policy
import Telemetry
import Transport

/// What operators and their tools ask a node, on an address of its own: is it alive, is it ready, what does
/// it do.
final class OperationsSurface {
    let address: SocketAddress
    private let server: HTTPServer
    private let state: State

    /// What the answers are made of.
    final class State {
        let snapshots: LiveSnapshots
        let metrics: MetricsRegistry
        let clock: WallClock
        /// Set once the node has joined.
        var node: NodeID?
        /// Calls can be taken: the listeners are open and nobody asked to stop.
        var isServing = false

        init(snapshots: LiveSnapshots, metrics: MetricsRegistry, clock: WallClock) {
            self.snapshots = snapshots
            self.metrics = metrics
            self.clock = clock
        }
    }

    init(_ state: State, loop: EventLoop, listening wanted: SocketAddress) throws(SystemError) {
        self.state = state
        server = HTTPServer(loop: loop) { [state] in await Self.answer($0, state) }
        address = try server.listen(on: wanted)
    }

    func drain(withinNanoseconds nanoseconds: Int64) async {
        await server.drain(withinNanoseconds: nanoseconds)
    }

    private static func answer(_ exchange: Exchange, _ state: State) async {
        guard exchange.method == .get || exchange.method == .head else {
            try? await exchange.respond(status: 405, fields: ["allow": "GET, HEAD"])
            return
        }
        let json: HeaderFields = ["content-type": "application/json", "cache-control": "no-store"]
        switch exchange.path {
        case "/health/live":
            try? await exchange.respond(status: 200, fields: json, text: #"{"status":"alive"}"#)
        case "/health/ready":
            let (isReady, body) = readiness(state)
            var fields = json
            if !isReady { fields.append("retry-after", "1") }
            try? await exchange.respond(status: isReady ? 200 : 503, fields: fields, body: body)
        case "/metrics":
            try? await exchange.respond(
                status: 200, fields: ["content-type": MetricsRegistry.mediaType], text: state.metrics.text())
        case "/debug/snapshot":
            try? await exchange.respond(status: 200, fields: json, body: snapshot(state))
        default:
            try? await exchange.respond(
                status: 404, fields: json,
                text: #"{"status":"not_found","paths":["/health/live","/health/ready","/metrics","#
                    + #""/debug/snapshot"]}"#)
        }
    }

    private static func readiness(_ state: State) -> (isReady: Bool, body: [UInt8]) {
        let reason: String? =
            !state.snapshots.isReady
            ? "no configuration from the control plane yet" : !state.isServing ? "not serving" : nil
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("status", reason == nil ? "ready" : "not_ready")
            if let reason { writer.field("reason", reason) }
        }
        return (reason == nil, writer.bytes)
    }

    private static func snapshot(_ state: State) -> [UInt8] {
        let now = state.clock.now()
        let current = state.snapshots.current
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("node", state.node.map { "\($0)" })
            writer.field("version", current.map { "\($0.version)" })
            writer.field("keys", current?.compiled.keyCount)
            writer.field("issued_at", state.snapshots.issuedAt.map { "\($0)" })
            writer.field(
                "age_seconds", state.snapshots.issuedAt.map { now.microseconds(since: $0) / 1_000_000 })
            writer.field("stale", state.snapshots.isStale(at: now))
        }
        return writer.bytes
    }
}
