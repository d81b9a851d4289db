/// The loop was stopped before the work could run on it.
package struct LoopStopped: Error, Sendable {
    package init() {}
}

extension EventLoop {
    /// Starts a task that lives on this loop: it runs at once, up to its first suspension, and always
    /// continues on this thread. It is not cancelled by anything; end it by aborting what it waits for.
    /// Loop thread.
    package func spawn(_ body: @escaping () async -> Void) { _ = task(body) }

    /// As `spawn`, for work that its starter may cancel.
    package func task(_ body: @escaping () async -> Void) -> Task<Void, Never> {
        precondition(isCurrent, "spawn on another thread than the loop's")
        // The body never leaves this thread: it starts here and every resume lands on this loop.
        nonisolated(unsafe) let body = body
        return Task.immediate(executorPreference: self) { await body() }
    }

    /// Runs `body` as a task on this loop and gives back its result; the caller continues on its own
    /// executor. Any thread, any task. Throws `LoopStopped` when the loop is not there any more.
    package func run<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        try await withUnsafeThrowingContinuation { continuation in
            let accepted = execute {
                self.spawn {
                    do {
                        continuation.resume(returning: try await body())
                    } catch {
                        continuation.resume(throwing: error)
                    }
                }
            }
            if !accepted { continuation.resume(throwing: LoopStopped()) }
        }
    }

    /// Waits at least `nanoseconds` on the timer wheel (slots of 4.2 ms). Loop thread.
    package func sleep(nanoseconds: Int64) async {
        await withUnsafeContinuation { continuation in
            schedule(afterNanoseconds: nanoseconds) { continuation.resume() }
        }
    }

    /// Runs `body` once, not before `nanoseconds` from now (by the clock, not this turn's `now`). Loop
    /// thread.
    @discardableResult
    package func schedule(afterNanoseconds nanoseconds: Int64, _ body: @escaping () -> Void) -> Timer {
        let timer = Timer(body)
        wheel.arm(timer, deadline: monotonicNanoseconds() &+ Self.sane(nanoseconds))
        return timer
    }

    /// Arms a timer (again); it fires once, not before `nanoseconds` from this turn's `now`. Loop thread.
    package func arm(_ timer: Timer, afterNanoseconds nanoseconds: Int64) {
        wheel.arm(timer, deadline: now &+ Self.sane(nanoseconds))
    }

    /// In the future, and not so far that the clock could overflow (36 years).
    private static func sane(_ nanoseconds: Int64) -> Int64 { min(max(nanoseconds, 1), 1 << 60) }
}
