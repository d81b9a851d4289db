import EventLoops
import Synchronization
import TestSupport
import Testing

@Suite("Event loop")
struct EventLoopTests {
    @Test("a spawned task runs at once up to its first wait and stays on the loop's thread")
    func spawnRunsAtOnce() async throws {
        let steps = try await withLoop { loop in
            var steps: [String] = []
            let wakeup = Wakeup()
            let done = Wakeup()
            loop.spawn {
                steps.append("started")
                await wakeup.wait()
                steps.append(loop.isCurrent ? "resumed here" : "resumed elsewhere")
                done.signal()
            }
            steps.append("returned")
            wakeup.signal()
            await done.wait()
            return steps
        }
        #expect(steps == ["started", "returned", "resumed here"])
    }

    private actor Counter {
        var value = 0
        func increment() -> Bool {
            value += 1
            return EventLoop.current != nil
        }
    }

    @concurrent
    private static func elsewhere() async -> Bool { EventLoop.current != nil }

    @Test("tasks of a loop stay on it through yields, other actors, concurrent functions and foreign resumes")
    func staysOnLoop() async throws {
        try await withLoop { loop in
            let counter = Counter()
            for _ in 0..<100 {
                await Task.yield()
                #expect(loop.isCurrent)
                #expect(await counter.increment())
                #expect(await Self.elsewhere())
                let completion = Completion<Int>()
                spawnThread(name: "foreign") { completion.fulfil(7) }.join()
                #expect(await completion.value() == 7)
                #expect(loop.isCurrent)
            }
        }
    }

    @Test("what many threads hand over all runs, on the loop, in each thread's order")
    func executeStorm() async throws {
        let threads = 8
        let each = 5_000
        let result = try await withLoop { loop in
            let done = Completion<[[Int]]>()
            nonisolated(unsafe) var seen = Array(repeating: [Int](), count: threads)
            nonisolated(unsafe) var left = threads * each
            let storm = (0..<threads).map { thread in
                spawnThread(name: "storm") {
                    for number in 0..<each {
                        loop.execute {
                            precondition(loop.isCurrent)
                            seen[thread].append(number)
                            left -= 1
                            if left == 0 { done.fulfil(seen) }
                        }
                    }
                }
            }
            let result = await done.value()
            for thread in storm { thread.join() }
            return result
        }
        #expect(result.allSatisfy { $0 == Array(0..<each) })
    }

    @Test("two loops hand a value back and forth without losing a wake-up")
    func pingPong() async throws {
        let total = try await withLoop { left in
            try await withLoop { right in
                let done = Completion<Int>()
                @Sendable func serve(_ count: Int, _ here: EventLoop, _ there: EventLoop) {
                    precondition(here.isCurrent)
                    if count == 20_000 {
                        done.fulfil(count)
                    } else {
                        there.execute { serve(count + 1, there, here) }
                    }
                }
                right.execute { serve(0, right, left) }
                return await done.value()
            }
        }
        #expect(total == 20_000)
    }

    @Test("run gives back the result or the error of a task on another loop")
    func runElsewhere() async throws {
        struct Refused: Error {}
        try await withLoop { loop in
            let isHere = try await loop.run { EventLoop.current === loop }
            #expect(isHere)
        }
        let loops = try LoopThreads(count: 2, name: "pair", pinned: true)
        let isThere = try await loops.loops[1].run { loops.loops[1].isCurrent }
        #expect(isThere)
        await #expect(throws: Refused.self) { try await loops.loops[0].run { throw Refused() } }
        loops.stop()
        loops.join()
        await #expect(throws: LoopStopped.self) { try await loops.loops[0].run { 1 } }
        #expect(!loops.loops[0].execute {})
    }

    @Test("what was handed over before stop still runs")
    func stopRunsAccepted() throws {
        let loop = try EventLoop()
        let count = Atomic<Int>(0)
        loop.execute { loop.execute { count.add(1, ordering: .relaxed) } }
        loop.execute { count.add(1, ordering: .relaxed) }
        loop.stop()
        spawnThread(name: "late") { loop.run() }.join()
        #expect(count.load(ordering: .relaxed) == 2)
        #expect(EventLoop.current == nil)
    }

    @Test("tasks that keep each other busy do not shut out timers")
    func busyTasksAreBounded() async throws {
        try await withLoop { loop in
            var stop = false
            let ended = Wakeup()
            loop.spawn {
                while !stop { await Task.yield() }
                ended.signal()
            }
            loop.schedule(afterNanoseconds: 1) { stop = true }
            await ended.wait()
        }
    }

    @Test("ten thousand tasks ready at once run in the order they became so")
    func manyAtOnce() async throws {
        try await withLoop { loop in
            var order: [Int] = []
            let all = Wakeup()
            for number in 0..<10_000 {
                loop.spawn {
                    await Task.yield()
                    order.append(number)
                    if order.count == 10_000 { all.signal() }
                }
            }
            await all.wait()
            #expect(order == Array(0..<10_000))
        }
    }

    @Test("yieldTurn continues in a later turn, after those who were ready")
    func yieldTurn() async throws {
        try await withLoop { loop in
            let turn = loop.turn
            var order: [Int] = []
            let done = Wakeup()
            loop.spawn {
                await loop.yieldTurn()
                order.append(2)
                done.signal()
            }
            loop.spawn {
                await Task.yield()
                order.append(1)
            }
            await done.wait()
            #expect(order == [1, 2])
            #expect(loop.turn > turn)
        }
    }

    @Test("sleep lasts at least as long as asked, and sleepers wake in the order of their times")
    func sleeps() async throws {
        try await withLoop { loop in
            let start = monotonicNanoseconds()
            var order: [Int] = []
            let done = Wakeup()
            for milliseconds in [60, 20, 40] {
                loop.spawn {
                    await loop.sleep(nanoseconds: Int64(milliseconds) * 1_000_000)
                    order.append(milliseconds)
                    if order.count == 3 { done.signal() }
                }
            }
            await done.wait()
            #expect(order == [20, 40, 60])
            #expect(monotonicNanoseconds() - start >= 59_000_000)
        }
    }

    @Test("a scheduled body runs once, a cancelled one never")
    func schedules() async throws {
        try await withLoop { loop in
            var ran: [String] = []
            let cancelled = loop.schedule(afterNanoseconds: 5_000_000) { ran.append("cancelled") }
            loop.schedule(afterNanoseconds: 10_000_000) { ran.append("kept") }
            cancelled.cancel()
            cancelled.cancel()
            await loop.sleep(nanoseconds: 40_000_000)
            #expect(ran == ["kept"])
        }
    }

    @Test("timers left when a loop stops are dropped with what they hold")
    func timersAreDropped() throws {
        final class Token: Sendable {}
        let loop = try EventLoop()
        var token: Token? = Token()
        weak let watched = token
        loop.execute { [token] in
            loop.schedule(afterNanoseconds: 3_600_000_000_000) { _ = token }
        }
        token = nil
        loop.stop()
        spawnThread(name: "dropper") { loop.run() }.join()
        #expect(watched == nil)
    }

    @Test("withLoop gives up after its limit and gives back errors")
    func withLoopLimits() async throws {
        await #expect(throws: TimeLimitExceeded.self) {
            try await withLoop(timeLimitSeconds: 0) { _ in await Wakeup().wait() }
        }
        await #expect(throws: LoopStopped.self) { try await withLoop { _ in throw LoopStopped() } }
    }
}
