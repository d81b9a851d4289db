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

    package init(
        name: String, subject: GuardrailSubject = .tenant, rule: GuardrailRule,
        sides: GuardrailSides = .both, mode: GuardrailMode = .enforce, isEnabled: Bool = true
    ) {
        self.name = name
        self.subject = subject
        self.rule = rule
        self.sides = sides
        self.mode = mode
        self.isEnabled = isEnabled
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
        try Self.check(guardrail)
        return try await environment.write(
            "guardrails.create", .guardrailsCreate, in: .tenant(tenant), by: caller
        ) { connection in
            // Two at once must not both find the last place free.
            try await NounLock.take("guardrails of \(tenant)", connection)
            if try await GuardrailStore.count(of: tenant, connection) >= Guardrail.maximumOfTenant {
                throw OperationError(
                    .conflict, detail: "A tenant has at most \(Guardrail.maximumOfTenant) guardrails.")
            }
            try await GuardrailStore.create(guardrail, connection)
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
            try Self.check(guardrail)
            guardrail.updatedAt = environment.clock.now()
            guard try await GuardrailStore.update(guardrail, expecting: before.updatedAt, connection) else {
                throw OperationError(.preconditionFailed)
            }
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

    /// The rules of the noun, and whether every pattern can be understood: a node must never meet one that
    /// cannot.
    private static func check(_ guardrail: Guardrail) throws(OperationError) {
        var problems = Guardrail.problems(
            name: guardrail.name, rule: guardrail.rule, sides: guardrail.sides)
        let texts = guardrail.rule.texts
        do throws(DetectorProblem) {
            switch guardrail.rule.kind {
            case .patterns: _ = try Detector(patterns: texts)
            case .words: _ = try Detector(words: texts)
            case .personalData, .secrets, .size: break
            }
        } catch {
            let place = guardrail.rule.kind == .words ? "/words" : "/patterns"
            problems.append(
                ValidationError(
                    "\(place)/\(error.index)", .invalidFormat,
                    "must be a regular expression in RE2's syntax: \(error.reason)"))
        }
        if !problems.isEmpty { throw .invalid(problems) }
    }

    private static func details(_ guardrail: Guardrail) -> JSONValue {
        let rule = guardrail.rule
        func bound(_ value: Int64?) -> JSONValue { value.map { .number(JSONNumber($0)) } ?? .null }
        return [
            "name": .string(guardrail.name), "subject": .string(guardrail.subject.text),
            "kind": .string(rule.kind.rawValue), "action": .string(rule.action.rawValue),
            "sides": .array(guardrail.sides.names.map { .string($0) }),
            "mode": .string(guardrail.mode.rawValue), "enabled": .boolean(guardrail.isEnabled),
            "texts": .array(rule.texts.map { .string($0) }),
            "personal_data": .array(rule.personalData.map { .string($0.rawValue) }),
            "maximum_messages": bound(rule.size.messages),
            "maximum_characters": bound(rule.size.characters), "maximum_tokens": bound(rule.size.tokens),
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
