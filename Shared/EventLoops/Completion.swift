import Synchronization

/// A value that one task waits for and any thread provides once.
package struct Completion<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case awaited(UnsafeContinuation<Value, Never>)
        case fulfilled(Value)
        case taken
    }
    private final class Storage: Sendable {
        let state = Mutex(State.empty)
    }
    private let storage = Storage()

    package init() {}

    /// Provides the value; the waiter continues on its own loop. False when it already had one: the first
    /// counts. Any thread.
    @discardableResult
    package func fulfil(_ value: Value) -> Bool {
        let (accepted, waiter) = storage.state.withLock {
            state -> (Bool, UnsafeContinuation<Value, Never>?) in
            switch state {
            case .empty:
                state = .fulfilled(value)
                return (true, nil)
            case .awaited(let continuation):
                state = .taken
                return (true, continuation)
            case .fulfilled, .taken:
                return (false, nil)
            }
        }
        waiter?.resume(returning: value)
        return accepted
    }

    /// Waits for the value. Once per completion.
    package func value() async -> Value {
        await withUnsafeContinuation { continuation in
            let ready = storage.state.withLock { state -> Value? in
                switch state {
                case .empty:
                    state = .awaited(continuation)
                    return nil
                case .fulfilled(let value):
                    state = .taken
                    return value
                case .awaited, .taken:
                    preconditionFailure("a completion is awaited once")
                }
            }
            if let ready { continuation.resume(returning: ready) }
        }
    }
}
