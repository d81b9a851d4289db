import Cryptography
import EventLoops
import LocalStore
import Synchronization
import TestSupport
import Testing

@Suite("outbox recovery")
struct OutboxRecoveryTests {
    private static var options: OutboxOptions {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        options.sealAtEvents = 3
        return options
    }

    /// The files of a node killed after two sealed batches and two events that no batch holds yet.
    private static func killed() async throws -> (
        folder: TemporaryDirectory, epoch: UInt64, first: SealedBatch
    ) {
        let folder = TemporaryDirectory(), remains = TemporaryDirectory()
        let outbox = try Outbox.opened(folder.directory, options: options, alarm: Alarms().record)
        let first = try await withLoop { loop -> SealedBatch? in
            let port = outbox.port(for: loop)
            for value in UInt8(1)...8 { #expect(await port.append([value, value &* 3], cost: Int64(value))) }
            return await outbox.batch(1)
        }
        // What a kill -9 leaves: the files as they are, with no close.
        for name in folder.names { remains.replace(name, folder.content(name)) }
        let epoch = outbox.status.epoch
        outbox.close()
        return (remains, epoch, try #require(first))
    }

    @Test("after kill -9 sealed batches are the same and the rest is sealed next")
    func kill() async throws {
        let (folder, epoch, first) = try await Self.killed()
        let alarms = Alarms()
        let outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: alarms.record)
        #expect(outbox.status.epoch == epoch)
        try await withLoop { loop in
            #expect(await outbox.batch(1) == first)
            // Rows of an earlier run are sealed at once, without waiting for new ones.
            #expect(await outbox.sealNow())
            #expect(outbox.status.sealed == 1..<4)
            let last = await outbox.batch(3)
            #expect(last?.events == [7, 21, 8, 24])
            #expect(last?.outline.totalCost == 15)
            #expect(await outbox.port(for: loop).append([9]))
            #expect(await outbox.sealNow())
            #expect(await outbox.batch(4)?.events == [9])
        }
        outbox.close()
        #expect(alarms.all.isEmpty)
    }

    @Test("closing seals and keeps what was appended")
    func orderlyClose() async throws {
        let folder = TemporaryDirectory()
        let outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        let afterClose = try await withLoop { loop -> Bool in
            let port = outbox.port(for: loop)
            #expect(await port.append([5]))
            outbox.close()
            let isSealed = await outbox.sealNow()
            #expect(!isSealed)
            return await port.append([6])
        }
        #expect(!afterClose)
        let again = try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        try await withLoop { _ in #expect(await again.batch(1)?.events == [5]) }
        again.close()
    }

    @Test("a second process is refused while the first holds the outbox")
    func exclusive() throws {
        let folder = TemporaryDirectory()
        let outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        let error = #expect(throws: SQLiteError.self) {
            try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        }
        #expect(error?.kind == .busy)
        outbox.close()
    }

    @Test(
        "a flipped bit anywhere in the file is never a wrong payload: it is noticed and the file kept aside")
    func flippedBits() async throws {
        let (remains, epoch, first) = try await Self.killed()
        // Everything into the main file, so that flips hit pages in use.
        try Outbox.opened(remains.directory, options: Self.options, alarm: Alarms().record).close()
        let sound = remains.content("outbox.db")
        let expected = [first.events, [4, 12, 5, 15, 6, 18], [7, 21, 8, 24]]
        let step = 61
        var noticed = 0
        for position in stride(from: 0, to: sound.count, by: step) {
            let folder = TemporaryDirectory()
            var damaged = sound
            damaged[position] ^= 1 << UInt8(position % 8)
            folder.replace("outbox.db", damaged)
            let alarms = Alarms()
            let outbox: Outbox
            do {
                outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: alarms.record)
            } catch {
                // Refused as of another version: nothing was touched.
                #expect(folder.content("outbox.db") == damaged)
                noticed += 1
                continue
            }
            try await withLoop { _ in
                for sequence in outbox.status.sealed where sequence <= 3 && outbox.status.epoch == epoch {
                    guard let batch = await outbox.batch(sequence), batch.outline.epoch == epoch else {
                        continue
                    }
                    #expect(batch.events == expected[Int(sequence) - 1], "bit flipped at \(position)")
                }
            }
            if !alarms.movedAside.isEmpty {
                noticed += 1
                #expect(alarms.movedAside == ["outbox.db.damaged-1"])
                #expect(outbox.status.epoch != epoch)
            }
            outbox.close()
        }
        #expect(noticed > 5)
    }

    @Test(
        "a truncated or foreign file is moved aside with an alarm and a new epoch",
        arguments: [1, 100, 4_096, 9_000])
    func truncated(_ length: Int) async throws {
        let (remains, epoch, _) = try await Self.killed()
        try Outbox.opened(remains.directory, options: Self.options, alarm: Alarms().record).close()
        let whole = remains.content("outbox.db")
        try #require(whole.count > length)
        let folder = TemporaryDirectory()
        folder.replace("outbox.db", Array(whole.prefix(length)))
        let alarms = Alarms()
        let outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: alarms.record)
        try await withLoop { loop in
            // A file cut between pages is noticed at the latest when a row is read.
            _ = await outbox.batch(1)
            #expect(await outbox.port(for: loop).append([1]))
        }
        #expect(outbox.status.epoch != epoch)
        #expect(alarms.movedAside == ["outbox.db.damaged-1"])
        #expect(folder.content("outbox.db.damaged-1").prefix(1) == whole.prefix(1))
        outbox.close()
    }

    @Test("retiring an epoch begins a new one with everything that is left, marked as recovered")
    func retiring() async throws {
        let folder = TemporaryDirectory()
        let alarms = Alarms()
        let seen = Mutex<[BatchOutline]>([])
        let outbox = try Outbox(
            directory: folder.directory, options: Self.options,
            sealer: { outline, events in
                seen.withLock { $0.append(outline) }
                return sha256(events).bytes
            }, alarm: alarms.record)
        let epoch = outbox.status.epoch
        try await withLoop { loop in
            let port = outbox.port(for: loop)
            for value in UInt8(1)...3 { #expect(await port.append([value])) }
            #expect(await outbox.sealNow())
            for value in UInt8(4)...5 { #expect(await port.append([value])) }
            // Another epoch's conflict says nothing about this one.
            #expect(await outbox.retireEpoch(epoch &+ 1))
            #expect(outbox.status.epoch == epoch)
            #expect(await outbox.retireEpoch(epoch))
            let fresh = outbox.status.epoch
            #expect(fresh != epoch)
            #expect(outbox.status.depth == 5)
            let batches = seen.withLock { $0.filter { $0.epoch == fresh } }
            #expect(!batches.isEmpty && batches.allSatisfy(\.isRecovered))
            #expect(batches.reduce(0) { $0 + $1.eventCount } == 5)
            #expect(await port.append([6]))
            #expect(await outbox.sealNow())
            let last = try #require(seen.withLock { $0.last })
            #expect(last.epoch == fresh && !last.isRecovered && last.eventCount == 1)
            var events: [UInt8] = []
            for sequence in outbox.status.sealed { events += await outbox.batch(sequence)?.events ?? [] }
            #expect(events == [1, 2, 3, 4, 5, 6])
        }
        #expect(alarms.all.isEmpty)
        outbox.close()
    }

    @Test("renumbering begins a new epoch at 1 with every batch that is left, also after a restart")
    func renumbering() async throws {
        let folder = TemporaryDirectory()
        let outbox = try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        let epoch = outbox.status.epoch
        let fresh = try await withLoop { loop -> UInt64 in
            let port = outbox.port(for: loop)
            for value in UInt8(1)...10 { #expect(await port.append([value])) }
            #expect(await outbox.acknowledge(epoch: epoch, through: 1))
            #expect(await outbox.renumber(epoch &+ 1))
            #expect(outbox.status.epoch == epoch)
            #expect(await outbox.renumber(epoch))
            #expect(outbox.status.epoch != epoch)
            #expect(outbox.status.sealed == 1..<3)
            #expect(await outbox.batch(1)?.events == [4, 5, 6])
            #expect(await outbox.batch(2)?.outline.epoch == outbox.status.epoch)
            #expect(await outbox.sealNow())
            #expect(await outbox.batch(3)?.events == [10])
            return outbox.status.epoch
        }
        outbox.close()
        let again = try Outbox.opened(folder.directory, options: Self.options, alarm: Alarms().record)
        #expect(again.status.epoch == fresh)
        #expect(again.status.sealed == 1..<4)
        again.close()
    }
}
