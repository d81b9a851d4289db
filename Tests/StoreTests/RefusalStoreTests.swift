import Contract
import Cryptography
import Domain
import PostgresDriver
import Store
import TestSupport
import Testing

@Suite("refused calls")
struct RefusalStoreTests {
    private let tenant = TenantID(high: 1, low: 1)
    private let workspace = WorkspaceID(high: 2, low: 1)

    private func count(_ key: UInt64, _ code: String, at minute: Timestamp, calls: UInt32) -> RefusalCount {
        RefusalCount(
            tenant: tenant, workspace: workspace, key: KeyID(high: 3, low: key), code: code, minute: minute,
            calls: calls)
    }

    @Test("they are taken in with their batch, once, by the role of ingest, and stay in their tenant")
    func taken() async throws {
        try await withTestDatabase { database in
            let now = Fixture().clock.now
            let later = now.advanced(bySeconds: 60)
            let sample = RefusalSample(
                tenant: tenant, workspace: workspace, key: KeyID(high: 3, low: 1), code: "key_expired",
                status: 403, at: now, request: "req_1")
            let sealed = try SealedUsageBatch(
                node: NodeID(high: 4, low: 1), outboxEpoch: 1, sequence: 1, events: [],
                refusals: [
                    count(1, "key_expired", at: now, calls: 3), count(1, "key_expired", at: now, calls: 4),
                    count(1, "key_expired", at: later, calls: 1), count(2, "rate_limited", at: now, calls: 2),
                ], refusalSamples: [sample])
            let digest = try #require(sealed.digest)
            let ingest = database.makePool(role: .ingest)
            for _ in 0..<2 {
                let answer = try await UsageStore.ingest(
                    try sealed.opened(), digest: digest, at: now, ingest)
                #expect(answer == .acknowledged(sequence: 1))
            }
            await ingest.close()
            let app = database.makePool(role: .app)
            var filter = RefusalFilter(from: now.startOfMinute, to: later.advanced(bySeconds: 60))
            let all = filter
            let (lines, total, samples) = try await app.withTenant(tenant) { connection in
                (
                    try await RefusalStore.lines(of: tenant, all, limit: 10, connection),
                    try await RefusalStore.total(of: tenant, all, connection),
                    try await RefusalStore.samples(of: tenant, all, limit: 10, connection)
                )
            }
            #expect(lines.map(\.calls) == [8, 2] && lines.map(\.code) == ["key_expired", "rate_limited"])
            #expect(lines.first?.firstMinute == now.startOfMinute)
            #expect(lines.first?.lastMinute == later.startOfMinute)
            #expect(total == 10)
            #expect(samples.map(\.request) == ["req_1"] && samples.map(\.status) == [403])
            filter.key = KeyID(high: 3, low: 2)
            let narrow = filter
            let other = TenantID(high: 9, low: 9)
            let ofKey = try await app.withTenant(tenant) {
                try await RefusalStore.total(of: self.tenant, narrow, $0)
            }
            let foreign = try await app.withTenant(other) {
                try await RefusalStore.total(of: self.tenant, all, $0)
            }
            #expect(ofKey == 2 && foreign == 0)
            await app.close()
        }
    }
}
