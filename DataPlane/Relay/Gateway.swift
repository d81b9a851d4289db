import Admission
import Contract
import Dialects
package import Domain
package import EventLoops
package import Feed
import Glibc
package import Grants
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
        /// Whose word about a client's address is taken.
        package var trustedProxies = TrustedProxies.none
        /// Where this node stands, by its join token.
        package var region: String?
        package init() {}
    }

    let loop: EventLoop
    let live: LiveSnapshot
    let recorder: UsageRecorder
    let grants: GrantPort
    let clock: WallClock
    let limits: Limits
    let log: Log
    let meters: CallMeters
    let tracer: Tracer?
    let admission: Admission
    let routing: Routing
    let upstreams: UpstreamTable
    let answers: AnswerCache
    let webhooks: GuardrailWebhooks
    var spareReplies: [ChatReply] = []
    /// Copies of calls under way.
    var mirrors: [ObjectIdentifier: ChatReply] = [:]
    private var activeReplies: [ChatReply] = []
    /// Calls are refused: the node is about to end.
    package private(set) var isDraining = false

    package init(
        loop: EventLoop, live: LiveSnapshot, recorder: UsageRecorder, grants: GrantPort,
        calling: UpstreamCalling, clock: WallClock, limits: Limits = Limits(), log: Log,
        metrics: MetricsRegistry, tracer: Tracer? = nil, answers: AnswerCache = AnswerCache()
    ) {
        self.loop = loop
        self.live = live
        self.recorder = recorder
        self.grants = grants
        self.clock = clock
        self.limits = limits
        self.log = log
        meters = CallMeters(metrics)
        self.tracer = tracer
        self.answers = answers
        var random = SystemRandomNumberGenerator()
        admission = Admission(seed: random.next())
        routing = Routing(seed: random.next())
        upstreams = UpstreamTable(calling)
        webhooks = GuardrailWebhooks(calling, log: log)
    }

    /// Calls that hold a permit now.
    package var callsInFlight: Int { admission.inFlight }

    /// Answers one request of an application.
    package func handle(_ exchange: Exchange) async {
        let path = exchange.pathBytes
        if Self.isEqual(path, "/v1/chat/completions") {
            guard exchange.method == .post else { return await refuse(exchange, .notAllowed("POST")) }
            return await complete(.generation(.openAIChat), exchange)
        }
        if exchange.path.hasPrefix(Passage.prefix) { return await passThrough(exchange) }
        let place = CallPlace(exchange)
        let dialect = place.dialect ?? CallPlace.speaker(exchange)
        if case .nothing = place {
            let message = "There is nothing at \(exchange.path).".bounded
            return await refuse(exchange, CallFailure(.notFound, message: message), in: dialect)
        }
        guard place.takes(exchange.method) else {
            return await refuse(exchange, .notAllowed(place.methods), in: dialect)
        }
        switch place {
        case .work(let work, let model, let isStream):
            await complete(work, exchange, model: model, isStream: isStream)
        case .tokenCount(_, let model): await countTokens(exchange, in: dialect, of: model)
        case .models(_, let name): await listModels(exchange, in: dialect, named: name)
        case .modelDescription: await describeModel(exchange)
        case .ollamaVersion: await tellOllamaVersion(exchange)
        case .nothing: break
        }
    }

    /// Ends the calls under way, each with an error in its dialect; their usage is settled.
    package func endCalls() {
        isDraining = true
        for reply in activeReplies { reply.cutShort() }
        for mirror in mirrors.values { mirror.abandon() }
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
        let client = limits.trustedProxies.client(of: exchange)
        let limit = limits.maximumStaleSeconds * 1_000_000
        let isOverdue = live.statedAt.map { now.microseconds(since: $0) > limit } ?? true
        return CallOrigin(
            address: NetworkAddress(high: client.high, low: client.low), region: limits.region,
            isOverdue: isOverdue)
    }

    func refuse(
        _ exchange: Exchange, _ failure: CallFailure, in dialect: ClientDialect = .openAI
    ) async {
        if failure.ending == .clientGone { return }
        meters.noteRefusal(failure.code, status: failure.status)
        noteRefusal(exchange, failure)
        traceRefusal(exchange, failure)
        log.debug(
            "call refused",
            [
                "request_id": "\(exchange.requestID)", "code": LogValue(failure.code.code),
                "status": LogValue(failure.status),
            ])
        await RefusalEdge.answer(exchange, with: failure, in: dialect)
    }

    /// For the report of the key's tenant, when the caller knows the key's secret.
    private func noteRefusal(_ exchange: Exchange, _ failure: CallFailure) {
        guard let refusals = recorder.refusals, let snapshot = live.current?.compiled,
            let bearer = bearer(exchange), let key = identify(bearer, in: snapshot)
        else { return }
        refusals.note(
            failure.code, status: failure.status, of: key.id, in: key.workspace, key.tenant, at: clock.now(),
            request: "\(exchange.requestID)")
    }

    func takeReply(_ exchange: Exchange, begunAt: Int64) -> ChatReply {
        let reply = spareReplies.popLast() ?? ChatReply(self)
        reply.begin(exchange, at: begunAt)
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
