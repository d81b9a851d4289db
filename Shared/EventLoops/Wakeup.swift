/// A condition between tasks of one loop: `signal` is remembered until somebody waits, several are one.
/// One waiter at a time. Loop thread.
package final class Wakeup {
    private var isSignalled = false
    private var waiter: UnsafeContinuation<Void, Never>?

    package init() {}

    /// Returns at once when signalled since the last wait, else at the next signal.
    package func wait() async {
        if !isSignalled {
            await withUnsafeContinuation { continuation in
                precondition(waiter == nil, "a wakeup has one waiter")
                waiter = continuation
            }
        }
        isSignalled = false
    }

    /// Lets the waiter go on, or the next one.
    package func signal() {
        isSignalled = true
        if let continuation = waiter {
            waiter = nil
            continuation.resume()
        }
    }
}
