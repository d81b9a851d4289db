import Contract
import Cryptography
import Domain
import Feed
import Policy
import Publishing
import Store
import TestSupport

/// The seeded world of snapshots: two publishers over one store, nodes, and a network that drops, delays,
/// doubles, reorders, damages and replays. The machines, the validator and the signatures are the real ones.
struct SnapshotWorld {
    /// What the database holds; a publisher compares and sets it.
    struct Stored {
        var version: SnapshotVersion
        var told: ToldSnapshots
        /// What the newest snapshot was made of.
        var content: SnapshotContent
        /// A restored database has no version in its new epoch: everything is read anew.
        var isRestored = false
    }

    struct Publisher {
        var told: ToldSnapshots
        /// On its way into the store: over which version, when, of what.
        var building: (base: SnapshotVersion, next: ToldSnapshots, content: SnapshotContent, ready: Int64)?
        var statesAt: Int64 = 0
    }

    enum Message {
        case frame(StreamFrame, to: Int, life: Int, isGenuine: Bool)
        case fetch(SHA256Digest, from: Int, life: Int)
        case object(SHA256Digest, [UInt8]?, to: Int, life: Int)
    }

    var generator: SeededGenerator
    let mutation: SnapshotMutation?
    var now: Int64 = 1_000_000
    let root, snapshotKey, strangerRoot: Ed25519PrivateKey
    var keySets: [SignedEnvelope] = []
    /// The rows.
    var content = SnapshotContent()
    var stored: Stored
    var backup: (stored: Stored, content: SnapshotContent)
    var publishers: [Publisher] = []
    var nodes: [SnapshotNode] = []
    var network: [(at: Int64, message: Message)] = []
    /// Frames somebody kept, to say them again.
    var overheard: [StreamFrame] = []
    let foreign: StreamFrame
    /// What the simulation knows: of every version ever published its content and its shards, of every key
    /// its owner, of every revocation the first version that says it.
    var published: [SnapshotVersion: (content: SHA256Digest, pages: [SHA256Digest])] = [:]
    var owners: [KeyPublicID: TenantID] = [:]
    var revokedIn: [KeyID: SnapshotVersion?] = [:]
    var violations: [String] = []
    var isHealing = false

    static let start = Timestamp(microseconds: 1_773_057_600_000_000)
    private static let fleetKey = FleetKeyID(high: 9, low: 9)

    init(seed: UInt64, mutation: SnapshotMutation? = nil) throws {
        generator = SeededGenerator(seed: seed)
        self.mutation = mutation
        func key(_ number: UInt8) throws -> Ed25519PrivateKey {
            guard let key = Ed25519PrivateKey(seed: Secret([UInt8](repeating: number, count: 32))) else {
                throw CodecError.malformed("a key's seed")
            }
            return key
        }
        root = try key(1)
        snapshotKey = try key(2)
        strangerRoot = try key(3)
        let set = Self.keySet(version: 1, epoch: 1, root, snapshotKey)
        keySets = [set]
        let strangers = Self.keySet(version: 1, epoch: 1, strangerRoot, strangerRoot)
        let state = SnapshotStore.State(version: SnapshotVersion(epoch: 1, counter: 0), builtFrom: nil)
        let signing = try SnapshotSigning(
            rootKey: root.publicKey, key: snapshotKey, keySets: [set], fleetKey: Self.fleetKey)
        let told = try NextSnapshots.first(SnapshotContent(), state, at: Self.start, signing)
        let elsewhere = try NextSnapshots.first(
            SnapshotContent(),
            SnapshotStore.State(
                version: SnapshotVersion(epoch: 1, counter: 1 << 40), builtFrom: nil), at: Self.start,
            SnapshotSigning(
                rootKey: strangerRoot.publicKey, key: strangerRoot, keySets: [strangers],
                fleetKey: Self.fleetKey))
        foreign = StreamFrame(manifest: elsewhere.live.verified.envelope, keySets: [strangers])
        stored = Stored(version: told.version, told: told, content: SnapshotContent())
        backup = (stored, content)
        published[told.version] = (told.live.manifest.contentDigest, told.live.manifest.pages)
        publishers = [Publisher(told: told), Publisher(told: told)]
        for index in 0..<Int.random(in: 2...4, using: &generator) {
            nodes.append(SnapshotNode(root: root.publicKey, publisher: index % 2))
        }
        for _ in 0..<3 { addTenant() }
    }

    private static func keySet(
        version: UInt32, epoch: UInt32, _ root: Ed25519PrivateKey, _ key: Ed25519PrivateKey
    ) -> SignedEnvelope {
        KeySet(
            version: version, epoch: epoch, issuedAt: start, rootKeys: [root.publicKey],
            entries: [.init(role: .snapshot, key: key.publicKey, expires: .distantFuture)]
        ).signed(by: [root])
    }

    var wall: Timestamp { Self.start.advanced(byMicroseconds: now) }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &generator) == 0 }
    mutating func violate(_ text: String) { violations.append("\(text) at \(now / 1000) ms") }

    /// Runs some steps, then heals everything and checks that all run the newest.
    mutating func run(steps: Int) throws {
        for _ in 0..<steps where violations.isEmpty { try step() }
        if violations.isEmpty { try heal() }
    }

    private mutating func step() throws {
        now += Int64.random(in: 20_000...600_000, using: &generator)
        if chance(4) { edit() }
        if chance(25) { fault() }
        try turn()
        check()
    }

    mutating func turn() throws {
        for index in publishers.indices { try publish(index) }
        deliver()
        for index in nodes.indices where nodes[index].isAlive { giveUp(index) }
    }

    // MARK: Edits

    private mutating func addTenant() {
        let tenant = TenantID(high: 1, low: UInt64(content.tenants.count) + 1)
        content.tenants.append(TenantEntry(id: tenant))
        content.workspaces.append(
            WorkspaceEntry(id: WorkspaceID(high: 2, low: tenant.low), tenant: tenant))
    }

    private mutating func edit() {
        guard let tenant = content.tenants.randomElement(using: &generator)?.id else { return }
        switch Int.random(in: 0..<6, using: &generator) {
        case 0 where content.tenants.count < 6: addTenant()
        case 1...3: addKey(of: tenant)
        default:
            let active = content.keys.indices.filter { content.keys[$0].revoked == nil }
            guard let index = active.randomElement(using: &generator) else { return }
            let key = content.keys[index]
            content.keys[index] = Self.entry(key.publicID, key.secretHash, key.id, key.tenant, revoked: wall)
            revokedIn.updateValue(nil, forKey: key.id)
        }
    }

    private mutating func addKey(of tenant: TenantID) {
        guard content.keys.count < 40 else { return }
        let text = KeyText(using: &generator)
        let id = KeyID(high: 3, low: generator.next())
        content.keys.append(Self.entry(text.publicID, SecretHash(of: text), id, tenant, revoked: nil))
        owners[text.publicID] = tenant
    }

    static func entry(
        _ publicID: KeyPublicID, _ hash: SecretHash, _ id: KeyID, _ tenant: TenantID, revoked: Timestamp?
    ) -> KeyEntry {
        KeyEntry(
            id: id, tenant: tenant, workspace: WorkspaceID(high: 2, low: tenant.low), publicID: publicID,
            secretHash: hash, revoked: revoked)
    }

    // MARK: Faults

    private mutating func fault() {
        guard let index = nodes.indices.randomElement(using: &generator) else { return }
        switch Int.random(in: 0..<10, using: &generator) {
        case 0...2: nodes[index].isAlive ? kill(index) : boot(index)
        case 3:
            kill(index)
            nodes[index].disk = SnapshotNode.Disk()
            nodes[index].kept = nil
            boot(index)
        case 4: nodes[index].isCut.toggle()
        case 5: nodes[index].isDiskFull.toggle()
        case 6: nodes[index].publisher = Int.random(in: publishers.indices, using: &generator)
        case 7: nodes[index].clockError = Int64.random(in: -3_600_000_000...3_600_000_000, using: &generator)
        case 8: backup = (stored, content)
        case 9 where chance(3): restore()
        default: publishers[index % 2].building = nil
        }
    }

    /// Yesterday's database, under an epoch of its own.
    private mutating func restore() {
        content = backup.content
        let newest = stored.version.epoch
        stored = backup.stored
        stored.isRestored = true
        for key in revokedIn.keys where content.keys.first(where: { $0.id == key })?.revoked == nil {
            revokedIn.removeValue(forKey: key)
        }
        if mutation != .epochIsNotRaised {
            stored.version = SnapshotVersion(epoch: newest + 1, counter: 0)
            keySets.append(
                Self.keySet(
                    version: UInt32(keySets.count) + 1, epoch: newest + 1, root, snapshotKey))
        }
        for index in publishers.indices {
            publishers[index].building = nil
            publishers[index].told = stored.told
        }
    }

    func signing() throws -> SnapshotSigning {
        try SnapshotSigning(
            rootKey: root.publicKey, key: snapshotKey, keySets: keySets, fleetKey: Self.fleetKey)
    }
}
