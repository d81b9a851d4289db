package import Contract
package import Domain
package import EventLoops
package import LocalStore
import Policy
package import Telemetry

/// Keeps what is lent to this node in step with the control plane: one message under way at a time, and
/// nothing used before it is on disk. Lives on one loop, usually the feed's.
package final class GrantExchanger {
    /// Posts a request to `NodeProtocol.grantsPath`; nil when there was no answer.
    package typealias Post = (_ request: [UInt8]) async -> (status: Int, body: [UInt8])?

    private let loop: EventLoop
    private let grants: NodeGrants
    private let outbox: Outbox
    private let clock: WallClock
    private let log: Log
    private let post: Post
    /// The grant a signed statement says; nil: its signature is not good, or it is another node's.
    private let verify: (SignedEnvelope) -> Grant?
    private let exchanges: Counter
    private let pause: Pause
    private var pace = ExchangePace()
    /// What the disk has not taken: the control plane hears nothing before it has.
    private var unsaved = GrantChanges()
    private var isStopped = false

    package init(
        loop: EventLoop, grants: NodeGrants, outbox: Outbox, clock: WallClock, log: Log,
        metrics: MetricsRegistry, verify: @escaping (SignedEnvelope) -> Grant?, post: @escaping Post
    ) {
        self.loop = loop
        self.grants = grants
        self.outbox = outbox
        self.clock = clock
        self.log = log
        self.post = post
        self.verify = verify
        pause = Pause(loop)
        exchanges = metrics.counter(
            "eclusa_grant_exchanges_total", help: "Messages about what is lent, by how they ended.",
            labels: ["outcome"])
        metrics.computedCounter(
            "eclusa_shadow_refusals_total", help: "Calls that limits in shadow mode would have refused."
        ) { Double(grants.shadowRefusals) }
    }

    /// Takes up what an earlier process was lent. Before the first call; needs no control plane.
    package func restore() async {
        guard let rows = await outbox.heldGrants(), !rows.isEmpty else { return }
        var saved: [(SavedGrant, Grant)] = []
        var foreign: [GrantID] = []
        for row in rows {
            guard let statement = try? SignedEnvelope(encoded: row.statement), let grant = verify(statement),
                grant.id == row.id
            else {
                foreign.append(row.id)
                continue
            }
            saved.append(
                (
                    SavedGrant(
                        id: row.id, statement: statement, lent: min(row.lent, grant.lent), spent: row.spent,
                        margin: row.margin), grant
                ))
        }
        if !foreign.isEmpty {
            log.warning(
                "grants without a good signature are not used", ["count": LogValue(foreign.count)])
            _ = await outbox.saveGrants([], deleting: foreign)
        }
        grants.restore(saved, at: loop.now, wall: clock.now())
        log.info("took up what was lent before", ["grants": LogValue(saved.count)])
    }

    /// Begins the exchange. Loop thread; once.
    package func start() {
        let reference = ExchangerReference(exchanger: self, loop: loop)
        grants.onNeed { reference.hurry() }
        outbox.onMovedAside { [grants] in
            grants.abandon()
            reference.hurry()
        }
        loop.spawn { await self.run() }
    }

    /// The control plane is known to be there. Loop thread.
    package func proceed() {
        pace.noteReturn()
        pause.end()
    }

    /// Sends no more; nothing is kept back of what no call holds. Loop thread, after the last call.
    package func stop() {
        isStopped = true
        pause.end()
        grants.lowerMargins(toHeld: true) { outbox.setMargins($0) }
    }

    fileprivate func hurry() {
        // When it is away, asking sooner brings nothing.
        if !pace.isAway { pause.end() }
    }

    private func run() async {
        var before = loop.now
        while !isStopped {
            var due = before + pace.delay(isEmpty: grants.isEmpty, isUrgent: grants.isUrgent)
            while !isStopped, loop.now < due {
                await pause.wait(nanoseconds: due - loop.now)
                // Somebody needs something: sooner, as far as the pace allows.
                if !pace.isAway {
                    due = min(
                        due, before + pace.delay(isEmpty: grants.isEmpty, isUrgent: grants.isUrgent))
                }
            }
            if isStopped { return }
            before = loop.now
            await exchange()
        }
    }

    private func exchange() async {
        guard await save(unsaved) else { return pace.noteFailure() }
        let request = grants.request(at: loop.now, wall: clock.now())
        guard let (status, body) = await post(request.encoded) else {
            exchanges.cell("unreachable").add()
            return pace.noteFailure()
        }
        guard status == 200, let answer = try? GrantAnswer(encoded: body) else {
            exchanges.cell("refused").add()
            return pace.noteFailure()
        }
        exchanges.cell("answered").add()
        // Before the lock is taken: a signature takes a hundred microseconds.
        var good: [SignedEnvelope: Grant] = [:]
        for statement in answer.replies.compactMap(\.statement) {
            if let grant = verify(statement) {
                good[statement] = grant
            } else {
                log.error("a grant without a good signature is not used")
            }
        }
        let changes = grants.take(answer, to: request, at: loop.now, grants: good)
        guard await save(changes) else { return pace.noteFailure() }
        pace.noteAnswer(broughtNews: !changes.isEmpty)
        grants.lowerMargins(toHeld: false) { outbox.setMargins($0) }
    }

    /// Makes changes durable, and counts on what they give; false when the disk refuses.
    private func save(_ changes: GrantChanges) async -> Bool {
        if changes.isEmpty { return true }
        let rows = changes.saves.map {
            GrantRow(
                id: $0.id, statement: $0.statement.encoded, lent: $0.lent, spent: $0.spent, margin: $0.margin)
        }
        guard await outbox.saveGrants(rows, deleting: changes.deletes) else {
            unsaved = changes
            log.error("what was lent could not be written")
            return false
        }
        unsaved = GrantChanges()
        grants.saved(changes, at: loop.now)
        return true
    }
}

/// The exchanger as other threads know it: only a way back to its loop.
private struct ExchangerReference: Sendable {
    nonisolated(unsafe) let exchanger: GrantExchanger
    let loop: EventLoop

    func hurry() {
        let reference = self
        loop.execute { reference.exchanger.hurry() }
    }
}
