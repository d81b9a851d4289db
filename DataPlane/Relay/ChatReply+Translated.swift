import Admission
import Contract
import Dialects
import Domain
import EventLoops
import Guarding
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import Policy
import Transport

/// A request to a provider that is not a chat completion in OpenAI's format on both sides.
final class OutgoingCall {
    let format: ProviderFormat
    let method: HTTPMethod
    let target: String
    var fields: [(name: StaticString, value: String)]
    /// Borrows the client's body, or the reply's `payload`.
    let body: SplicedBody
    /// The answer goes to the client as it comes.
    let isNative: Bool

    init(
        format: ProviderFormat, method: HTTPMethod = .post, target: String,
        fields: [(name: StaticString, value: String)], body: SplicedBody, isNative: Bool
    ) {
        self.format = format
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.isNative = isNative
    }
}

extension ChatReply {
    /// Asks one target through the canonical call, or with the client's own bytes when its provider speaks
    /// the client's dialect.
    func dialTranslated(_ call: ClientCall, _ upstream: Upstream) async -> Dialled {
        let outgoing: OutgoingCall
        do throws(RequestProblem) {
            outgoing = try prepare(call, for: upstream)
        } catch {
            let failure = CallFailure(error)
            // What one provider has no words for another may have.
            if case .unsupported = error { return .unfit(failure) }
            return .failed(failure)
        }
        credential = upstream.nextCredential()
        do throws(CallFailure) {
            outgoing.fields += try await upstream.proof(
                of: credential, for: outgoing, at: gateway.clock.now())
        } catch { return .failed(error) }
        do throws(CallError) {
            let connection = try await reach(upstream, with: .other(outgoing))
            if let failure = await refusal(connection, upstream) { return .failed(failure) }
            return .answering(connection, outgoing)
        } catch { return failed(error, upstream) }
    }

    func passOn(
        _ connection: ClientConnection, from upstream: Upstream, _ call: ClientCall, _ outgoing: OutgoingCall
    ) async -> CallOutcome {
        switch call.work {
        case .generation(.openAIChat) where outgoing.isNative && !guardsStream(of: call):
            if let request = call.openAI { return await passOn(connection, from: upstream, request) }
        case .generation(let form) where call.isStream:
            return await translateStream(connection, from: upstream, call, form, outgoing)
        case .plain, .embeddings(.openAI):
            guard outgoing.isNative else { break }
            let type = connection.head.fields.value(.contentType, in: connection.headBytes)
            let isJSON = type.map { $0.starts(with: "application/json".utf8) } ?? false
            if let request = call.openAI, isJSON || (call.isStream && type.map(Self.isEventStream) ?? false) {
                return await passOn(connection, from: upstream, request)
            }
            answerType = isJSON ? nil : type.map { String(decoding: $0, as: UTF8.self) }
            return await passOnBytes(connection, from: upstream, call, isJSON: isJSON)
        default: break
        }
        return await translateWhole(connection, from: upstream, call, outgoing)
    }

    private func prepare(_ call: ClientCall, for upstream: Upstream) throws(RequestProblem) -> OutgoingCall {
        if case .generation = call.work {
        } else if call.isStream, guards?.mayChangeOutput ?? false {
            throw .unsupported("stream", "guardrails look at this endpoint's answers only as a whole")
        }
        var format = upstream.format(for: call.work)
        let target = upstream.target
        var isNative = format.isNative(to: call.work)
        if told.imposed != nil, case .generation = call.work {
            // A body that lacks the bound it must have is written anew.
            isNative = false
            if format == .openAIResponses { format = upstream.format }
        }
        var body = SplicedBody()
        if isNative, let request = call.openAI {
            body = request.spliced(
                model: upstream.modelJSON, imposing: boundMember(for: target.provider.entry.kind))
        } else if isNative {
            body = call.spliced(model: upstream.modelJSON)
        } else {
            let request = try translated(call, into: format, for: upstream)
            payload.removeAll()
            payload.append(request.bytes)
            body.add(payload.view)
        }
        if !target.parameters.isEmpty { body = try setting(target.parameters, in: body) }
        return OutgoingCall(
            format: format, target: format.path(of: target, for: call.work, isStream: call.isStream),
            fields: fields(for: format, call, isNative: isNative), body: body, isNative: isNative)
    }

    /// A body with the members the target sets, whatever the caller said; null takes one away.
    private func setting(
        _ parameters: [TargetParameter], in body: SplicedBody
    ) throws(RequestProblem) -> SplicedBody {
        var whole: [UInt8] = []
        for index in 0..<body.count { whole += body[index] }
        let limits = JSONLimits(maximumBytes: whole.count, maximumValues: 1_000_000)
        // A form with files has no members.
        guard var object = (try? JSONValue.parse(whole, limits: limits))?.object else { return body }
        for parameter in parameters {
            let value = try? JSONValue.parse(parameter.json)
            object[parameter.name] = value.flatMap { $0.isNull ? .none : .some($0) }
        }
        payload.removeAll()
        payload.append(JSONValue.object(object).bytes)
        var result = SplicedBody()
        result.add(payload.view)
        return result
    }

    /// The request in the provider's words.
    private func translated(
        _ call: ClientCall, into format: ProviderFormat, for upstream: Upstream
    ) throws(RequestProblem) -> JSONValue {
        let target = upstream.target
        let model = target.entry.upstreamModel
        switch call.work {
        case .plain:
            throw .unsupported("model", "this model's provider has no such endpoint")
        case .embeddings(let form):
            let wish = try form.read(try call.value())
            embedding = wish
            return try format.request(wish, model: model, path: ProviderFormat.geminiName(target))
        case .generation(let form):
            if canonical == nil {
                canonical = try form.canonical(
                    try call.value(), model: call.pathModel, isStream: call.isStream)
            }
            guard var canonical else { throw .missing("model") }
            if let tokens = told.imposed { canonical.maximumOutput = tokens }
            if let field = canonical.untranslated.first, upstream.untranslated == .reject {
                throw .unsupported(field, "this route refuses what its provider has no words for")
            }
            dropped = canonical.untranslated.isEmpty ? nil : Self.list(canonical.untranslated)
            return try format.request(canonical, model: model)
        }
    }

    /// Fields of the provider's dialect; the client's own wishes in it go along to a provider that shares
    /// it.
    private func fields(
        for format: ProviderFormat, _ call: ClientCall, isNative: Bool
    ) -> [(name: StaticString, value: String)] {
        let type = call.multipart == nil ? nil : exchange?.fieldText(.contentType)
        var fields: [(name: StaticString, value: String)] = [("content-type", type ?? "application/json")]
        guard case .anthropic = format else { return fields }
        let version = isNative ? exchange?.fieldText(.anthropicVersion) : nil
        fields.append(("anthropic-version", version ?? "2023-06-01"))
        if isNative, let beta = exchange?.joinedFieldText("anthropic-beta") {
            fields.append(("anthropic-beta", beta))
        }
        return fields
    }

    /// Names for a header: clients choose them, so only plain ones are shown, and not too many.
    private static func list(_ names: [String]) -> String {
        let plain = names.filter { name in
            name.utf8.count <= 64
                && name.utf8.allSatisfy {
                    ($0 | 0x20) &- 0x61 < 26 || $0 &- 0x30 < 10 || $0 == 0x5F || $0 == 0x2E
                }
        }
        return plain.prefix(16).joined(separator: ", ")
    }

    // MARK: Whole answers

    private func translateWhole(
        _ connection: ClientConnection, from upstream: Upstream, _ call: ClientCall, _ outgoing: OutgoingCall
    ) async -> CallOutcome {
        let status = connection.head.status
        let whole: UnsafeRawBufferPointer
        do throws(CallError) {
            whole = try await receiveAll(connection)
        } catch { return fail(CallFailure(upstream: error), upstream.target) }
        let limits = JSONLimits(maximumBytes: whole.count, maximumValues: 16_000_000)
        guard let value = try? JSONValue.parse(whole, limits: limits) else {
            let code: ErrorCode = connection.framing == .untilClose ? .upstreamCut : .upstreamInvalid
            let message = "The provider's answer was not valid JSON."
            return fail(CallFailure(code, message: message), upstream.target)
        }
        let answer: TranslatedAnswer
        do throws(ProviderComplaint) {
            answer = try translate(value, of: call, outgoing)
        } catch {
            return fail(CallFailure(error.scrubbed(upstream.secrets)), upstream.target)
        }
        noteFirstByte()
        if let text = answer.text {
            // The provider's bytes are of no more use.
            body.removeAll()
            body.append(text.bytes)
            rest = .plain(body.view)
        } else {
            rest = .plain(whole)
        }
        let usage = answer.usage ?? ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        return outcome(
            .completed, upstream.target,
            usage: usage.completed(
                estimatedInput: Self.tokens(call.promptBytes), estimatedOutput: answer.estimatedOutput),
            isEstimated: !usage.isComplete, status: status)
    }

    /// An answer in the client's words, and what it is billed by.
    private struct TranslatedAnswer {
        /// nil: the provider's own bytes.
        var text: JSONValue?
        var usage: ReportedUsage?
        var estimatedOutput: Int64
    }

    private func translate(
        _ value: JSONValue, of call: ClientCall, _ outgoing: OutgoingCall
    ) throws(ProviderComplaint) -> TranslatedAnswer {
        switch call.work {
        case .embeddings(let form):
            let answer = try outgoing.format.embeddings(value)
            let text = embedding.map { form.answer(answer, to: $0, context(of: call)) }
            let none = ReportedUsage(usage: .zero, hasInput: false, hasOutput: true)
            return TranslatedAnswer(text: text, usage: answer.usage ?? none, estimatedOutput: 0)
        case .generation(let form):
            let answer = try outgoing.format.answer(value)
            // Not `nil`: that would be JSON's null.
            let text: JSONValue? =
                outgoing.isNative ? .none : .some(form.answer(answer, context(of: call), nanoseconds: age))
            return TranslatedAnswer(
                text: text, usage: answer.usage, estimatedOutput: Self.tokens(answer.contentBytes))
        case .plain:
            return TranslatedAnswer(usage: nil, estimatedOutput: 0)
        }
    }

    /// An answer that nobody here needs to understand: a sound, a text, a picture. What it says about usage
    /// is billed if it says it in JSON.
    private func passOnBytes(
        _ connection: ClientConnection, from upstream: Upstream, _ call: ClientCall, isJSON: Bool
    ) async -> CallOutcome {
        let status = connection.head.status
        let whole: UnsafeRawBufferPointer
        do throws(CallError) {
            whole = try await receiveAll(connection)
        } catch { return fail(CallFailure(upstream: error), upstream.target) }
        noteFirstByte()
        rest = .plain(whole)
        let value = isJSON ? try? JSONValue.parse(whole, limits: JSONLimits(maximumBytes: whole.count)) : nil
        let reported = ReportedUsage(openAIResponses: value?["usage"])
        let usage = reported ?? ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        return outcome(
            .completed, upstream.target,
            usage: usage.completed(estimatedInput: Self.tokens(call.promptBytes), estimatedOutput: 0),
            isEstimated: !usage.isComplete, status: status)
    }

    private func receiveAll(_ connection: ClientConnection) async throws(CallError) -> UnsafeRawBufferPointer
    {
        if let bytes = try connection.wholeBodyAtHand(limit: gateway.limits.answerBodyBytes) { return bytes }
        return try await receiveWhole(connection)
    }

    /// What the answer says about itself, in the client's terms.
    func context(of call: ClientCall) -> AnswerContext {
        let id = exchange.map { "\($0.requestID)".dropFirst("req_".count) } ?? ""
        return AnswerContext(
            id: String(id), model: call.modelName,
            created: gateway.clock.now().microseconds / 1_000_000, wantsUsage: call.asksForUsage)
    }

    /// How long the call takes already. Unit: nanoseconds.
    var age: Int64 { gateway.loop.now - startedAt }

    // MARK: Streams

    private func translateStream(
        _ connection: ClientConnection, from upstream: Upstream, _ call: ClientCall, _ form: CallForm,
        _ outgoing: OutgoingCall
    ) async -> CallOutcome {
        let (filter, asked) = streamFilter(call, form)
        var stream = StreamTranslation(
            from: outgoing.format, to: form, context(of: call), filter: filter,
            isRewritten: guards?.mayChangeOutput ?? false)
        translation = stream
        var problem: CallFailure?
        var output: [UInt8] = []
        do throws(CallError) {
            while stream.ending == .open {
                let part = try await connection.nextBody()
                if let part { stream.take(part, to: &output) } else { stream.takeEnd(to: &output) }
                if let asked, let failure = await settle(asked, &stream, &output) {
                    problem = failure
                    break
                }
                // Before the first token another target can still be asked.
                if stream.hasToken || stream.ending == .done { connection.awaitedUntil = 0 }
                if connection.awaitedUntil == 0, !output.isEmpty {
                    guard await forward(output) else {
                        translation = stream
                        return clientGone(upstream, call)
                    }
                    output.removeAll(keepingCapacity: true)
                }
                if part == nil { break }
            }
        } catch { problem = CallFailure(upstream: error) }
        switch stream.ending {
        case .done: break
        case .failed(let complaint):
            problem =
                guards?.block.map { CallFailure($0) } ?? CallFailure(complaint.scrubbed(upstream.secrets))
        case .tooLarge: problem = CallFailure(.upstreamInvalid)
        case .open:
            if problem == nil {
                problem = CallFailure(.upstreamCut)
                problem?.ending = .upstreamCut
            }
        }
        translation = stream
        release(connection, isDone: stream.ending == .done)
        if let problem { return fail(problem, upstream.target, usage: usage(of: call), isEstimated: true) }
        rest = .lastWords
        return outcome(
            .completed, upstream.target, usage: usage(of: call),
            isEstimated: !(stream.usage?.isComplete ?? false))
    }

    private func clientGone(_ upstream: Upstream, _ call: ClientCall) -> CallOutcome {
        connection?.close()
        rest = .nothing
        return outcome(.clientGone, upstream.target, usage: usage(of: call), isEstimated: true)
    }

    /// What the provider reported, with estimates from what went by where it did not.
    private func usage(of call: ClientCall) -> TokenUsage {
        let reported = translation?.usage ?? ReportedUsage(usage: .zero, hasInput: false, hasOutput: false)
        return reported.completed(
            estimatedInput: Self.tokens(call.promptBytes),
            estimatedOutput: translation?.estimatedOutputTokens ?? 0)
    }

    /// Sends a part of a stream, its head before the first; false when the client is gone.
    private func forward(_ content: [UInt8]) async -> Bool {
        guard let exchange else { return false }
        do throws(TransportError) {
            try await send(content, isLast: false, exchange)
            return true
        } catch { return false }
    }

    func send(_ content: [UInt8], isLast: Bool, _ exchange: Exchange) async throws(TransportError) {
        body.removeAll()
        if !hasBegun {
            noteFirstByte()
            guard let head = streamHead(exchange) else { throw .aborted }
            body.append(head)
            hasBegun = true
            // Nobody asks another target now, and the stream may last.
            exchange.releaseContent()
        }
        if isChunked {
            var encoder = ChunkEncoder()
            content.withUnsafeBytes { body.append(encoder.encode($0, isLast: isLast)) }
        } else {
            body.append(content)
        }
        try await exchange.sendRaw(body.view)
    }

    /// The end of a whole stream: what waited for the bill, and the end of the chunks, in one write.
    func sendLastWords(_ event: UsageEvent, _ exchange: Exchange) async throws(TransportError) {
        var words: [UInt8] = []
        let bill = StreamBill(cost: "\(event.cost)", state: "\(event.costState.headerText)")
        translation?.finish(nanoseconds: age, bill: bill, to: &words)
        try await send(words, isLast: true, exchange)
        exchange.markResponded(keepAlive: isChunked && keepsStreamAlive)
    }

    /// One error event in the client's dialect. The connection is cut behind it, so that nobody takes the
    /// stream for whole.
    func sendBreak(_ exchange: Exchange, with failure: CallFailure) async {
        var words: [UInt8] = []
        translation?.fail(
            ProviderComplaint(failure.error, status: failure.status, for: work.dialect), to: &words)
        try? await send(words, isLast: false, exchange)
    }

    /// Lets the provider's connection go as soon as nothing more is wanted from it.
    private func release(_ connection: ClientConnection, isDone: Bool) {
        self.connection = nil
        guard isDone, !connection.isBodyComplete else { return connection.finish() }
        // The end of the body is still on its way: wait for it aside, not with this client.
        connection.connection.unlink()
        connection.deadlines.betweenReadsNanoseconds = 1_000_000_000
        gateway.loop.spawn {
            var left = 64 * 1024
            while left > 0, let part = try? await connection.nextBody() { left -= part.count }
            connection.finish()
        }
    }
}

extension HeadWriter {
    /// Fields the clients of a dialect look for besides.
    mutating func fieldsOf(_ dialect: ClientDialect, _ exchange: Exchange) {
        if dialect == .anthropic { field("request-id", exchange.requestIDBytes) }
    }
}
