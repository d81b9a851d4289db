import EventLoops
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
}
