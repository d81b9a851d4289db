import Contract
import Domain
import Feed
import Policy
import Publishing
import Store

extension SnapshotWorld {
    /// One publisher's turn: store what is ready, follow the other, build what changed, state.
    mutating func publish(_ index: Int) throws {
        if let building = publishers[index].building {
            guard building.ready <= now else { return }
            publishers[index].building = nil
            if stored.version == building.base || mutation == .versionsAreReused {
                commit(index, building.next, building.content)
            }
        } else if stored.isRestored {
            let state = SnapshotStore.State(version: stored.version, builtFrom: nil)
            begin(index, try NextSnapshots.first(content, state, at: wall, signing()), content)
        } else if stored.told.version != publishers[index].told.version {
            publishers[index].told = stored.told
        } else if stored.content != content, let told = try changed(index) {
            begin(index, told, content)
        } else if !isHealing, chance(20),
            let told = try nextSnapshots(index).confirmed(running: oldestRunning)
        {
            begin(index, told, stored.content)
        }
        state(index)
    }

    private func nextSnapshots(_ index: Int) throws -> NextSnapshots {
        NextSnapshots(
            state: SnapshotStore.State(version: stored.version, builtFrom: nil),
            previous: publishers[index].told, now: wall, signing: try signing(), travels: false)
    }

    private mutating func changed(_ index: Int) throws -> ToldSnapshots? {
        var content = content
        if mutation == .tenantsAreMixed, let other = content.tenants.last?.id, !content.keys.isEmpty {
            let key = content.keys[0]
            content.keys[0] = Self.entry(key.publicID, key.secretHash, key.id, other, revoked: key.revoked)
        }
        return try nextSnapshots(index).replacing(nil, with: content)
    }

    private mutating func begin(_ index: Int, _ told: ToldSnapshots, _ content: SnapshotContent) {
        let ready = now + Int64.random(in: 0...400_000, using: &generator)
        publishers[index].building = (stored.version, told, content, ready)
    }

    private mutating func commit(_ index: Int, _ told: ToldSnapshots, _ made: SnapshotContent) {
        let digest = told.live.manifest.contentDigest
        if let before = published[told.version]?.content, before != digest {
            violate("version \(told.version) has two contents")
        }
        published[told.version] = (digest, told.live.manifest.pages)
        stored = Stored(version: told.version, told: told, content: made)
        if mutation == .changesAreLost { stored.content = content }
        publishers[index].told = told
        publishers[index].statesAt = 0
        for key in made.keys where key.revoked != nil && revokedIn[key.id] == .some(nil) {
            revokedIn[key.id] = told.version
        }
    }

    /// The oldest version a node runs that is there.
    private var oldestRunning: SnapshotVersion? {
        let versions = nodes.filter(\.isAlive).compactMap { $0.serving?.version }
        return versions.count == nodes.count ? versions.min() : nil
    }

    /// Says to all listeners what is newest, on every change and every few seconds.
    private mutating func state(_ index: Int) {
        guard publishers[index].statesAt <= now else { return }
        publishers[index].statesAt = now + 2_000_000
        let manifest = publishers[index].told.live.manifest
        // A restored publisher has no word in its epoch before it has a version there.
        guard Int(manifest.version.epoch) == keySets.count || mutation == .epochIsNotRaised else { return }
        let issued = Manifest(
            version: manifest.version, issuedAt: wall,
            freshUntil: wall.advanced(bySeconds: Manifest.freshSeconds), layout: manifest.layout,
            pages: manifest.pages, kills: manifest.kills, fleetKey: manifest.fleetKey)
        let frame = StreamFrame(
            manifest: issued.signed(by: snapshotKey), keySets: chance(4) && !isHealing ? [] : keySets)
        if overheard.count < 64 || chance(4) { overheard.append(frame) }
        for node in nodes.indices where nodes[node].publisher == index && nodes[node].isAlive {
            send(frame, to: node)
        }
    }

    private mutating func send(_ frame: StreamFrame, to node: Int) {
        let life = nodes[node].life
        func put(_ frame: StreamFrame, _ world: inout SnapshotWorld, isGenuine: Bool = true) {
            let isSlow = !world.isHealing && world.chance(12)
            let delay = Int64.random(in: 1_000...(isSlow ? 15_000_000 : 40_000), using: &world.generator)
            world.network.append(
                (world.now + delay, .frame(frame, to: node, life: life, isGenuine: isGenuine)))
        }
        if isHealing { return put(frame, &self) }
        if nodes[node].isCut || chance(10) { return }
        put(frame, &self)
        if chance(15) { put(frame, &self) }
        if chance(15), let old = overheard.randomElement(using: &generator) { put(old, &self) }
        if chance(15) { put(foreign, &self, isGenuine: false) }
        if chance(15), let damaged = damaged(frame) { put(damaged, &self, isGenuine: false) }
    }

    /// The frame with a bit flipped, if that is still a frame.
    private mutating func damaged(_ frame: StreamFrame) -> StreamFrame? {
        var bytes = frame.encoded
        let place = Int.random(in: bytes.indices, using: &generator)
        bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
        return try? StreamFrame(encoded: bytes)
    }
}
