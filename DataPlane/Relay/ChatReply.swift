import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Guarding
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Transport

/// One chat completion under way: what became of it so far, and the memory that takes. Used again for other
/// calls. Loop thread.
final class ChatReply {
    /// What is left to send once the usage is durable.
    enum Rest {
        /// Nothing: the client is gone.
        case nothing
        /// A whole answer; the bytes lie in `body` or in the upstream's buffer.
        case plain(UnsafeRawBufferPointer)
        /// The end of a stream in OpenAI's chat format.
        case terminator
        /// The end of a stream that is translated.
        case lastWords
        /// The last part of an answer that is passed on as it is, maybe empty; its head may be still to come.
        case passed(UnsafeRawBufferPointer)
        /// A stream made of an answer that was kept.
        case replayed([UInt8])
        case failure(CallFailure)
    }

    unowned let gateway: Gateway
    /// Where it stands among the active ones.
    var activeIndex = 0

    /// The client's side; nil between calls.
    var exchange: Exchange?
    /// The provider's side, once there is one.
    var connection: ClientConnection?
    var upstream: Upstream?
    var rest = Rest.nothing
    var attempts: UInt8 = 0
    /// The credential of the attempt under way, by its place among the upstream's.
    var credential = 0
    var isStream = false
    /// What the client wants, and in which dialect.
    var work = CallWork.generation(.openAIChat)
    /// The call free of its dialect, once a provider needs it so.
    var canonical: CanonicalCall?
    /// The wish for embeddings, once a provider needs it so.
    var embedding: CanonicalEmbedding?
    /// The stream under way, unless both sides speak OpenAI's chat format.
    var translation: StreamTranslation?
    /// The body of a translated request.
    var payload = GrowableBytes()
    /// The media type of a whole answer that is no JSON.
    var answerType: String?
    /// Members of the request that no provider was told, for a header.
    var dropped: String?
    var stream = OpenAIChatStream(wantsUsage: false)
    /// The answer's head was sent, so no status can be changed any more.
    var hasBegun = false
    /// Whether the head of a stream promised another answer on the connection.
    var keepsStreamAlive = false
    /// What is passed on as it is has to be framed in chunks.
    var passesChunks = false
    /// Content that was passed on as it is, there and back. Unit: bytes.
    var passedBytes = (request: 0, answer: 0)
    /// Where the call stands in its trace, and the provider's part of it; nil when nothing is traced.
    var trace: CallTrace?
    /// The node ended it: it is being shut down.
    private(set) var isCutShort = false
    /// How near its limits the caller is.
    private(set) var limitFields = HeaderFields()
    /// What the provider must be told of how long an answer may be.
    private(set) var told = ToldBound.none
    /// What a request is told of that, as JSON.
    var boundText = GrowableBytes()
    /// What looks at its contents; nil for most calls.
    var guards: CallGuards?
    /// What keeps what is said; nil for most calls.
    var recording: CallRecording?
    /// The request as guardrails left it; the call borrows it.
    var redacted: KeptBytes?
    /// Whether the answer is one of before, for routes with a cache.
    var cacheState: StaticString?
    /// When the request was there, on the clock itself: a turn of the loop is too coarse for this.
    private var begunAt: Int64 = 0
    /// When the attempt under way was sent; 0: none is.
    var askedAt: Int64 = 0
    /// What providers took of the time. Unit: nanoseconds.
    private var providerNanoseconds: Int64 = 0
    /// What the last of them took to begin its answer.
    private(set) var answeredAfter: Int64 = 0
    /// Two targets are being asked.
    var race: Race?
    /// Targets that were asked as well, and left when another one answered: they may charge.
    var leftTargets: [CompiledTarget] = []
    /// A provider has all of the request.
    var hasSent = false
    /// Another attempt has answered, or the client is gone: nothing of the call may be looked at any more.
    private(set) var isAbandoned = false
    /// Nobody waits for it: the client's end is not its end.
    private(set) var isDetached = false
    private(set) var startedAt: Int64 = 0
    private var firstByteAt: Int64 = 0

    var head = HeadWriter(capacity: 1024)
    var body = GrowableBytes()
    var window: StreamWindow
    /// Bytes at the window's front that wait for the client, and how many of their chunk were sent.
    var unsent: (count: Int, sent: Int)?
    /// What the provider reported inside the stream.
    var streamProblem: CallFailure?

    init(_ gateway: Gateway) {
        self.gateway = gateway
        window = StreamWindow(gateway.loop.blocks)
    }

    func begin(_ exchange: Exchange, at begunAt: Int64) {
        self.exchange = exchange
        rest = .nothing
        attempts = 0
        isStream = false
        work = .generation(.openAIChat)
        hasBegun = false
        isCutShort = false
        isAbandoned = false
        isDetached = false
        hasSent = false
        startedAt = gateway.loop.now
        self.begunAt = begunAt
        (askedAt, providerNanoseconds, answeredAfter) = (0, 0, 0)
        firstByteAt = 0
        passedBytes = (0, 0)
        trace = gateway.tracer.map { CallTrace($0, exchange) }
    }

    /// Makes it ask one target for another reply's call.
    func begin(besides other: ChatReply, isDetached: Bool = false) {
        exchange = other.exchange
        rest = .nothing
        attempts = 0
        isStream = other.isStream
        work = other.work
        hasBegun = false
        isCutShort = false
        isAbandoned = false
        self.isDetached = isDetached
        hasSent = false
        startedAt = isDetached ? gateway.loop.now : other.startedAt
        firstByteAt = 0
        trace = nil
        told = other.told
        guards = other.guards
        recording = isDetached ? nil : other.recording
    }

    /// Gives up what it asks, if it still does.
    func abandon() {
        isAbandoned = true
        exchange = nil
        connection?.connection.abort()
    }

    /// What the call's limits ask of it.
    func take(_ claims: CallClaims, _ bound: OutputBound = .none) {
        told = ToldBound(claims, bound)
        if !claims.claims.isEmpty { limitFields = gateway.limitFields(claims) }
    }

    func end() {
        if !limitFields.isEmpty { limitFields = HeaderFields() }
        connection?.finish()
        connection = nil
        upstream = nil
        exchange = nil
        // Most calls have none of these, and some are large.
        if case .some = canonical { canonical = nil }
        if case .some = embedding { embedding = nil }
        if case .some = translation { translation = nil }
        if dropped != nil { dropped = nil }
        if answerType != nil { answerType = nil }
        if guards != nil { guards = nil }
        if recording != nil { recording = nil }
        if redacted != nil { redacted = nil }
        cacheState = nil
        if !leftTargets.isEmpty { leftTargets.removeAll() }
        window.keep(0)
        payload.removeAll(keeping: 0)
        unsent = nil
        body.removeAll(keeping: 64 * 1024)
    }

    /// Ends the call because the node must go.
    func cutShort() {
        isCutShort = true
        race?.pause.end()
        connection?.connection.abort()
    }

    /// The client hung up, and its upstream was aborted for it.
    var isClientGone: Bool { exchange.map { $0.connection.peerHungUp || $0.connection.isEnded } ?? true }

    func noteFirstByte() {
        if firstByteAt == 0 { firstByteAt = gateway.loop.now }
        noteAnswered()
    }

    /// The provider has done its part of the attempt, or failed to.
    func noteAnswered() {
        if askedAt == 0 { return }
        answeredAfter = monotonicNanoseconds() - askedAt
        providerNanoseconds += answeredAfter
        askedAt = 0
    }

    /// What the gateway itself took of the call's time so far, waiting between attempts included. Unit:
    /// microseconds.
    var overheadMicroseconds: Int {
        Int(max(0, monotonicNanoseconds() - begunAt - providerNanoseconds) / 1000)
    }

    /// From the request to the first byte. Unit: nanoseconds.
    var waited: Int64 { max(0, firstByteAt - startedAt) }

    /// An attempt failed; the next one begins to wait anew.
    func forgetFirstByte() { firstByteAt = 0 }

    @inline(never)
    func outcome(
        _ ending: UsageEvent.Ending, _ target: CompiledTarget, usage: TokenUsage = .zero,
        isEstimated: Bool = false, status: Int = 200, error: ErrorCode? = nil
    ) -> CallOutcome {
        let now = gateway.loop.now
        if firstByteAt == 0 { firstByteAt = now }
        return CallOutcome(
            target: target, usage: usage, isEstimated: isEstimated, ending: ending, error: error,
            status: UInt16(truncatingIfNeeded: status), isStream: isStream, attempts: attempts,
            latencyMicroseconds: Self.microseconds(now - startedAt),
            firstByteMicroseconds: Self.microseconds(firstByteAt - startedAt))
    }

    /// The call failed: what the client will be told, and what the books say.
    @inline(never)
    func fail(
        _ failure: CallFailure, _ target: CompiledTarget, usage: TokenUsage = .zero, isEstimated: Bool = false
    ) -> CallOutcome {
        var failure = failure
        if failure.code == .draining, isClientGone, !isCutShort {
            // Nobody is there to be told.
            rest = .nothing
            return outcome(
                .clientGone, target, usage: usage, isEstimated: true, status: hasBegun ? 200 : 499)
        }
        if isCutShort {
            failure = CallFailure(.draining)
            failure.ending = .nodeKilled
        }
        rest = .failure(failure)
        return outcome(
            failure.ending, target, usage: usage, isEstimated: isEstimated,
            status: hasBegun ? 200 : failure.status, error: failure.code)
    }

    private static func microseconds(_ nanoseconds: Int64) -> UInt32 { UInt32(clamping: nanoseconds / 1000) }
}
