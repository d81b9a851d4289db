import Domain
import JSONText
import PostgresDriver
import Store

/// Who did something, as the audit log keeps it.
struct AuditActor {
    /// `.system` also for somebody who is not signed in.
    let actor: AuditEvent.Actor
    let origin: RequestOrigin

    init(_ caller: Caller) {
        actor =
            switch caller.identity {
            case .user(let id, _): .user(id)
            case .serviceAccount(let id, _): .serviceAccount(id)
            }
        origin = caller.origin
    }

    init(user: UserID?, origin: RequestOrigin) {
        actor = user.map { .user($0) } ?? .system
        self.origin = origin
    }

    /// What the program does by itself, at its start or on a timer.
    static let system = AuditActor(user: nil, origin: RequestOrigin(requestID: "", address: ""))
}

/// What was done to what. Details hold names and settings; secrets never.
struct AuditSubject {
    let target: AuditEvent.Target
    let details: JSONValue

    /// - `kind`: the noun, in the singular.
    init<Noun>(_ kind: String, _ id: ID<Noun>, _ details: JSONValue = .object(JSONObject())) {
        target = AuditEvent.Target(kind: kind, id)
        self.details = details
    }

    /// A change: its name as it is now, and of everything that changed what it was and what it is.
    init<Noun>(_ kind: String, _ id: ID<Noun>, from before: JSONValue, to after: JSONValue) {
        var old = JSONObject(), new = JSONObject()
        for member in after.object?.members ?? [] where before[member.name] != member.value {
            old[member.name] = before[member.name] ?? .null
            new[member.name] = member.value
        }
        for member in before.object?.members ?? [] where after[member.name] == nil {
            old[member.name] = member.value
            new[member.name] = .null
        }
        var details = JSONObject()
        for name in ["name", "slug", "email"] { details[name] = after[name] }
        details["before"] = .object(old)
        details["after"] = .object(new)
        self.init(kind, id, .object(details))
    }

    /// Many of one kind at once; the details say which.
    init(many kind: String, _ details: JSONValue) {
        target = AuditEvent.Target(kind: kind)
        self.details = details
    }
}

/// What a write gives back: its result and what goes into the audit log.
struct Recorded<Value: Sendable> {
    let value: Value
    let subject: AuditSubject

    init(_ value: Value, _ subject: AuditSubject) {
        self.value = value
        self.subject = subject
    }
}

extension OperationEnvironment {
    /// Adds to the log of the tenant, or of the platform. Locks the end of its chain: the last statement of a
    /// transaction.
    func record(
        _ subject: AuditSubject, _ action: String, in scope: Scope, by actor: AuditActor,
        _ connection: PostgresConnection
    ) async throws {
        let now = clock.now()
        let event = AuditEvent(
            id: AuditEventID(at: now), tenant: scope.tenant, occurredAt: now,
            actor: actor.actor, action: action, target: subject.target,
            details: subject.details.withoutSecrets.text, address: actor.origin.address,
            requestID: actor.origin.requestID)
        try await AuditStore.append(event, connection)
    }
}

extension JSONValue {
    /// The object with one more member.
    func adding(_ name: String, _ value: JSONValue) -> JSONValue {
        var object = object ?? JSONObject()
        object[name] = value
        return .object(object)
    }

    /// What stands in the audit log where a secret would.
    static let elided = JSONValue.string("[elided]")

    /// The same with every text that stands under the name of a secret, or looks like one of ours, elided.
    /// The second belt: nobody should put any there.
    var withoutSecrets: JSONValue {
        switch self {
        case .string(let text): Self.isSecret(text) ? .elided : self
        case .array(let elements): .array(elements.map(\.withoutSecrets))
        case .object(let object):
            .object(
                object.members.reduce(into: JSONObject()) { kept, member in
                    let isNamedSo = Self.secretNames.contains { member.name.lowercased().contains($0) }
                    kept[member.name] = isNamedSo ? member.value.withoutTexts : member.value.withoutSecrets
                })
        default: self
        }
    }

    /// Numbers, flags and nulls say nothing of a secret: that there is one may be known.
    private var withoutTexts: JSONValue {
        switch self {
        case .string: .elided
        case .array(let elements): .array(elements.map(\.withoutTexts))
        case .object(let object):
            .object(object.members.reduce(into: JSONObject()) { $0[$1.name] = $1.value.withoutTexts })
        default: self
        }
    }

    private static let secretNames = [
        "password", "secret", "credential", "token", "authorization", "private_key", "api_key", "cookie",
        "recovery_code",
    ]

    /// Keys of applications, refresh tokens, signed tokens and vendors' keys, wherever they stand in a text.
    private static func isSecret(_ text: String) -> Bool {
        text.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) && $0 != "_" && $0 != "-" && $0 != "." }
            .contains { word in
                (word.hasPrefix("ek_") && word.count > 24) || word.hasPrefix("ert_")
                    || (word.hasPrefix("est_") && word.count > 24)
                    || (word.hasPrefix("sk-") && word.count > 12)
                    || (word.hasPrefix("eyJ") && word.count > 40)
            }
    }
}
