import Contract
import Domain
import Feed
import Policy
import Publishing

extension SnapshotWorld {
    mutating func check() {
        for index in nodes.indices {
            guard nodes[index].isAlive, let compiled = nodes[index].serving?.compiled else { continue }
            checkContent(compiled, index)
        }
    }

    private mutating func checkContent(_ compiled: CompiledSnapshot, _ index: Int) {
        // Nothing is served that was not published, as it was published; more may have been taken away since.
        guard published[compiled.version]?.pages == compiled.manifest.pages else {
            return violate("node \(index) serves \(compiled.version), which nobody published so")
        }
        for (publicID, tenant) in owners {
            guard let (segment, place) = compiled.find(publicID) else { continue }
            let record = segment[place]
            // No tenant sees another's row.
            if record.tenant != tenant { violate("node \(index) gives a key to another tenant") }
            // What a version says is revoked stays revoked in it and in all that follow.
            if let version = revokedIn[record.id] ?? nil, compiled.version >= version,
                !Self.refuses(record.id, publicID, compiled)
            {
                violate("node \(index) serves a key that \(version) revoked")
            }
        }
    }

    static func refuses(_ key: KeyID, _ publicID: KeyPublicID, _ compiled: CompiledSnapshot) -> Bool {
        guard let (segment, place) = compiled.find(publicID) else { return true }
        return compiled.isKilled(key) || segment[place].standing(at: .distantFuture) == .revoked
    }

    /// What a manifest takes away is gone as soon as the manifest is there, whatever becomes of its shards.
    mutating func checkTightening(_ frame: StreamFrame, _ index: Int) {
        guard nodes[index].isAlive, let compiled = nodes[index].serving?.compiled,
            let trust = nodes[index].machine.trust,
            let manifest = try? Manifest(encoded: frame.manifest.payload),
            manifest.version.epoch == trust.current.epoch, manifest.version > compiled.version
        else { return }
        for case .key(let id) in manifest.kills where !compiled.isKilled(id) {
            violate("node \(index) heard that \(id) is taken away and serves it")
        }
    }

    /// Everything is repaired: all nodes end with the newest version, and with what the rows say.
    mutating func heal() throws {
        isHealing = true
        for index in nodes.indices {
            (nodes[index].isCut, nodes[index].isDiskFull, nodes[index].clockError) = (false, false, 0)
            if !nodes[index].isAlive { boot(index) }
        }
        for _ in 0..<600 where violations.isEmpty {
            now += 50_000
            try turn()
            check()
        }
        if stored.content != content { violate("a change was never published") }
        for index in nodes.indices {
            guard let compiled = nodes[index].serving?.compiled, compiled.version == stored.version else {
                let runs = nodes[index].serving.map { "\($0.version)" } ?? "nothing"
                violate("node \(index) ends with \(runs), not \(stored.version)")
                continue
            }
            for key in content.keys
            where Self.refuses(key.id, key.publicID, compiled) != (key.revoked != nil) {
                violate("node \(index) is wrong about \(key.id)")
            }
        }
    }
}
