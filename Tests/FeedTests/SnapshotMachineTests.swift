import Contract
import Cryptography
import Domain
import Policy
import TestSupport
import Testing

@testable import Feed

/// Runs a machine the way its driver does, with the network as a dictionary.
private struct Rig {
    var fixture: SnapshotFixture
    let parts: SnapshotFixture.Parts
    var machine: SnapshotMachine
    var objects: [SHA256Digest: SnapshotObject] = [:]
    var unobtainable: Set<SHA256Digest> = []
    var live: ServingSnapshot?
    var stored: [SnapshotObject] = []
    var storedVersions: [UInt64] = []
    var trustChains: [[SignedEnvelope]] = []
    var asked: [SHA256Digest] = []
    var freshened: [Timestamp] = []
    var reports = 0
    var persistFailure: String?
    /// Actions that wait for the test to let them go on.
    var held: [SnapshotMachine.Action] = []
    var holdsCompilation = false

    init() {
        (fixture, parts) = SnapshotFixture.small()
        machine = SnapshotMachine(pinnedRoots: [fixture.rootKey.publicKey])
    }

    mutating func publish(
        _ counter: UInt64, at seconds: Int64 = 0, keySets: Bool = true
    ) throws -> StreamFrame {
        let built = try fixture.built(counter: counter, issuedAt: fixture.now.advanced(bySeconds: seconds))
        objects.merge(built.objects) { old, _ in old }
        return StreamFrame(
            manifest: fixture.envelope(of: built), keySets: keySets ? [fixture.keySetEnvelope] : [])
    }

    mutating func receive(_ frame: StreamFrame, at seconds: Int64 = 0) {
        run(machine.handle(.received(frame, at: fixture.now.advanced(bySeconds: seconds))))
    }

    mutating func run(_ actions: [SnapshotMachine.Action]) {
        for action in actions {
            switch action {
            case .storeTrust(let chain): trustChains.append(chain)
            case .takeAway(let verified): live = live?.taking(away: verified)
            case .obtain(let addresses):
                asked += addresses
                for address in addresses {
                    if !unobtainable.contains(address), let object = objects[address] {
                        run(machine.handle(.obtained(object, isFetched: true)))
                    } else {
                        run(machine.handle(.unobtainable(address, "gone")))
                    }
                }
            case .compile(let assembly):
                if holdsCompilation { held.append(action) } else { compile(assembly) }
            case .persist(let verified, let fetched):
                stored += fetched
                storedVersions.append(verified.manifest.version.counter)
                run(machine.handle(.persisted(failure: persistFailure)))
            case .activate(let serving): live = serving
            case .freshen(let manifest): freshened.append(manifest.issuedAt)
            case .report: reports += 1
            }
        }
    }

    mutating func compile(_ assembly: SnapshotAssembly) {
        do {
            let compiled = try CompiledSnapshot(assembly, previous: live?.compiled)
            let serving = try ServingSnapshot(compiled, openingWith: fixture.fleetKey)
            run(machine.handle(.compiled(serving)))
        } catch {
            run(machine.handle(.refused(.checked, "\(error)")))
        }
    }

    mutating func release() {
        let actions = held
        held = []
        holdsCompilation = false
        run(actions)
    }

    func admits(_ key: KeyText) -> Bool {
        guard let live else { return false }
        var text = key.reveal()
        return text.withUTF8 { bytes in
            (try? authenticate(
                UnsafeRawBufferPointer(bytes), for: .chat, at: fixture.now, in: live.compiled)) != nil
        }
    }
}

@Suite("snapshot machine")
struct SnapshotMachineTests {
    @Test("a quarantined version is refused whoever offers it, but what it takes away is taken away")
    func quarantined() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        let running = try #require(rig.machine.runningManifest)
        let addresses = try #require(rig.live?.compiled.addresses)
        rig.machine = SnapshotMachine(
            pinnedRoots: [rig.fixture.rootKey.publicKey], trust: rig.machine.trust, running: running,
            addresses: addresses, quarantined: SnapshotVersion(epoch: 1, counter: 2))
        #expect(rig.machine.rejection?.stage == .active)
        rig.fixture.kills = [.key(rig.parts.keyID)]
        let poison = try rig.publish(2)
        rig.receive(poison)
        rig.receive(poison, at: 1)
        #expect(rig.live?.version.counter == 1 && rig.storedVersions == [1])
        #expect(rig.live?.compiled.manifest.kills == [.key(rig.parts.keyID)])
        rig.receive(try rig.publish(3))
        #expect(rig.live?.version.counter == 3 && rig.machine.rejection == nil)
    }

    @Test("the first frame becomes the running snapshot, persisted before it serves")
    func first() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        #expect(rig.live?.version == SnapshotVersion(epoch: 1, counter: 1))
        #expect(rig.admits(rig.parts.key))
        #expect(rig.live?.credentials(of: rig.parts.provider).first?.secret == Secret(utf8: "sk-test"))
        #expect(rig.storedVersions == [1])
        #expect(Set(rig.stored.map(\.address)) == Set(rig.objects.keys))
        #expect(rig.trustChains == [[rig.fixture.keySetEnvelope]])
        #expect(rig.machine.rejection == nil)
        #expect(!rig.machine.isBusy)
    }

    @Test("a heartbeat only makes the running snapshot fresher")
    func heartbeat() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        let asked = rig.asked.count
        rig.receive(try rig.publish(1, at: 10, keySets: false), at: 10)
        #expect(rig.asked.count == asked)
        #expect(rig.freshened.last == rig.fixture.now.advanced(bySeconds: 10))
        #expect(rig.storedVersions == [1])
    }

    @Test("one changed key fetches one shard and the pages, and serves the new state")
    func change() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        let before = Set(rig.objects.keys)
        let (key, _) = rig.fixture.addKey(rig.parts.tenant, rig.parts.workspace)
        let frame = try rig.publish(2)
        rig.asked = []
        rig.receive(frame)
        #expect(rig.admits(key))
        // All five pages are asked for (the cache has four of them), but of the shards only the changed one.
        #expect(Set(rig.asked).subtracting(before).count == 2)
        #expect(rig.asked.count <= 6)
    }

    @Test("what a manifest takes away is gone before its shards are here, also while they cannot be had")
    func tightening() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        rig.fixture.kills = [.key(rig.parts.keyID)]
        rig.fixture.content.keys = []
        let frame = try rig.publish(2)
        rig.unobtainable = Set(rig.objects.keys)
        rig.receive(frame)
        #expect(!rig.admits(rig.parts.key))
        #expect(rig.live?.version.counter == 1)
        #expect(rig.machine.rejection?.stage == .fetched)
        // Stated again with its objects in reach: not the version's fault, so it is tried again.
        rig.unobtainable = []
        rig.receive(try rig.publish(2, at: 10), at: 10)
        #expect(rig.live?.version.counter == 2)
        #expect(rig.machine.rejection == nil)
    }

    @Test("what a newer manifest took away stays away when an older one becomes active after it")
    func tighteningDuringWork() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        rig.holdsCompilation = true
        _ = rig.fixture.addKey(rig.parts.tenant, rig.parts.workspace)
        rig.receive(try rig.publish(2))
        rig.fixture.kills = [.key(rig.parts.keyID)]
        rig.receive(try rig.publish(3))
        #expect(!rig.admits(rig.parts.key))
        let second = rig.held
        rig.held = []
        for case .compile(let assembly) in second { rig.compile(assembly) }
        #expect(rig.live?.version.counter == 2)
        #expect(!rig.admits(rig.parts.key))
        rig.release()
        #expect(rig.live?.version.counter == 3)
        #expect(!rig.admits(rig.parts.key))
    }

    @Test("while one snapshot is worked on the newest of those that came is next, the others are skipped")
    func newestNext() throws {
        var rig = Rig()
        rig.holdsCompilation = true
        rig.receive(try rig.publish(1))
        for counter in UInt64(2)...5 {
            _ = rig.fixture.addKey(rig.parts.tenant, rig.parts.workspace)
            rig.receive(try rig.publish(counter))
        }
        // The one being worked on, stated again, does not push the newest away.
        #expect(rig.machine.isBusy)
        rig.release()
        #expect(rig.storedVersions == [1, 5])
        #expect(rig.live?.version.counter == 5)
    }

    @Test(
        "an older version, a replay, other content under a known version are refused; the running one stays")
    func replays() throws {
        var rig = Rig()
        let first = try rig.publish(1)
        rig.receive(first)
        let second = try rig.publish(2, at: 5)
        rig.receive(second)
        let running = rig.live
        rig.receive(first)
        #expect(rig.machine.rejection?.text.contains("below the running one") == true)
        rig.receive(try rig.publish(2, at: 1))
        #expect(rig.machine.rejection?.text.contains("before the running one") == true)
        _ = rig.fixture.addKey(rig.parts.tenant, rig.parts.workspace)
        rig.receive(try rig.publish(2, at: 6))
        #expect(rig.machine.rejection?.text.contains("other content") == true)
        #expect(rig.live === running)
        #expect(rig.machine.rejection?.stage == .verified)
        // A good statement of the running version ends the alarm.
        rig.fixture.content.keys.removeLast()
        rig.receive(try rig.publish(2, at: 7))
        #expect(rig.machine.rejection == nil)
    }

    @Test("a frame signed by a stranger, of another root, or without any key set changes nothing")
    func strangers() throws {
        var rig = Rig()
        let stranger = SnapshotFixture.small().fixture
        rig.receive(stranger.frame(of: try stranger.built()))
        #expect(rig.machine.rejection?.text.contains("key sets") == true)
        rig.receive(try rig.publish(1, keySets: false))
        #expect(rig.machine.rejection?.text == "no key set came before it")
        rig.receive(try rig.publish(1))
        let running = rig.live
        rig.receive(StreamFrame(manifest: stranger.envelope(of: try stranger.built(counter: 9))))
        #expect(rig.machine.rejection?.text.contains("no trusted snapshot key") == true)
        #expect(rig.live === running)
    }

    @Test("a snapshot that does not stand is refused once; its version is not tried again, the next one is")
    func poison() throws {
        var rig = Rig()
        rig.receive(try rig.publish(1))
        let running = rig.live
        let sound = rig.fixture.content
        rig.fixture.content.workspaces = []
        rig.receive(try rig.publish(2))
        #expect(rig.machine.rejection?.stage == .checked)
        #expect(rig.machine.rejection?.version?.counter == 2)
        let asked = rig.asked.count
        rig.receive(try rig.publish(2, at: 10), at: 10)
        #expect(rig.asked.count == asked)
        #expect(rig.live === running)
        rig.fixture.content = sound
        rig.receive(try rig.publish(3))
        #expect(rig.live?.version.counter == 3)
        #expect(rig.machine.rejection == nil)
    }

    @Test("without a cache the node runs from memory and says so")
    func diskFull() throws {
        var rig = Rig()
        rig.persistFailure = "disk full"
        rig.receive(try rig.publish(1))
        #expect(rig.live?.version.counter == 1)
        #expect(rig.machine.rejection?.stage == .persisted)
        #expect(rig.machine.rejection?.text.contains("disk full") == true)
    }

    @Test("objects nobody waits for are ignored, an object in another's place is refused")
    func objects() throws {
        var rig = Rig()
        let frame = try rig.publish(1)
        #expect(rig.machine.handle(.obtained(SnapshotObject(bytes: [1]), isFetched: true)).isEmpty)
        #expect(rig.machine.handle(.unobtainable(sha256("x"), "gone")).isEmpty)
        let compiled = ServingSnapshot(
            try CompiledSnapshot(try rig.fixture.assembly(of: try rig.fixture.built())),
            credentials: [ProviderID: [OpenedCredential]]())
        #expect(rig.machine.handle(.compiled(compiled)).isEmpty)
        #expect(rig.machine.handle(.persisted(failure: nil)).isEmpty)
        #expect(rig.machine.handle(.refused(.checked, "")).isEmpty)
        let actions = rig.machine.handle(.received(frame, at: rig.fixture.now))
        guard case .obtain(let pages)? = actions.last else { return #expect(actions.isEmpty) }
        #expect(rig.machine.byteLimit(of: pages[0]) == ManifestPage.maximumBytes)
        #expect(rig.machine.byteLimit(of: sha256("x")) == nil)
        #expect(rig.machine.handle(.obtained(SnapshotObject(bytes: [1, 2]), isFetched: true)).isEmpty)
        #expect(rig.machine.isBusy)
    }

    @Test("a machine booted from the cache goes on from there")
    func booted() throws {
        var rig = Rig()
        rig.receive(try rig.publish(4))
        let verified = try #require(rig.machine.runningManifest)
        rig.machine = SnapshotMachine(
            pinnedRoots: [rig.fixture.rootKey.publicKey], trust: rig.machine.trust, running: verified,
            addresses: rig.live?.compiled.addresses ?? [])
        rig.receive(try rig.publish(3))
        #expect(rig.machine.rejection?.text.contains("below the running one") == true)
        rig.asked = []
        let (key, _) = rig.fixture.addKey(rig.parts.tenant, rig.parts.workspace)
        rig.receive(try rig.publish(5, keySets: false))
        #expect(rig.admits(key))
        #expect(rig.asked.count <= 6)
    }
}
