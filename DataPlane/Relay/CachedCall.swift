import Admission
import Contract
import Cryptography
import Dialects
import Domain
import EventLoops
import Feed
import Guarding
import HTTPServing
import HTTPWire
import JSONText
import Metering
import Policy
import Transport

/// A call whose answer may have been given before, or may be given again.
struct CachedCall {
    /// Of everything that decides what the answer is.
    let name: SHA256Digest
    let rules: RouteCache
    /// The caller wants a new answer.
    let isRenewed: Bool
}

extension Gateway {
    /// How a call stands to the cache; nil: its route has none, or the call is not one to be kept.
    @inline(never)
    func cached(
        _ call: ClientCall, _ admitted: Admitted, _ guards: CallGuards?, _ exchange: Exchange
    ) -> CachedCall? {
        guard let rules = admitted.route.rules.cache, let kind = Self.kind(of: call.work) else { return nil }
        let wishes = exchange.fieldText("cache-control")?.lowercased() ?? ""
        guard !wishes.contains("no-store"), case .object(var body)? = try? call.value() else { return nil }
        // Whether it comes in pieces changes nothing about what it says.
        body["stream"] = nil
        body["stream_options"] = nil
        body["model"] = nil
        var hasher = SHA256Hasher()
        let facts = "\(admitted.key.tenant.id) \(admitted.route.id) \(admitted.route.fingerprint) \(kind)"
        hasher.update(Array(facts.utf8))
        hasher.update(Array(" \(guards?.fingerprint ?? 0) \(call.pathModel) ".utf8))
        hasher.update(JSONValue.object(body).sorted.bytes)
        return CachedCall(name: hasher.finish(), rules: rules, isRenewed: wishes.contains("no-cache"))
    }

    /// What a call is kept apart by besides its body; nil: such answers are not kept.
    private static func kind(of work: CallWork) -> String? {
        switch work {
        case .generation(.openAIChat): "chat"
        case .generation(.openAIResponses): "responses"
        case .generation(.anthropic): "messages"
        case .generation(.gemini): "gemini"
        case .generation(.ollama(let form)): "ollama \(form)"
        case .embeddings(let form): "embeddings \(form)"
        case .plain: nil
        }
    }

    /// Answers with what was kept, if the key may have it: what became of the call then.
    @inline(never)
    func answer(
        _ reply: ChatReply, _ call: ClientCall, from place: CachedCall, _ admitted: Admitted,
        in serving: ServingSnapshot
    ) -> CallOutcome? {
        reply.cacheState = "miss"
        guard !place.isRenewed,
            let kept = answers.find(place.name, of: admitted.key.tenant.id, at: loop.now),
            let target = admitted.route.targets.first(where: {
                $0.provider.id == kept.provider && $0.entry.model == kept.model && admitted.key.allows($0)
            }), reply.replay(kept.bytes, of: call)
        else {
            meters.noteCache("miss")
            return nil
        }
        meters.noteCache("hit")
        reply.cacheState = "hit"
        reply.upstream = upstreams.upstream(target, of: admitted.route, in: serving)
        reply.noteFirstByte()
        reply.recording?.answer = ContentLog.Said(kept.bytes)
        let outcome = reply.outcome(.completed, target)
        outcome.isCached = true
        return outcome
    }

    /// Keeps a whole good answer for the next such call.
    func keep(_ reply: ChatReply, _ outcome: CallOutcome, _ place: CachedCall, of tenant: TenantID) {
        guard case .plain(let whole) = reply.rest, reply.answerType == nil, outcome.ending == .completed,
            outcome.status == 200, outcome.error == nil, whole.count <= Int(place.rules.maximumBytes)
        else { return }
        answers.keep(
            AnswerCache.Answer(
                bytes: Array(whole), provider: outcome.target.provider.id,
                model: outcome.target.entry.model),
            place.name, of: tenant, until: loop.now + Int64(place.rules.seconds) * 1_000_000_000)
    }
}

extension ChatReply {
    /// Makes a kept answer the one that is sent, in pieces if the call asks for that; false when it cannot.
    func replay(_ bytes: [UInt8], of call: ClientCall) -> Bool {
        isStream = call.isStream
        work = call.work
        guard call.isStream else {
            body.removeAll()
            body.append(bytes)
            rest = .plain(body.view)
            return true
        }
        guard case .generation(let form) = call.work, let format = form.ownFormat,
            let value = try? JSONValue.parse(bytes, limits: JSONLimits(maximumBytes: max(1, bytes.count))),
            let answer = try? format.answer(value)
        else { return false }
        var writer = form.eventWriter(context(of: call))
        var output: [UInt8] = []
        for event in answer.events { writer.write(event, to: &output) }
        rest = .replayed(output)
        return true
    }

    /// The stream of a kept answer, in one write.
    func sendReplayed(_ bytes: [UInt8], _ exchange: Exchange) async throws(TransportError) {
        try await send(bytes, isLast: true, exchange)
        exchange.markResponded(keepAlive: isChunked && keepsStreamAlive)
    }
}

extension CallForm {
    /// The format of a provider that answers in this form; nil: none does.
    fileprivate var ownFormat: ProviderFormat? {
        switch self {
        case .openAIChat: .openAIChat(.compatible)
        case .openAIResponses: .openAIResponses
        case .anthropic: .anthropic(AnthropicStyle())
        case .gemini: .gemini
        case .ollama(.chat): .ollama
        case .ollama(.generate): nil
        }
    }
}

extension CanonicalAnswer {
    /// The answer as the events of a stream.
    fileprivate var events: [CanonicalEvent] {
        var events: [CanonicalEvent] = [.start(id: id)]
        var calls = 0
        for part in parts {
            switch part {
            case .text(let text): events.append(.text(text))
            case .reasoning(let text, let signature):
                events.append(.reasoning(text))
                if let signature { events.append(.reasoningSignature(signature)) }
            case .toolCall(let call):
                events.append(
                    .toolCall(calls, id: call.id, name: call.name, signature: call.signature))
                events.append(.toolArguments(calls, call.arguments))
                calls += 1
            default: continue
            }
        }
        events.append(.finish(finish))
        if let usage { events.append(.usage(usage)) }
        return events + [.end]
    }
}

extension JSONValue {
    /// The same value with the members of every object in the order of their names.
    fileprivate var sorted: JSONValue {
        switch self {
        case .array(let elements): return .array(elements.map(\.sorted))
        case .object(let object):
            var result = JSONObject()
            for member in object.members.sorted(by: { $0.name < $1.name }) {
                result[member.name] = member.value.sorted
            }
            return .object(result)
        default: return self
        }
    }
}
