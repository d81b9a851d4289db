import Contract
import Dialects
import Domain
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Transport

/// Why a call gets no good answer: what the client is told, and what the books say. Nothing private is in
/// it.
///
/// It keeps apart what it says: every function of a call that can fail has room for one, and calls that wait
/// keep that room.
@dynamicMemberLookup
struct CallFailure: Error {
    enum Origin: Sendable { case gateway, provider }

    struct Content {
        var code: ErrorCode
        var origin: Origin
        /// The status the client gets: the code's own, or the provider's.
        var status: Int
        /// What OpenAI's clients read; from the code unless the provider said something.
        var error: OpenAIError
        /// The value of `Retry-After`; nil lets the edge decide.
        var retryAfter: String?
        var retryAfterMilliseconds: String?
        /// Methods that would do (405).
        var allow: String?
        /// How near its limits the caller is.
        var limitFields = HeaderFields()
        /// The account at the provider has nothing left.
        var isQuota = false
        /// How the call ended, for its usage event.
        var ending = UsageEvent.Ending.providerError
    }

    private indirect enum Apart { case content(Content) }
    private var apart: Apart

    subscript<Value>(dynamicMember member: WritableKeyPath<Content, Value>) -> Value {
        get { content[keyPath: member] }
        set { content[keyPath: member] = newValue }
    }

    private var content: Content {
        get {
            switch apart {
            case .content(let content): content
            }
        }
        set { apart = .content(newValue) }
    }

    init(_ code: ErrorCode, message: String? = nil, parameter: String? = nil) {
        apart = .content(
            Content(
                code: code, origin: code.audience == .provider ? .provider : .gateway, status: code.status,
                error: OpenAIError(code, message: message, parameter: parameter)))
    }

    /// Nobody is there to be told.
    static var clientGone: CallFailure {
        var failure = CallFailure(.draining)
        failure.ending = .clientGone
        return failure
    }

    init(_ refusal: Refusal) {
        // The parameter lets SDKs point at the model's name.
        self.init(refusal.errorCode, parameter: refusal == .routeNotFound ? "model" : nil)
    }

    init(_ problem: OpenAIRequestProblem) {
        switch problem {
        case .notJSON(let error):
            self.init(.invalidJSON, message: "The body is not valid JSON: \(error).")
        case .modelMissing: self.init(.modelRequired, parameter: "model")
        case .wrongType(let name, let wanted):
            self.init(
                .invalidRequest, message: "The member '\(name)' must be \(wanted).", parameter: "\(name)")
        }
    }

    init(_ problem: RequestProblem) {
        switch problem {
        case .notJSON: self.init(.invalidJSON, message: problem.message)
        case .missing("model"): self.init(.modelRequired, parameter: "model")
        default:
            self.init(.invalidRequest, message: problem.message.bounded, parameter: problem.field?.bounded)
        }
    }

    /// What a provider complained of under a status of success, or inside a stream.
    init(_ complaint: ProviderComplaint) {
        self.init(.providerError)
        content.origin = .provider
        content.status = complaint.status ?? content.status
        content.error = OpenAIError(
            message: complaint.message, type: complaint.kind ?? OpenAIError.type(ofStatus: content.status),
            parameter: complaint.parameter, code: complaint.code)
    }

    /// A body that could not be read; nil when nobody is there to be told.
    init?(_ error: RequestError) {
        switch error {
        case .tooLarge: self.init(.payloadTooLarge)
        case .malformed(let fault): self.init(fault.status == 408 ? .requestTimeout : .badRequest)
        case .connection: return nil
        }
    }

    /// An upstream that could not be reached, or did not answer properly.
    init(upstream error: CallError) {
        switch error {
        case .connect(.forbiddenAddress(_)): self.init(.upstreamForbidden)
        case .connect, .tls: self.init(.upstreamUnreachable)
        case .tooManyConnections: self.init(.overloaded)
        case .timedOut:
            self.init(.upstreamTimeout)
            content.ending = .timedOut
        case .endedBeforeAnswer, .cut:
            self.init(.upstreamCut)
            content.ending = .upstreamCut
        case .malformedHead, .malformedContent, .tooLarge: self.init(.upstreamInvalid)
        case .invalidRequest: self.init(.internalError)
        case .aborted:
            self.init(.draining)
            content.ending = .clientGone
        }
    }
}
