package import Domain
package import EventLoops

/// One loop's way into the outbox; created, used and released on that loop's thread.
///
/// Appends are handed over together when the loop has nothing else at hand (at once when it is quiet, after a
/// millisecond when it never is), so the writer is woken once for them; answers come back together, so the
/// loop is woken once a commit. Those that can wait do so while commits come often.
package final class OutboxPort: TimerOwner {
    /// How long a patient record waits for others to share its commit, up to a slot of the timer wheel more.
    package static let patienceNanoseconds: Int64 = 5_000_000
    /// After so long without a commit nobody waits for company.
    private static let companyNanoseconds: Int64 = 50_000_000

    private let loop: EventLoop
    private let shared: OutboxShared
    private var records = PendingRecords()
    /// Waiting for their commit, in order of appending; resumed from `firstWaiting` on.
    private var waiting: [UnsafeContinuation<Bool, Never>?] = []
    private var firstWaiting = 0
    private var isHandingOver = false
    private let patience = Timer()
    private var lastHandOver: Int64 = 0

    init(loop: EventLoop, shared: OutboxShared) {
        self.loop = loop
        self.shared = shared
        patience.belong(to: self)
    }

    deinit { patience.cancel() }

    /// Appends the event that `encode` writes at the end of the buffer; returns when it is on disk as the
    /// durability setting promises.
    ///
    /// False: not on disk. The event is kept in memory and tried again, unless the outbox was closed or its
    /// memory limit is reached.
    /// - Parameters:
    ///   - cost: nano-USD, for the batch's total.
    ///   - charges: what the call spent of grants: counted in the same transaction.
    ///   - ending: the call whose open row is to go, if it was begun.
    ///   - isPatient: some milliseconds more do not matter, as at the end of a stream; see
    ///     `patienceNanoseconds`.
    package func append(
        cost: Int64, charges: [GrantCharge] = [], ending: UsageEventID? = nil, isPatient: Bool = false,
        encode: (inout [UInt8]) -> Void
    ) async -> Bool {
        records.append(cost: cost, charges: charges, encode: encode)
        if let ending { records.calls.ended.append(ending) }
        if !isPatient || loop.now &- lastHandOver > Self.companyNanoseconds {
            scheduleHandOver()
        } else if !isHandingOver, !patience.isArmed {
            loop.arm(patience, afterNanoseconds: Self.patienceNanoseconds)
        }
        return await withUnsafeContinuation { waiting.append($0) }
    }

    /// Appends without waiting: for what may be lost when the node is killed now.
    package func appendWithoutWaiting(cost: Int64, encode: (inout [UInt8]) -> Void) {
        records.append(cost: cost, encode: encode)
        waiting.append(nil)
        scheduleHandOver()
    }

    /// Appends records of a batch that are no events, without waiting for their commit.
    package func appendNotes(_ notes: [UInt8]) {
        records.notes += notes
        scheduleHandOver()
    }

    /// Notes a call that is under way, without waiting: after a kill it becomes an event as it is here.
    package func begin(_ call: OpenCall) {
        records.calls.begun.append(call)
        scheduleHandOver()
    }

    /// Takes the note of a call back that ended without an event.
    package func forget(_ call: UsageEventID) {
        records.calls.ended.append(call)
        scheduleHandOver()
    }

    /// Notes, without waiting, the most that is held of grants: what is kept back of them after a kill.
    package func raiseMargins(_ margins: [GrantCharge]) {
        if margins.isEmpty { return }
        records.margins += margins
        scheduleHandOver()
    }

    private func scheduleHandOver() {
        if isHandingOver { return }
        isHandingOver = true
        // A commit costs much the same for one record and for fifty: those of all calls at hand go along.
        loop.executeWhenIdle { self.handOver() }
    }

    package func timerFired(_ timer: Timer) { scheduleHandOver() }

    private func handOver() {
        isHandingOver = false
        patience.clear()
        lastHandOver = loop.now
        let share = PortShare(loop: loop, port: PortReference(port: self), count: records.count)
        let isTaken = shared.hand(records, from: share)
        records.clear()
        if !isTaken { refuse(share.count) }
    }

    /// The newest ones, which were never taken; older ones may still wait for their commit.
    private func refuse(_ count: Int) {
        let refused = waiting.suffix(count)
        waiting.removeLast(count)
        for continuation in refused { continuation?.resume(returning: false) }
    }

    func complete(_ count: Int, isDurable: Bool) {
        for index in firstWaiting..<firstWaiting + count {
            waiting[index]?.resume(returning: isDurable)
            waiting[index] = nil
        }
        firstWaiting += count
        if firstWaiting == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            firstWaiting = 0
        } else if firstWaiting > 4_096 {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
    }
}

/// A port named on another thread: only carried there and back, used on its loop alone.
struct PortReference: @unchecked Sendable {
    let port: OutboxPort
}

/// How many of the records of a commit came from one port.
struct PortShare: Sendable {
    let loop: EventLoop
    let port: PortReference
    var count: Int

    func answer(isDurable: Bool) {
        let port = port, count = count
        loop.execute { port.port.complete(count, isDurable: isDurable) }
    }

    /// One share a port, so that a loop is woken once.
    static func merged(_ shares: [PortShare]) -> [PortShare] {
        var merged: [PortShare] = []
        for share in shares {
            if let index = merged.firstIndex(where: {
                $0.loop === share.loop && $0.port.port === share.port.port
            }) {
                merged[index].count += share.count
            } else {
                merged.append(share)
            }
        }
        return merged
    }
}
