import Contract
import Domain
import EventLoops
import LocalStore

/// A call that was begun, as its recorder knows it.
package struct CallNote: Sendable {
    fileprivate let slot: Int32
    fileprivate let id: UsageEventID
}

/// The calls under way on one loop, each with what becomes of it if the process is killed. Loop thread.
///
/// A call is written to disk when it has lasted a while: most are over before, and cost nothing. One that is
/// killed earlier leaves no trace; its hold is kept back by its grant's margin.
final class OpenCalls {
    static let delayNanoseconds: Int64 = 20_000_000

    private struct Entry {
        let id: UsageEventID
        let event: () -> UsageEvent
        let charges: [GrantCharge]
        let begunAt: Int64
        var isWritten = false
    }

    private let loop: EventLoop
    private let port: OutboxPort
    private var entries: [Entry?] = []
    private var vacant: [Int32] = []
    /// In order of beginning; read from `firstQueued` on.
    private var queue: [CallNote] = []
    private var firstQueued = 0
    private var isTimed = false

    init(loop: EventLoop, port: OutboxPort) {
        self.loop = loop
        self.port = port
    }

    func begin(
        _ id: UsageEventID, charges: [GrantCharge], _ event: @escaping () -> UsageEvent
    ) -> CallNote {
        let entry = Entry(id: id, event: event, charges: charges, begunAt: loop.now)
        let note: CallNote
        if let slot = vacant.popLast() {
            entries[Int(slot)] = entry
            note = CallNote(slot: slot, id: id)
        } else {
            note = CallNote(slot: Int32(entries.count), id: id)
            entries.append(entry)
        }
        queue.append(note)
        if !isTimed { schedule(after: Self.delayNanoseconds) }
        return note
    }

    /// The call is over; its id, when a row tells of it.
    func end(_ note: CallNote) -> UsageEventID? {
        let isWritten = entries[Int(note.slot)]?.isWritten ?? false
        entries[Int(note.slot)] = nil
        vacant.append(note.slot)
        return isWritten ? note.id : nil
    }

    private func schedule(after nanoseconds: Int64) {
        isTimed = true
        loop.schedule(afterNanoseconds: nanoseconds) { self.writeThoseThatLast() }
    }

    private func writeThoseThatLast() {
        isTimed = false
        while firstQueued < queue.count {
            let note = queue[firstQueued], slot = Int(note.slot)
            if let entry = entries[slot], entry.id == note.id {
                let age = loop.now - entry.begunAt
                guard age >= Self.delayNanoseconds else { break }
                let event = entry.event()
                port.begin(
                    OpenCall(
                        id: note.id, event: Self.encoded(event), cost: event.cost.nanos,
                        charges: entry.charges))
                entries[slot]?.isWritten = true
            }
            firstQueued += 1
        }
        if firstQueued == queue.count {
            queue.removeAll(keepingCapacity: true)
            firstQueued = 0
        } else {
            if firstQueued > 4096 {
                queue.removeFirst(firstQueued)
                firstQueued = 0
            }
            schedule(after: Self.delayNanoseconds)
        }
    }

    private static func encoded(_ event: UsageEvent) -> [UInt8] {
        var bytes: [UInt8] = []
        event.append(toBatch: &bytes)
        return bytes
    }
}
