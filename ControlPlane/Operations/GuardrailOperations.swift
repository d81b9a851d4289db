import Contract
package import Cryptography
package import Domain
import JSONText
import Patterns
import PostgresDriver
import Store

/// What a new guardrail is made of.
package struct NewGuardrail: Sendable {
    package var name: String
    package var subject: GuardrailSubject
    package var rule: GuardrailRule
    package var sides: GuardrailSides
    package var mode: GuardrailMode
    package var isEnabled: Bool
    /// What signs the questions of a webhook; such a guardrail, and no other, has one.
    package var webhookSecret: WebhookSecret?

    package init(
        name: String, subject: GuardrailSubject = .tenant, rule: GuardrailRule,
        sides: GuardrailSides = .both, mode: GuardrailMode = .enforce, isEnabled: Bool = true,
        webhookSecret: WebhookSecret? = nil
    ) {
        self.name = name
        self.subject = subject
        self.rule = rule
        self.sides = sides
        self.mode = mode
        self.isEnabled = isEnabled
        self.webhookSecret = webhookSecret
    }
}

/// What changes about a guardrail; nil stays as it is. Its kind and its subject never change.
package struct GuardrailChange: Sendable {
    package var name: String?
    package var action: GuardrailAction?
    package var patterns: [String]?
    package var words: [String]?
    package var personalData: [PersonalDatum]?
    package var size: GuardrailSize?
    package var sides: GuardrailSides?
    package var mode: GuardrailMode?
    package var isEnabled: Bool?
    package var webhook: GuardrailWebhook?
    /// Signs from now on; for a day the one before signs too.
    package var webhookSecret: WebhookSecret?

    package init() {}

    fileprivate func apply(to guardrail: inout Guardrail) throws(OperationError) {
        for (texts, place, kind) in [
            (patterns, "/patterns", GuardrailKind.patterns), (words, "/words", .words),
        ] {
            guard let texts else { continue }
            guard guardrail.rule.kind == kind else {
                throw .invalid([
                    ValidationError(
                        place, .notAllowed, "belongs to guardrails of the kind '\(kind.rawValue)'")
                ])
            }
            guardrail.rule.texts = texts
        }
        guardrail.name = name ?? guardrail.name
        guardrail.rule.action = action ?? guardrail.rule.action
        guardrail.rule.personalData = personalData ?? guardrail.rule.personalData
        guardrail.rule.size = size ?? guardrail.rule.size
        guardrail.sides = sides ?? guardrail.sides
        guardrail.mode = mode ?? guardrail.mode
        guardrail.isEnabled = isEnabled ?? guardrail.isEnabled
        if var webhook {
            webhook.overlapUntil = guardrail.rule.webhook?.overlapUntil
            guardrail.rule.webhook = webhook
        }
        if webhookSecret != nil, guardrail.rule.kind != .webhook {
            throw .invalid([GuardrailOperations.secretNotAllowed])
        }
    }
}

/// Guardrails of a tenant: what may go into calls and what may come out of them.
package struct GuardrailOperations {
    let environment: OperationEnvironment

    package func list(
        in tenant: TenantID, where filter: GuardrailFilter = GuardrailFilter(), _ page: PageRequest,
        by caller: Caller
    ) async throws(OperationError) -> ListPage<Guardrail> {
        try await environment.read(.guardrailsRead, in: .tenant(tenant), by: caller) { connection in
            ListPage(
                try await GuardrailStore.list(
                    of: tenant, where: filter, page.of(Guardrail.self), connection))
        }
    }

    package func get(
        _ id: GuardrailID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Guardrail {
        try await environment.read(.guardrailsRead, in: .tenant(tenant), by: caller) { connection in
            try found(try await GuardrailStore.find(id, of: tenant, connection))
        }
    }

    /// Makes a guardrail; nodes follow within moments.
    package func create(
        _ new: NewGuardrail, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Guardrail> {
        let now = environment.clock.now()
        let guardrail = Guardrail(
            id: GuardrailID(at: now), tenant: tenant, name: new.name, subject: new.subject, rule: new.rule,
            sides: new.sides, mode: new.mode, isEnabled: new.isEnabled, createdAt: now, updatedAt: now)
        try check(guardrail)
        if new.rule.kind != .webhook, new.webhookSecret != nil { throw .invalid([Self.secretNotAllowed]) }
        if new.rule.kind == .webhook, new.webhookSecret == nil {
            throw .invalid([
                ValidationError("/webhook_secret", .required, "must sign what the webhook is asked")
            ])
        }
        return try await environment.write(
            "guardrails.create", .guardrailsCreate, in: .tenant(tenant), by: caller
        ) { connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("guardrails of \(tenant)", connection)
            try await demandPlace(for: guardrail, connection)
            var secret: StoredCredential?
            if let new = new.webhookSecret { secret = try await stored(new.text, of: guardrail, connection) }
            try await GuardrailStore.create(guardrail, secret: secret, connection)
            return Recorded(guardrail, AuditSubject("guardrail", guardrail.id, Self.details(guardrail)))
        }
    }

    /// Changes what is not nil.
    package func update(
        _ id: GuardrailID, _ change: GuardrailChange, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Guardrail> {
        try await environment.write(
            "guardrails.update", .guardrailsUpdate, in: .tenant(tenant), by: caller
        ) { connection in
            let before = try found(try await GuardrailStore.find(id, of: tenant, connection))
            var guardrail = before
            try change.apply(to: &guardrail)
            try check(guardrail)
            let now = environment.clock.now()
            guardrail.updatedAt = now
            var secret: StoredCredential?
            if let new = change.webhookSecret {
                let texts = "\(new.text) \(try await currentSecret(of: guardrail, connection))"
                secret = try await stored(texts, of: guardrail, connection)
                guardrail.rule.webhook?.overlapUntil = now.advanced(
                    bySeconds: GuardrailWebhook.overlapSeconds)
            }
            let isWritten = try await GuardrailStore.update(
                guardrail, secret: secret, expecting: before.updatedAt, connection)
            guard isWritten else { throw OperationError(.preconditionFailed) }
            return Recorded(
                guardrail,
                AuditSubject("guardrail", id, from: Self.details(before), to: Self.details(guardrail)))
        }
    }

    package func delete(
        _ id: GuardrailID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> Changed<Guardrail> {
        try await environment.write(
            "guardrails.delete", .guardrailsDelete, in: .tenant(tenant), by: caller
        ) { connection in
            let guardrail = try found(try await GuardrailStore.find(id, of: tenant, connection))
            _ = try await GuardrailStore.delete(id, of: tenant, connection)
            return Recorded(guardrail, AuditSubject("guardrail", id, Self.details(guardrail)))
        }
    }

    fileprivate static let secretNotAllowed = ValidationError(
        "/webhook_secret", .notAllowed, "belongs to guardrails of the kind 'webhook'")

    private func demandPlace(for guardrail: Guardrail, _ connection: PostgresConnection) async throws {
        let count = try await GuardrailStore.count(of: guardrail.tenant, connection)
        if count.all >= Guardrail.maximumOfTenant {
            throw OperationError(
                .conflict, detail: "A tenant has at most \(Guardrail.maximumOfTenant) guardrails.")
        }
        if guardrail.rule.kind == .webhook, count.webhooks >= Guardrail.maximumWebhooksOfTenant {
            throw OperationError(
                .conflict,
                detail: "A tenant has at most \(Guardrail.maximumWebhooksOfTenant) guardrails that ask a "
                    + "webhook: a call waits for one after the other.")
        }
    }

    private func stored(
        _ secrets: String, of guardrail: Guardrail, _ connection: PostgresConnection
    ) async throws -> StoredCredential {
        try await environment.keys.vault.stored(
            Secret(utf8: secrets), of: .guardrail(guardrail.id), owner: guardrail.tenant,
            under: environment.keys.fleetKey, connection)
    }

    /// The secret in force, without the one before.
    private func currentSecret(
        of guardrail: Guardrail, _ connection: PostgresConnection
    ) async throws -> String {
        let kept = try found(
            try await GuardrailStore.secret(of: guardrail.id, in: guardrail.tenant, connection))
        let opened = try await environment.keys.vault.open(
            kept.sealed, of: .guardrail(guardrail.id), owner: guardrail.tenant, connection)
        return opened.withBytes { String(decoding: $0.prefix { $0 != 0x20 }, as: UTF8.self) }
    }

    /// The rules of the noun, and what they do not see: whether every pattern can be understood, since a node
    /// must never meet one that cannot, and whether nodes may go where a webhook is.
    private func check(_ guardrail: Guardrail) throws(OperationError) {
        var problems = Guardrail.problems(
            name: guardrail.name, rule: guardrail.rule, sides: guardrail.sides)
        let texts = guardrail.rule.texts
        do throws(DetectorProblem) {
            switch guardrail.rule.kind {
            case .patterns: _ = try Detector(patterns: texts)
            case .words: _ = try Detector(words: texts)
            case .personalData, .secrets, .size, .webhook: break
            }
        } catch {
            let place = guardrail.rule.kind == .words ? "/words" : "/patterns"
            problems.append(
                ValidationError(
                    "\(place)/\(error.index)", .invalidFormat,
                    "must be a regular expression in RE2's syntax: \(error.reason)"))
        }
        if let url = guardrail.rule.webhook?.url, let reason = environment.egressRefusal(url) {
            problems.append(
                ValidationError("/webhook/url", .notAllowed, "cannot be reached: \(reason)"))
        }
        if !problems.isEmpty { throw .invalid(problems) }
    }

    private static func details(_ guardrail: Guardrail) -> JSONValue {
        let rule = guardrail.rule
        let webhook = rule.webhook
        func bound(_ value: Int64?) -> JSONValue { value.map { .number(JSONNumber($0)) } ?? .null }
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        return [
            "name": .string(guardrail.name), "subject": .string(guardrail.subject.text),
            "kind": .string(rule.kind.rawValue), "action": .string(rule.action.rawValue),
            "sides": .array(guardrail.sides.names.map { .string($0) }),
            "mode": .string(guardrail.mode.rawValue), "enabled": .boolean(guardrail.isEnabled),
            "texts": .array(rule.texts.map { .string($0) }),
            "personal_data": .array(rule.personalData.map { .string($0.rawValue) }),
            "maximum_messages": bound(rule.size.messages),
            "maximum_characters": bound(rule.size.characters), "maximum_tokens": bound(rule.size.tokens),
            "webhook_url": text(webhook?.url.description),
            "webhook_timeout_ms": bound(webhook.map { Int64($0.timeout) }),
            "webhook_on_failure": text(webhook?.onFailure.rawValue),
            "secret_overlap_until": text(webhook?.overlapUntil?.description),
        ]
    }
}

extension GuardrailSubject {
    /// The kind, and whom: `key key_01h…`.
    fileprivate var text: String {
        switch self {
        case .tenant: "tenant"
        case .workspace(let id): "workspace \(id)"
        case .route(let id): "route \(id)"
        case .key(let id): "key \(id)"
        }
    }
}
