/// Permits shared by the tasks of one loop, handed out first come first served. Loop thread.
package final class LoopSemaphore {
    package private(set) var available: Int
    private var waiters: [UnsafeContinuation<Void, Never>] = []
    private var firstWaiter = 0

    package init(permits: Int) {
        precondition(permits >= 0)
        available = permits
    }

    /// Tasks that wait for a permit.
    package var waiting: Int { waiters.count - firstWaiter }

    /// Takes a permit, waiting behind those who came before.
    package func acquire() async {
        if available > 0 {
            available -= 1
            return
        }
        await withUnsafeContinuation { waiters.append($0) }
    }

    /// Takes a permit if one is free.
    package func tryAcquire() -> Bool {
        guard available > 0 else { return false }
        available -= 1
        return true
    }

    /// Gives a permit back; the longest waiter has it then.
    package func release() {
        guard firstWaiter < waiters.count else {
            available += 1
            return
        }
        let next = waiters[firstWaiter]
        firstWaiter += 1
        if firstWaiter == waiters.count {
            waiters.removeAll(keepingCapacity: true)
            firstWaiter = 0
        } else if firstWaiter >= 64 && firstWaiter * 2 >= waiters.count {
            waiters.removeFirst(firstWaiter)
            firstWaiter = 0
        }
        next.resume()
    }

    /// Runs `body` holding a permit.
    package func withPermit<T, E: Error>(_ body: () async throws(E) -> T) async throws(E) -> T {
        await acquire()
        defer { release() }
        return try await body()
    }
}

/// Mutual exclusion between tasks of one loop across their suspensions, first come first served. Loop thread.
package final class LoopMutex {
    private let semaphore = LoopSemaphore(permits: 1)

    package init() {}
    package var isLocked: Bool { semaphore.available == 0 }
    package func acquire() async { await semaphore.acquire() }
    package func release() { semaphore.release() }

    /// Runs `body` holding the mutex.
    package func withLock<T, E: Error>(_ body: () async throws(E) -> T) async throws(E) -> T {
        try await semaphore.withPermit(body)
    }
}
