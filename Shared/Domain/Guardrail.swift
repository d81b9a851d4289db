/// A rule about what may go into calls and what may come out of them.
package struct Guardrail: Hashable, Sendable {
    package let id: GuardrailID
    package let tenant: TenantID
    /// Told to callers that are refused; unique in its tenant.
    package var name: String
    package let subject: GuardrailSubject
    package var rule: GuardrailRule
    package var sides: GuardrailSides
    package var mode: GuardrailMode
    package var isEnabled: Bool
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        id: GuardrailID, tenant: TenantID, name: String, subject: GuardrailSubject = .tenant,
        rule: GuardrailRule, sides: GuardrailSides = .both, mode: GuardrailMode = .enforce,
        isEnabled: Bool = true, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.name = name
        self.subject = subject
        self.rule = rule
        self.sides = sides
        self.mode = mode
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }

    package static let maximumOfTenant = 100
    /// A call asks them one after the other.
    package static let maximumWebhooksOfTenant = 5

    /// What is wrong with the parts of a guardrail, each at its place. Whether patterns can be understood is
    /// not looked at.
    package static func problems(
        name: String, rule: GuardrailRule, sides: GuardrailSides
    ) -> [ValidationError] {
        var found = [TextRule.displayName.check(name, at: "/name")].compactMap(\.self) + rule.problems
        if sides.isEmpty {
            found.append(ValidationError("/sides", .required, "must be 'input', 'output' or both"))
        }
        if rule.kind == .size, sides != .input {
            found.append(
                ValidationError("/sides", .notAllowed, "must be 'input' alone: sizes are of requests"))
        }
        return found
    }
}

/// Whose calls a guardrail looks at.
package enum GuardrailSubject: Hashable, Sendable {
    /// Every call of the tenant.
    case tenant
    case workspace(WorkspaceID)
    case route(RouteID)
    case key(KeyID)
}

/// Which way what it looks at goes.
package struct GuardrailSides: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let input = GuardrailSides(rawValue: 1)
    package static let output = GuardrailSides(rawValue: 2)
    package static let both: GuardrailSides = [.input, .output]

    package static let words: [(name: String, side: GuardrailSides)] = [
        ("input", .input), ("output", .output),
    ]

    package var names: [String] { Self.words.filter { contains($0.side) }.map(\.name) }

    /// Of the words among these; others are passed over.
    package init(names: [String]) {
        self = Self.words.filter { names.contains($0.name) }.reduce([]) { $0.union($1.side) }
    }
}

package enum GuardrailMode: String, Sendable, CaseIterable {
    /// Blocks or redacts.
    case enforce
    /// Counts what it would have done.
    case observe
}

package enum GuardrailAction: String, Sendable, CaseIterable {
    /// The call is refused, or its answer kept back.
    case block
    /// A mark takes the place of what was found.
    case redact
}

package enum GuardrailKind: String, Sendable, CaseIterable {
    /// Regular expressions in RE2's syntax.
    case patterns
    /// Whole words and phrases, in any case.
    case words
    case personalData = "personal_data"
    /// Credentials of services, private keys, tokens.
    case secrets
    case size
    /// Somebody else decides: the texts are posted to an address.
    case webhook
}

/// Data of persons that can be told by their form.
package enum PersonalDatum: String, Sendable, CaseIterable {
    case email
    case phone
    case card
    case iban
    case ipAddress = "ip_address"
}

/// What a guardrail looks for, and what it does then. Only the members of its kind are not empty.
package struct GuardrailRule: Hashable, Sendable {
    package var kind: GuardrailKind
    package var action: GuardrailAction
    /// Of the kinds `patterns` and `words`.
    package var texts: [String]
    package var personalData: [PersonalDatum]
    package var size: GuardrailSize
    package var webhook: GuardrailWebhook?

    package init(
        kind: GuardrailKind, action: GuardrailAction = .block, texts: [String] = [],
        personalData: [PersonalDatum] = [], size: GuardrailSize = GuardrailSize(),
        webhook: GuardrailWebhook? = nil
    ) {
        self.kind = kind
        self.action = action
        self.texts = texts
        self.personalData = personalData
        self.size = size
        self.webhook = webhook
    }

    package static let maximumTexts = 100
    package static let maximumTextBytes = 1000

    package var problems: [ValidationError] {
        var found: [ValidationError] = []
        let hasTexts = kind == .patterns || kind == .words
        let place = kind == .words ? "/words" : "/patterns"
        if hasTexts != !texts.isEmpty {
            found.append(
                hasTexts
                    ? ValidationError(place, .required, "must name at least one")
                    : ValidationError(place, .notAllowed, "belongs to guardrails of that kind"))
        }
        if texts.count > Self.maximumTexts {
            found.append(ValidationError(place, .tooLong, "must have at most \(Self.maximumTexts) entries"))
        }
        for (index, text) in texts.enumerated() where !(1...Self.maximumTextBytes).contains(text.utf8.count) {
            found.append(
                ValidationError(
                    "\(place)/\(index)", .outOfRange, "must have 1 to \(Self.maximumTextBytes) bytes"))
        }
        if (kind == .personalData) != !personalData.isEmpty {
            found.append(
                kind == .personalData
                    ? ValidationError("/personal_data", .required, "must name at least one")
                    : ValidationError("/personal_data", .notAllowed, "belongs to guardrails of that kind"))
        }
        if Set(personalData).count != personalData.count {
            found.append(ValidationError("/personal_data", .duplicate, "must name each kind once"))
        }
        return found + sizeProblems + webhookProblems
    }

    private var webhookProblems: [ValidationError] {
        guard (kind == .webhook) == (webhook != nil) else {
            return [
                kind == .webhook
                    ? ValidationError("/webhook", .required, "must say where to ask")
                    : ValidationError("/webhook", .notAllowed, "belongs to guardrails of that kind")
            ]
        }
        let range = GuardrailWebhook.timeouts
        return webhook.map { range.contains($0.timeout) } ?? true
            ? []
            : [
                ValidationError(
                    "/webhook/timeout_ms", .outOfRange, "must be \(range.lowerBound) to \(range.upperBound)")
            ]
    }

    private var sizeProblems: [ValidationError] {
        if kind == .size, action != .block {
            return [ValidationError("/action", .notAllowed, "must be 'block': sizes cannot be redacted")]
        }
        let figures = [size.messages, size.characters, size.tokens].compactMap(\.self)
        if (kind == .size) != !figures.isEmpty {
            return [
                kind == .size
                    ? ValidationError("/size", .required, "must name at least one bound")
                    : ValidationError("/size", .notAllowed, "belongs to guardrails of that kind")
            ]
        }
        return figures.allSatisfy(GuardrailSize.allowed.contains)
            ? [] : [ValidationError("/size", .outOfRange, "must have bounds from 1 to 10^9")]
    }
}

/// The largest request that is let through; nil: any.
package struct GuardrailSize: Hashable, Sendable {
    package var messages: Int64?
    /// Of all texts together. Unit: Unicode scalars.
    package var characters: Int64?
    /// By the gateway's estimate of four bytes a token.
    package var tokens: Int64?

    package static let allowed: ClosedRange<Int64> = 1...1_000_000_000

    package init(messages: Int64? = nil, characters: Int64? = nil, tokens: Int64? = nil) {
        self.messages = messages
        self.characters = characters
        self.tokens = tokens
    }
}

/// Where a guardrail of the kind `webhook` asks, and what becomes of a text that it hears nothing about.
package struct GuardrailWebhook: Hashable, Sendable {
    package var url: BaseURL
    /// The longest a call waits for one answer. Unit: milliseconds.
    package var timeout: Int32
    package var onFailure: GuardrailFailure
    /// Until then messages are signed by the secret of before as well; nil: by one secret alone.
    package var overlapUntil: Timestamp?

    package static let timeouts: ClosedRange<Int32> = 50...10_000
    package static let usualTimeout: Int32 = 2000
    /// How long the secret of before signs beside a new one. Unit: seconds.
    package static let overlapSeconds: Int64 = 86_400

    package init(
        url: BaseURL, timeout: Int32 = usualTimeout, onFailure: GuardrailFailure = .block,
        overlapUntil: Timestamp? = nil
    ) {
        self.url = url
        self.timeout = timeout
        self.onFailure = onFailure
        self.overlapUntil = overlapUntil
    }
}

/// What becomes of a text when nobody, or nothing sensible, answers in time.
package enum GuardrailFailure: String, Sendable, CaseIterable {
    /// It is kept back (fail closed).
    case block
    /// It is let through (fail open).
    case allow
}

/// Which guardrails of a tenant; what is nil does not matter.
package struct GuardrailFilter: Hashable, Sendable {
    package var kind: GuardrailKind?
    package var mode: GuardrailMode?
    package var isEnabled: Bool?

    package init() {}
}
