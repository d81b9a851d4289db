import CEventLoops
import Glibc
import Synchronization

/// One epoll loop on one thread, which is also the executor of the tasks that live on it.
///
/// Everything that belongs to a loop is a plain class used on its thread only; tasks started with `spawn`
/// prefer this loop, so every resume, also one from another thread, lands here and nowhere else. What may
/// be called from any thread says so; the rest is for the loop's own thread. See
/// docs/adr/0001-event-loops-are-executors.md.
package final class EventLoop: SerialExecutor, TaskExecutor, @unchecked Sendable {
    private static let eventsPerTurn = 256
    private static let jobsPerTurn = 16_384
    private static let wakeTag = UInt64.max
    /// The longest that deferred work waits for a loop which is always busy.
    private static let longestDeferral: Int64 = 1_000_000

    let epoll: Int32
    private let wakeDescriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    var channels = ChannelTable()
    private var ring = JobRing()
    private var bodies: [() -> Void] = []
    private var spareBodies: [() -> Void] = []
    private var yielded: [UnsafeContinuation<Void, Never>] = []
    /// For when nothing else is at hand, since the moment the first of them was put there.
    private var deferred: [() -> Void] = []
    private var deferredSince: Int64 = 0
    private let inbox = Mutex(Inbox())
    private let wakePending = Atomic<Bool>(false)
    private let stopRequested = Atomic<Bool>(false)
    private var spareItems: [InboxItem] = []

    /// Deadlines of this loop.
    package let wheel: TimerWheel
    /// Buffers of this loop, of the usual size.
    package let blocks = BlockPool(.usual)
    private let smallBlocks = BlockPool(.small)
    private let largeBlocks = BlockPool(.large)
    /// Monotonic nanoseconds, read once per turn.
    package private(set) var now: Int64
    /// Turns of the loop so far: equal values mean the same batch of events.
    package private(set) var turn: UInt64 = 0

    package func blocks(of size: BlockSize) -> BlockPool {
        switch size {
        case .small: smallBlocks
        case .usual: blocks
        case .large: largeBlocks
        }
    }

    /// Buffers taken and not given back, of all sizes.
    package var lentBlocks: Int { smallBlocks.lent + blocks.lent + largeBlocks.lent }

    /// A loop that does nothing until some thread calls `run`.
    package init() throws(SystemError) {
        epoll = try SystemError.check(loop_epoll_create(), "epoll_create1")
        wakeDescriptor = loop_eventfd_create()
        events = .allocate(capacity: Self.eventsPerTurn)
        now = loop_monotonic_nanoseconds()
        wheel = TimerWheel(now: now)
        _ = try SystemError.check(wakeDescriptor, "eventfd")
        // Edge-triggered: each write is one event and the counter never has to be read back.
        _ = try SystemError.check(
            loop_epoll_add(epoll, wakeDescriptor, LOOP_READ | LOOP_EDGE, Self.wakeTag), "epoll_ctl")
    }

    deinit {
        events.deallocate()
        Glibc.close(wakeDescriptor)
        Glibc.close(epoll)
    }

    // MARK: The calling thread

    /// The loop that runs on the calling thread, nil on other threads. Any thread.
    package static var current: EventLoop? {
        guard let pointer = loop_current() else { return nil }
        return Unmanaged<EventLoop>.fromOpaque(pointer).takeUnretainedValue()
    }

    /// Whether the caller is on this loop's thread. Any thread.
    package var isCurrent: Bool { loop_current() == Unmanaged.passUnretained(self).toOpaque() }

    // MARK: Executor

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if isCurrent { ring.push(job) } else { _ = post(.job(job)) }
    }
    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
    package func checkIsolated() { precondition(isCurrent, "not on the loop's thread") }
    package func isIsolatingCurrentContext() -> Bool? { isCurrent }

    // MARK: Running

    /// Runs the loop on the calling thread until `stop`. Timers that are still armed are dropped then, and
    /// tasks that still wait are never resumed: drain first.
    package func run() {
        precondition(loop_current() == nil, "this thread already runs a loop")
        loop_set_current(Unmanaged.passUnretained(self).toOpaque())
        now = loop_monotonic_nanoseconds()
        while !stopRequested.load(ordering: .relaxed) { takeTurn() }
        inbox.withLock { $0.isClosed = true }
        takeInbox()
        drain()
        runDeferred()
        wheel.removeAll()
        loop_set_current(nil)
    }

    /// Makes `run` return after the current turn. What was handed to `execute` before still runs. Any thread.
    package func stop() {
        stopRequested.store(true, ordering: .sequentiallyConsistent)
        wake()
    }

    /// Runs `body` on the loop, after what was handed over before it from the same thread. False when the
    /// loop has stopped: `body` never runs. Any thread.
    @discardableResult
    package func execute(_ body: @escaping @Sendable () -> Void) -> Bool {
        if isCurrent {
            bodies.append(body)
            return true
        }
        return post(.body(body))
    }

    /// Runs `body` as soon as the loop has nothing else at hand, or after a millisecond without a pause: for
    /// work that is cheaper for many than for one. Loop thread.
    package func executeWhenIdle(_ body: @escaping () -> Void) {
        if deferred.isEmpty { deferredSince = now }
        deferred.append(body)
    }

    /// Lets other tasks and pending events go first, then continues in the next turn.
    package func yieldTurn() async {
        await withUnsafeContinuation { yielded.append($0) }
    }

    private func takeTurn() {
        let count = loop_epoll_wait(epoll, events, Int32(Self.eventsPerTurn), waitMilliseconds())
        now = loop_monotonic_nanoseconds()
        turn &+= 1
        if !yielded.isEmpty {
            for continuation in yielded { continuation.resume() }
            yielded.removeAll(keepingCapacity: true)
        }
        var index = 0
        while index < Int(count) {
            let tag = loop_event_tag(events + index)
            if tag == Self.wakeTag {
                takeInbox()
            } else if let channel = channels.channel(Registration(tag: tag)) {
                channel.onEvents(Readiness(rawValue: loop_event_bits(events + index)))
            }
            index &+= 1
        }
        drain()
        if !deferred.isEmpty, count == 0 || now &- deferredSince >= Self.longestDeferral { runDeferred() }
        wheel.advance(to: now)
    }

    private func runDeferred() {
        bodies.append(contentsOf: deferred)
        deferred.removeAll(keepingCapacity: true)
        drain()
    }

    private func waitMilliseconds() -> Int32 {
        if !ring.isEmpty || !bodies.isEmpty || !yielded.isEmpty || !deferred.isEmpty { return 0 }
        guard let nanoseconds = wheel.nanosecondsUntilNext(from: now) else { return -1 }
        return Int32(min((nanoseconds + 999_999) / 1_000_000, 60_000))
    }

    /// Runs what is ready. Bounded, so that tasks which keep each other busy cannot shut out the sockets.
    private func drain() {
        let executor = asUnownedTaskExecutor()
        var left = Self.jobsPerTurn
        while left > 0 {
            if !ring.isEmpty {
                // As a task executor alone: nonisolated code then continues in place. The two-executor form
                // costs two more trips through the ring for every wait.
                unsafe ring.pop().runSynchronously(on: executor)
            } else if !bodies.isEmpty {
                runBodies()
            } else {
                return
            }
            left &-= 1
        }
    }

    private func runBodies() {
        swap(&bodies, &spareBodies)
        for body in spareBodies { body() }
        spareBodies.removeAll(keepingCapacity: true)
    }

    // MARK: Other threads

    private enum InboxItem {
        case job(UnownedJob)
        case body(@Sendable () -> Void)
    }
    private struct Inbox: ~Copyable {
        var items: [InboxItem] = []
        var isClosed = false
    }

    private func post(_ item: sending InboxItem) -> Bool {
        let accepted = inbox.withLock { inbox in
            if inbox.isClosed { return false }
            inbox.items.append(item)
            return true
        }
        if accepted { wake() }
        return accepted
    }

    /// One write for any number of items: the flag is down only once the loop is about to look.
    private func wake() {
        if !wakePending.exchange(true, ordering: .sequentiallyConsistent) {
            loop_eventfd_signal(wakeDescriptor)
        }
    }

    private func takeInbox() {
        wakePending.store(false, ordering: .sequentiallyConsistent)
        inbox.withLock { swap(&$0.items, &spareItems) }
        for item in spareItems {
            switch item {
            case .job(let job): ring.push(job)
            case .body(let body): bodies.append(body)
            }
        }
        spareItems.removeAll(keepingCapacity: true)
    }
}
