import EventLoops
import Glibc
import Synchronization

/// Prepares the process. Call it first in `main`, before any thread exists: threads inherit the signal mask.
///
/// Blocks the stop signals (SIGTERM, SIGINT, SIGHUP) so that only `Lifecycle` receives them, ignores SIGPIPE
/// (writes answer EPIPE instead), raises the limit of open files to what the system allows, forbids core
/// files, which would hold secrets, and makes new files private to the user.
package func prepareProcess() {
    StopSignals.blockInThisThread()
    signal(SIGPIPE, SIG_IGN)
    raiseOpenFileLimit()
    forbidCoreFiles()
    umask(0o077)
}

/// Blocks the stop signals in the calling thread and in every thread it will start.
package func blockSignals() { StopSignals.blockInThisThread() }

/// Raises the soft limit of open descriptors to the hard one; returns the limit in force.
@discardableResult
package func raiseOpenFileLimit() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return 0 }
    if limit.rlim_cur < limit.rlim_max {
        var raised = limit
        raised.rlim_cur = raised.rlim_max
        if setrlimit(resource, &raised) == 0 { return Int(clamping: raised.rlim_cur) }
    }
    return Int(clamping: limit.rlim_cur)
}

/// No memory image of a crash reaches a disk. One byte, not zero: core(5) obeys zero only for files, one also
/// for handlers behind a pipe.
private func forbidCoreFiles() {
    let resource = __rlimit_resource_t(RLIMIT_CORE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return }
    limit.rlim_cur = min(1, limit.rlim_max)
    limit.rlim_max = limit.rlim_cur
    _ = setrlimit(resource, &limit)
}

/// The signals that ask a program to stop, and the thread that waits for them.
enum StopSignals {
    private static let numbers = [SIGTERM, SIGINT, SIGHUP]

    static func blockInThisThread() {
        var signals = set
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    static func name(_ number: Int32) -> String {
        switch number {
        case SIGTERM: "SIGTERM"
        case SIGINT: "SIGINT"
        case SIGHUP: "SIGHUP"
        default: "signal \(number)"
        }
    }

    /// The next stop signal sent to the process, or to the calling thread.
    static func next() -> Int32 {
        var signals = set
        var number: Int32 = 0
        while sigwait(&signals, &number) != 0 {}
        return number
    }

    private static var set: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in numbers { sigaddset(&set, number) }
        return set
    }
}

/// A thread that hands each stop signal to `received` until `stop`.
final class SignalThread: Sendable {
    private let thread = Atomic<UInt>(0)
    private let isStopping = Atomic<Bool>(false)
    private let handle = Mutex<ThreadHandle?>(nil)

    func start(_ received: @escaping @Sendable (Int32) -> Void) {
        let started = spawnThread(name: "signals") { [self] in
            StopSignals.blockInThisThread()
            thread.store(UInt(pthread_self()), ordering: .releasing)
            while !isStopping.load(ordering: .acquiring) {
                let number = StopSignals.next()
                if !isStopping.load(ordering: .acquiring) { received(number) }
            }
        }
        handle.withLock { $0 = started }
        // A signal directed at the thread needs the thread to have blocked it, or it would end the process.
        while thread.load(ordering: .acquiring) == 0 { sched_yield() }
    }

    /// Sends a signal to this thread alone, as tests do instead of signalling the whole process.
    func send(_ number: Int32) { pthread_kill(pthread_t(thread.load(ordering: .acquiring)), number) }

    /// Ends the thread and waits for it.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        send(SIGTERM)
        handle.withLock { handle in
            handle?.join()
            handle = nil
        }
    }
}
