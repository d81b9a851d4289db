import Dialects
import Domain
import HTTPServing
import HTTPWire
import Policy

/// How the content of a call that is passed on goes to the provider.
enum PassedBody {
    case none
    /// All of it at once.
    case whole(UnsafeRawBufferPointer)
    /// As it comes, so many bytes.
    case parts(Int)
    case chunked

    init(_ head: borrowing RequestHead) {
        switch head.framing {
        case .length(0): self = .none
        case .length(let count): self = .parts(count)
        case .chunked, .untilClose: self = .chunked
        }
    }
}

extension HTTPMethod {
    /// A request of this method says how long its content is, also when there is none.
    var hasContent: Bool { self == .post || self == .put || self == .patch }
}

/// What a call of `/passthrough/{provider}/…` asks for, taken from its head.
struct Passage {
    static let prefix = "/passthrough/"
    /// The path and query below the provider's address. Unit: bytes.
    static let maximumTargetBytes = 4096

    let provider: String
    let method: HTTPMethod
    /// Begins with `/`, is never escaped again, and cannot leave the provider's base path; without the key.
    let target: String
    /// Fields of the request that go along.
    let fields: HeaderFields

    /// Why a path is not passed on.
    private static let unclear = "The path must be plain: no '.', '..', empty or escaped-slash segments."

    init(_ exchange: Exchange) throws(CallFailure) {
        let raw = String(decoding: exchange.rawTarget, as: UTF8.self)
        guard raw.hasPrefix(Self.prefix) else { throw CallFailure(.badRequest, message: Self.unclear) }
        let parts = raw.dropFirst(Self.prefix.utf8.count).split(
            separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts.first ?? ""
        let name = path.prefix { $0 != "/" }
        let rest = path.dropFirst(name.count)
        guard !name.isEmpty, !rest.isEmpty, raw.utf8.count <= Self.maximumTargetBytes else {
            throw CallFailure(.notFound, message: "Name a provider and a path: /passthrough/{provider}/….")
        }
        guard Self.isPlain(rest) else { throw CallFailure(.badRequest, message: Self.unclear) }
        provider = String(name)
        method = exchange.method
        let items = parts.count == 2 ? parts[1].split(separator: "&").filter { !$0.hasPrefix("key=") } : []
        target = String(rest) + (items.isEmpty ? "" : "?" + items.joined(separator: "&"))
        fields = Self.passed(HeaderFields(exchange.head.fields, in: exchange.headBytes), Self.keptBack)
    }

    /// Nothing in it means another path to somebody who decodes it, once or twice.
    private static func isPlain(_ path: Substring) -> Bool {
        let lowered = path.lowercased()
        guard !lowered.contains("\\"), !lowered.contains("//"), !lowered.contains("%5c"),
            !lowered.contains("%25"), !lowered.contains("%00")
        else { return false }
        return lowered.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { segment in
            let decoded = segment.replacing("%2e", with: ".").replacing("%2f", with: "/")
            let names = decoded.split(separator: "/", omittingEmptySubsequences: false)
            return !names.contains { $0 == "." || $0 == ".." }
        }
    }

    /// Fields of a request that frame the message, name or prove the caller, or are ours to say.
    private static let keptBack: Set<KnownField> = [
        .host, .connection, .contentLength, .transferEncoding, .expect, .upgrade, .te, .trailer, .keepAlive,
        .proxyConnection, .proxyAuthorization, .proxyAuthenticate, .authorization, .cookie, .apiKey, .xAPIKey,
        .xGoogAPIKey, .openAIOrganization, .openAIProject, .forwarded, .xForwardedFor, .xForwardedHost,
        .xForwardedProto, .via, .acceptEncoding, .userAgent, .traceParent, .traceState, .origin, .referer,
        .secFetchSite,
    ]

    /// Fields of an answer that frame it, belong to the account, or are the gateway's own.
    static let keptBackOfAnswers: Set<KnownField> = [
        .connection, .contentLength, .transferEncoding, .upgrade, .te, .trailer, .keepAlive, .proxyConnection,
        .proxyAuthenticate, .setCookie, .wwwAuthenticate, .openAIOrganization, .openAIProject, .xRequestID,
        .date, .server, .altSvc, .strictTransportSecurity, .contentSecurityPolicy, .via,
    ]

    /// The fields that may travel: without those kept back, those `Connection` names, and ours.
    static func passed(_ fields: HeaderFields, _ keptBack: Set<KnownField>) -> HeaderFields {
        let named = Set(
            fields.values("connection").flatMap { $0.split(separator: ",") }.map { word in
                word.filter { $0 != " " && $0 != "\t" }.lowercased()
            })
        var passed = HeaderFields()
        for field in fields.all {
            let isOurs = field.name.hasPrefix("x-eclusa-") || field.name.hasPrefix("x-amz-")
            guard !isOurs, !named.contains(field.name), !keptBack.contains(KnownField(name: field.name))
            else {
                continue
            }
            passed.append(field.name, field.value)
        }
        return passed
    }

    /// The dialect a caller of this path expects to be answered in, and the format the provider answers in.
    func format(of kind: ProviderKind) -> (format: ProviderFormat, form: CallForm) {
        let path = target.prefix { $0 != "?" }
        switch kind {
        case .openAI, .azureOpenAI, .openAICompatible:
            return path.hasSuffix("/responses")
                ? (.openAIResponses, .openAIResponses) : (.openAIChat(.compatible), .openAIChat)
        case .anthropic: return (.anthropic(AnthropicStyle()), .anthropic)
        case .gemini: return (.gemini, .gemini(.events))
        case .vertex: return (path.hasSuffix(":predict") ? .vertexPredictions : .gemini, .gemini(.events))
        case .ollama:
            return path.hasPrefix("/v1/")
                ? (.openAIChat(.compatible), .openAIChat) : (.ollama, .ollama(.chat))
        case .bedrock: return (.bedrock, .openAIChat)
        }
    }

    /// Whether a model of this name is what the path is about.
    func names(_ model: String) -> Bool {
        let escaped = QueryItems.escape(model)
        let path = target.prefix { $0 != "?" }
        return path.split(separator: "/").contains { segment in
            segment == model || segment == escaped || segment.hasPrefix(model + ":")
        }
    }
}
