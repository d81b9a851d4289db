import EventLoops
import Synchronization
import TestSupport
import Testing

@Suite("Waiting for each other")
struct CoordinationTests {
    @Test("a signal before the wait is remembered, several count once")
    func wakeupLatches() async throws {
        try await withLoop { loop in
            let wakeup = Wakeup()
            wakeup.signal()
            wakeup.signal()
            await wakeup.wait()
            var isPast = false
            let done = Wakeup()
            loop.spawn {
                await wakeup.wait()
                isPast = true
                done.signal()
            }
            await loop.yieldTurn()
            #expect(!isPast)
            wakeup.signal()
            await done.wait()
        }
    }

    @Test("permits go to those who wait in the order they came")
    func semaphoreIsFair() async throws {
        try await withLoop { loop in
            let semaphore = LoopSemaphore(permits: 2)
            var order: [Int] = []
            let done = Wakeup()
            var atOnce = 0
            var most = 0
            for number in 0..<200 {
                loop.spawn {
                    await semaphore.withPermit {
                        atOnce += 1
                        most = max(most, atOnce)
                        order.append(number)
                        await loop.yieldTurn()
                        atOnce -= 1
                    }
                    if order.count == 200 && atOnce == 0 { done.signal() }
                }
            }
            #expect(semaphore.waiting == 198)
            #expect(!semaphore.tryAcquire())
            await done.wait()
            #expect(order == Array(0..<200))
            #expect(most == 2)
            #expect(semaphore.available == 2)
            #expect(semaphore.waiting == 0)
            #expect(semaphore.tryAcquire())
        }
    }

    @Test("a mutex is held across waits and released when the body throws")
    func mutex() async throws {
        struct Failed: Error {}
        try await withLoop { loop in
            let mutex = LoopMutex()
            var inside = 0
            let done = LoopSemaphore(permits: 0)
            for number in 0..<10 {
                loop.spawn {
                    try? await mutex.withLock { () throws(Failed) in
                        inside += 1
                        #expect(inside == 1)
                        #expect(mutex.isLocked)
                        inside -= 1
                        if number.isMultiple(of: 2) { throw Failed() }
                    }
                    done.release()
                }
            }
            for _ in 0..<10 { await done.acquire() }
            #expect(!mutex.isLocked)
        }
    }

    @Test("a completion keeps the first value, before or after it is awaited")
    func completion() async throws {
        try await withLoop { loop in
            let early = Completion<String>()
            #expect(early.fulfil("first"))
            #expect(!early.fulfil("second"))
            #expect(await early.value() == "first")
            #expect(!early.fulfil("third"))

            let late = Completion<String>()
            loop.execute { late.fulfil("now") }
            #expect(await late.value() == "now")
        }
    }

    @Test("blocks come back from the pool and more than it keeps goes back to the system")
    func blocks() async throws {
        try await withLoop { loop in
            let pool = loop.blocks
            let block = pool.take()
            #expect(pool.lent == 1)
            pool.give(block)
            #expect(pool.take() == block)
            pool.give(block)
            let many = (0..<1100).map { _ in pool.take() }
            #expect(Set(many).count == 1100)
            for block in many { pool.give(block) }
            #expect(pool.lent == 0)
            #expect(pool.kept == 1024)
        }
    }
}

@Suite("Blocking pool")
struct BlockingPoolTests {
    @Test("work runs off the loop and its caller continues on the loop")
    func runs() async throws {
        let pool = BlockingPool(threads: 2, queueLimit: 100, name: "work")
        defer { pool.shutdown() }
        try await withLoop { loop in
            for number in 0..<50 {
                let (result, wasOnLoop) = try await pool.run { (number * 2, EventLoop.current != nil) }
                #expect(result == number * 2)
                #expect(!wasOnLoop)
                #expect(loop.isCurrent)
            }
        }
    }

    @Test("a full queue refuses at once and serves again when there is room")
    func full() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 3, name: "work")
        defer { pool.shutdown() }
        try await withLoop { loop in
            let gate = Gate()
            let begun = Completion<Void>()
            let ended = LoopSemaphore(permits: 0)
            loop.spawn {
                try? await pool.run {
                    begun.fulfil(())
                    gate.wait()
                }
                ended.release()
            }
            await begun.value()
            for _ in 0..<3 {
                loop.spawn {
                    try? await pool.run {}
                    ended.release()
                }
            }
            await #expect(throws: BlockingPoolFull.self) { try await pool.run {} }
            gate.open()
            for _ in 0..<4 { await ended.acquire() }
            try await pool.run {}
        }
    }

    @Test("shutdown finishes what is queued and refuses the rest")
    func shutdown() async throws {
        let pool = BlockingPool(threads: 2, queueLimit: 1000, name: "work")
        let done = Atomic<Int>(0)
        try await withLoop { loop in
            for _ in 0..<500 {
                loop.spawn { _ = try? await pool.run { done.add(1, ordering: .relaxed) } }
            }
        }
        pool.shutdown()
        #expect(done.load(ordering: .relaxed) == 500)
        await #expect(throws: BlockingPoolFull.self) { try await pool.run {} }
    }

    /// A gate for threads.
    private final class Gate: Sendable {
        private let isOpen = Atomic<Bool>(false)
        func open() { isOpen.store(true, ordering: .releasing) }
        func wait() { while !isOpen.load(ordering: .acquiring) {} }
    }

    @Test("clocks move forward and processors are counted")
    func clocks() {
        let first = monotonicNanoseconds()
        #expect(monotonicNanoseconds() >= first)
        #expect(wallClockMicroseconds() > 1_700_000_000_000_000)
        #expect(processorCount() >= 1)
    }
}
