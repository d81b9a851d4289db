import Contract
package import Dialects
import Domain
import JSONText
import Policy

extension CallGuards {
    /// Asks about a request: the body as it goes on, nil when it stays as it came.
    ///
    /// - Parameter changed: the body as the other guardrails left it; nil: as it came.
    package func ask(
        about call: ClientCall, _ changed: [UInt8]?
    ) async throws(GuardrailBlock) -> [UInt8]? {
        if inputWebhooks.isEmpty || call.multipart != nil { return changed }
        let left = changed.flatMap { try? JSONValue.parse($0, limits: .ours($0.count)) }
        guard case .object(let body)? = left ?? (try? call.value()) else { return changed }
        var texts: [String] = []
        _ = GuardedText.changed(body) {
            texts.append($0)
            return nil
        }
        guard let others = try await judged(texts, by: inputWebhooks, .request) else { return changed }
        var rest = others[...]
        let redacted = GuardedText.changed(body) { _ in rest.popFirst() }
        return redacted.map { JSONValue.object($0).bytes } ?? changed
    }

    /// Asks about a whole answer: the one that goes on, nil when it stays as it came.
    package func ask(
        aboutAnswer whole: UnsafeRawBufferPointer
    ) async throws(GuardrailBlock) -> [UInt8]? {
        guard !outputWebhooks.isEmpty,
            let value = try? JSONValue.parse(whole, limits: .ours(whole.count))
        else { return nil }
        var texts: [String] = []
        _ = GuardedText.changed(value) {
            texts.append($0)
            return nil
        }
        do throws(GuardrailBlock) {
            guard let others = try await judged(texts, by: outputWebhooks, .answer) else { return nil }
            var rest = others[...]
            return GuardedText.changed(value) { _ in rest.popFirst() }?.bytes
        } catch { throw stop(error) }
    }

    /// The texts as the webhooks let them through; nil when nothing changes.
    func judged(
        _ texts: [String], by webhooks: [CompiledGuardrail], _ side: GuardrailBlock.Side,
        _ piece: WebhookQuestion.Piece? = nil
    ) async throws(GuardrailBlock) -> [String]? {
        if texts.allSatisfy(\.isEmpty) { return nil }
        var current = texts
        for webhook in webhooks {
            let question = WebhookQuestion(
                guardrail: webhook, side: side, texts: current, piece: piece, number: questions)
            questions += 1
            if webhook.entry.mode == .observe {
                observe(question)
                continue
            }
            switch await asker?.ask(question) {
            case .allow?: continue
            case .redact(let others)? where webhook.entry.rule.action == .redact:
                if others == current { continue }
                tally(webhook, .redacted, 1)
                current = others
            case .block?, .redact?:
                tally(webhook, .blocked, 1)
                throw GuardrailBlock(name: webhook.entry.name, side: side)
            case nil:
                tally(webhook, .unanswered, 1)
                if webhook.entry.rule.webhook?.onFailure == .allow { continue }
                throw GuardrailBlock(name: webhook.entry.name, side: side, isUnanswered: true)
            }
        }
        return current == texts ? nil : current
    }

    private func observe(_ question: WebhookQuestion) {
        asker?.observe(question) { [self] verdict in
            if verdict == .allow || verdict == .redact(question.texts) { return }
            if isClosed {
                asker?.noteLate(question.guardrail)
            } else {
                tally(question.guardrail, .observed, 1)
            }
        }
    }
}

extension JSONLimits {
    /// For what was read once already.
    fileprivate static func ours(_ count: Int) -> JSONLimits {
        JSONLimits(maximumBytes: max(1, count), maximumValues: 16_000_000)
    }
}
