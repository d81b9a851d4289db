import CEventLoops
package import Domain
package import EventLoops
import Glibc
import Synchronization

/// The node's durable queue of usage events: one writer thread, each commit taking whatever is queued.
///
/// Loops append through their own `OutboxPort`. Sealed batches are read and acknowledged through here, from
/// any loop. Nothing is dropped: a refused write is kept in memory and tried again, a damaged file is renamed
/// and kept.
package final class Outbox: Sendable {
    /// Whether calls that would be metered must be refused: the capacity is reached or the disk refuses
    /// writes.
    package var isFull: Bool { shared.isFull.load(ordering: .relaxed) }
    package var status: OutboxStatus { shared.status.withLock { $0 } }
    package let capacityBytes: Int

    private let shared: OutboxShared
    private let thread: Mutex<ThreadHandle?>

    /// Opens or creates the outbox in the folder and starts its writer thread. A damaged file is moved aside
    /// first.
    ///
    /// - Parameters:
    ///   - sealer: makes the head of a batch, on the writer thread.
    ///   - alarm: called on the writer thread, or on this one while opening.
    package init(
        directory: DataDirectory, options: OutboxOptions = OutboxOptions(), sealer: @escaping BatchSealer,
        alarm: @escaping @Sendable (OutboxAlarm) -> Void
    ) throws {
        let shared = OutboxShared(memoryLimitBytes: options.memoryLimitBytes)
        let open = { () throws(SQLiteError) in
            try OutboxFile(directory: directory, options: options, sealer: sealer)
        }
        let file = try OutboxWriter.open(directory, alarm, open)
        let writer = OutboxWriter(file, directory, options, shared, alarm, open)
        // The thread takes the writer over; nobody else keeps it.
        nonisolated(unsafe) let given = writer
        self.shared = shared
        capacityBytes = options.capacityBytes
        thread = Mutex(spawnThread(name: "outbox") { given.run() })
    }

    /// A loop's own way in. Loop thread only.
    package func port(for loop: EventLoop) -> OutboxPort { OutboxPort(loop: loop, shared: shared) }

    /// Calls the body after every seal, on the writer thread; only the last body given counts.
    package func onSeal(_ body: @escaping @Sendable () -> Void) {
        shared.sealObserver.withLock { $0 = body }
    }

    /// A sealed batch that is not acknowledged yet, or nil.
    package func batch(_ sequence: UInt64) async -> SealedBatch? {
        await onWriter { try $0.batch(sequence) } ?? nil
    }

    /// Deletes the batches of this epoch up to and including this one; true when it is done.
    package func acknowledge(epoch: UInt64, through sequence: UInt64) async -> Bool {
        await onWriter { file in
            guard file.epoch == epoch else { return }
            try file.acknowledge(through: sequence)
        } != nil
    }

    /// What was lent to this node, as an earlier process left it.
    package func heldGrants() async -> [GrantRow]? { await onWriter { $0.heldGrants } }

    /// Writes grants and deletes others; true when it is on disk. What is spent of one that is there stays.
    package func saveGrants(_ rows: [GrantRow], deleting: [GrantID]) async -> Bool {
        await onWriter { try $0.saveGrants(rows, deleting: deleting) } != nil
    }

    /// Sets, without waiting, what is kept back of grants after a kill: also to less.
    package func setMargins(_ margins: [GrantCharge]) {
        shared.command { writer in
            _ = writer.perform { try $0.setMargins(margins) }
        } refused: {
        }
    }

    /// Calls the body on the writer thread when the file was moved aside or its epoch retired: the grants in
    /// it are never spent again. Only the last body given counts.
    package func onMovedAside(_ body: @escaping @Sendable () -> Void) {
        shared.moveObserver.withLock { $0 = body }
    }

    /// Seals what is committed now instead of at the next second.
    package func sealNow() async -> Bool { await onWriter { try $0.seal() } != nil }

    /// Numbers what is sealed anew, from 1 in a new epoch: the control plane has lost earlier batches and has
    /// none of these.
    package func renumber(_ epoch: UInt64) async -> Bool {
        await onWriter { file in
            guard file.epoch == epoch else { return }
            try file.renumber()
        } != nil
    }

    /// Begins a new epoch with all that is left, marked as recovered: the control plane holds other content
    /// under this epoch's numbers. What was lent is never spent again.
    package func retireEpoch(_ epoch: UInt64) async -> Bool {
        await withUnsafeContinuation { continuation in
            shared.command { writer in
                guard writer.file.epoch == epoch else { return continuation.resume(returning: true) }
                let isDone = writer.perform { try $0.retire() } != nil
                if isDone { writer.tellGrantsGone() }
                continuation.resume(returning: isDone)
            } refused: {
                continuation.resume(returning: false)
            }
        }
    }

    /// Commits and seals everything appended so far, closes the file and ends the thread. Blocks; not on a
    /// loop.
    package func close() {
        shared.stop()
        thread.withLock { handle in
            handle?.join()
            handle = nil
        }
    }

    private func onWriter<Result: Sendable>(
        _ body: @escaping @Sendable (OutboxFile) throws -> Result
    ) async -> Result? {
        await withUnsafeContinuation { continuation in
            shared.command { writer in
                continuation.resume(returning: writer.perform { try body($0) })
            } refused: {
                continuation.resume(returning: nil)
            }
        }
    }
}

/// What the loops and the writer thread share.
final class OutboxShared: Sendable {
    struct Queue {
        var records = PendingRecords()
        /// Bytes the writer took and has not committed when it last looked here.
        var heldBytes = 0
        var shares: [PortShare] = []
        var commands: [@Sendable (OutboxWriter) -> Void] = []
        var isStopping = false
        var hasStopped = false

        var isEmpty: Bool { records.isEmpty && commands.isEmpty }
    }

    let queue = Mutex(Queue())
    let isFull = Atomic<Bool>(false)
    let status = Mutex(OutboxStatus())
    /// Bytes that may wait in memory while the disk refuses.
    private let memoryLimitBytes: Int
    let sealObserver = Mutex<(@Sendable () -> Void)?>(nil)
    let moveObserver = Mutex<(@Sendable () -> Void)?>(nil)
    /// Whether the writer waits for a wake: only then does an append pay for a system call.
    private let isSleeping = Atomic<Bool>(false)
    private let signal = loop_eventfd_create()

    init(memoryLimitBytes: Int) { self.memoryLimitBytes = memoryLimitBytes }

    deinit { Glibc.close(signal) }

    /// Hands a loop's records over; false, and nothing is kept, when the writer has stopped or the memory
    /// limit is reached.
    func hand(_ records: borrowing PendingRecords, from share: PortShare) -> Bool {
        let isTaken = queue.withLock { queue in
            if queue.hasStopped || queue.records.bytes.count + queue.heldBytes > memoryLimitBytes {
                return false
            }
            queue.records.append(records)
            if share.count > 0 { queue.shares.append(share) }
            return true
        }
        if isTaken { wake() }
        return isTaken
    }

    func command(
        _ body: @escaping @Sendable (OutboxWriter) -> Void, refused: @Sendable () -> Void
    ) {
        let isTaken = queue.withLock { queue in
            if queue.isStopping { return false }
            queue.commands.append(body)
            return true
        }
        if isTaken { wake() } else { refused() }
    }

    func stop() {
        queue.withLock { $0.isStopping = true }
        wake()
    }

    private func wake() {
        // Sequentially consistent with `sleep`: either this sees the flag, or the writer sees the queue.
        guard isSleeping.load(ordering: .sequentiallyConsistent),
            isSleeping.exchange(false, ordering: .sequentiallyConsistent)
        else { return }
        loop_eventfd_signal(signal)
    }

    /// Waits until something is queued or the time is over; writer thread only. No limit when nil.
    func sleep(nanoseconds: Int64?) {
        isSleeping.store(true, ordering: .sequentiallyConsistent)
        if queue.withLock({ $0.isEmpty && !$0.isStopping }) {
            var waiting = pollfd(fd: signal, events: Int16(POLLIN), revents: 0)
            let milliseconds = nanoseconds.map { Int32(clamping: max(0, $0 + 999_999) / 1_000_000) } ?? -1
            poll(&waiting, 1, milliseconds)
        }
        isSleeping.store(false, ordering: .sequentiallyConsistent)
        var count: UInt64 = 0
        _ = Glibc.read(signal, &count, 8)
    }
}
