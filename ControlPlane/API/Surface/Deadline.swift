import Domain
import EventLoops
import Operations

/// Runs `work` and gives back what it gave, or `deadline_exceeded` when that takes longer. Work that is late
/// is cancelled: its next statement is refused and its transaction rolled back. Loop thread.
func withDeadline<Value>(
    nanoseconds: Int64, on loop: EventLoop, _ work: @escaping () async throws(OperationError) -> Value
) async throws(OperationError) -> Value {
    let race = Race<Value>()
    let task = loop.task {
        do throws(OperationError) {
            race.finish(.success(try await work()))
        } catch {
            race.finish(.failure(error))
        }
    }
    if race.result == nil {
        let timer = loop.schedule(afterNanoseconds: nanoseconds) {
            race.finish(.failure(OperationError(.deadlineExceeded, retryAfterSeconds: 1)))
            task.cancel()
        }
        await race.finished.wait()
        timer.cancel()
    }
    guard let result = race.result else { throw .fault("a race without an end") }
    return try result.get()
}

/// The first of two endings counts. On its loop.
private final class Race<Value> {
    private(set) var result: Result<Value, OperationError>?
    let finished = Wakeup()

    func finish(_ result: Result<Value, OperationError>) {
        guard self.result == nil else { return }
        self.result = result
        finished.signal()
    }
}
