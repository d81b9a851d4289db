package import Domain

/// What a node knows of a guardrail that is switched on.
package struct GuardrailEntry: Hashable, Sendable, BinaryRecord {
    package let id: GuardrailID
    package let tenant: TenantID
    package let name: String
    package let subject: GuardrailSubject
    package let rule: GuardrailRule
    package let sides: GuardrailSides
    package let mode: GuardrailMode
    /// What signs the questions of a webhook: one secret, or the one in force and the one before with a space
    /// between.
    package let secret: SealedCredential?

    package init(
        id: GuardrailID, tenant: TenantID, name: String, subject: GuardrailSubject = .tenant,
        rule: GuardrailRule, sides: GuardrailSides = .both, mode: GuardrailMode = .enforce,
        secret: SealedCredential? = nil
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.subject = subject
        self.rule = rule
        self.sides = sides
        self.mode = mode
        self.secret = secret
    }

    /// - Parameter secret: already sealed under the fleet key.
    package init(_ guardrail: Guardrail, secret: SealedCredential? = nil) {
        self.init(
            id: guardrail.id, tenant: guardrail.tenant, name: guardrail.name, subject: guardrail.subject,
            rule: guardrail.rule, sides: guardrail.sides, mode: guardrail.mode, secret: secret)
    }

    package func encode(into writer: inout FieldWriter) {
        writer.id(1, id)
        writer.id(2, tenant)
        writer.text(3, name)
        switch subject {
        case .tenant: break
        case .workspace(let id): writer.id(4, id)
        case .route(let id): writer.id(5, id)
        case .key(let id): writer.id(6, id)
        }
        writer.text(7, rule.kind.rawValue)
        writer.text(8, rule.action.rawValue)
        writer.number(9, sides.rawValue)
        writer.text(10, mode.rawValue)
        for text in rule.texts { writer.text(11, text) }
        for datum in rule.personalData { writer.text(12, datum.rawValue) }
        writer.signed(13, rule.size.messages ?? 0)
        writer.signed(14, rule.size.characters ?? 0)
        writer.signed(15, rule.size.tokens ?? 0)
        if let webhook = rule.webhook {
            writer.text(16, webhook.url.description)
            writer.signed(17, webhook.timeout)
            writer.text(18, webhook.onFailure.rawValue)
            writer.time(19, webhook.overlapUntil)
        }
        if let secret { writer.value(20, secret) }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var parts = Parts()
        while let field = try reader.next() { try parts.take(field) }
        id = try Self.required(parts.id, 1)
        tenant = try Self.required(parts.tenant, 2)
        name = parts.name
        subject = parts.subject
        sides = parts.sides
        mode = try Self.required(parts.mode, 10)
        rule = GuardrailRule(
            kind: try Self.required(parts.kind, 7), action: try Self.required(parts.action, 8),
            texts: parts.texts, personalData: parts.personalData, size: parts.size, webhook: parts.webhook)
        secret = parts.secret
    }

    /// The fields as they are read, before it is known that all are there.
    private struct Parts {
        var id: GuardrailID?
        var tenant: TenantID?
        var name = ""
        var subject = GuardrailSubject.tenant
        var kind: GuardrailKind?
        var action: GuardrailAction?
        var sides = GuardrailSides()
        var mode: GuardrailMode?
        var texts: [String] = []
        var personalData: [PersonalDatum] = []
        var size = GuardrailSize()
        var url: BaseURL?
        var timeout = GuardrailWebhook.usualTimeout
        var onFailure = GuardrailFailure.block
        var overlapUntil: Timestamp?
        var secret: SealedCredential?

        var webhook: GuardrailWebhook? {
            url.map {
                GuardrailWebhook(
                    url: $0, timeout: timeout, onFailure: onFailure, overlapUntil: overlapUntil)
            }
        }

        mutating func take(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 1: id = try field.id()
            case 2: tenant = try field.id()
            case 3: name = try field.text(upTo: TextRule.displayName.maximum)
            case 4: subject = .workspace(try field.id())
            case 5: subject = .route(try field.id())
            case 6: subject = .key(try field.id())
            case 9: sides = GuardrailSides(rawValue: try field.number(upTo: GuardrailSides.both.rawValue))
            case 13: size.messages = try field.signed()
            case 14: size.characters = try field.signed()
            case 15: size.tokens = try field.signed()
            case 16...20: try takeWebhook(field)
            default: try takeWords(field)
            }
        }

        private mutating func takeWebhook(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 16:
                let text = try field.text(upTo: BaseURL.maximumLength)
                url = BaseURL(text)
                if url?.description != text { throw .malformed("the URL of a guardrail") }
            case 17: timeout = try field.signed()
            case 18: onFailure = try field.word()
            case 19: overlapUntil = try field.time()
            default: secret = try SealedCredential(field)
            }
        }

        private mutating func takeWords(_ field: Field) throws(CodecError) {
            switch field.tag {
            case 7: kind = try field.word()
            case 8: action = try field.word()
            case 10: mode = try field.word()
            case 11:
                let text = try field.text(upTo: GuardrailRule.maximumTextBytes)
                try texts.append(text, upTo: GuardrailRule.maximumTexts, "texts of a guardrail")
            case 12:
                try personalData.append(
                    field.word(), upTo: PersonalDatum.allCases.count, "kinds of personal data")
            default: break
            }
        }
    }
}
