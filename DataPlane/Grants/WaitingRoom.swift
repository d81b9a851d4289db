import EventLoops
import Synchronization

/// The calls of one loop that wait for what limits lack. All but `wake` on the loop's thread.
final class WaitingRoom: Sendable {
    /// How often those who wait look up: whether their client is still there, and their time not over.
    private static let glanceNanoseconds: Int64 = 50_000_000

    private let loop: EventLoop
    private let isWaking = Atomic<Bool>(false)
    // Loop thread only.
    nonisolated(unsafe) private var sleepers: [UnsafeContinuation<Void, Never>] = []
    nonisolated(unsafe) private var isTimed = false

    init(_ loop: EventLoop) { self.loop = loop }

    /// Returns when something was given back or lent, or a moment later.
    func sleep() async {
        if !isTimed {
            isTimed = true
            loop.schedule(afterNanoseconds: Self.glanceNanoseconds) {
                self.isTimed = false
                self.resumeAll()
            }
        }
        await withUnsafeContinuation { sleepers.append($0) }
    }

    /// Lets all go on, once for however many calls of this. Any thread.
    func wake() {
        if isWaking.exchange(true, ordering: .acquiringAndReleasing) { return }
        loop.execute {
            self.isWaking.store(false, ordering: .releasing)
            self.resumeAll()
        }
    }

    private func resumeAll() {
        let all = sleepers
        sleepers = []
        for sleeper in all { sleeper.resume() }
    }
}
