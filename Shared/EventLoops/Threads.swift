import CEventLoops
import Glibc
import Synchronization

/// A started thread; `join` it exactly once.
package struct ThreadHandle: @unchecked Sendable {
    fileprivate let thread: pthread_t

    /// Blocks until the thread has ended. Never on a loop.
    package func join() { pthread_join(thread, nil) }
}

/// Starts a thread named `name` (15 bytes are kept). It inherits the signal mask of the caller. Traps when
/// the system refuses a thread: threads are started with the process, not per request.
package func spawnThread(name: String, _ body: @escaping @Sendable () -> Void) -> ThreadHandle {
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var thread = pthread_t()
    let result = pthread_create(
        &thread, nil,
        { argument in
            let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
            loop_thread_set_name(start.name)
            start.body()
            return nil
        }, start.toOpaque())
    precondition(result == 0, "pthread_create failed")
    return ThreadHandle(thread: thread)
}

private final class ThreadStart: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// Processors this process may run on.
package func processorCount() -> Int { Int(loop_processor_count()) }

/// Does the pieces 0..<count of a long computation, as many at once as there are processors (eight at most),
/// the caller's thread among them; returns when all are done. Blocks: not on a loop.
package func inParallel(_ count: Int, _ piece: @escaping @Sendable (Int) -> Void) {
    let next = NextPiece()
    let work: @Sendable () -> Void = {
        while let index = next.take(below: count) { piece(index) }
    }
    let others = min(processorCount(), 8, count) - 1
    let threads = (0..<max(0, others)).map { spawnThread(name: "pieces-\($0)", work) }
    work()
    for thread in threads { thread.join() }
}

private final class NextPiece: Sendable {
    private let next = Atomic<Int>(0)

    func take(below count: Int) -> Int? {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }
}

/// A number of loops with one thread each.
package final class LoopThreads: Sendable {
    package let loops: [EventLoop]
    private let threads: [ThreadHandle]

    /// Starts `count` loops in threads `name-0`, `name-1`, …, optionally each bound to one processor.
    package init(count: Int, name: String, pinned: Bool = false) throws(SystemError) {
        precondition(count > 0)
        var loops: [EventLoop] = []
        for _ in 0..<count { loops.append(try EventLoop()) }
        self.loops = loops
        threads = loops.enumerated().map { index, loop in
            spawnThread(name: "\(name)-\(index)") {
                if pinned { _ = loop_thread_pin(Int32(index)) }
                loop.run()
            }
        }
    }

    /// Asks every loop to stop; see `EventLoop.stop`.
    package func stop() {
        for loop in loops { loop.stop() }
    }

    /// Waits until every thread has ended. Once, and never on one of these loops.
    package func join() {
        for thread in threads { thread.join() }
    }
}
