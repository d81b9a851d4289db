package import Domain
import JSONText
import PostgresDriver
import Store

/// Who did something, as the audit log keeps it.
struct AuditActor {
    /// nil: the system itself, or somebody who is not signed in.
    let user: UserID?
    let origin: RequestOrigin

    init(_ caller: Caller) {
        user = caller.user
        origin = caller.origin
    }

    init(user: UserID?, origin: RequestOrigin) {
        self.user = user
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
            actor: actor.user.map { .user($0) } ?? .system, action: action, target: subject.target,
            details: subject.details.text, address: actor.origin.address, requestID: actor.origin.requestID)
        try await AuditStore.append(event, connection)
    }
}

/// One entry of an audit log, for reading.
package struct AuditEntry: Sendable {
    /// Its place in the chain: 1, 2, 3 … without a gap.
    package let sequence: Int64
    package let id: AuditEventID
    package let occurredAt: Timestamp
    /// The ID of the user or node; nil: the system, or somebody who was not signed in.
    package let actor: String?
    package let action: String
    package let targetKind: String
    /// As a plain UUID.
    package let targetID: String?
    /// A JSON object.
    package let details: String
    package let address: String
    package let requestID: String
    package let hash: [UInt8]

    init(_ listed: AuditStore.Listed) {
        let event = listed.event
        sequence = listed.sequence
        id = event.id
        occurredAt = event.occurredAt
        actor =
            switch event.actor {
            case .user(let id): id.description
            case .node(let id): id.description
            case .system: nil
            }
        action = event.action
        targetKind = event.target.kind
        targetID = event.target.id.map { AuditEventID(high: $0.high, low: $0.low).uuidText }
        details = event.details
        address = event.address
        requestID = event.requestID
        hash = listed.hash
    }
}

/// Who did what.
package struct AuditOperations {
    let environment: OperationEnvironment

    /// The log of a tenant, or (owner nil) of the platform; newest first.
    package func list(
        of owner: TenantID?, before sequence: Int64?, limit: Int, by caller: Caller
    ) async throws(OperationError) -> [AuditEntry] {
        try await environment.read(.auditRead, in: .owner(owner), by: caller) { connection in
            let listed = try await AuditStore.list(of: owner, before: sequence, limit: limit, connection)
            return listed.map(AuditEntry.init)
        }
    }
}
