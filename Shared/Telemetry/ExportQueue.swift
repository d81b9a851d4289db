import Synchronization

/// What waits to be sent to an observer of the system. Bounded: when nobody takes from it, what comes later
/// is dropped and counted, so that the work observed never waits. Any thread.
package final class ExportQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var dropped = 0
    }

    private let state = Mutex(State())
    private let capacity: Int

    package init(capacity: Int) { self.capacity = capacity }

    /// Adds one, or counts it as dropped.
    package func offer(_ element: Element) {
        state.withLock { state in
            if state.elements.count < capacity {
                state.elements.append(element)
            } else {
                state.dropped += 1
            }
        }
    }

    /// The oldest, at most `limit`.
    package func take(_ limit: Int) -> [Element] {
        state.withLock { state in
            let taken = Array(state.elements.prefix(limit))
            state.elements.removeFirst(taken.count)
            return taken
        }
    }

    /// How many are waiting.
    package var count: Int { state.withLock { $0.elements.count } }
    /// How many found no room since the start.
    package var dropped: Int { state.withLock { $0.dropped } }
}
