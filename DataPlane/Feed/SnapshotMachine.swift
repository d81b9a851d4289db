package import Contract
package import Cryptography
package import Domain
import Policy

/// From a frame of the stream to the running snapshot: verify, collect, compile, persist, activate. No I/O,
/// no clock.
///
/// One snapshot is worked on at a time, the newest one that came meanwhile is kept for after it. Whatever
/// fails leaves the running one as it is and is told as a rejection (NACK); a version that was refused is not
/// tried again.
package struct SnapshotMachine {
    package enum Event {
        /// A frame of the stream, just now.
        case received(StreamFrame, at: Timestamp)
        /// An object that was asked for: from the cache, or fetched.
        case obtained(SnapshotObject, isFetched: Bool)
        /// It could not be had; nothing is wrong with the version.
        case unobtainable(SHA256Digest, String)
        case compiled(ServingSnapshot)
        case refused(NodeStatus.Stage, String)
        /// The cache has it, or why it has not.
        case persisted(failure: String?)
    }

    package enum Action {
        /// Keep the chain of key sets: it is what a restarted node trusts.
        case storeTrust([SignedEnvelope])
        /// Apply what the manifest takes away, now, to the running snapshot.
        case takeAway(VerifiedManifest)
        /// Find these in the cache, else fetch them.
        case obtain([SHA256Digest])
        /// Compile, and open the credentials, off the loop.
        case compile(SnapshotAssembly)
        case persist(VerifiedManifest, [SnapshotObject])
        case activate(ServingSnapshot)
        /// The running snapshot was stated again, or for the first time.
        case freshen(Manifest)
        /// The status has changed: tell the control plane.
        case report
    }

    private let pinnedRoots: [Ed25519PublicKey]
    package private(set) var trust: TrustedKeys?
    /// What runs, as it was last stated.
    package private(set) var runningManifest: VerifiedManifest? {
        didSet { running = runningManifest.map { VerifiedManifest.Frontier($0.manifest) } }
    }
    private var running: VerifiedManifest.Frontier?
    private var runningAddresses: SnapshotAssembly.ShardAddresses = []
    package private(set) var rejection: NodeStatus.Rejection?
    private var refusedVersion: SnapshotVersion?
    /// The version whose kills were applied last.
    private var tightened: SnapshotVersion?
    private var work: Work?
    private var waiting: VerifiedManifest?

    private struct Work {
        var assembly: SnapshotAssembly
        var asked: Set<SHA256Digest> = []
        var fetched: [SnapshotObject] = []
        var compiled: ServingSnapshot?
        var verified: VerifiedManifest { assembly.verified }
    }

    /// - Parameters:
    ///   - pinnedRoots: the root keys of the join bundle, the beginning of all trust.
    ///   - running: what was booted from the cache.
    ///   - quarantined: a version over which the node died: refused, whoever offers it.
    package init(
        pinnedRoots: [Ed25519PublicKey], trust: TrustedKeys? = nil, running: VerifiedManifest? = nil,
        addresses: SnapshotAssembly.ShardAddresses = [], quarantined: SnapshotVersion? = nil
    ) {
        self.pinnedRoots = pinnedRoots
        self.trust = trust
        runningManifest = running
        self.running = running.map { VerifiedManifest.Frontier($0.manifest) }
        runningAddresses = addresses
        refusedVersion = quarantined
        rejection = quarantined.map {
            NodeStatus.Rejection(version: $0, stage: .active, text: "the node died over it, time and again")
        }
    }

    /// Whether a snapshot is on its way.
    package var isBusy: Bool { work != nil }

    package mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .received(let frame, let now): received(frame, now)
        case .obtained(let object, let isFetched): obtained(object, isFetched)
        case .unobtainable(let address, let text): unobtainable(address, text)
        case .compiled(let snapshot): compiled(snapshot)
        case .refused(let stage, let text): work == nil ? [] : reject(stage, text, isFinal: true)
        case .persisted(let failure): persisted(failure)
        }
    }

    // MARK: Verify

    private mutating func received(_ frame: StreamFrame, _ now: Timestamp) -> [Action] {
        var actions: [Action] = []
        if !frame.keySets.isEmpty {
            let before = trust
            do throws(TrustedKeys.Failure) {
                if let before {
                    trust = try before.advanced(by: frame.keySets)
                } else {
                    trust = try TrustedKeys(pinned: pinnedRoots, chain: frame.keySets)
                }
                if let trust, trust != before { actions.append(.storeTrust(trust.chain)) }
            } catch {
                return rejectFrame("key sets: \(error)", version: nil)
            }
        }
        guard let trust else { return rejectFrame("no key set came before it", version: nil) }
        let verified: VerifiedManifest
        do throws(VerifiedManifest.Refusal) {
            verified = try VerifiedManifest.verify(
                received: frame.manifest, trusting: trust, running: running, at: now)
        } catch {
            return actions + rejectFrame(error.description, version: nil)
        }
        return actions + accepted(verified)
    }

    private mutating func accepted(_ verified: VerifiedManifest) -> [Action] {
        let manifest = verified.manifest
        if manifest.version == running?.version {
            runningManifest = verified
            // A frame that was refused is history once a good one follows.
            let isHealed = rejection?.stage == .verified && rejection?.version == nil
            if isHealed { rejection = nil }
            return [.freshen(manifest)] + (isHealed ? [.report] : [])
        }
        // Tightening travels first: also when the shards cannot be had, were refused, or another snapshot is
        // being worked on. Once a version: statements come again and again.
        let isNews = manifest.version != tightened
        tightened = manifest.version
        let tightening: [Action] =
            running != nil && !manifest.kills.isEmpty && isNews ? [.takeAway(verified)] : []
        if manifest.version == refusedVersion { return tightening }
        guard work == nil else {
            // The version being worked on, stated again, is no news.
            if manifest.version != work?.verified.manifest.version { waiting = verified }
            return tightening
        }
        return tightening + begin(verified)
    }

    /// A frame that says nothing trustworthy: what runs and what is worked on stay as they are.
    private mutating func rejectFrame(_ text: String, version: SnapshotVersion?) -> [Action] {
        rejection = NodeStatus.Rejection(version: version, stage: .verified, text: text)
        return [.report]
    }

    // MARK: Collect

    private mutating func begin(_ verified: VerifiedManifest) -> [Action] {
        work = Work(assembly: SnapshotAssembly(verified, previous: runningAddresses))
        return ask()
    }

    private mutating func ask() -> [Action] {
        guard let assembly = work?.assembly else { return [] }
        if assembly.isComplete { return [.compile(assembly)] }
        let wanted = assembly.missing
        work?.asked.formUnion(wanted)
        return [.obtain(wanted)]
    }

    /// The most bytes an object that was asked for can have; nil when nobody waits for it.
    func byteLimit(of address: SHA256Digest) -> Int? {
        guard let work, work.asked.contains(address) else { return nil }
        let limit = work.assembly.byteLimit(of: address)
        return limit > 0 ? limit : nil
    }

    private mutating func obtained(_ object: SnapshotObject, _ isFetched: Bool) -> [Action] {
        guard work?.asked.contains(object.address) == true else { return [] }
        let lackedPages = work?.assembly.lacksPages == true
        do throws(SnapshotAssembly.Failure) {
            try work?.assembly.add(object)
        } catch .unexpected {
            return []
        } catch {
            return reject(.verified, "object: \(error)", isFinal: true)
        }
        if isFetched { work?.fetched.append(object) }
        let isComplete = work?.assembly.isComplete == true
        // The last page names the shards; before and after it nothing new is missing.
        return isComplete || (lackedPages && work?.assembly.lacksPages == false) ? ask() : []
    }

    private mutating func unobtainable(_ address: SHA256Digest, _ text: String) -> [Action] {
        guard byteLimit(of: address) != nil else { return [] }
        return reject(.fetched, "\(address): \(text)", isFinal: false)
    }

    // MARK: Persist and activate

    private mutating func compiled(_ snapshot: ServingSnapshot) -> [Action] {
        guard let work, work.compiled == nil else { return [] }
        self.work?.compiled = snapshot
        return [.persist(work.verified, work.fetched)]
    }

    /// Without the cache the node runs from memory: a full disk must not keep a revocation away.
    private mutating func persisted(_ failure: String?) -> [Action] {
        guard let work, let snapshot = work.compiled else { return [] }
        self.work = nil
        let manifest = work.verified.manifest
        runningManifest = work.verified
        runningAddresses = snapshot.compiled.addresses
        rejection = failure.map {
            NodeStatus.Rejection(
                version: manifest.version, stage: .persisted, text: "runs from memory: \($0)")
        }
        // What a newer manifest took away meanwhile stays away.
        let tightening: [Action] = waiting.map { $0.manifest.kills.isEmpty ? [] : [.takeAway($0)] } ?? []
        return [.activate(snapshot)] + tightening + [.freshen(manifest), .report] + next()
    }

    /// Ends the work on a snapshot that failed. `isFinal`: the version itself is at fault and not tried
    /// again.
    private mutating func reject(_ stage: NodeStatus.Stage, _ text: String, isFinal: Bool) -> [Action] {
        let version = work?.verified.manifest.version
        work = nil
        if isFinal { refusedVersion = version }
        rejection = NodeStatus.Rejection(version: version, stage: stage, text: text)
        return [.report] + next()
    }

    private mutating func next() -> [Action] {
        guard let verified = waiting else { return [] }
        waiting = nil
        // It was verified against what ran then; what runs now may be newer only if it is the same.
        if let running, verified.manifest.version <= running.version { return [] }
        return begin(verified)
    }
}
