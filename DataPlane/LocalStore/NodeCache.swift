package import Cryptography
import Synchronization

/// What the node keeps of the control plane's words between runs: signed manifests, the objects they name,
/// the key set.
///
/// Only a cache: a damaged file is renamed and a new one begun, and everything in it is verified again when
/// read. Blocks on the disk, so call it from a blocking pool; any thread, one call at a time.
package final class NodeCache: Sendable {
    package enum Slot: String, Sendable, CaseIterable {
        /// The newest that was verified and compiled.
        case active
        /// The newest that also ran healthily for a while, and the two before it.
        case confirmed
        case confirmedBefore = "confirmed-2"
        case confirmedLongBefore = "confirmed-3"
    }

    /// What the node is trying to run and has not confirmed, and how often it died over it.
    package struct Attempt: Sendable, Equatable {
        package let epoch: UInt64
        package let counter: UInt64
        package let deaths: UInt64

        package init(epoch: UInt64, counter: UInt64, deaths: UInt64) {
            self.epoch = epoch
            self.counter = counter
            self.deaths = deaths
        }
    }

    package struct StoredManifest: Sendable, Equatable {
        package let epoch: UInt64
        package let counter: UInt64
        /// The signed envelope as it was received.
        package let envelope: [UInt8]

        package init(epoch: UInt64, counter: UInt64, envelope: [UInt8]) {
            self.epoch = epoch
            self.counter = counter
            self.envelope = envelope
        }
    }

    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// The file was damaged: it was renamed and an empty one is in place.
        case replaced(String)
        /// The disk refused; what was there before is still there.
        case refused(SQLiteError)

        package var description: String {
            switch self {
            case .replaced(let reason): "the cache was damaged and begun anew: \(reason)"
            case .refused(let error): error.description
            }
        }
    }

    private let directory: DataDirectory
    private let maximumBytes: Int
    private let file: Mutex<CacheFile>

    /// Opens or creates the cache in the folder. A damaged file is renamed first.
    ///
    /// - Parameter movedAside: told the new name of a damaged file found here, and why.
    package init(
        directory: DataDirectory, maximumBytes: Int = 4 << 30,
        movedAside: (_ name: String, _ reason: String) -> Void = { _, _ in }
    ) throws {
        self.directory = directory
        self.maximumBytes = maximumBytes
        do throws(SQLiteError) {
            file = Mutex(try CacheFile(directory: directory, maximumBytes: maximumBytes))
        } catch {
            guard error.kind == .corrupt else { throw error }
            let name = try directory.moveAside(CacheFile.name, reason: "damaged")
            movedAside(name, error.description)
            file = Mutex(try CacheFile(directory: directory, maximumBytes: maximumBytes))
        }
    }

    package func manifest(_ slot: Slot) throws(Failure) -> StoredManifest? {
        try use { file throws(SQLiteError) in try file.manifest(slot) }
    }

    /// The objects that are there; a missing digest is simply absent from the answer.
    package func objects(_ digests: [SHA256Digest]) throws(Failure) -> [SHA256Digest: [UInt8]] {
        try use { file throws(SQLiteError) in try file.objects(digests) }
    }

    /// Of these digests, the ones that are not there.
    package func missing(_ digests: [SHA256Digest]) throws(Failure) -> [SHA256Digest] {
        try use { file throws(SQLiteError) in try file.missing(digests) }
    }

    /// Stores the new objects, makes the manifest the active one and drops what nothing names any more: one
    /// transaction.
    package func activate(
        _ manifest: StoredManifest, adding objects: [(digest: SHA256Digest, bytes: [UInt8])],
        dropping dropped: [SHA256Digest] = []
    ) throws(Failure) {
        try use { file throws(SQLiteError) in
            try file.activate(manifest, adding: objects, dropping: dropped)
        }
    }

    /// The attempt of an earlier run that was neither confirmed nor ended in good order.
    package func attempt() throws(Failure) -> Attempt? {
        try use { file throws(SQLiteError) in try file.attempt() }
    }

    /// Marks what is about to run; nil: the attempt is over.
    package func setAttempt(_ attempt: Attempt?) throws(Failure) {
        try use { file throws(SQLiteError) in try file.setAttempt(attempt) }
    }

    /// Makes the active manifest the confirmed one and keeps the two before it; the attempt is over.
    package func confirmActive() throws(Failure) {
        try use { file throws(SQLiteError) in try file.confirmActive() }
    }

    /// Deletes every object that is not named here.
    package func retainOnly(_ digests: Set<SHA256Digest>) throws(Failure) {
        try use { file throws(SQLiteError) in try file.retainOnly(digests) }
    }

    /// A small named value, such as the newest key set.
    package func value(_ name: String) throws(Failure) -> [UInt8]? {
        try use { file throws(SQLiteError) in try file.value(name) }
    }

    package func setValue(_ name: String, _ bytes: [UInt8]) throws(Failure) {
        try use { file throws(SQLiteError) in try file.setValue(name, bytes) }
    }

    package func close() { file.withLock { $0.shut() } }

    private func use<Result: Sendable>(
        _ body: (CacheFile) throws(SQLiteError) -> Result
    ) throws(Failure) -> Result {
        let outcome: Swift.Result<Result, Failure> = file.withLock { file in
            do throws(SQLiteError) {
                if file.isShut {
                    throw SQLiteError(code: 21, operation: "use the cache", message: "it is closed")
                }
                return .success(try body(file))
            } catch {
                guard error.kind == .corrupt, let fresh = replace(file) else {
                    return .failure(.refused(error))
                }
                file = fresh
                return .failure(.replaced(error.description))
            }
        }
        return try outcome.get()
    }

    private func replace(_ damaged: CacheFile) -> CacheFile? {
        damaged.shut()
        _ = try? directory.moveAside(CacheFile.name, reason: "damaged")
        return try? CacheFile(directory: directory, maximumBytes: maximumBytes)
    }
}
