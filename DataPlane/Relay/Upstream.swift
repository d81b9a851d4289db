import Contract
import Cryptography
import Dialects
import Domain
import EventLoops
import Feed
package import HTTPCalling
import HTTPWire
import Policy
import Routing
package import Transport

/// A target as one loop uses it: its connections, and everything of a request and an answer that does not
/// depend on the call, rendered once. Made for one snapshot. Loop thread.
final class Upstream {
    let target: CompiledTarget
    let pool: OriginPool
    let deadlines: CallDeadlines
    /// A stream must have its first token by then; 0: no such limit.
    let firstTokenNanoseconds: Int64
    /// What becomes of members its provider's dialect has no words for.
    let untranslated: UntranslatedFields
    /// Our answers' fields about where it came from.
    let answerFields: PreparedFields
    /// The same, for answers that are errors.
    let failureFields: HeaderFields
    /// The format this provider is spoken to in, unless the caller's own is one it also knows.
    let format: ProviderFormat
    /// The request head of a chat completion in OpenAI's format up to the digits of `content-length`, one
    /// for each credential; without any, one. Empty when the provider does not speak that format.
    private let chatHeads: [Secret]
    /// Other heads up to where fields may be added, by request target.
    private var heads: [String: [Secret]] = [:]
    /// Where the share of each credential ends, in their order.
    private let shareEnds: [UInt64]
    private var calls: UInt64 = 0
    /// The upstream model's name as JSON, quotes included; does not move.
    let modelJSON: UnsafeRawBufferPointer
    private let credentials: [OpenedCredential]
    let authority: String
    /// How each credential is proven, in their order.
    let proofs: [CredentialProof]
    /// How the target does, whatever snapshot it stands in.
    let state: TargetState
    /// How the credentials do, in their order.
    private let rests: [CredentialState]

    private var entry: ProviderEntry { target.provider.entry }

    /// nil when its configuration cannot be sent.
    init?(
        _ target: CompiledTarget, of route: CompiledRoute, in serving: ServingSnapshot,
        _ calling: UpstreamCalling, _ states: UpstreamStates
    ) {
        let provider = target.provider.entry
        let format = ProviderFormat(provider.kind, model: target.entry.upstreamModel)
        let url = provider.baseURL
        let host = url.host.contains(":") ? "[\(url.host)]" : url.host
        let scheme = url.isSecure ? "https" : "http"
        guard let address = WebAddress("\(scheme)://\(host):\(url.port)/"),
            let origin = Origin(
                address, tls: calling.tls,
                proxy: provider.proxy.map { ProxyAddress(host: $0.host, port: $0.port) }),
            let fields = PreparedFields(Self.answerFields(target, of: route, in: serving))
        else { return nil }
        failureFields = Self.answerFields(target, of: route, in: serving)
        self.format = format
        authority = address.authority
        credentials = serving.credentials(of: provider.id)
        rests = credentials.map { states.credential($0.id) }
        proofs = credentials.map { credential in
            CredentialProof(
                credential, of: provider.kind, provider.options, states.credential(credential.id), calling,
                proxy: origin.proxy)
        }
        state = states.target(target)
        if route.rules.retries.hedgePercentile > 0, state.firstBytes == nil {
            state.firstBytes = FirstByteTimes()
        }
        if let path = format.chatPath(of: target) {
            let heads = Self.heads(path, provider, authority, credentials, upToLength: true)
            guard !heads.isEmpty else { return nil }
            chatHeads = heads
        } else {
            chatHeads = []
        }
        var end: UInt64 = 0
        shareEnds = credentials.map { credential in
            end += UInt64(max(1, credential.weight))
            return end
        }
        answerFields = fields
        self.target = target
        pool = calling.client.pool(for: origin)
        deadlines = Self.deadlines(route.rules.timeouts.over(provider.timeouts))
        firstTokenNanoseconds = Int64(route.rules.timeouts.firstToken ?? 0) * 1_000_000
        untranslated = route.rules.untranslated
        let model = UnsafeMutableRawBufferPointer.allocate(
            byteCount: target.upstreamModelJSON.count, alignment: 1)
        model.copyBytes(from: target.upstreamModelJSON)
        modelJSON = UnsafeRawBufferPointer(model)
    }

    deinit { modelJSON.deallocate() }

    /// Whether it takes chat completions in OpenAI's format.
    var speaksChat: Bool { !chatHeads.isEmpty }

    /// The format for this work: the caller's own if the provider knows it.
    func format(for work: CallWork) -> ProviderFormat {
        switch work {
        case .generation(.openAIResponses) where entry.kind == .openAI || entry.kind == .azureOpenAI:
            .openAIResponses
        case .generation(.openAIChat) where speaksChat, .embeddings(.openAI) where speaksChat,
            .plain where speaksChat:
            .openAIChat(.compatible)
        case .embeddings where entry.kind == .vertex: .vertexPredictions
        default: format
        }
    }

    /// Appends the head of a chat completion in OpenAI's format whose body has this many bytes; gives the
    /// place of the credential in it.
    func writeHead(bodyBytes: Int, traceparent: String? = nil, to output: inout GrowableBytes) -> Int {
        let credential = nextCredential()
        chatHeads[credential].withBytes { output.append($0) }
        output.append(decimal: bodyBytes)
        if var traceparent {
            output.append("\r\ntraceparent: ")
            traceparent.withUTF8 { output.append(UnsafeRawBufferPointer($0)) }
        }
        output.append("\r\n\r\n")
        return credential
    }

    /// Appends the head of a request to any target of the provider, with one of the credentials; false when
    /// it cannot be written.
    func writeHead(
        _ requestTarget: String, credential: Int, fields: [(name: StaticString, value: String)],
        bodyBytes: Int, to output: inout GrowableBytes
    ) -> Bool {
        let templates: [Secret]
        if let known = heads[requestTarget] {
            templates = known
        } else {
            templates = Self.heads(requestTarget, entry, authority, credentials, upToLength: false)
            heads[requestTarget] = templates
        }
        guard !templates.isEmpty else { return false }
        templates[credential].withBytes { output.append($0) }
        for field in fields {
            guard let line = PreparedFields([String(describing: field.name): field.value]) else {
                return false
            }
            line.withBytes { output.append($0) }
        }
        output.append("content-length: ")
        output.append(decimal: bodyBytes)
        output.append("\r\n\r\n")
        return true
    }

    /// The head of a call that is passed on; nil when it cannot be written. Fields the provider's
    /// configuration sets overrule the caller's.
    func writeHead(
        _ passage: Passage, target: String, credential: Int,
        proof: [(name: StaticString, value: String)], _ framing: PassedBody, into writer: inout HeadWriter
    ) -> UnsafeRawBufferPointer? {
        writer.beginRequest(passage.method, target: target)
        writer.field("host", authority)
        if credentials.indices.contains(credential) {
            Self.write(credentials[credential].secret, of: entry.kind, to: &writer)
        }
        for field in proof { writer.field(field.name, field.value) }
        let own = Set(entry.headers.map { $0.name.lowercased() })
        for field in passage.fields.all where !own.contains(field.name) {
            writer.field(name: field.name, field.value)
        }
        for header in entry.headers { writer.field(name: header.name, header.value) }
        writer.field("accept-encoding", "identity")
        writer.field("user-agent", "eclusa")
        switch framing {
        case .none: if passage.method.hasContent { writer.field("content-length", number: 0) }
        case .whole(let bytes): writer.field("content-length", number: bytes.count)
        case .parts(let count): writer.field("content-length", number: count)
        case .chunked: writer.field("transfer-encoding", "chunked")
        }
        return writer.finish()
    }

    /// Every call is signed over its content.
    func signs(with credential: Int) -> Bool {
        if proofs.indices.contains(credential), case .signature = proofs[credential] { true } else { false }
    }

    /// Credentials take turns by their weights: the golden ratio's multiples spread evenly over the shares,
    /// so that also a few calls come out in proportion.
    func nextCredential() -> Int {
        guard let total = shareEnds.last, shareEnds.count > 1 else { return 0 }
        calls &+= 1
        let ticket = (calls &* 0x9E37_79B9_7F4A_7C15).multipliedFullWidth(by: total).high
        let drawn = shareEnds.firstIndex { ticket < $0 } ?? 0
        let now = pool.loop.now
        // One that rests is skipped; when all do, it makes no difference.
        for step in 0..<rests.count {
            let place = (drawn + step) % rests.count
            if !rests[place].rest.isResting(at: now) { return place }
        }
        return drawn
    }

    // MARK: How it does

    /// Whether a call to it has a chance: its breaker lets it through, and a credential does not rest.
    func isAvailable(at now: Int64) -> Bool {
        state.breaker.isAvailable(at: now)
            && (rests.isEmpty || rests.contains { !$0.rest.isResting(at: now) })
    }

    func health(at now: Int64) -> TargetHealth {
        TargetHealth(
            isAvailable: isAvailable(at: now), latencyMicroseconds: state.latency.microseconds,
            inFlight: state.inFlight)
    }

    var hasOtherCredential: Bool {
        let now = pool.loop.now
        return rests.count > 1 && rests.contains { !$0.rest.isResting(at: now) }
    }

    func begin(at now: Int64) {
        state.breaker.begin(at: now)
        state.inFlight += 1
    }

    func end() { state.inFlight -= 1 }

    /// - Parameters:
    ///   - firstByteNanoseconds: since the call began.
    ///   - ownNanoseconds: since this target was asked.
    func noteSuccess(
        firstByteNanoseconds: Int64, ownNanoseconds: Int64, credential: Int, at now: Int64
    ) {
        state.breaker.succeed(at: now)
        state.latency.observe(nanoseconds: firstByteNanoseconds, at: now)
        state.firstBytes?.observe(nanoseconds: ownNanoseconds)
        if rests.count > 1 { rests[credential].rest.accept() }
    }

    func note(_ failure: CallFailure, credential: Int, at now: Int64) {
        if rests.indices.contains(credential) {
            if failure.code == .providerCredentialsRejected { forgetToken(of: credential) }
            if failure.isQuota || failure.code == .providerCredentialsRejected {
                rests[credential].rest.refuse(at: now)
            } else if failure.code == .providerRateLimited {
                rests[credential].rest.cool(for: failure.restNanoseconds ?? 1_000_000_000, at: now)
            }
        }
        if failure.blamesTarget {
            state.breaker.fail(at: now)
        } else if failure.origin == .provider {
            state.breaker.succeed(at: now)
        } else {
            state.breaker.abandon(at: now)
        }
    }

    /// What must not appear in any text that goes to a client.
    var secrets: [String] {
        credentials.flatMap { credential in
            let text = credential.secret.withBytes { String(decoding: $0, as: UTF8.self) }
            switch entry.kind {
            case .bedrock: return text.split(separator: ":").map(String.init)  // an access key's parts
            case .vertex: return []  // a document, which is never sent
            default: return [text]
            }
        }
    }

    /// One head for each credential; empty when the configuration cannot be sent.
    private static func heads(
        _ requestTarget: String, _ provider: ProviderEntry, _ authority: String,
        _ credentials: [OpenedCredential], upToLength: Bool
    ) -> [Secret] {
        let secrets: [Secret?] = credentials.isEmpty ? [nil] : credentials.map(\.secret)
        let heads = secrets.compactMap {
            head(requestTarget, provider, authority, credential: $0, upToLength: upToLength)
        }
        return heads.count == secrets.count ? heads : []
    }

    private static func head(
        _ requestTarget: String, _ provider: ProviderEntry, _ authority: String, credential: Secret?,
        upToLength: Bool
    ) -> Secret? {
        var writer = HeadWriter(capacity: 1024)
        writer.beginRequest(.post, target: requestTarget)
        writer.field("host", authority)
        if let credential { Self.write(credential, of: provider.kind, to: &writer) }
        if upToLength { writer.field("content-type", "application/json") }
        writer.field("accept-encoding", "identity")
        writer.field("user-agent", "eclusa")
        for header in provider.headers { writer.field(name: header.name, header.value) }
        // One more field and the blank line, to be cut off in front of its digit, or as a whole.
        writer.field("content-length", number: 0)
        guard let head = writer.finish() else { return nil }
        let cut = upToLength ? "0\r\n\r\n".utf8.count : "content-length: 0\r\n\r\n".utf8.count
        return Secret(copying: UnsafeRawBufferPointer(rebasing: head[..<(head.count - cut)]))
    }

    /// The field a credential goes in, for kinds whose calls carry it as it is.
    private static func write(_ credential: Secret, of kind: ProviderKind, to writer: inout HeadWriter) {
        credential.withBytes { secret in
            switch kind {
            case .anthropic: writer.field("x-api-key", secret)
            case .gemini: writer.field("x-goog-api-key", secret)
            case .azureOpenAI: writer.field("api-key", secret)
            // Signed call by call; what is no access key is one of Bedrock's own API keys.
            case .bedrock where AWSAccessKey(credential) != nil: break
            case .vertex: break
            default: writer.field("authorization", "Bearer ", secret)
            }
        }
    }

    private static func answerFields(
        _ target: CompiledTarget, of route: CompiledRoute, in serving: ServingSnapshot
    ) -> HeaderFields {
        [
            "x-eclusa-route": route.name, "x-eclusa-model": target.entry.upstreamModel,
            "x-eclusa-provider": "\(target.provider.id)", "x-eclusa-snapshot": "\(serving.version)",
        ]
    }

    private static func deadlines(_ timeouts: ProviderTimeouts) -> CallDeadlines {
        func nanoseconds(_ milliseconds: Int32) -> Int64 { Int64(milliseconds) * 1_000_000 }
        var deadlines = CallDeadlines()
        deadlines.connectNanoseconds = nanoseconds(timeouts.connect)
        deadlines.firstByteNanoseconds = nanoseconds(timeouts.firstByte)
        deadlines.betweenReadsNanoseconds = nanoseconds(timeouts.betweenChunks)
        deadlines.totalNanoseconds = nanoseconds(timeouts.total)
        return deadlines
    }
}

/// How this loop calls providers.
package struct UpstreamCalling {
    package let client: HTTPClient
    /// For `https` providers.
    package let tls: TLSContext

    package init(client: HTTPClient, tls: TLSContext) {
        self.client = client
        self.tls = tls
    }
}

/// The upstreams of the running snapshot, made when a call first wants them. Loop thread.
final class UpstreamTable {
    private let calling: UpstreamCalling
    private let states = UpstreamStates()
    private var serving: ServingSnapshot?
    // A target belongs to one route of one snapshot, and the upstream keeps it alive: its address names it.
    private var upstreams: [ObjectIdentifier: Upstream] = [:]

    init(_ calling: UpstreamCalling) { self.calling = calling }

    /// The upstream of a target; nil when it cannot be called.
    func upstream(
        _ target: CompiledTarget, of route: CompiledRoute, in serving: ServingSnapshot
    ) -> Upstream? {
        if self.serving !== serving {
            upstreams.removeAll(keepingCapacity: true)
            self.serving = serving
        }
        if let upstream = upstreams[ObjectIdentifier(target)] { return upstream }
        guard let upstream = Upstream(target, of: route, in: serving, calling, states) else { return nil }
        upstreams[ObjectIdentifier(target)] = upstream
        return upstream
    }
}
