import CEventLoops
import Synchronization

/// The pool's queue is at its limit, or the pool is shut down: shed the work.
package struct BlockingPoolFull: Error, Sendable {
    package init() {}
}

/// Threads for work that blocks or computes long: password hashing, name lookup, file reads. Any thread.
package final class BlockingPool: Sendable {
    private struct State: ~Copyable {
        var queue: [@Sendable () -> Void] = []
        var first = 0
        var isShutDown = false
        var waiting: Int { queue.count - first }
    }
    private final class Queue: @unchecked Sendable {
        let state = Mutex(State())
        let semaphore = loop_semaphore_create()!
        let limit: Int
        init(limit: Int) { self.limit = limit }
        deinit { loop_semaphore_destroy(semaphore) }

        func offer(_ work: @escaping @Sendable () -> Void) -> Bool {
            let accepted = state.withLock { state in
                guard !state.isShutDown, state.waiting < limit else { return false }
                state.queue.append(work)
                return true
            }
            if accepted { loop_semaphore_post(semaphore) }
            return accepted
        }

        /// The next piece of work, waiting for it; nil when shut down and empty.
        func next() -> (@Sendable () -> Void)? {
            loop_semaphore_wait(semaphore)
            return state.withLock { state in
                guard state.waiting > 0 else { return nil }
                let work = state.queue[state.first]
                state.first += 1
                if state.first >= 64 || state.waiting == 0 {
                    state.queue.removeFirst(state.first)
                    state.first = 0
                }
                return work
            }
        }
    }

    private let queue: Queue
    private let threads: [ThreadHandle]

    /// `threads` threads named `name-0`, …; at most `queueLimit` pieces of work wait for one.
    ///
    /// - `givesWay`: for long computations: the threads run while nobody else wants the processor much, so
    ///   that no loop waits for them.
    package init(threads: Int, queueLimit: Int, name: String, givesWay: Bool = false) {
        precondition(threads > 0 && queueLimit > 0)
        let queue = Queue(limit: queueLimit)
        self.queue = queue
        self.threads = (0..<threads).map { index in
            spawnThread(name: "\(name)-\(index)") {
                if givesWay { loop_thread_give_way(10) }
                while let work = queue.next() { work() }
            }
        }
    }

    /// Runs `body` on one of the threads and gives back what it returns; the caller continues on its own
    /// loop.
    package func run<T: Sendable>(_ body: @escaping @Sendable () -> T) async throws(BlockingPoolFull) -> T {
        let completion = Completion<T>()
        guard queue.offer({ completion.fulfil(body()) }) else { throw BlockingPoolFull() }
        return await completion.value()
    }

    /// Refuses new work, finishes what is queued and waits for the threads. Blocks: not on a loop. Once.
    package func shutdown() {
        queue.state.withLock { $0.isShutDown = true }
        for _ in threads { loop_semaphore_post(queue.semaphore) }
        for thread in threads { thread.join() }
    }
}
