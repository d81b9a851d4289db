import EventLoops
import Glibc
import Synchronization

/// The writer thread's loop: take what is queued, commit it, tell the loops, seal when it is time.
final class OutboxWriter {
    private(set) var file: OutboxFile
    private let directory: DataDirectory
    private let options: OutboxOptions
    private let shared: OutboxShared
    private let alarm: @Sendable (OutboxAlarm) -> Void
    private let open: () throws(SQLiteError) -> OutboxFile

    /// Taken from the queue; kept when the disk refuses.
    private var records = PendingRecords()
    private var shares: [PortShare] = []
    private var commands: [@Sendable (OutboxWriter) -> Void] = []
    private var committedAt: Int64 = 0
    private var sealDeadline: Int64?
    private var retryAt: Int64?
    private var isAlarmed = false
    private var isAtCapacity = false
    private var commits = 0
    private var events = 0

    init(
        _ file: OutboxFile, _ directory: DataDirectory, _ options: OutboxOptions, _ shared: OutboxShared,
        _ alarm: @escaping @Sendable (OutboxAlarm) -> Void,
        _ open: @escaping () throws(SQLiteError) -> OutboxFile
    ) {
        self.open = open
        self.file = file
        self.directory = directory
        self.options = options
        self.shared = shared
        self.alarm = alarm
        // Rows of an earlier run are sealed without waiting.
        if file.state.unsealedBytes > 0 { sealDeadline = monotonicNanoseconds() }
        publishStatus()
    }

    /// Opens the file; a damaged one is renamed, with an alarm, and a new one begun.
    static func open(
        _ directory: DataDirectory, _ alarm: @Sendable (OutboxAlarm) -> Void,
        _ open: () throws(SQLiteError) -> OutboxFile
    ) throws -> OutboxFile {
        do {
            return try open()
        } catch  where error.kind == .corrupt {
            let target = try directory.moveAside(OutboxFile.name, reason: "damaged")
            alarm(.movedAside(to: target, reason: error.description))
            return try open()
        }
    }

    func run() {
        while true {
            gatherCompany()
            let isStopping = take()
            for command in commands { command(self) }
            commands.removeAll(keepingCapacity: true)
            let now = monotonicNanoseconds()
            if !records.isEmpty, isStopping || (retryAt ?? 0) <= now { commit(now) }
            if let due = sealDeadline, isStopping || due <= now { seal(now) }
            if isStopping, shared.queue.withLock({ $0.isEmpty }) { break }
            shared.sleep(nanoseconds: [sealDeadline, retryAt].compactMap { $0 }.min().map { $0 - now })
        }
        finish()
    }

    /// A commit costs as much as a call or two, however many records it holds. Under more load than one
    /// record a gap, those that come meanwhile go along, and need not wake this thread.
    private func gatherCompany() {
        let left = committedAt + options.commitGapNanoseconds - monotonicNanoseconds()
        guard left > 0 else { return }
        var pause = timespec(tv_sec: 0, tv_nsec: Int(left))
        nanosleep(&pause, nil)
    }

    /// Moves the queue here; whether the outbox is being closed.
    private func take() -> Bool {
        shared.queue.withLock { queue in
            if records.isEmpty {
                swap(&queue.records, &records)
                swap(&queue.shares, &shares)
            } else {
                // The disk refuses: what came meanwhile waits with the rest.
                records.append(queue.records)
                shares += queue.shares
                queue.records.clear()
                queue.shares.removeAll(keepingCapacity: true)
            }
            queue.heldBytes = records.bytes.count
            swap(&queue.commands, &commands)
            return queue.isStopping
        }
    }

    private func commit(_ now: Int64) {
        let sealedBefore = file.state.sealed.upperBound
        let (value, refusal): (Void?, String) = attempt { try $0.append(records) }
        guard value != nil else {
            setWriting(false, refusal)
            retryAt = now + options.retryAfterNanoseconds
            answer(isDurable: false)
            return
        }
        retryAt = nil
        committedAt = now
        setWriting(true, "")
        commits += 1
        events += records.count
        records.clear()
        if file.state.unsealedBytes == 0 {
            sealDeadline = nil
        } else if sealDeadline == nil || file.state.sealed.upperBound != sealedBefore {
            sealDeadline = now + options.sealAfterNanoseconds
        }
        publishStatus()
        answer(isDurable: true)
        if file.state.sealed.upperBound != sealedBefore { notifySealed() }
    }

    /// One wake per loop, whatever the number of its records.
    private func answer(isDurable: Bool) {
        for share in PortShare.merged(shares) { share.answer(isDurable: isDurable) }
        shares.removeAll(keepingCapacity: true)
    }

    private func seal(_ now: Int64) {
        let (value, refusal): (Void?, String) = attempt { try $0.seal() }
        guard value != nil else {
            setWriting(false, refusal)
            sealDeadline = now + options.retryAfterNanoseconds
            return
        }
        if records.isEmpty { setWriting(true, "") }
        sealDeadline = nil
        publishStatus()
        notifySealed()
    }

    private func notifySealed() { shared.sealObserver.withLock { $0 }?() }

    // MARK: When the disk refuses

    /// Runs what a loop asked for; nil when SQLite refused. The asker tries again, so nothing else changes.
    func perform<Result>(_ body: (OutboxFile) throws -> Result) -> Result? {
        let before = (file.epoch, file.state.sealed.upperBound)
        let value = attempt(body).value
        publishStatus()
        if before != (file.epoch, file.state.sealed.upperBound) { notifySealed() }
        return value
    }

    /// Runs the body on the file. A damaged file is moved aside and the body run once more, on the new one.
    private func attempt<Result>(_ body: (OutboxFile) throws -> Result) -> (value: Result?, refusal: String) {
        do {
            return (try body(file), "")
        } catch let error as SQLiteError where error.kind == .corrupt {
            guard moveAside(reason: "damaged: \(error.description)") else { return (nil, error.description) }
            return (try? body(file), error.description)
        } catch {
            return (nil, "\(error)")
        }
    }

    /// Renames the file and begins a new one with a new epoch; false when that fails, and the old file stays
    /// open.
    func moveAside(reason: String) -> Bool {
        file.shut()
        do {
            let target = try directory.moveAside(OutboxFile.name, reason: "damaged")
            file = try open()
            sealDeadline = nil
            alarm(.movedAside(to: target, reason: reason))
            publishStatus()
            tellGrantsGone()
            return true
        } catch {
            if let reopened = try? open() { file = reopened }
            return false
        }
    }

    func tellGrantsGone() { shared.moveObserver.withLock { $0 }?() }

    private func setWriting(_ isWriting: Bool, _ reason: String) {
        let changed = shared.status.withLock { status in
            defer { status.isWriting = isWriting }
            return status.isWriting != isWriting
        }
        guard changed else { return }
        alarm(isWriting ? .writingAgain : .writeFailed(reason))
        updateFullness()
    }

    // MARK: Status

    private func publishStatus() {
        let state = file.state
        shared.status.withLock { status in
            status.epoch = file.epoch
            status.bytes = state.bytes
            status.unsealedEvents = state.unsealedEvents
            status.sealedEvents = state.sealedEvents
            status.sealed = state.sealed
            status.commits = commits
            status.events = events
        }
        updateFullness()
    }

    private func updateFullness() {
        let bytes = file.state.bytes, capacity = options.capacityBytes
        let isAtCapacity = bytes >= capacity
        if isAtCapacity && !self.isAtCapacity { alarm(.full(bytes: bytes, capacity: capacity)) }
        self.isAtCapacity = isAtCapacity
        let isNearlyFull = bytes >= capacity / 5 * 4
        if isNearlyFull != isAlarmed {
            isAlarmed = isNearlyFull
            alarm(isNearlyFull ? .nearlyFull(bytes: bytes, capacity: capacity) : .roomAgain)
        }
        let isWriting = shared.status.withLock { $0.isWriting }
        shared.isFull.store(isAtCapacity || !isWriting, ordering: .relaxed)
    }

    private func finish() {
        let rest = shared.queue.withLock { queue in
            queue.hasStopped = true
            return queue.shares
        }
        for share in PortShare.merged(rest) { share.answer(isDurable: false) }
        file.shut()
    }
}
