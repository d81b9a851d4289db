import Contract
import Cryptography
import Domain
import Testing

@Suite("refused calls in a usage batch")
struct RefusedCallsTests {
    static let count = RefusalCount(
        tenant: TenantID(high: 1, low: 2), workspace: WorkspaceID(high: 3, low: 4),
        key: KeyID(high: 5, low: 6), code: "rate_limited", minute: Timestamp(microseconds: 60_000_000),
        calls: 70_000)
    static let sample = RefusalSample(
        tenant: TenantID(high: 1, low: 2), workspace: WorkspaceID(high: 3, low: 4),
        key: KeyID(high: 5, low: 6), code: "key_expired", status: 403,
        at: Timestamp(microseconds: 61_234_567), request: "req_0011")

    private static func sealed(_ events: Int) throws -> SealedUsageBatch {
        try SealedUsageBatch(
            node: UsageTests.node, outboxEpoch: 3, sequence: 1,
            events: (0..<events).map { Sample.event(UInt64($0)) }, refusals: [count, count],
            refusalSamples: [sample])
    }

    @Test("they travel beside the events, in no sum and no count", arguments: [0, 2])
    func opens(_ events: Int) throws {
        let batch = try Self.sealed(events).opened()
        #expect(batch.events.count == events)
        #expect(batch.refusals == [Self.count, Self.count] && batch.refusalSamples == [Self.sample])
    }

    @Test("records appended to an outbox are those of the batch")
    func appended() throws {
        var records: [UInt8] = []
        Self.count.append(toBatch: &records)
        Self.sample.append(toBatch: &records)
        let head = records.withUnsafeBytes {
            SealedUsageBatch.head(
                node: UsageTests.node, outboxEpoch: 3, sequence: 1, eventCount: 0, totalCost: .zero,
                events: $0)
        }
        let batch = try SealedUsageBatch(bytes: head + records).opened()
        #expect(batch.refusals == [Self.count] && batch.refusalSamples == [Self.sample])
    }

    @Test("what lacks a part, or has too much of one, is no batch")
    func malformed() throws {
        for record in [
            RefusalSample(
                tenant: Self.sample.tenant, workspace: Self.sample.workspace, key: Self.sample.key,
                code: String(repeating: "x", count: 65), status: 403, at: Self.sample.at, request: "r"),
            RefusalSample(
                tenant: Self.sample.tenant, workspace: Self.sample.workspace, key: Self.sample.key,
                code: "x", status: 1000, at: Self.sample.at, request: "r"),
            RefusalSample(
                tenant: Self.sample.tenant, workspace: Self.sample.workspace, key: Self.sample.key,
                code: "", status: 403, at: Self.sample.at, request: "r"),
        ] {
            let sealed = try SealedUsageBatch(
                node: UsageTests.node, outboxEpoch: 3, sequence: 1, events: [], refusalSamples: [record])
            #expect(throws: UsageBatch.Failure.self) { try sealed.opened() }
        }
    }
}
