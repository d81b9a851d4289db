import EventLoops
import LocalStore
import TestSupport
import Testing

@Suite("records of the outbox that are no events")
struct OutboxNoteTests {
    private static func options(sealAtBytes: Int = 1 << 20) -> OutboxOptions {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        options.sealAtBytes = sealAtBytes
        return options
    }

    /// Until the writer has committed what was handed over without waiting.
    private func settled(_ outbox: Outbox, _ loop: EventLoop, bytes: Int) async {
        while outbox.status.bytes != bytes { await loop.yieldTurn() }
    }

    @Test("they are sealed with the events beside them, also without any, and are there after a restart")
    func sealed() async throws {
        let folder = TemporaryDirectory()
        let first = try Outbox.opened(folder.directory, options: Self.options(), alarm: Alarms().record)
        try await withLoop { loop in
            let port = first.port(for: loop)
            port.appendNotes([9, 9])
            await settled(first, loop, bytes: 2)
            #expect(first.status.depth == 0, "no usage waits")
            #expect(await first.sealNow())
            let alone = await first.batch(1)
            #expect(alone?.events == [9, 9] && alone?.outline.eventCount == 0)
            #expect(alone?.outline.totalCost == 0)
            port.appendNotes([8])
            #expect(await port.append([1], cost: 5))
        }
        first.close()
        let second = try Outbox.opened(folder.directory, options: Self.options(), alarm: Alarms().record)
        try await withLoop { loop in
            #expect(second.status.sealed.lowerBound == 1)
            #expect(await second.sealNow())
            let both = await second.batch(2)
            #expect(both.map { Set($0.events) } == [1, 8])
            #expect(both?.outline.eventCount == 1 && both?.outline.totalCost == 5)
            #expect(await second.acknowledge(epoch: second.status.epoch, through: 2))
            #expect(second.status.bytes == 0)
        }
        second.close()
    }

    @Test("a batch that they would make too large is sealed before them")
    func large() async throws {
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.options(sealAtBytes: 10), alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            #expect(await port.append([1, 1, 1, 1, 1, 1, 1, 1]))
            port.appendNotes([2, 2, 2])
            await settled(outbox, loop, bytes: 11)
            #expect(outbox.status.sealed == 1..<2)
            #expect(await outbox.sealNow())
            #expect(await outbox.batch(2)?.events == [2, 2, 2])
        }
        outbox.close()
    }
}
