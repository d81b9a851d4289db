package import Contract
package import Dialects
import Domain
import JSONText
import Patterns
package import Policy

/// A guardrail keeps a content back.
package struct GuardrailBlock: Error, Sendable {
    package enum Side: Sendable { case request, answer }
    /// Told to the caller; what was found never is.
    package let name: String
    package let side: Side
    /// Nobody found anything: the one who decides could not be asked.
    package var isUnanswered = false

    package var message: String {
        let content = side == .request ? "request" : "answer"
        return isUnanswered
            ? "The guardrail '\(name)' could not be asked about this \(content)."
            : "The guardrail '\(name)' does not let this \(content) through."
    }
}

/// The guardrails of one call at work, and what they did. Loop thread.
package final class CallGuards {
    private let inputs: [CompiledGuardrail]
    let outputs: [CompiledGuardrail]
    /// Those that ask somebody: after the others, one after the other.
    let inputWebhooks: [CompiledGuardrail]
    let outputWebhooks: [CompiledGuardrail]
    let asker: (any WebhookAsker)?
    /// Questions asked so far.
    var questions = 0
    private var tallies: [(mark: GuardrailMark, guardrail: CompiledGuardrail)] = []
    /// Set once one of them kept the answer back.
    package private(set) var block: GuardrailBlock?

    /// nil when none looks at the call.
    ///
    /// - Parameter asker: made when one of them asks somebody.
    package init?(_ guardrails: [CompiledGuardrail], asker: () -> (any WebhookAsker)? = { nil }) {
        if guardrails.isEmpty { return nil }
        let webhooks = guardrails.filter { $0.entry.rule.kind == .webhook }
        inputs = guardrails.filter { $0.entry.sides.contains(.input) && $0.entry.rule.kind != .webhook }
        outputs = guardrails.filter { $0.entry.sides.contains(.output) && $0.detector != nil }
        inputWebhooks = webhooks.filter { $0.entry.sides.contains(.input) }
        outputWebhooks = webhooks.filter { $0.entry.sides.contains(.output) }
        self.asker = webhooks.isEmpty ? nil : asker()
    }

    package var looksAtOutput: Bool { !outputs.isEmpty || !outputWebhooks.isEmpty }
    package var findsInOutput: Bool { !outputs.isEmpty }
    package var asksAboutOutput: Bool { !outputWebhooks.isEmpty }
    /// Whether the answer may have to be changed or kept back.
    package var mayChangeOutput: Bool { (outputs + outputWebhooks).contains { $0.entry.mode == .enforce } }
    /// For the call's usage event.
    package var marks: [GuardrailMark] { tallies.map(\.mark) }
    /// Nothing more is counted for the call: what comes later is told to the asker.
    package private(set) var isClosed = false

    /// What was done by which kind, for metrics. Once, at the call's end.
    package func close() -> [(kind: String, effect: GuardrailMark.Effect)] {
        isClosed = true
        return tallies.map { ($0.guardrail.entry.rule.kind.rawValue, $0.mark.effect) }
    }

    /// Of what they are: the same guardrails make the same answer of the same one.
    package var fingerprint: Int {
        var hasher = Hasher()
        for guardrail in inputs + outputs + inputWebhooks + outputWebhooks { hasher.combine(guardrail.entry) }
        return hasher.finalize()
    }

    func tally(_ guardrail: CompiledGuardrail, _ effect: GuardrailMark.Effect, _ count: Int) {
        var count = count
        let place = tallies.firstIndex { $0.mark.guardrail == guardrail.id && $0.mark.effect == effect }
        if let place { count += Int(tallies[place].mark.count) }
        let mark = GuardrailMark(guardrail: guardrail.id, effect: effect, count: UInt16(clamping: count))
        if let place { tallies[place].mark = mark } else { tallies.append((mark, guardrail)) }
    }

    // MARK: Requests

    /// Looks at a request: the body with marks in the places of what is redacted, nil when nothing changes.
    /// Forms with files are not looked at, but for their size.
    package func judge(_ call: ClientCall) throws(GuardrailBlock) -> [UInt8]? {
        if inputs.isEmpty { return nil }
        guard call.multipart == nil, case .object(let body)? = try? call.value() else { return nil }
        try judgeSize(of: body)
        let changed = try GuardedText.changed(body) { text throws(GuardrailBlock) in
            try guarded(text, by: inputs, .request)
        }
        return changed.map { JSONValue.object($0).bytes }
    }

    private func judgeSize(of body: JSONObject) throws(GuardrailBlock) {
        for guardrail in inputs where guardrail.entry.rule.kind == .size {
            let bounds = guardrail.entry.rule.size
            let size = GuardedText.size(of: body)
            let figures: [(Int64, Int64?)] = [
                (size.messages, bounds.messages), (size.characters, bounds.characters),
                ((size.bytes + 3) / 4, bounds.tokens),
            ]
            let count = figures.count { figure, bound in bound.map { figure > $0 } ?? false }
            if count == 0 { continue }
            guard guardrail.entry.mode == .enforce else {
                tally(guardrail, .observed, count)
                continue
            }
            tally(guardrail, .blocked, count)
            throw GuardrailBlock(name: guardrail.entry.name, side: .request)
        }
    }

    // MARK: Whole answers

    /// Looks at a whole answer: the one with marks in the places of what is redacted, nil when nothing
    /// changes. What is no JSON is let through: sounds and pictures have no text.
    package func judge(answer whole: UnsafeRawBufferPointer) throws(GuardrailBlock) -> [UInt8]? {
        if outputs.isEmpty { return nil }
        let limits = JSONLimits(maximumBytes: max(1, whole.count), maximumValues: 16_000_000)
        guard let value = try? JSONValue.parse(whole, limits: limits) else { return nil }
        do throws(GuardrailBlock) {
            return try GuardedText.changed(value) { text throws(GuardrailBlock) in
                try guarded(text, by: outputs, .answer)
            }?.bytes
        } catch { throw stop(error) }
    }

    /// Keeps the answer back.
    func stop(_ block: GuardrailBlock) -> GuardrailBlock {
        self.block = block
        return block
    }

    func stop(_ guardrail: CompiledGuardrail) -> GuardrailBlock {
        stop(GuardrailBlock(name: guardrail.entry.name, side: .answer))
    }

    // MARK: Texts

    private func guarded(
        _ text: String, by guardrails: [CompiledGuardrail], _ side: GuardrailBlock.Side
    ) throws(GuardrailBlock) -> String? {
        var bytes = Array(text.utf8)
        var hasChanged = false
        for guardrail in guardrails {
            guard let detector = guardrail.detector else { continue }
            let findings = bytes.withUnsafeBytes { detector.findings(in: $0) }
            if findings.isEmpty { continue }
            switch (guardrail.entry.mode, guardrail.entry.rule.action) {
            case (.observe, _): tally(guardrail, .observed, findings.count)
            case (.enforce, .block):
                tally(guardrail, .blocked, findings.count)
                throw GuardrailBlock(name: guardrail.entry.name, side: side)
            case (.enforce, .redact):
                tally(guardrail, .redacted, findings.count)
                bytes = bytes.withUnsafeBytes { Detector.redacted($0, findings) }
                hasChanged = true
            }
        }
        return hasChanged ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
