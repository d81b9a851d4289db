/// A wait that another task of the loop can cut short. One waiter. Loop thread.
package final class Pause {
    private let loop: EventLoop
    private let wakeup = Wakeup()
    private var timer: Timer?

    package init(_ loop: EventLoop) { self.loop = loop }

    /// Returns after the time, or at once when `end` was called since the last wait.
    package func wait(nanoseconds: Int64) async {
        timer = loop.schedule(afterNanoseconds: nanoseconds) { [wakeup] in wakeup.signal() }
        await wakeup.wait()
        timer?.cancel()
        timer = nil
    }

    package func end() { wakeup.signal() }
}
