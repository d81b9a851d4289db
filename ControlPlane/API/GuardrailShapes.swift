import Cryptography
import Domain
import JSONText
import Operations

extension Representation<Guardrail> {
    static let guardrail = Representation(
        "Guardrail",
        [
            .init("id", .id(Guardrail.self), "Never changes.") { .text($0.id) },
            .init("tenant", .id(Tenant.self), "Whose it is.") { .text($0.tenant) },
            .init("name", .text(1...200), "Told to callers that are refused; unique in its tenant.") {
                .string($0.name)
            },
            .init("subject", .object(GuardrailBody.subjectShape.schema), "Whose calls it looks at.") {
                GuardrailBody.json($0.subject)
            },
            .init("kind", .words(GuardrailKind.allCases.map(\.rawValue)), "What it looks for.") {
                .string($0.rule.kind.rawValue)
            },
            .init("action", .words(GuardrailAction.allCases.map(\.rawValue)), "What it does then.") {
                .string($0.rule.action.rawValue)
            },
            .init("patterns", list, "Regular expressions, of the kind 'patterns'.") {
                .array($0.rule.kind == .patterns ? $0.rule.texts.map { .string($0) } : [])
            },
            .init("words", list, "Whole words and phrases in any case, of the kind 'words'.") {
                .array($0.rule.kind == .words ? $0.rule.texts.map { .string($0) } : [])
            },
            .init(
                "personal_data",
                .list(
                    .words(PersonalDatum.allCases.map(\.rawValue)), maximumCount: PersonalDatum.allCases.count
                ),
                "Of the kind 'personal_data'."
            ) { .array($0.rule.personalData.map { .string($0.rawValue) }) },
            .init("size", .nullable(.object(GuardrailBody.sizeShape.schema)), "Of the kind 'size'.") {
                $0.rule.kind == .size ? GuardrailBody.json($0.rule.size) : .null
            },
            .init(
                "webhook", .nullable(.object(GuardrailBody.webhookShape.schema)), "Of the kind 'webhook'."
            ) { $0.rule.webhook.map { GuardrailBody.json($0) } ?? .null },
            .init(
                "secret_overlap_until", .nullable(.time),
                "Until then a webhook's questions are signed by the secret of before as well."
            ) { .optional($0.rule.webhook?.overlapUntil) },
            .init(
                "sides", .list(.words(GuardrailSides.words.map(\.name)), maximumCount: 2),
                "Whether it looks at requests, at answers, or at both."
            ) { .array($0.sides.names.map { .string($0) }) },
            .init("mode", .words(GuardrailMode.allCases.map(\.rawValue)), "Whether it acts, or only counts.")
            {
                .string($0.mode.rawValue)
            },
            .init("enabled", .boolean, "Whether it looks at anything.") { .boolean($0.isEnabled) },
            .init("created_at", .time, "When it was made.") { .text($0.createdAt) },
            .init("updated_at", .time, "When it was last changed.") { .text($0.updatedAt) },
        ])

    private static let list = Schema.list(
        .text(1...GuardrailRule.maximumTextBytes), maximumCount: GuardrailRule.maximumTexts)
}

/// The bodies that make and change a guardrail.
enum GuardrailBody {
    private static let workspace = Field<WorkspaceID?>.optional(
        "workspace", .id(), "All calls in this workspace.")
    private static let route = Field<RouteID?>.optional("route", .id(), "All calls to this route.")
    private static let key = Field<KeyID?>.optional("key", .id(), "All calls of this key.")
    static let subjectShape = BodyShape("GuardrailSubject", [workspace, route, key])
    private static let subjectReader = Reader<GuardrailSubject>.object(subjectShape) {
        values throws(OperationError) in
        let subjects: [GuardrailSubject?] = [
            try values[workspace].map { .workspace($0) }, try values[route].map { .route($0) },
            try values[key].map { .key($0) },
        ]
        let named = subjects.compactMap(\.self)
        guard named.count <= 1 else {
            throw .invalid([ValidationError("", .notAllowed, "must name one of workspace, route, key")])
        }
        return named.first ?? .tenant
    }

    private static let messages = Field<Int64?>.optional(
        "messages", .integer(GuardrailSize.allowed), "Most messages of one request.")
    private static let characters = Field<Int64?>.optional(
        "characters", .integer(GuardrailSize.allowed), "Most characters of all its texts together.")
    private static let tokens = Field<Int64?>.optional(
        "tokens", .integer(GuardrailSize.allowed), "Most tokens, by the estimate of four bytes each.")
    static let sizeShape = BodyShape("GuardrailSize", [messages, characters, tokens])
    private static let sizeReader = Reader<GuardrailSize>.object(sizeShape) { values throws(OperationError) in
        GuardrailSize(
            messages: try values[messages], characters: try values[characters], tokens: try values[tokens])
    }

    private static let url = Field<BaseURL>.required(
        "url",
        Reader(.text(TextSchema(8...BaseURL.maximumLength, format: "uri"))) { json throws(InvalidInput) in
            guard let url = json.string.flatMap({ BaseURL($0) }) else {
                throw InvalidInput(.invalidFormat, "must be an https URL without query or fragment")
            }
            return url
        }, "Where the texts are posted, by way of the operator's egress policy; redirects are not followed.")
    private static let timeout = Field<Int32>.defaulted(
        "timeout_ms", .integer(GuardrailWebhook.timeouts), to: GuardrailWebhook.usualTimeout,
        "The longest a call waits for one answer. Milliseconds.")
    private static let onFailure = Field<GuardrailFailure>.defaulted(
        "on_failure", .word(), to: .block,
        "Without a sensible answer in time: block keeps the content back, allow lets it through.")
    static let webhookShape = BodyShape("GuardrailWebhook", [url, timeout, onFailure])
    private static let webhookReader = Reader<GuardrailWebhook>.object(webhookShape) {
        values throws(OperationError) in
        GuardrailWebhook(
            url: try values[url], timeout: try values[timeout], onFailure: try values[onFailure])
    }
    private static let secretReader = Reader<String>.secretText(WebhookSecret.lengths, format: "password")
    private static let secretSummary =
        "Signs what the webhook is asked, as Standard Webhooks says: whsec_ and 24 to 64 random bytes in "
        + "base64. Never shown."

    private static let texts = Reader<[String]>.list(
        of: .anyText(1...GuardrailRule.maximumTextBytes), 0...GuardrailRule.maximumTexts)
    private static let personalReader = Reader<[PersonalDatum]>.list(
        of: .word(), 0...PersonalDatum.allCases.count)
    private static let sidesReader = Reader<[GuardrailSides]>.list(
        of: .word(GuardrailSides.words.map { ($0.name, $0.side) }), 1...2)

    private static let name = Field<String>.required(
        "name", .text(.displayName, example: "no keys"), "Told to callers that are refused.")
    private static let subject = Field<GuardrailSubject>.defaulted(
        "subject", subjectReader, to: .tenant, "Whose calls it looks at; missing or empty: all of the tenant."
    )
    private static let kind = Field<GuardrailKind>.required("kind", .word(), kindSummary)
    private static let action = Field<GuardrailAction>.defaulted(
        "action", .word(), to: .block, "block keeps the content back, redact puts a mark in its place.")
    private static let patterns = Field<[String]>.defaulted(
        "patterns", texts, to: [], "Regular expressions in RE2's syntax, for the kind 'patterns'.")
    private static let words = Field<[String]>.defaulted(
        "words", texts, to: [], "Whole words and phrases in any case, for the kind 'words'.")
    private static let personalData = Field<[PersonalDatum]>.defaulted(
        "personal_data", personalReader, to: [], "For the kind 'personal_data'.")
    private static let size = Field<GuardrailSize?>.optional(
        "size", sizeReader, "The largest request, for the kind 'size'.")
    private static let webhook = Field<GuardrailWebhook?>.optional(
        "webhook", webhookReader, "Who decides, for the kind 'webhook'.")
    private static let webhookSecret = Field<String?>.optional("webhook_secret", secretReader, secretSummary)
    private static let sides = Field<[GuardrailSides]>.defaulted(
        "sides", sidesReader, to: [.input, .output],
        "What it looks at: requests (input), answers (output), or both. Sizes are of requests.")
    private static let mode = Field<GuardrailMode>.defaulted(
        "mode", .word(), to: .enforce, "enforce acts; observe only counts.")
    private static let enabled = Field<Bool>.defaulted(
        "enabled", .flag, to: true, "Whether it looks at anything.")
    static let new = BodyShape(
        "NewGuardrail",
        [
            name, subject, kind, action, patterns, words, personalData, size, webhook, webhookSecret, sides,
            mode, enabled,
        ])

    private static let kindSummary =
        "What it looks for: patterns, words, personal_data, secrets (keys and tokens of services), size "
        + "(of requests), or whatever a webhook does."

    private static let newName = Field<String?>.change(
        "name", .text(.displayName), "Told to callers that are refused.")
    private static let newAction = Field<GuardrailAction?>.change("action", .word(), "What it does then.")
    private static let newPatterns = Field<[String]?>.change(
        "patterns", texts, "All of them, for the kind 'patterns'.")
    private static let newWords = Field<[String]?>.change(
        "words", texts, "All of them, for the kind 'words'.")
    private static let newPersonalData = Field<[PersonalDatum]?>.change(
        "personal_data", personalReader, "All of them, for the kind 'personal_data'.")
    private static let newSize = Field<GuardrailSize?>.change(
        "size", sizeReader, "All bounds, for the kind 'size'.")
    private static let newWebhook = Field<GuardrailWebhook?>.change(
        "webhook", webhookReader, "All of it, for the kind 'webhook'.")
    private static let newWebhookSecret = Field<String?>.change(
        "webhook_secret", secretReader, secretSummary + " For a day the one before signs too.")
    private static let newSides = Field<[GuardrailSides]?>.change("sides", sidesReader, "What it looks at.")
    private static let newMode = Field<GuardrailMode?>.change("mode", .word(), "Whether it acts.")
    private static let newEnabled = Field<Bool?>.change("enabled", .flag, "Whether it looks at anything.")
    static let change = BodyShape(
        "GuardrailChange",
        [
            newName, newAction, newPatterns, newWords, newPersonalData, newSize, newWebhook, newWebhookSecret,
            newSides, newMode, newEnabled,
        ])

    static func new(_ body: BodyValues) throws(OperationError) -> NewGuardrail {
        let kind = try body[kind]
        let (patterns, words) = (try body[patterns], try body[words])
        try check(patterns: patterns, words: words, of: kind)
        var sides = try body[sides].reduce(GuardrailSides()) { $0.union($1) }
        // What nobody said is what does for the kind.
        if kind == .size, sides == .both { sides = .input }
        return NewGuardrail(
            name: try body[name], subject: try body[subject],
            rule: GuardrailRule(
                kind: kind, action: try body[action], texts: patterns + words,
                personalData: try body[personalData], size: try body[size] ?? GuardrailSize(),
                webhook: try body[webhook]),
            sides: sides, mode: try body[mode], isEnabled: try body[enabled],
            webhookSecret: try secret(try body[webhookSecret]))
    }

    private static func secret(_ text: String?) throws(OperationError) -> WebhookSecret? {
        guard let text else { return nil }
        if let secret = WebhookSecret(text) { return secret }
        throw .invalid([
            ValidationError(
                "/webhook_secret", .invalidFormat, "must be whsec_ and the base64 of 24 to 64 random bytes")
        ])
    }

    private static func check(
        patterns: [String], words: [String], of kind: GuardrailKind
    ) throws(OperationError) {
        for (place, texts, own) in [
            ("/patterns", patterns, .patterns), ("/words", words, GuardrailKind.words),
        ]
        where kind != own && !texts.isEmpty {
            throw .invalid([
                ValidationError(place, .notAllowed, "belongs to guardrails of the kind '\(own.rawValue)'")
            ])
        }
    }

    static func change(_ body: BodyValues) throws(OperationError) -> GuardrailChange {
        var change = GuardrailChange()
        change.name = try body[newName]
        change.action = try body[newAction]
        change.patterns = try body[newPatterns]
        change.words = try body[newWords]
        change.personalData = try body[newPersonalData]
        change.size = try body[newSize]
        change.webhook = try body[newWebhook]
        change.webhookSecret = try secret(try body[newWebhookSecret])
        change.sides = try body[newSides].map { $0.reduce(GuardrailSides()) { $0.union($1) } }
        change.mode = try body[newMode]
        change.isEnabled = try body[newEnabled]
        return change
    }

    static func json(_ subject: GuardrailSubject) -> JSONValue {
        var object = JSONObject()
        for field in subjectShape.fields { object[field.name] = .null }
        switch subject {
        case .tenant: break
        case .workspace(let id): object[workspace.name] = .text(id)
        case .route(let id): object[route.name] = .text(id)
        case .key(let id): object[key.name] = .text(id)
        }
        return .object(object)
    }

    static func json(_ webhook: GuardrailWebhook) -> JSONValue {
        [
            url.name: .text(webhook.url), timeout.name: .integer(webhook.timeout),
            onFailure.name: .string(webhook.onFailure.rawValue),
        ]
    }

    static func json(_ size: GuardrailSize) -> JSONValue {
        [
            messages.name: .optional(size.messages), characters.name: .optional(size.characters),
            tokens.name: .optional(size.tokens),
        ]
    }
}

/// The filters of a list of guardrails.
enum GuardrailQuery {
    private static let kind = Field<GuardrailKind?>.optional("kind", .word(), "Only of this kind.")
    private static let mode = Field<GuardrailMode?>.optional("mode", .word(), "Only in this mode.")
    private static let enabled = Field<Bool?>.optional("enabled", .flag, "Only in this state.")
    static let fields: [any AnyField] = [kind, mode, enabled]

    static func value(_ query: BodyValues) throws(OperationError) -> GuardrailFilter {
        var filter = GuardrailFilter()
        filter.kind = try query[kind]
        filter.mode = try query[mode]
        filter.isEnabled = try query[enabled]
        return filter
    }
}
