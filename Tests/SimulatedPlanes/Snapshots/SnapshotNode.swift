import Contract
import Cryptography
import Domain
import Feed
import Policy

/// A node of the simulation: the real machine, a disk that is a dictionary, a process that can be killed.
struct SnapshotNode {
    struct Disk {
        var chain: [SignedEnvelope] = []
        var manifest: SignedEnvelope?
        var objects: [SHA256Digest: SnapshotObject] = [:]
    }

    let root: Ed25519PublicKey
    var publisher: Int
    var disk = Disk()
    var machine: SnapshotMachine
    var serving: ServingSnapshot?
    /// Counts processes: what was sent to one does not reach the next.
    var life = 0
    var isAlive = true
    var isCut = false
    var isDiskFull = false
    var clockError: Int64 = 0
    /// The newest that is on its disk.
    var kept: SnapshotVersion?
    /// Since when it waits for an object.
    var asked: [SHA256Digest: Int64] = [:]

    init(root: Ed25519PublicKey, publisher: Int) {
        self.root = root
        self.publisher = publisher
        machine = SnapshotMachine(pinnedRoots: [root])
    }

    /// What its disk holds, verified as the node does it; nil: nothing that stands.
    func cached() -> (trust: TrustedKeys?, verified: VerifiedManifest, compiled: CompiledSnapshot)? {
        guard let trust = try? TrustedKeys(pinned: [root], chain: disk.chain), let envelope = disk.manifest,
            let verified = try? VerifiedManifest.verify(cached: envelope, trusting: trust)
        else { return nil }
        var assembly = SnapshotAssembly(verified)
        while let address = assembly.missing.first {
            guard let object = disk.objects[address], (try? assembly.add(object)) != nil else { return nil }
        }
        return (try? CompiledSnapshot(assembly)).map { (trust, verified, $0) }
    }
}

extension ServingSnapshot {
    /// One whose providers want no credentials.
    convenience init(bare compiled: CompiledSnapshot) {
        self.init(compiled, credentials: [ProviderID: [OpenedCredential]]())
    }
}
