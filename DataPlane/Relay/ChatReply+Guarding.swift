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
        self.init(.guardrailBlocked, message: block.message.bounded)
        self.ending = .completed
    }
}

extension ChatReply {
    /// Whether the pieces of the answer must be understood, because something looks at them.
    func guardsStream(of call: ClientCall) -> Bool {
        call.isStream && (guards?.looksAtOutput ?? false || recording != nil)
    }

    /// A whole answer as guardrails let it through. It is billed in any case: the provider has written it.
    func guarded(_ outcome: CallOutcome) -> CallOutcome {
        guard let guards, guards.looksAtOutput, case .plain(let whole) = rest, answerType == nil else {
            return outcome
        }
        if case .embeddings = work { return outcome }
        do throws(GuardrailBlock) {
            if let changed = try guards.judge(answer: whole) {
                body.removeAll()
                body.append(changed)
                rest = .plain(body.view)
            }
            return outcome
        } catch {
            let failure = CallFailure(error)
            rest = .failure(failure)
            var outcome = outcome
            outcome.error = failure.code
            outcome.status = UInt16(truncatingIfNeeded: failure.status)
            return outcome
        }
    }
}
