package import Policy

/// Asks the webhooks of guardrails for one call. Loop thread.
package protocol WebhookAsker: AnyObject {
    /// What the webhook says; nil: nothing sensible in time.
    func ask(_ question: WebhookQuestion) async -> WebhookVerdict?
    /// Asks, and waits for nothing. `answered` is called when there is an answer.
    func observe(_ question: WebhookQuestion, _ answered: @escaping (WebhookVerdict) -> Void)
    /// An observer answered when the call was over.
    func noteLate(_ guardrail: CompiledGuardrail)
}
