import Contract
import Domain
import EventLoops
import PostgresDriver
import Store
import Telemetry

/// How a change of settings goes from node to node, and how it is held back.
extension SnapshotPublisher {
    /// Whether some nodes are being waited for.
    var isTravelling: Bool {
        told.map { $0.rollout.stage == .canary || $0.rollout.stage == .tenth } ?? false
    }

    /// The nodes that are there.
    func nodes() async throws -> [RolloutStore.Member] {
        let now = clock.now()
        return try await database.withConnection { try await RolloutStore.members(at: now, $0) }
    }

    /// What is to be done when the database has nothing new: follow orders, go on to the next nodes or stop,
    /// forget kills that have done their work. True when a new version was published.
    func proceed(_ state: SnapshotStore.State) async throws -> Bool {
        guard let told, let builtFrom = state.builtFrom else { return false }
        if let isPublished = try await followOrder(state, told, builtFrom) { return isPublished }
        guard isTravelling || !told.kills.isEmpty else { return false }
        let nodes = try await nodes()
        let next = next(state, told)
        let epoch = state.version.epoch
        switch RolloutRule.judge(
            told.rollout, epoch: epoch, among: nodes, at: clock.now(), bakeSeconds: options.bakeSeconds)
        {
        case .stop(let reason):
            log.error("a change of settings was stopped", ["reason": LogValue(reason)])
            metrics.stops.add()
            var rollout = told.rollout
            rollout.stage = .stopped
            rollout.reason = reason
            rollout.since = clock.now()
            let stopped = rollout
            return try await build(state, builtFrom) {
                try next.restated(kills: next.previous.kills, rollout: stopped)
            }
        case .proceed(let stage): try await enter(stage, state, told)
        case .stay: break
        }
        if isTravelling { advance(among: nodes) }
        let running = nodes.map { $0.running ?? SnapshotVersion(epoch: 0, counter: 0) }.min()
        return try await build(state, builtFrom) { try next.confirmed(running: running) }
    }

    private func next(_ state: SnapshotStore.State, _ told: ToldSnapshots) -> NextSnapshots {
        NextSnapshots(state: state, previous: told, now: clock.now(), signing: signing, travels: false)
    }

    private func build(
        _ state: SnapshotStore.State, _ builtFrom: SnapshotStore.Visibility,
        _ body: @escaping @Sendable () throws -> ToldSnapshots?
    ) async throws -> Bool {
        guard let next = try await workers.run({ Result { try body() } }).get() else { return false }
        guard try await store(next, state, builtFrom) else { return false }
        metrics.published.add()
        return true
    }

    /// The next stage, unless somebody published meanwhile: then the next look decides.
    private func enter(
        _ stage: Rollout.Stage, _ state: SnapshotStore.State, _ told: ToldSnapshots
    ) async throws {
        var next = told
        next.rollout.stage = stage
        next.rollout.since = clock.now()
        if stage == .done {
            next.held = nil
            next.rollout.held = nil
            next.rollout.base = nil
            next.rollout.candidate = nil
            next.rollout.reason = nil
        }
        let rollout = next.rollout, expected = told.rollout
        let isMine = try await database.withTransaction { connection in
            let current = try await SnapshotStore.state(connection)
            guard current.version == state.version, current.rollout == expected else { return false }
            try await RolloutStore.set(rollout, connection)
            return true
        }
        guard isMine else { return }
        log.info("a change of settings goes on", ["stage": LogValue(stage.rawValue)])
        announce(next)
    }

    /// Tells those whose turn it is. Nobody is sent back but by a stop.
    private func advance(among nodes: [RolloutStore.Member]) {
        guard let told else { return }
        let members = RolloutRule.members(of: told.rollout.stage, among: nodes)
        if members.isSubset(of: advanced) { return }
        advanced.formUnion(members)
        restate()
    }

    /// Freezes, rolls back or lets go, as an administrator asked; nil: nothing was asked that is not done.
    private func followOrder(
        _ state: SnapshotStore.State, _ told: ToldSnapshots, _ builtFrom: SnapshotStore.Visibility
    ) async throws -> Bool? {
        let asked = state.rollout.pinned
        var current = told
        current.rollout.pinned = asked
        self.told = current
        guard let asked else {
            if current.rollout.stage != .frozen { return nil }
            // What was held back travels like any other change.
            var rollout = current.rollout
            rollout.stage = .canary
            rollout.since = clock.now()
            rollout.candidate = state.version.next.next.counter
            let freed = rollout, next = next(state, current)
            return try await build(state, builtFrom) {
                try next.restated(kills: next.previous.kills, rollout: freed)
            }
        }
        if current.rollout.stage == .frozen && current.rollout.base == asked { return nil }
        do {
            let old = try await load(asked)
            let next = next(state, current)
            log.info("holding the settings of a version", ["version": LogValue("\(asked)")])
            return try await build(state, builtFrom) { try next.holding(old) }
        } catch let error as PostgresError {
            throw error
        } catch {
            log.error("the version to hold cannot be opened", ["reason": LogValue(error)])
            return nil
        }
    }

    /// A stored snapshot by its version.
    func load(_ version: SnapshotVersion) async throws -> PublishedSnapshot {
        let stored = try await database.withConnection { try await SnapshotStore.find(version, $0) }
        guard let stored else { throw MissingVersion(version: version) }
        return try await load(
            try VerifiedManifest.verify(
                cached: try SignedEnvelope(encoded: stored.manifest), trusting: signing.trust))
    }
}

/// A version that is not kept any more.
struct MissingVersion: Error, CustomStringConvertible {
    let version: SnapshotVersion
    var description: String { "version \(version) is not kept" }
}
