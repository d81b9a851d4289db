import Contract
import Domain
import EventLoops
import LocalStore
import Telemetry
import TestSupport
import Testing

@testable import Metering

@Suite("refused calls on their way to the control plane")
struct RefusalLogTests {
    static let now = Timestamp(microseconds: 1_700_000_020_000_000)

    private func note(
        _ log: RefusalLog, key: UInt64 = 1, _ code: ErrorCode = .rateLimited, at moment: Timestamp = now
    ) {
        log.note(
            code, status: code.status, of: KeyID(high: 4, low: key), in: WorkspaceID(high: 3, low: 3),
            TenantID(high: 2, low: 2), at: moment, request: "req_\(key)")
    }

    private func batch(_ log: RefusalLog) throws -> UsageBatch {
        let records = log.take()
        let head = records.withUnsafeBytes {
            SealedUsageBatch.head(
                node: UsageUploaderTests.node, outboxEpoch: 1, sequence: 1, eventCount: 0, totalCost: .zero,
                events: $0)
        }
        return try SealedUsageBatch(bytes: head + records).opened()
    }

    @Test("they are counted by key, reason and minute; ten a second are sampled")
    func counts() throws {
        let log = RefusalLog(metrics: MetricsRegistry())
        for _ in 0..<100 { note(log) }
        note(log, .keyExpired)
        note(log, key: 2)
        note(log, at: Self.now.advanced(bySeconds: 60))
        let batch = try batch(log)
        #expect(batch.refusals.map(\.calls).sorted() == [1, 1, 1, 100])
        #expect(Set(batch.refusals.map(\.minute)).count == 2)
        #expect(batch.refusalSamples.count == RefusalLog.samplesPerSecond + 1)
        #expect(batch.refusalSamples.first?.request == "req_1")
        #expect(batch.refusalSamples.first?.status == 429)
        #expect(log.take() == [], "they are handed over once")
    }

    @Test("a flood from many keys stays within its bounds, and what is not reported is counted")
    func flood() throws {
        let metrics = MetricsRegistry()
        let log = RefusalLog(metrics: metrics)
        for key in 0..<UInt64(RefusalLog.maximumCounters + 50) { note(log, key: key) }
        let batch = try batch(log)
        #expect(batch.refusals.count == RefusalLog.maximumCounters)
        #expect(metrics.text().contains("eclusa_refusals_unreported_total 50\n"))
    }

    @Test("they go into the outbox every few seconds, and leave half of it to usage")
    func shipping() async throws {
        var options = OutboxOptions()
        options.capacityBytes = 1 << 20
        options.sealAfterNanoseconds = .max / 4
        let outbox = try UsageOutbox.open(
            in: DataDirectory(path: TemporaryDirectory().path), node: UsageUploaderTests.node,
            options: options, log: .silent, metrics: MetricsRegistry())
        try await withLoop { loop in
            let log = RefusalLog(metrics: MetricsRegistry())
            let shipper = RefusalShipper(loop: loop, outbox: outbox, refusals: log)
            note(log)
            shipper.ship()
            while outbox.status.bytes == 0 { await loop.yieldTurn() }
            #expect(await outbox.sealNow())
            let sent = try #require(await outbox.batch(1))
            #expect(try SealedUsageBatch(bytes: sent.bytes).opened().refusals.first?.calls == 1)
            let port = outbox.port(for: loop)
            let large = [UInt8](repeating: 0, count: 600_000)
            #expect(await port.append(cost: 0) { $0 += large })
            note(log)
            shipper.ship()
            #expect(log.take() != [], "it waits in memory")
        }
        outbox.close()
    }
}
