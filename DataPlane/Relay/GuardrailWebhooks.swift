import Admission
import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import Guarding
import HTTPCalling
import HTTPServing
import HTTPWire
import Policy
import Routing
import Telemetry

/// Asks the webhooks of guardrails, out through the egress policy, never following anything. One that fails
/// time and again is left alone for a while, so that calls do not each wait for it. One loop's; loop thread.
final class GuardrailWebhooks {
    /// Questions of observers under way; what is more is left out.
    private static let maximumObserving = 64
    private static let maximumKnown = 10_000

    private let calling: UpstreamCalling
    private let log: Log
    private var breakers: [GuardrailID: Breaker] = [:]
    private var observing = 0

    init(_ calling: UpstreamCalling, log: Log) {
        self.calling = calling
        self.log = log
    }

    /// nil: no sensible answer in time, or none is expected now.
    func post(
        _ question: WebhookQuestion, to webhook: GuardrailWebhook, _ fields: HeaderFields, _ body: [UInt8]
    ) async -> WebhookVerdict? {
        let (id, loop) = (question.guardrail.id, calling.client.loop)
        if breakers.count > Self.maximumKnown { breakers.removeAll() }
        guard breakers[id, default: Breaker()].isAvailable(at: loop.now) else { return nil }
        breakers[id, default: Breaker()].begin(at: loop.now)
        var verdict: WebhookVerdict?
        var reason = "its answer says no verdict"
        do throws(CallError) {
            // Texts may grow by marks, and by escapes of JSON.
            let maximumBody = 64 * 1024 + 6 * question.byteCount
            let response = try await calling.client.request(
                .post, webhook.url.description, fields: fields, body: body, tls: calling.tls,
                isRepeatable: true, timeoutNanoseconds: Int64(webhook.timeout) * 1_000_000,
                maximumBody: maximumBody)
            if response.status == 200 {
                verdict = WebhookVerdict(response.body, about: question.texts)
            } else {
                reason = "it answered \(response.status)"
            }
        } catch { reason = "\(error)" }
        if verdict != nil {
            breakers[id, default: Breaker()].succeed(at: loop.now)
        } else {
            breakers[id, default: Breaker()].fail(at: loop.now)
            log.warning("guardrail not answered", ["guardrail": "\(id)", "reason": LogValue(reason)])
        }
        return verdict
    }

    /// Asks aside, unless too much is being asked so.
    func aside(_ ask: @escaping () async -> Void) {
        guard observing < Self.maximumObserving else { return }
        observing += 1
        calling.client.loop.spawn { [self] in
            await ask()
            observing -= 1
        }
    }
}

/// What one call asks. Loop thread.
final class CallWebhooks: WebhookAsker {
    private let gateway: Gateway
    private let serving: ServingSnapshot
    private let request: String
    private let facts: [(name: String, value: String)]

    init(_ gateway: Gateway, _ admitted: Admitted, _ exchange: Exchange, in serving: ServingSnapshot) {
        self.gateway = gateway
        self.serving = serving
        request = "\(exchange.requestID)"
        let key = admitted.key.record
        facts = [
            ("tenant", "\(key.tenant)"), ("key", "\(key.id)"), ("model", admitted.route.name),
            ("request", request),
        ]
    }

    func ask(_ question: WebhookQuestion) async -> WebhookVerdict? {
        guard let webhook = question.guardrail.entry.rule.webhook,
            question.byteCount <= WebhookQuestion.maximumBytes
        else { return nil }
        let now = gateway.clock.now()
        let isOverlapping = webhook.overlapUntil.map { now < $0 } ?? false
        let secrets = serving.webhookSecrets(of: question.guardrail.id).prefix(isOverlapping ? 2 : 1)
        if secrets.isEmpty { return nil }
        let body = question.body(facts, at: now.description)
        var fields = HeaderFields()
        let signed = WebhookSecret.fields(
            id: "\(request)-\(question.number)", timestamp: now.microseconds / 1_000_000, body: body,
            signedBy: Array(secrets))
        for field in signed { fields.append(field.name, field.value) }
        return await gateway.webhooks.post(question, to: webhook, fields, body)
    }

    func observe(_ question: WebhookQuestion, _ answered: @escaping (WebhookVerdict) -> Void) {
        gateway.webhooks.aside { [self] in
            if let verdict = await ask(question) { answered(verdict) }
        }
    }

    func noteLate(_ guardrail: CompiledGuardrail) {
        gateway.meters.noteGuardrail(guardrail.entry.rule.kind.rawValue, .observed)
    }
}
