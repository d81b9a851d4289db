import Domain
import EventLoops
import LocalStore
import TestSupport
import Testing

@Suite("grants on disk")
struct HeldGrantTests {
    private static let grants = (1...3).map { GrantID(high: 1, low: UInt64($0)) }

    private static var options: OutboxOptions {
        var options = OutboxOptions()
        options.sealAfterNanoseconds = .max / 4
        return options
    }

    private static func opened(_ folder: TemporaryDirectory, _ alarms: Alarms = Alarms()) throws -> Outbox {
        try Outbox.opened(folder.directory, options: options, alarm: alarms.record)
    }

    private static func row(_ index: Int, lent: Int64 = 100, spent: Int64 = 0, margin: Int64 = 0) -> GrantRow
    {
        GrantRow(id: grants[index], statement: [7, 7], lent: lent, spent: spent, margin: margin)
    }

    private static func call(_ number: UInt64, spending amount: Int64) -> OpenCall {
        OpenCall(
            id: UsageEventID(high: 2, low: number), event: [9, UInt8(number)], cost: amount,
            charges: [GrantCharge(grant: grants[0], amount: amount)])
    }

    /// The files of a process that was killed after `body`: as they are, with no close.
    private static func killed(
        after body: @escaping @Sendable (Outbox, OutboxPort) async throws -> Void
    ) async throws -> TemporaryDirectory {
        let folder = TemporaryDirectory(), remains = TemporaryDirectory()
        let outbox = try opened(folder)
        try await withLoop { loop in try await body(outbox, outbox.port(for: loop)) }
        for name in folder.names { remains.replace(name, folder.content(name)) }
        outbox.close()
        return remains
    }

    private static func rows(_ folder: TemporaryDirectory) async throws -> [GrantRow] {
        let outbox = try opened(folder)
        let rows = try await withLoop { _ in await outbox.heldGrants() }
        outbox.close()
        return try #require(rows)
    }

    @Test("a saved grant is there after a kill, with what events spent of it and the highest margin")
    func spending() async throws {
        let remains = try await Self.killed { outbox, port in
            #expect(await outbox.saveGrants([Self.row(0), Self.row(1, margin: 5)], deleting: []))
            let charges = [GrantCharge(grant: Self.grants[0], amount: 30)]
            #expect(await port.append(cost: 30, charges: charges) { $0.append(1) })
            port.raiseMargins([
                GrantCharge(grant: Self.grants[0], amount: 9), GrantCharge(grant: Self.grants[1], amount: 3),
            ])
            #expect(await port.append(cost: 4, charges: charges) { $0.append(2) })
            // A raise and a reduction: what was spent is the writer's affair.
            #expect(await outbox.saveGrants([Self.row(0, lent: 150, spent: 1)], deleting: []))
        }
        #expect(
            try await Self.rows(remains) == [
                Self.row(0, lent: 150, spent: 60, margin: 9), Self.row(1, margin: 5),
            ])
    }

    @Test("a deleted grant is gone, and charges to grants that are not ours are nobody's")
    func deleting() async throws {
        let remains = try await Self.killed { outbox, port in
            #expect(await outbox.saveGrants([Self.row(0), Self.row(1)], deleting: []))
            #expect(await outbox.saveGrants([], deleting: [Self.grants[0]]))
            let charges = [
                GrantCharge(grant: Self.grants[0], amount: 1), GrantCharge(grant: Self.grants[2], amount: 1),
            ]
            #expect(await port.append(cost: 1, charges: charges) { $0.append(1) })
        }
        #expect(try await Self.rows(remains) == [Self.row(1)])
    }

    @Test("margins come down when they are set, as at an orderly end")
    func margins() async throws {
        let remains = try await Self.killed { outbox, port in
            #expect(await outbox.saveGrants([Self.row(0, margin: 40)], deleting: []))
            outbox.setMargins([GrantCharge(grant: Self.grants[0], amount: 3)])
            #expect(await port.append(cost: 0) { $0.append(1) })
        }
        #expect(try await Self.rows(remains) == [Self.row(0, margin: 3)])
    }

    @Test("a call that was under way at a kill becomes an event, and spends what was kept back for it")
    func openCalls() async throws {
        let remains = try await Self.killed { outbox, port in
            #expect(await outbox.saveGrants([Self.row(0, margin: 25)], deleting: []))
            port.begin(Self.call(1, spending: 10))
            port.begin(Self.call(2, spending: 20))
            port.begin(Self.call(3, spending: 5))
            #expect(await port.append(cost: 0) { $0.append(0) })
            let charges = [GrantCharge(grant: Self.grants[0], amount: 7)]
            let ended = UsageEventID(high: 2, low: 2)
            #expect(await port.append(cost: 7, charges: charges, ending: ended) { $0 += [1, 2] })
            port.forget(UsageEventID(high: 2, low: 3))
            // Begun and ended in one commit: never written.
            port.begin(Self.call(4, spending: 50))
            let short = UsageEventID(high: 2, low: 4)
            #expect(await port.append(cost: 1, ending: short) { $0.append(4) })
        }
        let outbox = try Self.opened(remains)
        try await withLoop { _ in
            #expect(await outbox.heldGrants() == [Self.row(0, spent: 17, margin: 15)])
            #expect(await outbox.sealNow())
            #expect(await outbox.batch(1)?.events == [0, 1, 2, 4, 9, 1])
            #expect(await outbox.batch(1)?.outline.totalCost == 18)
        }
        outbox.close()
        // Once only.
        let again = try Self.opened(remains)
        try await withLoop { _ in #expect(await again.heldGrants() == [Self.row(0, spent: 17, margin: 15)]) }
        #expect(again.status.depth == 4)
        again.close()
    }

    enum Loss: String, CaseIterable, Sendable {
        case rolledBack, markMissing, markDamaged, fileMissing, foreignFile
    }

    @Test(
        "grants of an outbox that is missing or rolled back are never spent again", arguments: Loss.allCases)
    func lost(_ loss: Loss) async throws {
        let folder = TemporaryDirectory()
        func spend(_ amount: Int64, saving: Bool) async throws {
            let outbox = try Self.opened(folder)
            try await withLoop { loop in
                if saving { #expect(await outbox.saveGrants([Self.row(0)], deleting: [])) }
                let charges = [GrantCharge(grant: Self.grants[0], amount: amount)]
                #expect(await outbox.port(for: loop).append(cost: amount, charges: charges) { $0.append(1) })
            }
            outbox.close()
        }
        try await spend(10, saving: true)
        let earlier = folder.content("outbox.db")
        try await spend(10, saving: false)
        #expect(try await Self.rows(folder) == [Self.row(0, spent: 20)])
        switch loss {
        case .rolledBack: folder.replace("outbox.db", earlier)
        case .markMissing: try folder.directory.remove("outbox.mark")
        case .markDamaged: folder.replace("outbox.mark", [1, 2, 3])
        case .fileMissing: try folder.directory.remove("outbox.db")
        case .foreignFile:
            let other = TemporaryDirectory()
            let outbox = try Self.opened(other)
            try await withLoop { _ in
                for lent in 1...9 {
                    #expect(await outbox.saveGrants([Self.row(0, lent: Int64(lent))], deleting: []))
                }
            }
            outbox.close()
            folder.replace("outbox.db", other.content("outbox.db"))
        }
        #expect(try await Self.rows(folder).isEmpty)
        // It stays so.
        #expect(try await Self.rows(folder).isEmpty)
    }

    @Test("that an epoch was retired is told, and its grants are gone")
    func retired() async throws {
        let folder = TemporaryDirectory()
        let outbox = try Self.opened(folder)
        let told = Completion<Void>()
        outbox.onMovedAside { told.fulfil(()) }
        try await withLoop { _ in
            #expect(await outbox.saveGrants([Self.row(0)], deleting: []))
            #expect(await outbox.retireEpoch(outbox.status.epoch))
            await told.value()
            #expect(await outbox.heldGrants() == [])
        }
        outbox.close()
    }

    @Test("a grant whose row was damaged is not spent again; the others are")
    func damagedRow() async throws {
        let folder = TemporaryDirectory()
        let outbox = try Self.opened(folder)
        let statement = Array("a statement that is easy to find".utf8)
        try await withLoop { _ in
            let row = GrantRow(id: Self.grants[0], statement: statement, lent: 5)
            #expect(await outbox.saveGrants([row, Self.row(1)], deleting: []))
        }
        outbox.close()
        var bytes = folder.content("outbox.db")
        let place = try #require(
            (0..<bytes.count - statement.count).first {
                bytes[$0..<$0 + statement.count].elementsEqual(statement)
            })
        bytes[place] ^= 1
        folder.replace("outbox.db", bytes)
        #expect(try await Self.rows(folder) == [Self.row(1)])
    }
}
