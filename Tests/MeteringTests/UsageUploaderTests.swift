import Contract
import Domain
import EventLoops
import LocalStore
import Synchronization
import Telemetry
import TestSupport
import Testing

@testable import Metering

@Suite("recording and shipping usage")
struct UsageUploaderTests {
    static let node = NodeID(high: 1, low: 2)

    static func event(_ number: Int) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 1, low: UInt64(number)), tenant: TenantID(high: 2, low: 2),
            workspace: WorkspaceID(high: 3, low: 3), key: KeyID(high: 4, low: 4),
            route: RouteID(high: 5, low: 5), provider: ProviderID(high: 6, low: 6),
            model: ModelID(high: 7, low: 7), price: PriceID(high: 8, low: 8), endpoint: .chat,
            startedAt: Timestamp(microseconds: 1_700_000_000_000_000), latencyMicroseconds: 1_234,
            firstByteMicroseconds: 99, usage: TokenUsage(input: 100, output: Int64(number)),
            cost: NanoUSD(nanos: Int64(number)), costState: .settled, status: 200, isStream: false,
            ending: .completed)
    }

    static func open(_ folder: TemporaryDirectory, sealAtEvents: Int = 2) throws -> Outbox {
        var options = OutboxOptions()
        options.sealAtEvents = sealAtEvents
        options.sealAfterNanoseconds = .max / 4
        return try UsageOutbox.open(
            in: DataDirectory(path: folder.path), node: node, options: options, log: .silent,
            metrics: MetricsRegistry())
    }

    /// The control plane's side of one loop: what it took, by the rule of `Contract`.
    final class Receiver {
        var batches: [UsageBatch] = []
        var isDown = false
        var status = 0
        let changed = Wakeup()

        func take(_ bytes: [UInt8]) -> (status: Int, body: [UInt8])? {
            defer { changed.signal() }
            if isDown { return nil }
            if status != 0 { return (status, []) }
            let sealed = SealedUsageBatch(bytes: bytes)
            guard let batch = try? sealed.opened(), let digest = sealed.digest else { return (400, []) }
            let known = batches.filter { $0.outboxEpoch == batch.outboxEpoch }
            let before = known.first { $0.sequence == batch.sequence }
            let verdict = BatchAnswer.judge(
                sequence: batch.sequence, digest: digest, lastTaken: Int64(known.count),
                takenDigest: before == batch ? digest : nil)
            if case .answer(let answer) = verdict { return (answer.status, answer.encoded) }
            batches.append(batch)
            return (200, BatchAnswer.acknowledged(sequence: batch.sequence).encoded)
        }
    }

    @Test("recorded events reach the control plane as batches of this node, each exactly once")
    func shipping() async throws {
        let outbox = try Self.open(TemporaryDirectory())
        try await withLoop { loop in
            let receiver = Receiver()
            let metrics = MetricsRegistry()
            let uploader = UsageUploader(loop: loop, outbox: outbox, log: .silent, metrics: metrics) {
                receiver.take($0)
            }
            uploader.start()
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            #expect(!recorder.isFull)
            for number in 1...7 { #expect(await recorder.record(Self.event(number))) }
            // All that is sealed has been delivered: sealing the rest is news by itself.
            while outbox.status.sealedEvents > 0 { await loop.yieldTurn() }
            #expect(await outbox.sealNow())
            while receiver.batches.count < 4 || outbox.status.depth > 0 { await loop.yieldTurn() }
            #expect(receiver.batches.flatMap(\.events) == (1...7).map(Self.event))
            #expect(receiver.batches.allSatisfy { $0.node == Self.node })
            #expect(receiver.batches.map(\.sequence) == [1, 2, 3, 4])
            #expect(metrics.text().contains(#"eclusa_usage_batches_total{outcome="acknowledged"} 4"#))
            uploader.stop()
        }
        outbox.close()
    }

    @Test("with the control plane away batches wait, and all arrive once it is back")
    func outage() async throws {
        let outbox = try Self.open(TemporaryDirectory())
        try await withLoop { loop in
            let receiver = Receiver()
            receiver.isDown = true
            let uploader = UsageUploader(
                loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry()
            ) { receiver.take($0) }
            uploader.start()
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            for number in 1...6 { #expect(await recorder.record(Self.event(number))) }
            await receiver.changed.wait()
            #expect(outbox.status.sealedEvents == 6)
            receiver.isDown = false
            uploader.proceed()
            while outbox.status.depth > 0 { await loop.yieldTurn() }
            #expect(receiver.batches.flatMap(\.events).count == 6)
            uploader.stop()
        }
        outbox.close()
    }

    @Test("after a kill the sealed batches are sent again, the same, and taken once")
    func killed() async throws {
        let folder = TemporaryDirectory(), remains = TemporaryDirectory()
        let first = try Self.open(folder)
        let taken = try await withLoop { loop -> [UsageBatch] in
            let receiver = Receiver()
            let recorder = UsageRecorder(outbox: first, loop: loop)
            for number in 1...5 { #expect(await recorder.record(Self.event(number))) }
            // The control plane takes the first batch; the node dies before it hears of it.
            _ = receiver.take(await first.batch(1)!.bytes)
            return receiver.batches
        }
        for name in folder.names { remains.replace(name, folder.content(name)) }
        first.close()
        let outbox = try Self.open(remains)
        try await withLoop { loop in
            let receiver = Receiver()
            receiver.batches = taken
            #expect(await outbox.sealNow())
            let uploader = UsageUploader(
                loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry()
            ) { receiver.take($0) }
            uploader.start()
            while outbox.status.depth > 0 { await loop.yieldTurn() }
            #expect(receiver.batches.flatMap(\.events) == (1...5).map(Self.event))
            uploader.stop()
        }
        outbox.close()
    }

    @Test("after a conflict what is left is sent in an epoch of its own, marked as recovered, and is taken")
    func conflict() async throws {
        let outbox = try Self.open(TemporaryDirectory())
        try await withLoop { loop in
            let receiver = Receiver()
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            for number in 1...2 { #expect(await recorder.record(Self.event(number))) }
            let old = outbox.status.epoch
            // The same number with other events: this outbox was rolled back.
            let foreign = try SealedUsageBatch(
                node: Self.node, outboxEpoch: Int64(old), sequence: 1, events: [Self.event(9)])
            _ = receiver.take(foreign.bytes)
            let uploader = UsageUploader(
                loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry()
            ) { receiver.take($0) }
            uploader.start()
            while outbox.status.epoch == old { await loop.yieldTurn() }
            for number in 3...4 { #expect(await recorder.record(Self.event(number))) }
            while receiver.batches.count < 3 { await loop.yieldTurn() }
            #expect(receiver.batches[1].events == [Self.event(1), Self.event(2)])
            #expect(receiver.batches[1].isRecovered)
            #expect(receiver.batches[2].events == [Self.event(3), Self.event(4)])
            #expect(!receiver.batches[2].isRecovered)
            uploader.stop()
        }
        outbox.close()
    }

    @Test("a control plane restored from a backup gets what is left under new numbers")
    func restored() async throws {
        let outbox = try Self.open(TemporaryDirectory())
        try await withLoop { loop in
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            for number in 1...4 { #expect(await recorder.record(Self.event(number))) }
            let old = outbox.status.epoch
            #expect(await outbox.acknowledge(epoch: old, through: 1))
            let receiver = Receiver()
            let uploader = UsageUploader(
                loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry()
            ) { receiver.take($0) }
            uploader.start()
            while outbox.status.depth > 0 { await loop.yieldTurn() }
            #expect(receiver.batches.flatMap(\.events) == [Self.event(3), Self.event(4)])
            #expect(receiver.batches.map(\.outboxEpoch) != [Int64(old)])
            uploader.stop()
        }
        outbox.close()
    }

    @Test("a batch that is refused is kept and tried on", arguments: [400, 401, 403, 500, 503])
    func refused(_ status: Int) async throws {
        let outbox = try Self.open(TemporaryDirectory())
        try await withLoop { loop in
            let receiver = Receiver()
            receiver.status = status
            let uploader = UsageUploader(
                loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry()
            ) { receiver.take($0) }
            uploader.start()
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            for number in 1...2 { #expect(await recorder.record(Self.event(number))) }
            await receiver.changed.wait()
            #expect(outbox.status.sealedEvents == 2)
            receiver.status = 0
            uploader.proceed()
            while outbox.status.depth > 0 { await loop.yieldTurn() }
            uploader.stop()
        }
        outbox.close()
    }

    @Test("every alarm has its own metric and its own line")
    func alarms() {
        let lines = Mutex<Set<String>>([])
        let log = Log(
            output: LogOutput(level: .info) { line in
                let text = String(decoding: line, as: UTF8.self)
                let message = text.split(separator: "\"message\":\"").last?.prefix { $0 != "\"" }
                lines.withLock { _ = $0.insert(String(message ?? "")) }
                return true
            })
        let alarms: [OutboxAlarm] = [
            .nearlyFull(bytes: 8, capacity: 10), .full(bytes: 10, capacity: 10), .roomAgain,
            .writeFailed("disk"), .writingAgain, .movedAside(to: "x", reason: "damaged"),
        ]
        for alarm in alarms { alarm.write(to: log) }
        #expect(Set(alarms.map(\.kind)).count == alarms.count)
        #expect(lines.withLock { $0.count } == alarms.count)
    }

    @Test("a damaged outbox is counted as an alarm and the page shows the outbox")
    func metrics() async throws {
        let folder = TemporaryDirectory()
        folder.replace("outbox.db", Array("not a database at all, and long enough to be looked at".utf8))
        let metrics = MetricsRegistry()
        let outbox = try UsageOutbox.open(
            in: DataDirectory(path: folder.path), node: Self.node, log: .silent, metrics: metrics)
        try await withLoop { loop in
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            #expect(await recorder.record(Self.event(1)))
        }
        let page = metrics.text()
        #expect(page.contains(#"eclusa_outbox_alarms_total{kind="moved_aside"} 1"#))
        #expect(page.contains("\neclusa_outbox_events 1\n"))
        #expect(page.contains("\neclusa_outbox_full 0\n"))
        #expect(page.contains("\neclusa_usage_events_total 1\n"))
        outbox.close()
    }
}
