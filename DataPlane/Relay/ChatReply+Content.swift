import Admission
import Contract
import Dialects
import Domain
import Guarding
import JSONText
import Metering
import Policy

/// What is said in one call, for a tenant that keeps that. Loop thread.
final class CallRecording {
    let request: ContentLog.Said?
    var answer: ContentLog.Said?
    /// Puts a streamed answer together.
    var collector: AnswerCollector?

    init(request: ContentLog.Said?) { self.request = request }
}

extension ContentLog.Said {
    init(_ bytes: some Collection<UInt8>) {
        self.init(bytes: Array(bytes.prefix(ContentRedactor.wantedBytes)), byteCount: bytes.count)
    }
}

/// Sees the pieces of an answer as the client gets them, and puts them together again. One stream's.
final class AnswerCollector: EventFilter {
    private let inner: (any EventFilter)?
    private let form: CallForm
    private let context: AnswerContext
    private var answer = CanonicalAnswer()
    /// The part that is being said, if it is a text or a thought.
    private var (text, thought) = ("", "")
    /// Where the calls of tools are among the parts, and their arguments so far.
    private var calls: [Int: (place: Int, arguments: String)] = [:]
    /// Of the answer's texts: what is kept, and what came.
    private var (kept, seen) = (0, 0)

    /// - Parameter inner: what the client does not get is not collected.
    init(behind inner: (any EventFilter)?, _ form: CallForm, _ context: AnswerContext) {
        self.inner = inner
        self.form = form
        self.context = context
    }

    func take(_ event: CanonicalEvent) -> [CanonicalEvent] {
        guard let inner else {
            note(event)
            return [event]
        }
        let events = inner.take(event)
        for event in events { note(event) }
        return events
    }

    /// The answer as a whole, in the client's words; nil: nothing came.
    func said(nanoseconds: Int64) -> ContentLog.Said? {
        endPart()
        for (place, arguments) in calls.values {
            guard case .toolCall(var call) = answer.parts[place] else { continue }
            call.arguments = arguments
            answer.parts[place] = .toolCall(call)
        }
        if answer.parts.isEmpty { return nil }
        let bytes = form.answer(answer, context, nanoseconds: nanoseconds).bytes
        return ContentLog.Said(bytes: bytes, byteCount: bytes.count + seen - kept)
    }

    /// Notes what was held back and goes to the client now.
    func note(_ events: [CanonicalEvent]) { for event in events { note(event) } }

    private func note(_ event: CanonicalEvent) {
        switch event {
        case .start(let id): answer.id = id
        case .text(let text):
            if !thought.isEmpty { endPart() }
            if fits(text) { self.text += text }
        case .reasoning(let text):
            if !self.text.isEmpty { endPart() }
            if fits(text) { thought += text }
        case .toolCall(let index, let id, let name, _):
            endPart()
            if answer.parts.count > 1_000 { return }
            calls[index] = (answer.parts.count, "")
            answer.parts.append(.toolCall(CanonicalToolCall(id: id, name: name, arguments: "")))
        case .toolArguments(let index, let text):
            if fits(text) { calls[index]?.arguments += text }
        case .finish(let reason): answer.finish = reason
        case .usage(let usage): answer.usage = usage
        case .reasoningSignature, .end, .failure: break
        }
    }

    private func endPart() {
        if !text.isEmpty { answer.parts.append(.text(text)) }
        if !thought.isEmpty { answer.parts.append(.reasoning(text: thought, signature: nil)) }
        (text, thought) = ("", "")
    }

    /// Whether there is room for a piece, and all before it were kept.
    private func fits(_ piece: String) -> Bool {
        let bytes = piece.utf8.count
        seen += bytes
        guard seen - bytes == kept, kept + bytes <= ContentRedactor.wantedBytes else { return false }
        kept += bytes
        return true
    }
}

extension Gateway {
    /// Begins to keep what is said, when the key's tenant does that and this call is one of those; nil: for
    /// nearly all.
    func recording(of call: ClientCall, _ admitted: Admitted) -> CallRecording? {
        let percent = admitted.key.tenant.contentPercent
        guard percent > 0, recorder.contents != nil, percent >= 100 || UInt8.random(in: 0..<100) < percent
        else { return nil }
        return CallRecording(request: call.multipart == nil ? ContentLog.Said(call.body) : nil)
    }
}

extension ChatReply {
    /// What looks at the pieces of a stream; nil: nothing does.
    func streamFilter(
        _ call: ClientCall, _ form: CallForm
    ) -> (all: (any EventFilter)?, asked: AskedStream?) {
        let (guarding, asked) = filters()
        guard let recording else { return (guarding, asked) }
        let collector = AnswerCollector(behind: guarding, form, context(of: call))
        recording.collector = collector
        return (collector, asked)
    }

    /// Leaves what was said to be handed over, if it is kept. The call waits for nothing.
    func leaveContent(_ event: UsageEvent) {
        guard let recording else { return }
        if recording.answer == nil { recording.answer = saidAnswer(recording) }
        gateway.recorder.contents?.add(
            ContentLog.Entry(
                call: event.id, tenant: event.tenant, startedAt: event.startedAt, request: recording.request,
                answer: recording.answer))
    }

    private func saidAnswer(_ recording: CallRecording) -> ContentLog.Said? {
        if let collector = recording.collector { return collector.said(nanoseconds: age) }
        if case .embeddings = work { return nil }
        guard case .plain(let whole) = rest, answerType == nil else { return nil }
        return ContentLog.Said(whole)
    }
}
