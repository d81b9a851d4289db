import Contract
import Domain
import EventLoops
import HTTPServing
import Policy
import Telemetry
import Transport

/// The spans of one call: the request as it came in, and the last time a provider was asked.
struct CallTrace {
    let context: TraceContext
    let parent: UInt64?
    private(set) var upstream: TraceContext?
    /// By the loop's clock.
    let begunAt: Int64
    private(set) var dialledAt: Int64 = 0

    init(_ tracer: Tracer, _ exchange: Exchange) {
        (context, parent) = tracer.begin(exchange.field("traceparent"))
        begunAt = exchange.connection.loop.now
    }

    /// A provider is asked now: the `traceparent` it gets; nil when the call is not recorded.
    mutating func dial(atNanoseconds now: Int64) -> String? {
        guard context.isSampled else { return nil }
        let child = context.child()
        upstream = child
        dialledAt = now
        return child.traceparent
    }
}

extension Gateway {
    /// Leaves the spans of a finished call to be sent. Names are those of OpenTelemetry's conventions for
    /// HTTP and generative AI; contents are never part of them.
    func trace(_ event: UsageEvent, _ reply: ChatReply) {
        guard let tracer, let trace = reply.trace, trace.context.isSampled else { return }
        let start = event.startedAt.microseconds
        let end = start + (loop.now - trace.begunAt) / 1_000
        let failure = event.errorCode
        let path = Self.pathTemplate(reply.exchange?.path ?? "")
        let operation = Self.operation(event.endpoint, path)
        let served: [(name: String, value: LogValue)] = [
            ("http.request.method", "POST"),
            ("http.route", LogValue(path)),
            ("http.response.status_code", LogValue(event.status)), ("eclusa.tenant", "\(event.tenant)"),
            ("eclusa.workspace", "\(event.workspace)"), ("eclusa.key", "\(event.key)"),
            ("eclusa.route", "\(event.route)"), ("eclusa.request_id", requestID(of: reply)),
            ("eclusa.attempts", LogValue(event.attempts)), ("eclusa.stream", LogValue(event.isStream)),
            ("eclusa.ending", LogValue(event.ending.name)),
            ("eclusa.cost_nanousd", LogValue(event.cost.nanos)),
            ("error.type", failure.map { LogValue($0) } ?? .none),
        ]
        tracer.end(
            Span(
                "POST \(path)", .server, trace.context,
                parent: trace.parent,
                startMicroseconds: start, endMicroseconds: end, attributes: served,
                failure: event.status >= 500 ? failure ?? event.ending.name : nil), of: trace.context)
        guard let context = trace.upstream, let target = reply.upstream?.target else { return }
        let model = target.entry.upstreamModel
        let provider = target.provider.entry
        let asked: [(name: String, value: LogValue)] = [
            ("gen_ai.operation.name", LogValue(operation)),
            ("gen_ai.provider.name", LogValue(Self.providerName(provider.kind))),
            ("gen_ai.request.model", LogValue(model)),
            ("gen_ai.usage.input_tokens", LogValue(event.usage.input)),
            ("gen_ai.usage.output_tokens", LogValue(event.usage.output)),
            ("server.address", LogValue(provider.baseURL.host)),
            ("server.port", LogValue(provider.baseURL.port)), ("eclusa.provider", "\(event.provider)"),
            ("error.type", failure.map { LogValue($0) } ?? .none),
        ]
        tracer.end(
            Span(
                "\(operation) \(model)", .client, context, parent: trace.context.span,
                startMicroseconds: start + (trace.dialledAt - trace.begunAt) / 1_000,
                endMicroseconds: start + Int64(event.latencyMicroseconds), attributes: asked,
                failure: event.ending == .completed ? nil : failure ?? event.ending.name), of: context)
    }

    /// A call that was refused before any provider was asked.
    func traceRefusal(_ exchange: Exchange, _ failure: CallFailure) {
        guard let tracer else { return }
        let (context, parent) = tracer.begin(exchange.field("traceparent"))
        let now = clock.now().microseconds
        tracer.end(
            Span(
                "refused", .server, context, parent: parent, startMicroseconds: now, endMicroseconds: now,
                attributes: [
                    ("http.request.method", "\(exchange.method)"),
                    ("http.response.status_code", LogValue(failure.status)),
                    ("error.type", LogValue(failure.code.code)),
                    ("eclusa.request_id", "\(exchange.requestID)"),
                ], failure: failure.status >= 500 ? failure.code.code : nil), of: context)
    }

    private func requestID(of reply: ChatReply) -> LogValue {
        reply.exchange.map { "\($0.requestID)" } ?? .none
    }

    /// A path that was served, without the names in it, as `http.route` wants it.
    private static func pathTemplate(_ path: String) -> String {
        let prefixes = ["/v1/models/", "/v1beta/models/", "/v1beta/tunedModels/"]
        if let prefix = prefixes.first(where: path.hasPrefix) {
            return prefix + "{model}" + (path.lastIndex(of: ":").map { path[$0...] } ?? "")
        }
        let deployments = "/openai/deployments/"
        guard path.hasPrefix(deployments) else { return path }
        let rest = path.dropFirst(deployments.utf8.count).drop { $0 != "/" }
        return deployments + "{deployment}" + rest
    }

    /// A well-known value of `gen_ai.operation.name`.
    private static func operation(_ endpoint: Endpoint, _ path: String) -> String {
        switch endpoint {
        case .chat where path.hasSuffix("enerateContent"): "generate_content"
        case .completions: "text_completion"
        default: endpoint.name
        }
    }

    /// The well-known values of `gen_ai.provider.name`; others are spelled as Eclusa does.
    private static func providerName(_ kind: ProviderKind) -> String {
        switch kind {
        case .openAI: "openai"
        case .anthropic: "anthropic"
        case .gemini: "gcp.gemini"
        case .azureOpenAI: "azure.ai.openai"
        case .bedrock: "aws.bedrock"
        case .vertex: "gcp.vertex_ai"
        case .openAICompatible, .ollama: kind.rawValue
        }
    }
}
