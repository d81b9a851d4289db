import Admission
import Contract
import Dialects
package import Domain
package import EventLoops
package import Feed
import Glibc
package import HTTPServing
import HTTPWire
package import Metering
import Policy
import Routing
package import Telemetry
import Transport

/// The application-facing side of the node on one loop: what a call meets, in order. Loop thread.
package final class Gateway {
    package struct Limits: Sendable {
        /// The largest request body; images travel inside it.
        package var requestBodyBytes = 64 << 20
        /// A body announced larger than this is not asked for before the key is known to be good.
        package var strangerBodyBytes = 16 * 1024
        /// The largest answer that is not a stream.
        package var answerBodyBytes = 64 << 20
        /// How long strict keys work without a word from the control plane.
        package var maximumStaleSeconds: Int64 = 7 * 86_400
        package init() {}
    }

    let loop: EventLoop
    let live: LiveSnapshot
    let recorder: UsageRecorder
    let clock: WallClock
    let limits: Limits
    let log: Log
    let meters: CallMeters
    let admission: Admission
    let routing: Routing
    let upstreams: UpstreamTable
    private var spareReplies: [ChatReply] = []
    private var activeReplies: [ChatReply] = []
    /// Calls are refused: the node is about to end.
    package private(set) var isDraining = false

    package init(
        loop: EventLoop, live: LiveSnapshot, recorder: UsageRecorder, calling: UpstreamCalling,
        clock: WallClock, limits: Limits = Limits(), log: Log, metrics: MetricsRegistry
    ) {
        self.loop = loop
        self.live = live
        self.recorder = recorder
        self.clock = clock
        self.limits = limits
        self.log = log
        meters = CallMeters(metrics)
        var random = SystemRandomNumberGenerator()
        admission = Admission(seed: random.next())
        routing = Routing(seed: random.next())
        upstreams = UpstreamTable(calling)
    }

    /// Calls that hold a permit now.
    package var callsInFlight: Int { admission.inFlight }

    /// Answers one request of an application.
    package func handle(_ exchange: Exchange) async {
        let path = exchange.pathBytes
        if Self.isEqual(path, "/v1/chat/completions") {
            guard exchange.method == .post else { return await refuse(exchange, .notAllowed("POST")) }
            return await completeChat(exchange)
        }
        if Self.isEqual(path, "/v1/models") || path.starts(with: "/v1/models/".utf8) {
            guard exchange.method == .get || exchange.method == .head else {
                return await refuse(exchange, .notAllowed("GET, HEAD"))
            }
            return await listModels(exchange)
        }
        await refuse(
            exchange, CallFailure(.notFound, message: "There is nothing at \(exchange.path).".bounded))
    }

    /// Ends the calls under way, each with an error in its dialect; their usage is settled.
    package func endCalls() {
        isDraining = true
        for reply in activeReplies { reply.cutShort() }
    }

    // MARK: Shared by the endpoints

    /// The world a call lives in, from its first byte to its last.
    func world() throws(CallFailure) -> ServingSnapshot {
        if isDraining { throw CallFailure(.draining) }
        guard let serving = live.current else { throw CallFailure(.snapshotMissing) }
        return serving
    }

    /// What admission asks about a call besides its key.
    func origin(of exchange: Exchange, at now: Timestamp) -> CallOrigin {
        let peer = exchange.connection.peer.address
        let limit = limits.maximumStaleSeconds * 1_000_000
        let isOverdue = live.statedAt.map { now.microseconds(since: $0) > limit } ?? true
        return CallOrigin(address: NetworkAddress(high: peer.high, low: peer.low), isOverdue: isOverdue)
    }

    /// The credential of `Authorization: Bearer …`; the scheme's case does not matter (RFC 9110 §11.1).
    func bearer(_ exchange: Exchange) -> UnsafeRawBufferPointer? {
        guard let value = exchange.field(.authorization), value.count > 7, value[6] == 32 else { return nil }
        // The five letters and the one after them, whatever their case.
        let scheme: StaticString = "bearer"
        for index in 0..<6 where value[index] | 0x20 != scheme.utf8Start[index] { return nil }
        return UnsafeRawBufferPointer(rebasing: value[7...])
    }

    func refuse(_ exchange: Exchange, _ failure: CallFailure) async {
        meters.noteRefusal(failure.code)
        log.debug(
            "call refused",
            [
                "request_id": "\(exchange.requestID)", "code": LogValue(failure.code.code),
                "status": LogValue(failure.status),
            ])
        await RefusalEdge.answer(exchange, with: failure)
    }

    func takeReply(_ exchange: Exchange) -> ChatReply {
        let reply = spareReplies.popLast() ?? ChatReply(self)
        reply.begin(exchange)
        reply.activeIndex = activeReplies.count
        activeReplies.append(reply)
        meters.inFlight.add(1)
        return reply
    }

    func give(_ reply: ChatReply) {
        meters.inFlight.add(-1)
        let last = activeReplies.removeLast()
        if last !== reply {
            activeReplies[reply.activeIndex] = last
            last.activeIndex = reply.activeIndex
        }
        reply.end()
        if spareReplies.count < 256 { spareReplies.append(reply) }
    }

    static func isEqual(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
        return memcmp(start, text.utf8Start, bytes.count) == 0
    }
}

extension CallFailure {
    static func notAllowed(_ methods: String) -> CallFailure {
        var failure = CallFailure(.methodNotAllowed)
        failure.allow = methods
        return failure
    }
}

extension String {
    /// Callers choose paths and names: what is repeated to them has a limit.
    var bounded: String { utf8.count <= 256 ? self : String(prefix(128)) + "…" }
}
