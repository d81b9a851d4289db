package import Contract
package import Domain
import JSONText
import PostgresDriver
import Store

/// What was said in calls, of tenants that keep that.
package struct ContentOperations {
    let environment: OperationEnvironment

    /// What was said in one call. Who read it stands in the audit log before they see it.
    package func read(
        _ call: UsageEventID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) -> CallContent {
        try await environment.write("contents.read", .contentsRead, in: .tenant(tenant), by: caller) {
            connection in
            let stored = try found(try await ContentStore.find(call, of: tenant, connection))
            let packed = try await environment.keys.vault.openContent(
                stored.sealed, of: call, owner: tenant, connection)
            let bytes = try Zstandard.decompress(packed, limit: CallContent.maximumBytes)
            return Recorded(
                try CallContent(encoded: bytes), AuditSubject("content", call, Self.details(stored)))
        }.value
    }

    /// Erases what was said in one call; its usage stays.
    package func delete(
        _ call: UsageEventID, in tenant: TenantID, by caller: Caller
    ) async throws(OperationError) {
        _ = try await environment.write(
            "contents.delete", .contentsDelete, in: .tenant(tenant), by: caller
        ) { connection in
            let stored = try found(try await ContentStore.find(call, of: tenant, connection))
            _ = try await ContentStore.delete(call, of: tenant, connection)
            return Recorded((), AuditSubject("content", call, Self.details(stored)))
        }
    }

    private static func details(_ content: SealedContent) -> JSONValue {
        ["started_at": .string(content.startedAt.description)]
    }
}
