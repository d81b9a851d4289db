import Cryptography
import EventLoops
import LocalStore
import TestSupport
import Testing

@Suite("outbox")
struct OutboxTests {
    private static func never() -> OutboxOptions {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        return options
    }

    @Test("an event is on disk when append returns, and sealing makes one batch of it")
    func oneEvent() async throws {
        let folder = TemporaryDirectory()
        let alarms = Alarms()
        let outbox = try Outbox.opened(folder.directory, options: Self.never(), alarm: alarms.record)
        let batch = try await withLoop { loop -> SealedBatch? in
            let port = outbox.port(for: loop)
            #expect(await port.append([1, 2, 3], cost: 40))
            #expect(outbox.status.unsealedEvents == 1)
            #expect(await outbox.sealNow())
            return await outbox.batch(1)
        }
        outbox.close()
        #expect(batch?.events == [1, 2, 3])
        #expect(batch?.outline.sequence == 1)
        #expect(batch?.outline.eventCount == 1)
        #expect(batch?.outline.totalCost == 40)
        #expect(batch?.bytes == sha256([1, 2, 3]).bytes + [1, 2, 3])
        #expect(batch?.outline.epoch == outbox.status.epoch)
        #expect(folder.mode("outbox.db") == 0o600)
        #expect(alarms.all.isEmpty)
    }

    @Test("records that can wait share a commit with those that come soon, and are told when it is done")
    func patience() async throws {
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.never(), alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            // The first finds no company: nobody waits on a quiet node.
            let before = monotonicNanoseconds()
            #expect(await port.append([0], isPatient: true))
            #expect(outbox.status.commits == 1)
            #expect(monotonicNanoseconds() - before < OutboxPort.patienceNanoseconds * 100)
            let all = Wakeup()
            var left = 3
            for (number, isPatient) in [(1, true), (2, true), (3, false)] {
                loop.spawn {
                    #expect(await port.append([UInt8(number)], isPatient: isPatient))
                    left -= 1
                    if left == 0 { all.signal() }
                }
            }
            await all.wait()
            #expect(outbox.status.commits == 2, "the one in a hurry took the others along")
            #expect(await port.append([4], isPatient: true))
            #expect(outbox.status.commits == 3 && outbox.status.unsealedEvents == 5)
        }
        outbox.close()
    }

    @Test("commits keep their distance, and take along what came meanwhile")
    func distance() async throws {
        var options = Self.never()
        let gap: Int64 = 60_000_000
        options.commitGapNanoseconds = gap
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: options, alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            #expect(await port.append([0]))
            let first = monotonicNanoseconds()
            let all = Wakeup()
            var left = 20
            for number in 1...20 {
                loop.spawn {
                    await loop.sleep(nanoseconds: Int64(number) * 10_000)
                    #expect(await port.append([UInt8(number)]))
                    left -= 1
                    if left == 0 { all.signal() }
                }
            }
            await all.wait()
            let elapsed = monotonicNanoseconds() - first
            #expect(outbox.status.events == 21)
            #expect(Int64(outbox.status.commits - 1) <= elapsed / gap + 1)
            #expect(outbox.status.commits >= 2)
            // One that comes alone has a commit of its own.
            await loop.sleep(nanoseconds: 2 * gap)
            let commits = outbox.status.commits
            #expect(await port.append([21]))
            #expect(outbox.status.commits == commits + 1)
        }
        outbox.close()
    }

    @Test("a batch is sealed by itself after its time")
    func sealingByTime() async throws {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = 1_000_000
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: options, alarm: Alarms().record)
        let sealed = Completion<Void>()
        outbox.onSeal { sealed.fulfil(()) }
        try await withLoop { loop in
            #expect(await outbox.port(for: loop).append([9]))
            await sealed.value()
            #expect(outbox.status.sealed == 1..<2)
            #expect(outbox.status.depth == 1)
        }
        outbox.close()
    }

    @Test("batches hold at most the configured events and bytes, numbered without a hole, in order")
    func limits() async throws {
        var options = Self.never()
        options.sealAtEvents = 10
        options.sealAtBytes = 64
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: options, alarm: Alarms().record)
        let batches = try await withLoop { loop -> [SealedBatch] in
            let port = outbox.port(for: loop)
            for value in UInt8(0)..<35 { port.appendWithoutWaiting(cost: 1) { $0.append(value) } }
            for _ in 0..<3 { port.appendWithoutWaiting(cost: 1) { $0 += [UInt8](repeating: 200, count: 30) } }
            // Larger than a batch may be: alone in its own.
            #expect(await port.append([UInt8](repeating: 201, count: 100)))
            #expect(await outbox.sealNow())
            var found: [SealedBatch] = []
            for sequence in outbox.status.sealed { found.append(await outbox.batch(sequence)!) }
            return found
        }
        outbox.close()
        #expect(batches.map(\.outline.sequence) == Array(1...UInt64(batches.count)))
        #expect(batches.map(\.outline.eventCount) == [10, 10, 10, 6, 2, 1])
        #expect(Array(batches.flatMap(\.events).prefix(35)) == [UInt8](0..<35))
        #expect(batches.map(\.events.count) == [10, 10, 10, 35, 60, 100])
        #expect(batches.map(\.outline.totalCost) == [10, 10, 10, 6, 2, 1])
    }

    @Test("a sum of costs that would overflow begins the next batch")
    func overflow() async throws {
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.never(), alarm: Alarms().record)
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            port.appendWithoutWaiting(cost: .max - 5) { $0.append(1) }
            #expect(await port.append([2], cost: 6))
            #expect(await outbox.sealNow())
            #expect(await outbox.batch(1)?.outline.totalCost == .max - 5)
            #expect(await outbox.batch(2)?.outline.totalCost == 6)
        }
        outbox.close()
    }

    @Test("many loops append at once and every event is there exactly once")
    func manyLoops() async throws {
        let outbox = try Outbox.opened(
            TemporaryDirectory().directory, options: Self.never(), alarm: Alarms().record)
        let threads = try LoopThreads(count: 3, name: "append")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (number, loop) in threads.loops.enumerated() {
                group.addTask {
                    try await loop.run {
                        let port = outbox.port(for: loop)
                        for turn in 0..<50 {
                            for index in 0..<20 {
                                port.appendWithoutWaiting(cost: 1) {
                                    $0 += [UInt8(number), UInt8(turn), UInt8(index), 0]
                                }
                            }
                            #expect(await port.append([UInt8(number), UInt8(turn), 255, 0]))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        threads.stop()
        threads.join()
        let seen = try await withLoop { _ -> [UInt32] in
            #expect(await outbox.sealNow())
            var seen: [UInt32] = []
            for sequence in outbox.status.sealed {
                let payload = await outbox.batch(sequence)!.events
                for start in stride(from: 0, to: payload.count, by: 4) {
                    seen.append(payload[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) })
                }
            }
            return seen
        }
        #expect(seen.count == 3 * 50 * 21)
        #expect(Set(seen).count == seen.count)
        #expect(outbox.status.commits < outbox.status.events)
        outbox.close()
    }

    @Test("acknowledged batches are deleted and their numbers never used again")
    func acknowledging() async throws {
        let folder = TemporaryDirectory()
        var options = Self.never()
        options.sealAtEvents = 1
        let outbox = try Outbox.opened(folder.directory, options: options, alarm: Alarms().record)
        let epoch = try await withLoop { loop -> UInt64 in
            let port = outbox.port(for: loop)
            for value in UInt8(1)...4 { #expect(await port.append([value])) }
            let epoch = outbox.status.epoch
            #expect(await outbox.acknowledge(epoch: epoch, through: 2))
            #expect(outbox.status.sealed == 3..<5)
            #expect(outbox.status.bytes == 2)
            #expect(await outbox.batch(2) == nil)
            #expect(await outbox.batch(3)?.events == [3])
            // Of another epoch, or beyond what is sealed: nothing happens.
            #expect(await outbox.acknowledge(epoch: epoch &+ 1, through: 4))
            #expect(await outbox.acknowledge(epoch: epoch, through: 9))
            #expect(outbox.status.sealed == 3..<5)
            #expect(await outbox.acknowledge(epoch: epoch, through: 4))
            #expect(outbox.status.bytes == 0)
            return epoch
        }
        outbox.close()
        let again = try Outbox.opened(folder.directory, options: options, alarm: Alarms().record)
        try await withLoop { loop in
            #expect(again.status.epoch == epoch)
            #expect(await again.port(for: loop).append([5]))
            #expect(again.status.sealed == 5..<6)
        }
        again.close()
    }
}
