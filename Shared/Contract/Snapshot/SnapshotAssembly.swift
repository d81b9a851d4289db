package import Cryptography

/// A shard that came with a snapshot, still closed.
package struct ChangedShard: Hashable, Sendable {
    /// nil: the shard went away.
    package let object: SnapshotObject?

    package init(object: SnapshotObject?) { self.object = object }

    package var isEmpty: Bool { object == nil }

    /// The entries; throws what is wrong with the bytes.
    package func opened() throws(CodecError) -> Shard {
        try object.map { object throws(CodecError) in try Shard(object: object) } ?? Shard()
    }
}

/// Collects the objects of a verified manifest, whatever order they come in. No I/O: it says what is missing,
/// takes bytes, and checks each against its address. Pages are read here; shards are kept as they came, to be
/// read one after the other by whoever uses them, so that a million keys never lie here opened.
///
/// Shards that did not change since `previous` are not asked for again.
package struct SnapshotAssembly: Sendable {
    package enum Failure: Error, Hashable, Sendable {
        /// Bytes nobody asked for: their hash is no missing address.
        case unexpected(SHA256Digest)
        /// A page that cannot be read.
        case codec(SHA256Digest, CodecError)
        /// A page that does not fit its place, or a shard of another size than its reference says.
        case inconsistent(SHA256Digest)
    }

    /// Which object every shard of a snapshot is; nil where the shard is empty.
    package typealias ShardAddresses = [SHA256Digest?]

    package let verified: VerifiedManifest
    /// The snapshot that `changed` is relative to; empty when it holds every shard.
    package let previous: ShardAddresses
    private var pageShards: [Int: [ManifestPage.Reference?]] = [:]
    private var missingPages: [SHA256Digest: [Int]] = [:]
    private var missingShards: [SHA256Digest: (shards: [Int], byteCount: Int)] = [:]
    /// Shards that differ from the previous snapshot, by number.
    package private(set) var changed: [Int: ChangedShard] = [:]

    /// - Parameter previous: the addresses of the running snapshot when it has the same layout; else empty.
    package init(_ verified: VerifiedManifest, previous: ShardAddresses = []) {
        self.verified = verified
        self.previous = previous.count == verified.manifest.layout.shardCount ? previous : []
        for (page, address) in verified.manifest.pages.enumerated() {
            missingPages[address, default: []].append(page)
        }
    }

    /// Addresses to find in the cache or to fetch now: pages first, then the shards they name. Empty:
    /// complete.
    package var missing: [SHA256Digest] {
        (missingPages.isEmpty ? Array(missingShards.keys) : Array(missingPages.keys)).sorted()
    }

    /// Whether pages are missing: the shards are not all known yet.
    package var lacksPages: Bool { !missingPages.isEmpty }

    package var isComplete: Bool { missingPages.isEmpty && missingShards.isEmpty }

    /// The most bytes the object of an address can have: the limit to fetch it with.
    package func byteLimit(of address: SHA256Digest) -> Int {
        missingPages[address] != nil ? ManifestPage.maximumBytes : missingShards[address]?.byteCount ?? 0
    }

    /// Takes an object that was missing. On an error the assembly is as it was before.
    package mutating func add(_ object: SnapshotObject) throws(Failure) {
        if let places = missingPages[object.address] {
            try addPage(object, places)
        } else if let wanted = missingShards[object.address] {
            guard object.bytes.count == wanted.byteCount else { throw .inconsistent(object.address) }
            for number in wanted.shards { changed[number] = ChangedShard(object: object) }
            missingShards[object.address] = nil
        } else {
            throw .unexpected(object.address)
        }
    }

    private mutating func addPage(_ object: SnapshotObject, _ places: [Int]) throws(Failure) {
        guard object.bytes.count <= ManifestPage.maximumBytes else { throw .inconsistent(object.address) }
        let page: ManifestPage
        do throws(CodecError) { page = try ManifestPage(encoded: object.bytes) } catch {
            throw .codec(object.address, error)
        }
        // A page names its first shard, so one address cannot stand for two pages.
        let first = places[0] * ManifestPage.shardsPerPage
        let expected = min(ManifestPage.shardsPerPage, verified.manifest.layout.shardCount - first)
        guard places.count == 1, page.firstShard == first, page.references.count == expected else {
            throw .inconsistent(object.address)
        }
        missingPages[object.address] = nil
        pageShards[first] = page.references
        for (offset, reference) in page.references.enumerated() {
            want(reference, shard: first + offset)
        }
    }

    private mutating func want(_ reference: ManifestPage.Reference?, shard number: Int) {
        if !previous.isEmpty && previous[number] == reference?.address { return }
        guard let reference else {
            changed[number] = ChangedShard(object: nil)
            return
        }
        missingShards[reference.address, default: ([], Int(reference.byteCount))].shards.append(number)
    }

    /// Which object every shard is, once complete: `previous` of the next assembly, and what the cache must
    /// keep.
    package var addresses: ShardAddresses {
        (0..<verified.manifest.layout.shardCount).map { number in
            let first = number / ManifestPage.shardsPerPage * ManifestPage.shardsPerPage
            return pageShards[first]?[number - first]?.address
        }
    }

    /// Every object the snapshot needs, pages and shards: what a cache may not drop.
    package var allAddresses: Set<SHA256Digest> {
        Set(addresses.compactMap(\.self)).union(verified.manifest.pages)
    }
}
