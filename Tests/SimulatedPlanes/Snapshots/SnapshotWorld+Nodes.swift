import Contract
import Cryptography
import Domain
import Feed
import Policy
import Publishing

extension SnapshotWorld {
    mutating func kill(_ index: Int) {
        nodes[index].isAlive = false
        nodes[index].life += 1
        nodes[index].serving = nil
        nodes[index].asked = [:]
    }

    /// A new process on the old disk.
    mutating func boot(_ index: Int) {
        if nodes[index].isAlive { kill(index) }
        let node = nodes[index]
        nodes[index].isAlive = true
        let trust = try? TrustedKeys(pinned: [node.root], chain: node.disk.chain)
        let cached = node.cached()
        nodes[index].machine = SnapshotMachine(
            pinnedRoots: [node.root], trust: trust, running: cached?.verified,
            addresses: cached?.compiled.addresses ?? [])
        nodes[index].serving = (cached?.compiled).map(ServingSnapshot.init(bare:))
        if let kept = node.kept, nodes[index].serving.map({ $0.version < kept }) ?? true {
            let found = nodes[index].serving.map { "\($0.version)" } ?? "nothing"
            violate("node \(index) came back with \(found) after \(kept)")
        }
    }

    // MARK: Network

    mutating func deliver() {
        let due = network.filter { $0.at <= now }.shuffled(using: &generator)
        network.removeAll { $0.at <= now }
        for (_, message) in due {
            switch message {
            case .frame(let frame, let to, let life, let isGenuine):
                if nodes[to].isAlive, nodes[to].life == life { receive(frame, to, isGenuine) }
            case .fetch(let address, let from, let life): answer(address, from, life)
            case .object(let address, let bytes, let to, let life):
                if nodes[to].isAlive, nodes[to].life == life { obtain(address, bytes, to) }
            }
        }
    }

    private mutating func receive(_ frame: StreamFrame, _ index: Int, _ isGenuine: Bool) {
        if mutation == .strangersAreTrusted, frame == foreign {
            nodes[index].machine = SnapshotMachine(pinnedRoots: [strangerRoot.publicKey])
        }
        if mutation == .olderIsTaken, let trust = nodes[index].machine.trust, !nodes[index].machine.isBusy {
            nodes[index].machine = SnapshotMachine(pinnedRoots: [nodes[index].root], trust: trust)
        }
        let clock = wall.advanced(byMicroseconds: nodes[index].clockError)
        handle(.received(frame, at: clock), index)
        if isGenuine { checkTightening(frame, index) }
    }

    private mutating func ask(_ address: SHA256Digest, _ index: Int) {
        nodes[index].asked[address] = now
        if !isHealing, nodes[index].isCut || chance(12) { return }
        let delay = Int64.random(in: 1_000...300_000, using: &generator)
        network.append((now + delay, .fetch(address, from: index, life: nodes[index].life)))
    }

    /// The control plane gives an object of what it tells, or of what is stored.
    private mutating func answer(_ address: SHA256Digest, _ from: Int, _ life: Int) {
        let told = publishers[nodes[from].publisher].told
        var bytes = (told.objects[address] ?? stored.told.objects[address])?.bytes
        if !isHealing, nodes[from].isCut || chance(12) { return }
        if !isHealing, chance(15), var damaged = bytes, !damaged.isEmpty {
            damaged[Int.random(in: damaged.indices, using: &generator)] ^= 4
            bytes = damaged
        }
        let delay = Int64.random(in: 1_000...300_000, using: &generator)
        network.append((now + delay, .object(address, bytes, to: from, life: life)))
    }

    private mutating func obtain(_ address: SHA256Digest, _ bytes: [UInt8]?, _ index: Int) {
        guard nodes[index].asked.removeValue(forKey: address) != nil else { return }
        guard let bytes else { return handle(.unobtainable(address, "it is not there"), index) }
        let object = SnapshotObject(bytes: bytes)
        if object.address != address, mutation != .objectsAreNotProved {
            return handle(.unobtainable(address, "it is not what its address says"), index)
        }
        handle(.obtained(object, isFetched: true), index)
    }

    /// What does not come within five seconds does not come.
    mutating func giveUp(_ index: Int) {
        for (address, since) in nodes[index].asked.sorted(by: { $0.key < $1.key })
        where now - since > 5_000_000 {
            nodes[index].asked[address] = nil
            handle(.unobtainable(address, "no answer"), index)
        }
    }

    // MARK: The machine's hands

    private mutating func handle(_ event: SnapshotMachine.Event, _ index: Int) {
        let life = nodes[index].life
        for action in nodes[index].machine.handle(event) where nodes[index].life == life {
            run(action, index)
        }
    }

    private mutating func run(_ action: SnapshotMachine.Action, _ index: Int) {
        switch action {
        case .storeTrust(let chain):
            if nodes[index].isDiskFull { return }
            nodes[index].disk.chain = chain
            // A snapshot of keys from before the last change does not stand for ever.
            if nodes[index].cached() == nil { nodes[index].kept = nil }
        case .takeAway(let verified):
            guard mutation != .killsWaitForShards else { return }
            nodes[index].serving = nodes[index].serving?.taking(away: verified)
        case .obtain(let addresses):
            for address in addresses {
                if let object = nodes[index].disk.objects[address] {
                    handle(.obtained(object, isFetched: false), index)
                } else {
                    ask(address, index)
                }
            }
        case .compile(let assembly): compile(assembly, index)
        case .persist(let verified, let objects): persist(verified, objects, index)
        case .activate(let serving): activate(serving, index)
        case .freshen, .report: break
        }
    }

    private mutating func compile(_ assembly: SnapshotAssembly, _ index: Int) {
        do throws(InvalidSnapshot) {
            let compiled = try CompiledSnapshot(assembly, previous: nodes[index].serving?.compiled)
            handle(.compiled(ServingSnapshot(bare: compiled)), index)
        } catch { handle(.refused(.checked, "\(error)"), index) }
    }

    private mutating func persist(
        _ verified: VerifiedManifest, _ objects: [SnapshotObject], _ index: Int
    ) {
        if nodes[index].isDiskFull { return handle(.persisted(failure: "the disk is full"), index) }
        var written = nodes[index]
        for object in objects { written.disk.objects[object.address] = object }
        written.disk.manifest = verified.envelope
        // What a full disk refused before may be missing still: then it is not to be had after a restart.
        written.kept = written.cached() == nil ? nil : verified.manifest.version
        if mutation == .servesWithoutKeeping { written.disk = nodes[index].disk }
        nodes[index] = written
        if !isHealing, chance(25) { return kill(index) }
        handle(.persisted(failure: nil), index)
    }

    private mutating func activate(_ serving: ServingSnapshot, _ index: Int) {
        if let before = nodes[index].serving?.version, serving.version <= before {
            violate("node \(index) went from \(before) to \(serving.version)")
        }
        nodes[index].serving = serving
    }
}
