package import EventLoops
import Glibc
import Synchronization
package import Telemetry

/// Starts a program's parts in order, waits for a reason to stop, and stops them in reverse within a
/// deadline.
///
/// The first SIGTERM, SIGINT or SIGHUP asks for an orderly stop; the second ends the process at once with 128
/// + its number. A program that has something to read again does that on SIGHUP instead: ``onHangUp(_:)``.
/// Call `prepareProcess` before any thread exists, then `run` on the main thread, once.
package final class Lifecycle: Sendable {
    /// Thrown into the start of the parts when the program is asked to stop before it has started.
    package struct StopRequested: Error, Sendable { package init() {} }

    private let log: Log
    private let drainNanoseconds: Int64
    /// The loop of the main thread, on which parts start and stop.
    package let loop: EventLoop
    private let reason = Completion<StopReason>()
    private let isStopRequested = Atomic<Bool>(false)
    private let signalsReceived = Atomic<Int>(0)
    private let endProcess: @Sendable (Int32) -> Void
    private let hangUp = Mutex<(@Sendable () -> Void)?>(nil)
    let signals = SignalThread()

    private struct StopReason: Sendable {
        let text: String
        let code: ExitCode
    }

    /// `drainNanoseconds`: what all parts together may take to stop.
    package convenience init(log: Log, drainNanoseconds: Int64) throws(SystemError) {
        try self.init(log: log, drainNanoseconds: drainNanoseconds) { _exit($0) }
    }

    init(
        log: Log, drainNanoseconds: Int64, endProcess: @escaping @Sendable (Int32) -> Void
    ) throws(SystemError) {
        self.log = log
        self.drainNanoseconds = drainNanoseconds
        self.endProcess = endProcess
        loop = try EventLoop()
    }

    /// Runs the program: `start` brings the parts up one after the other, through the `Parts` it gets.
    /// Returns the process's exit code after everything has stopped. Main thread; it becomes the thread of
    /// `loop`.
    package func run(_ start: @escaping (Parts) async throws -> Void) -> ExitCode {
        let outcome = Mutex(ExitCode.internalError)
        signals.start { [self] in receive($0) }
        // The closure is called on this very thread, which runs the loop below.
        nonisolated(unsafe) let start = start
        loop.execute { [self] in
            loop.spawn { [self] in
                let code = await life(start)
                outcome.withLock { $0 = code }
                loop.stop()
            }
        }
        loop.run()
        signals.stop()
        return outcome.withLock { $0 }
    }

    /// Asks the program to stop, as a signal does: for a part that cannot go on. The first reason counts. Any
    /// thread.
    package func requestStop(_ text: String, code: ExitCode = .internalError) {
        isStopRequested.store(true, ordering: .sequentiallyConsistent)
        reason.fulfil(StopReason(text: text, code: code))
    }

    /// Whether the program was asked to stop. Any thread.
    package var isStopping: Bool { isStopRequested.load(ordering: .sequentiallyConsistent) }

    /// From now on SIGHUP does this, on the thread of signals, and ends nothing. Any thread.
    package func onHangUp(_ action: @escaping @Sendable () -> Void) { hangUp.withLock { $0 = action } }

    private func receive(_ signal: Int32) {
        if signal == SIGHUP, let action = hangUp.withLock({ $0 }) { return action() }
        isStopRequested.store(true, ordering: .sequentiallyConsistent)
        if signalsReceived.wrappingAdd(1, ordering: .relaxed).oldValue > 0 {
            log.warning("second signal: ending at once", ["signal": "\(StopSignals.name(signal))"])
            endProcess(128 + signal)
        } else {
            reason.fulfil(StopReason(text: StopSignals.name(signal), code: .success))
        }
    }

    private func life(_ start: (Parts) async throws -> Void) async -> ExitCode {
        let parts = Parts(log: log) { [self] in isStopping }
        var code = ExitCode.success
        do {
            try await start(parts)
            log.info("started", ["parts": LogValue(parts.count)])
            let reason = await reason.value()
            log.info("stopping", ["reason": "\(reason.text)", "parts": LogValue(parts.count)])
            code = reason.code
        } catch is StopRequested {
            log.info("stopping before the start was complete", ["parts": LogValue(parts.count)])
        } catch {
            code = ExitCode.of(error)
            log.error(
                "cannot start",
                ["error": LogValue(error), "part": "\(parts.current)", "exit_code": LogValue(code.rawValue)])
        }
        isStopRequested.store(true, ordering: .sequentiallyConsistent)
        let allStopped = await parts.stopAll(on: loop, withinNanoseconds: drainNanoseconds)
        log.info("stopped", ["in_time": LogValue(allStopped), "exit_code": LogValue(code.rawValue)])
        return code
    }
}

/// The parts of a running program, in the order they were started. Only on the lifecycle's loop.
package final class Parts {
    private struct Part {
        let name: String
        let stop: (Int64) async -> Void
    }

    private let log: Log
    private let isStopRequested: () -> Bool
    private var running: [Part] = []
    /// The part that is starting, for the report of a failure.
    private(set) var current = ""

    init(log: Log, isStopRequested: @escaping () -> Bool) {
        self.log = log
        self.isStopRequested = isStopRequested
    }

    package var count: Int { running.count }

    /// Starts one part and remembers how to stop it. `stop` gets the nanoseconds it may take; when they are
    /// over the next part is stopped without waiting any longer. Throws what `make` throws, and
    /// `StopRequested` when the program was asked to stop meanwhile.
    @discardableResult
    package func start<Part>(
        _ name: String, _ make: () async throws -> Part,
        stop: @escaping (Part, Int64) async -> Void = { _, _ in }
    ) async throws -> Part {
        if isStopRequested() { throw Lifecycle.StopRequested() }
        current = name
        let part = try await make()
        running.append(Parts.Part(name: name) { await stop(part, $0) })
        log.debug("part started", ["part": "\(name)"])
        return part
    }

    /// Stops everything in reverse. False when a part was left behind because the time was over.
    func stopAll(on loop: EventLoop, withinNanoseconds: Int64) async -> Bool {
        let deadline = monotonicNanoseconds() &+ withinNanoseconds
        var inTime = true
        while let part = running.popLast() {
            // The last parts get a moment even when the first have used up the time: sockets and files close
            // fast.
            let left = max(deadline - monotonicNanoseconds(), Self.leastNanoseconds)
            let ended = Completion<Bool>()
            let timer = loop.schedule(afterNanoseconds: left) { ended.fulfil(false) }
            loop.spawn {
                await part.stop(left)
                ended.fulfil(true)
            }
            if await ended.value() {
                timer.cancel()
                log.debug("part stopped", ["part": "\(part.name)"])
            } else {
                inTime = false
                log.warning("part did not stop in time", ["part": "\(part.name)"])
            }
        }
        return inTime
    }

    private static let leastNanoseconds: Int64 = 100_000_000
}
