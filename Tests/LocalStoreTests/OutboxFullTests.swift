import EventLoops
import LocalStore
import TestSupport
import Testing

@Suite("outbox without room")
struct OutboxFullTests {
    private static var options: OutboxOptions {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        options.sealAtEvents = 4
        options.capacityBytes = 64 << 10
        options.retryAfterNanoseconds = 1_000_000
        return options
    }
    private static let event = [UInt8](repeating: 7, count: 4_000)

    @Test("an alarm at 80 % of the capacity, full at 100 %, room again after acknowledgements")
    func capacity() async throws {
        let alarms = Alarms()
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.options, alarm: alarms.record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            for _ in 0..<13 { #expect(await port.append(Self.event)) }
            #expect(alarms.all.isEmpty)
            #expect(await port.append(Self.event))
            #expect(alarms.all == [.nearlyFull(bytes: 56_000, capacity: 65_536)])
            #expect(!outbox.isFull)
            for _ in 0..<3 { #expect(await port.append(Self.event)) }
            #expect(outbox.isFull)
            #expect(alarms.all.last == .full(bytes: 68_000, capacity: 65_536))
            // Calls in flight are still recorded.
            #expect(await port.append(Self.event))
            #expect(await outbox.acknowledge(epoch: outbox.status.epoch, through: 3))
            #expect(!outbox.isFull)
            #expect(alarms.all.last == .roomAgain)
        }
        outbox.close()
    }

    @Test("what the disk refuses is not durable, is kept, and is written once there is room")
    func diskFull() async throws {
        let alarms = Alarms()
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.options, alarm: alarms.record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            var written = 0
            while await port.append(Self.event) { written += 1 }
            #expect(outbox.isFull)
            #expect(!outbox.status.isWriting)
            let failures = alarms.all.filter { if case .writeFailed = $0 { true } else { false } }
            #expect(failures.count == 1)
            // Another one joins it in memory.
            #expect(await !port.append([1, 2, 3]))
            let acknowledged = outbox.status.sealed.upperBound - 2
            #expect(await outbox.acknowledge(epoch: outbox.status.epoch, through: acknowledged))
            // Its commit takes the refused ones along.
            #expect(await port.append([9]))
            #expect(await outbox.sealNow())
            #expect(outbox.status.isWriting)
            #expect(!outbox.isFull)
            var events = 0
            var tail: [UInt8] = []
            for sequence in outbox.status.sealed {
                let batch = await outbox.batch(sequence)!
                events += batch.outline.eventCount
                tail += batch.events
            }
            #expect(events == written + 3 - 4 * Int(acknowledged))
            #expect(tail.suffix(4) == [1, 2, 3, 9])
        }
        #expect(alarms.all.contains(.writingAgain))
        outbox.close()
    }

    @Test("while the disk refuses, memory is bounded: beyond it a record is not taken")
    func memoryLimit() async throws {
        var options = Self.options
        options.memoryLimitBytes = 20_000
        options.retryAfterNanoseconds = 10_000_000_000
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: options, alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            while await port.append(Self.event) {}
            for _ in 0..<12 { port.appendWithoutWaiting(cost: 1) { $0 += Self.event } }
            // The next turn: they have been handed over together.
            await loop.yieldTurn()
            #expect(await !port.append(Self.event))
        }
        outbox.close()
    }

    @Test("events wait for their commit in memory no longer than the outbox is open")
    func closedWhileFull() async throws {
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.options, alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            while await port.append(Self.event) {}
        }
        outbox.close()
        outbox.close()
    }
}
