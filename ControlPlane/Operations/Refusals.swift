package import Domain
import JSONText
import PostgresDriver
import Store
import Telemetry

/// A write that was refused to somebody known.
package struct RefusedWrite: Sendable {
    /// `noun.verb` of the operation.
    package let action: String
    /// The noun.
    package let kind: String
    /// What it would have been done to, as far as it was named.
    package let target: String?
    /// The tenant it was about; nil: the platform.
    package let tenant: TenantID?
    package let code: ErrorCode

    package init(
        action: String, kind: String, target: String?, tenant: TenantID?, code: ErrorCode
    ) {
        self.action = action
        self.kind = kind
        self.target = target
        self.tenant = tenant
        self.code = code
    }
}

extension AuditOperations {
    /// Refusals that are recorded of one user: so many at once, and then one in so many seconds.
    package static let refusalBurst = 60
    package static let refusalsPerSecond = 1.0

    /// Records a refused write in a transaction of its own: in the tenant's log when the caller belongs
    /// there, else in the platform's, so that strangers cannot write into others' logs. False: the caller's
    /// share of the log is used up, or the log cannot be written now.
    package func record(_ refused: RefusedWrite, by caller: Caller) async -> Bool {
        let now = environment.clock.now()
        guard environment.mayRecordRefusal(of: caller.countedAs, at: now) else { return false }
        let belongs = caller.authority.bindings.contains {
            $0.scope == .platform || $0.scope.tenant == refused.tenant
        }
        do {
            if belongs, let tenant = refused.tenant {
                let isThere = try await environment.database.withTenantApart(tenant) { connection in
                    guard try await TenantStore.find(tenant, connection) != nil else { return false }
                    try await append(refused, to: tenant, by: caller, at: now, connection)
                    return true
                }
                if isThere { return true }
            }
            try await environment.database.withTenantApart(nil) { connection in
                try await append(refused, to: nil, by: caller, at: now, connection)
            }
            return true
        } catch {
            environment.log.warning(
                "a refused write could not be recorded",
                ["action": "\(refused.action)", "request_id": "\(caller.origin.requestID)"])
            return false
        }
    }

    private func append(
        _ refused: RefusedWrite, to log: TenantID?, by caller: Caller, at now: Timestamp,
        _ connection: PostgresConnection
    ) async throws {
        let details: JSONValue = ["refused": .string(refused.code.code), "tenant": refused.tenant.json]
        let event = AuditEvent(
            id: AuditEventID(at: now), tenant: log, occurredAt: now, actor: AuditActor(caller).actor,
            action: refused.action, target: AuditEvent.Target(kind: refused.kind, id: refused.target),
            details: details.text, address: caller.origin.address, requestID: caller.origin.requestID)
        try await AuditStore.append(event, connection)
    }
}

extension TenantID? {
    fileprivate var json: JSONValue { map { .string($0.description) } ?? .null }
}
