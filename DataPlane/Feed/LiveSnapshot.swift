import Contract
package import Domain
package import EventLoops
import Policy
import Synchronization

/// A loop's own view of the running snapshot: read once per call, then used for all of it. Loop thread.
package final class LiveSnapshot {
    /// nil before the first verified snapshot: the node is not ready.
    package fileprivate(set) var current: ServingSnapshot?
    /// When the control plane last stated what runs, heartbeats included; nil before the first.
    package fileprivate(set) var statedAt: Timestamp?

    /// A view that follows `snapshots`; make it on the loop that will read it.
    package init(following snapshots: LiveSnapshots, on loop: EventLoop) {
        precondition(loop.isCurrent, "a live snapshot is made on its own loop")
        (current, statedAt) = snapshots.follow(LoopView(view: self, loop: loop))
    }

    /// A view that never changes, for tests and tools.
    package init(fixed snapshot: ServingSnapshot?) {
        current = snapshot
        statedAt = snapshot?.compiled.manifest.issuedAt
    }
}

/// The running snapshot of the node, and the views of it on every loop. Any thread.
package final class LiveSnapshots: Sendable {
    private struct State {
        var current: ServingSnapshot?
        /// Ran before; held here too, so that no loop is the last to hold one.
        var earlier: [ServingSnapshot] = []
        var views: [LoopView] = []
        var issuedAt: Timestamp?
        var freshUntil: Timestamp?
    }
    private let state = Mutex(State())
    private let hasSnapshot = Atomic<Bool>(false)

    package init() {}

    /// Whether calls can be served: readiness.
    package var isReady: Bool { hasSnapshot.load(ordering: .relaxed) }
    package var current: ServingSnapshot? { state.withLock { $0.current } }
    /// When the newest manifest was stated, heartbeats included; nil before the first.
    package var issuedAt: Timestamp? { state.withLock { $0.issuedAt } }

    /// Whether the control plane was silent for longer than a manifest stays fresh: calls go on, but say so.
    package func isStale(at now: Timestamp) -> Bool {
        state.withLock { state in state.freshUntil.map { $0 < now } ?? true }
    }

    /// Makes a snapshot the running one on every loop; each swaps between two calls, none sees two worlds in
    /// one.
    package func activate(_ snapshot: ServingSnapshot) {
        let views = state.withLock { state in
            if let earlier = state.current { state.earlier.append(earlier) }
            state.current = snapshot
            return state.views
        }
        hasSnapshot.store(true, ordering: .relaxed)
        for view in views { view.show(snapshot) }
    }

    /// Lets go of snapshots that ran before, as far as no loop and no call holds them any more; whether some
    /// are still held. For one of very many keys that takes milliseconds: not on a loop that serves.
    package func letGo() -> Bool {
        var unheld: [ServingSnapshot] = []
        let areHeld = state.withLock { state in
            var held: [ServingSnapshot] = []
            while var earlier = state.earlier.popLast() {
                let isHeld = !isKnownUniquelyReferenced(&earlier)
                if isHeld { held.append(earlier) } else { unheld.append(earlier) }
            }
            state.earlier = held.reversed()
            return !held.isEmpty
        }
        unheld.removeAll()
        return areHeld
    }

    /// Notes a verified statement of the running snapshot.
    func freshen(issuedAt: Timestamp, freshUntil: Timestamp) {
        let views = state.withLock { state in
            state.issuedAt = issuedAt
            state.freshUntil = freshUntil
            return state.views
        }
        for view in views { view.note(statedAt: issuedAt) }
    }

    fileprivate func follow(_ view: LoopView) -> (ServingSnapshot?, Timestamp?) {
        state.withLock { state in
            state.views.append(view)
            return (state.current, state.issuedAt)
        }
    }
}

/// A view as other threads know it: only a way to its loop.
private struct LoopView: Sendable {
    nonisolated(unsafe) let view: LiveSnapshot
    let loop: EventLoop

    func show(_ snapshot: ServingSnapshot) {
        if loop.isCurrent {
            view.current = snapshot
            return
        }
        let target = self
        loop.execute { target.view.current = snapshot }
    }

    func note(statedAt moment: Timestamp) {
        if loop.isCurrent {
            view.statedAt = moment
            return
        }
        let target = self
        loop.execute { target.view.statedAt = moment }
    }
}
