import Contract
package import Domain
package import PostgresDriver
import Store
package import Telemetry

/// Takes in what was said in calls, as far as their tenants want it kept: sealed before it is stored. Lives
/// on the loop of its pool.
package final class ContentIngest {
    package enum Outcome: Sendable, Equatable {
        /// All of it that is wanted is stored, now or before.
        case stored
        /// Its bytes say nothing.
        case invalid(String)
        /// Nothing was taken; the same again later.
        case unavailable
    }

    /// Seals contents so that each opens only as that call's.
    package typealias Sealer = (_ content: [UInt8], _ call: UsageEventID) throws -> [UInt8]

    private let database: PostgresPool
    private let log: Log
    private let sealer: (TenantID, PostgresConnection) async throws -> Sealer?
    private let stored: CounterCell

    /// - Parameters:
    ///   - database: role publisher.
    ///   - sealer: what seals for a tenant; nil: it has no key any more.
    package init(
        database: PostgresPool, log: Log, metrics: MetricsRegistry,
        sealer: @escaping (TenantID, PostgresConnection) async throws -> Sealer?
    ) {
        self.database = database
        self.log = log
        self.sealer = sealer
        stored = metrics.counter(
            "eclusa_contents_stored_total", help: "Calls whose content was taken in."
        ).cell()
    }

    /// Takes an encoded `CallContentBatch`. Contents of tenants that keep none, by now, are let go.
    package func take(_ bytes: [UInt8], from sender: NodeID) async -> Outcome {
        let batch: CallContentBatch
        do throws(CodecError) { batch = try CallContentBatch(encoded: bytes) } catch {
            log.error(
                "contents of calls are not valid",
                ["node": LogValue("\(sender)"), "reason": LogValue("\(error)")])
            return .invalid("\(error)")
        }
        do {
            let count = try await database.withTransaction { try await store(batch.contents, $0) }
            stored.add(Int64(count))
            return .stored
        } catch {
            log.warning(
                "contents of calls cannot be taken in",
                ["node": LogValue("\(sender)"), "reason": LogValue(error)])
            return .unavailable
        }
    }

    private func store(
        _ contents: [CallContent], _ connection: PostgresConnection
    ) async throws -> Int {
        let wanted = try await ContentStore.keeping(
            among: Array(Set(contents.map(\.tenant))), connection)
        var count = 0
        for tenant in wanted {
            guard let seal = try await sealer(tenant, connection) else { continue }
            for content in contents where content.tenant == tenant {
                let packed = try Zstandard.compress(content.encoded)
                try await ContentStore.insert(
                    SealedContent(
                        call: content.call, tenant: tenant, startedAt: content.startedAt,
                        sealed: try seal(packed, content.call)), connection)
                count += 1
            }
        }
        return count
    }
}
