package import EventLoops

/// The body of `withLoop` took longer than its limit.
package struct TimeLimitExceeded: Error {
    package let seconds: Int
}

/// Runs `body` as a task on a fresh loop with its own thread and gives back its result. The loop is stopped
/// afterwards, also when the time limit ends the wait.
@discardableResult
package func withLoop<T: Sendable>(
    timeLimitSeconds: Int = 120, _ body: @escaping @Sendable (EventLoop) async throws -> T
) async throws -> T {
    let loop = try EventLoop()
    let thread = spawnThread(name: "test-loop") { loop.run() }
    let outcome = Completion<Result<T, any Error>>()
    loop.execute {
        loop.schedule(afterNanoseconds: Int64(timeLimitSeconds) * 1_000_000_000) {
            outcome.fulfil(.failure(TimeLimitExceeded(seconds: timeLimitSeconds)))
        }
        loop.spawn {
            do {
                outcome.fulfil(.success(try await body(loop)))
            } catch {
                outcome.fulfil(.failure(error))
            }
        }
    }
    let result = await outcome.value()
    loop.stop()
    thread.join()
    return try result.get()
}
