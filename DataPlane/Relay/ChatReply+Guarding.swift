import Admission
import Contract
import Dialects
import Domain
import Guarding
import HTTPWire

/// Bytes that stay where they are for as long as somebody has them.
final class KeptBytes {
    let view: UnsafeRawBufferPointer

    init(_ bytes: some Collection<UInt8>) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        view = UnsafeRawBufferPointer(copy)
    }

    deinit { view.deallocate() }
}

extension CallFailure {
    init(_ block: GuardrailBlock) {
        self.init(
            block.isUnanswered ? .guardrailUnavailable : .guardrailBlocked, message: block.message.bounded)
        self.ending = .completed
    }

    /// A guardrail keeps the content back: no other target would change that.
    var isOfGuardrail: Bool { self.code == .guardrailBlocked || self.code == .guardrailUnavailable }
}

extension ChatReply {
    /// Whether the pieces of the answer must be understood, because something looks at them.
    func guardsStream(of call: ClientCall) -> Bool {
        call.isStream && (guards?.looksAtOutput ?? false || recording != nil)
    }

    /// A whole answer as guardrails let it through. It is billed in any case: the provider has written it.
    func guarded(_ outcome: CallOutcome) async -> CallOutcome {
        guard let guards, guards.looksAtOutput, case .plain(let whole) = rest, answerType == nil else {
            return outcome
        }
        if case .embeddings = work { return outcome }
        do throws(GuardrailBlock) {
            if let changed = try guards.judge(answer: whole) { put(changed) }
            if case .plain(let whole) = rest, let changed = try await guards.ask(aboutAnswer: whole) {
                put(changed)
            }
            return outcome
        } catch {
            let failure = CallFailure(error)
            rest = .failure(failure)
            outcome.error = failure.code
            outcome.status = UInt16(truncatingIfNeeded: failure.status)
            return outcome
        }
    }

    private func put(_ answer: [UInt8]) {
        body.removeAll()
        body.append(answer)
        rest = .plain(body.view)
    }

    /// What a stream goes through, if anything looks at it: what guardrails see for themselves, then what
    /// they ask somebody about.
    func filters() -> (all: (any EventFilter)?, asked: AskedStream?) {
        guard let guards, guards.looksAtOutput else { return (nil, nil) }
        let own = guards.findsInOutput ? OutputGuard(guards) : nil
        guard guards.asksAboutOutput else { return (own, nil) }
        let asked = AskedStream(guards, after: own)
        return (asked, asked)
    }

    /// Asks about what of a stream is held back, if it is time; why the stream must end, if it must.
    func settle(
        _ asked: AskedStream, _ stream: inout StreamTranslation, _ output: inout [UInt8]
    ) async -> CallFailure? {
        guard asked.isDue || stream.ending == .done else { return nil }
        do throws(GuardrailBlock) {
            let events = try await asked.settle(isLast: stream.ending == .done)
            recording?.collector?.note(events)
            stream.goOn(with: events, to: &output)
            return nil
        } catch { return CallFailure(error) }
    }
}
