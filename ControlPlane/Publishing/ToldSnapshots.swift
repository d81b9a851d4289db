package import Contract
package import Cryptography
package import Domain
package import Store

/// What nodes are told: the live snapshot, and the one with the settings of before while a change of them
/// travels or is held back.
package struct ToldSnapshots: Sendable {
    package var live: PublishedSnapshot
    package var held: PublishedSnapshot?
    package var rollout: Rollout

    /// The newest version: that of the live snapshot.
    package var version: SnapshotVersion { live.version }
    package var kills: KillList { live.kills }

    /// Every object of both.
    package var objects: [SHA256Digest: SnapshotObject] {
        guard let held else { return live.sharded.objects }
        return live.sharded.objects.merging(held.sharded.objects) { first, _ in first }
    }
}

/// The next snapshots of the ones before. Pure and slow: run it on a worker.
package struct NextSnapshots: Sendable {
    package let state: SnapshotStore.State
    package let previous: ToldSnapshots
    package let now: Timestamp
    package let signing: SnapshotSigning
    /// Whether a change of settings goes to a few nodes first: there are several.
    package let travels: Bool

    package init(
        state: SnapshotStore.State, previous: ToldSnapshots, now: Timestamp, signing: SnapshotSigning,
        travels: Bool
    ) {
        self.state = state
        self.previous = previous
        self.now = now
        self.signing = signing
        self.travels = travels
    }

    /// With new content of a scope; nil of all.
    package func replacing(_ scope: SnapshotScope?, with content: SnapshotContent) throws -> ToldSnapshots {
        var kills = previous.kills
        var live = previous.live.sharded
        let change = try live.replace(scope, with: content)
        kills.apply(change.tightening, at: now)
        var held = previous.held?.sharded
        var rollout = previous.rollout
        if change.hasOtherSettings, rollout.stage != .frozen, travels || held != nil {
            if held == nil { rollout.base = previous.version }
            held = held ?? previous.live.sharded
            rollout.stage = .canary
            rollout.since = now
            rollout.reason = nil
            // The live one comes after the held one.
            rollout.candidate = state.version.next.next.counter
        }
        let tightening = try held?.replaceKeepingSettings(
            scope, with: content, fleetKey: signing.fleetKey
        ).tightening
        if let tightening { kills.apply(tightening, at: now) }
        return try publish(live, held, kills, rollout)
    }

    /// With only what the content takes away: for content that does not stand. nil when there is nothing to
    /// take away that is not taken away already.
    package func tightened(_ scope: SnapshotScope?, by content: SnapshotContent) throws -> ToldSnapshots? {
        var sharded = previous.live.sharded
        var kills = previous.kills
        kills.apply(try sharded.replace(scope, with: content).tightening, at: now)
        if kills.entries == previous.live.manifest.kills { return nil }
        return try publish(previous.live.sharded, previous.held?.sharded, kills, previous.rollout)
    }

    /// The same content under new versions: with other kills, or another stage.
    package func restated(kills: KillList, rollout: Rollout) throws -> ToldSnapshots {
        try publish(previous.live.sharded, previous.held?.sharded, kills, rollout)
    }

    /// The settings of an older snapshot for everybody; keys, credentials, what was taken away are current.
    package func holding(_ old: PublishedSnapshot) throws -> ToldSnapshots {
        let kills = previous.kills
        var held = previous.live.sharded
        var content = try held.settings(of: nil)
        content.takeSettings(from: try old.sharded.settings(of: nil), fleetKey: signing.fleetKey)
        var scope = SnapshotScope()
        scope.owners = Set(content.tenants.map(\.id) + [nil])
        _ = try held.replace(scope, with: content)
        var rollout = previous.rollout
        rollout.stage = .frozen
        rollout.base = old.version
        rollout.since = now
        rollout.reason = nil
        return try publish(previous.live.sharded, held, kills, rollout)
    }

    private func publish(
        _ live: ShardedSnapshot, _ held: ShardedSnapshot?, _ kills: KillList, _ rollout: Rollout
    ) throws -> ToldSnapshots {
        var rollout = rollout
        var kills = kills
        var version = state.version
        // The lower of the two: both have it in their shards.
        kills.published(in: version.next)
        var heldSnapshot: PublishedSnapshot?
        if let held {
            version = version.next
            heldSnapshot = try SnapshotBuild.publish(
                held, kills: kills, version: version, at: now, after: previous.held ?? previous.live, signing)
            rollout.held = version
        }
        let next = try SnapshotBuild.publish(
            live, kills: kills, version: version.next, at: now, after: previous.live, signing)
        return ToldSnapshots(live: next, held: heldSnapshot, rollout: rollout)
    }

    /// Without the kills every node has in its shards; nil when there are none.
    package func confirmed(running: SnapshotVersion?) throws -> ToldSnapshots? {
        var kills = previous.kills
        guard kills.expire(at: now, running: running) else { return nil }
        return try restated(kills: kills, rollout: previous.rollout)
    }

    /// The first snapshot of an installation, or the first after everything had to be built anew.
    package static func first(
        _ content: SnapshotContent, _ state: SnapshotStore.State, at now: Timestamp,
        _ signing: SnapshotSigning
    ) throws -> ToldSnapshots {
        var rollout = Rollout()
        rollout.pinned = state.rollout.pinned
        return ToldSnapshots(
            live: try SnapshotBuild.publish(
                try ShardedSnapshot(content), kills: KillList(), version: state.version.next, at: now,
                after: nil, signing), held: nil, rollout: rollout)
    }
}
