import Cryptography

/// The SQL of the cache.
final class CacheFile {
    static let name = "cache.db"
    private static let applicationID: Int64 = 0x45_43_4c_43  // "ECLC"
    private static let schemaVersion: Int64 = 1

    private let database: SQLiteDatabase
    private let readObject, hasObject, insertObject, deleteObject: SQLiteStatement
    private let readManifest, writeManifest, copyManifest, readValue, writeValue: SQLiteStatement
    private let listObjects: SQLiteStatement
    private(set) var isShut = false

    init(directory: DataDirectory, maximumBytes: Int) throws(SQLiteError) {
        let database = try SQLiteDatabase(path: directory.path(of: Self.name), synchronous: .normal)
        do throws(SQLiteError) {
            try Self.prepareSchema(database, maximumBytes)
            readObject = try database.prepare("SELECT bytes FROM object WHERE digest = ?")
            hasObject = try database.prepare("SELECT 1 FROM object WHERE digest = ?")
            insertObject = try database.prepare("INSERT OR REPLACE INTO object VALUES (?, ?)")
            deleteObject = try database.prepare("DELETE FROM object WHERE digest = ?")
            listObjects = try database.prepare("SELECT digest FROM object")
            readManifest = try database.prepare(
                "SELECT epoch, counter, envelope FROM manifest WHERE slot = ?")
            writeManifest = try database.prepare("INSERT OR REPLACE INTO manifest VALUES (?, ?, ?, ?)")
            copyManifest = try database.prepare(
                """
                INSERT OR REPLACE INTO manifest
                SELECT ?, epoch, counter, envelope FROM manifest WHERE slot = ?
                """)
            readValue = try database.prepare("SELECT bytes FROM value WHERE name = ?")
            writeValue = try database.prepare("INSERT OR REPLACE INTO value VALUES (?, ?)")
            self.database = database
        } catch {
            database.shut()
            throw error
        }
    }

    func shut() {
        if isShut { return }
        isShut = true
        database.shut()
    }

    private static func prepareSchema(_ database: SQLiteDatabase, _ maximumBytes: Int) throws(SQLiteError) {
        try database.execute("PRAGMA max_page_count = \(maximumBytes / 4_096)")
        let application = try database.integer("PRAGMA application_id") ?? 0
        let version = try database.integer("PRAGMA user_version")
        if application == applicationID && version == schemaVersion { return }
        guard application == 0, try database.integer("SELECT count(*) FROM sqlite_schema") == 0 else {
            // A cache of another version is as good as none.
            throw SQLiteError(code: 11, operation: "open the cache", message: "it is of another format")
        }
        try database.execute(
            """
            BEGIN IMMEDIATE;
            CREATE TABLE object (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL);
            CREATE TABLE manifest (
                slot TEXT PRIMARY KEY, epoch INTEGER NOT NULL, counter INTEGER NOT NULL,
                envelope BLOB NOT NULL);
            CREATE TABLE value (name TEXT PRIMARY KEY, bytes BLOB NOT NULL);
            PRAGMA application_id = \(applicationID);
            PRAGMA user_version = \(schemaVersion);
            COMMIT
            """)
    }

    func manifest(_ slot: NodeCache.Slot) throws(SQLiteError) -> NodeCache.StoredManifest? {
        readManifest.bind(1, text: slot.rawValue)
        defer { readManifest.reset() }
        guard try readManifest.step() else { return nil }
        return NodeCache.StoredManifest(
            epoch: UInt64(bitPattern: readManifest.int64(0)),
            counter: UInt64(bitPattern: readManifest.int64(1)),
            envelope: readManifest.bytes(2))
    }

    func objects(_ digests: [SHA256Digest]) throws(SQLiteError) -> [SHA256Digest: [UInt8]] {
        var found: [SHA256Digest: [UInt8]] = [:]
        found.reserveCapacity(digests.count)
        defer { readObject.reset() }
        for digest in digests {
            readObject.bind(1, digest.bytes)
            if try readObject.step() { found[digest] = readObject.bytes(0) }
            readObject.reset()
        }
        return found
    }

    func missing(_ digests: [SHA256Digest]) throws(SQLiteError) -> [SHA256Digest] {
        var missing: [SHA256Digest] = []
        defer { hasObject.reset() }
        for digest in digests {
            hasObject.bind(1, digest.bytes)
            if try !hasObject.step() { missing.append(digest) }
            hasObject.reset()
        }
        return missing
    }

    func activate(
        _ manifest: NodeCache.StoredManifest, adding objects: [(digest: SHA256Digest, bytes: [UInt8])],
        dropping dropped: [SHA256Digest]
    ) throws(SQLiteError) {
        try database.transaction { () throws(SQLiteError) in
            for object in objects {
                insertObject.bind(1, object.digest.bytes)
                insertObject.bind(2, object.bytes)
                try insertObject.run()
            }
            try delete(dropped)
            writeManifest.bind(1, text: NodeCache.Slot.active.rawValue)
            writeManifest.bind(2, Int64(bitPattern: manifest.epoch))
            writeManifest.bind(3, Int64(bitPattern: manifest.counter))
            writeManifest.bind(4, manifest.envelope)
            try writeManifest.run()
            try setAttempt(NodeCache.Attempt(epoch: manifest.epoch, counter: manifest.counter, deaths: 0))
        }
    }

    func confirmActive() throws(SQLiteError) {
        let active = try manifest(.active), confirmed = try manifest(.confirmed)
        try database.transaction { () throws(SQLiteError) in
            if active?.epoch != confirmed?.epoch || active?.counter != confirmed?.counter {
                try copy(.confirmedBefore, to: .confirmedLongBefore)
                try copy(.confirmed, to: .confirmedBefore)
            }
            try copy(.active, to: .confirmed)
            try setAttempt(nil)
        }
    }

    private func copy(_ from: NodeCache.Slot, to target: NodeCache.Slot) throws(SQLiteError) {
        copyManifest.bind(1, text: target.rawValue)
        copyManifest.bind(2, text: from.rawValue)
        try copyManifest.run()
    }

    private static let attemptName = "attempting"

    func attempt() throws(SQLiteError) -> NodeCache.Attempt? {
        guard let bytes = try value(Self.attemptName), bytes.count == 24 else { return nil }
        func word(_ index: Int) -> UInt64 {
            bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) }
        }
        return NodeCache.Attempt(epoch: word(0), counter: word(1), deaths: word(2))
    }

    func setAttempt(_ attempt: NodeCache.Attempt?) throws(SQLiteError) {
        let words = attempt.map { [$0.epoch, $0.counter, $0.deaths] } ?? []
        try setValue(Self.attemptName, words.withUnsafeBytes { Array($0) })
    }

    func retainOnly(_ digests: Set<SHA256Digest>) throws(SQLiteError) {
        var stale: [SHA256Digest] = []
        while try listObjects.step() {
            guard let digest = SHA256Digest(listObjects.bytes(0)) else { continue }
            if !digests.contains(digest) { stale.append(digest) }
        }
        if stale.isEmpty { return }
        try database.transaction { () throws(SQLiteError) in try delete(stale) }
    }

    private func delete(_ digests: [SHA256Digest]) throws(SQLiteError) {
        for digest in digests {
            deleteObject.bind(1, digest.bytes)
            try deleteObject.run()
        }
    }

    func value(_ name: String) throws(SQLiteError) -> [UInt8]? {
        readValue.bind(1, text: name)
        defer { readValue.reset() }
        return try readValue.step() ? readValue.bytes(0) : nil
    }

    func setValue(_ name: String, _ bytes: [UInt8]) throws(SQLiteError) {
        writeValue.bind(1, text: name)
        writeValue.bind(2, bytes)
        try writeValue.run()
    }
}
