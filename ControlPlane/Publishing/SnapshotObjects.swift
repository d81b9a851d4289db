import Contract
package import Cryptography
package import PostgresDriver
import Store

/// Finds pages and shards: those of the newest versions in memory, also while the database is away; older
/// ones there. Loop thread.
package final class SnapshotObjects {
    private let streams: SnapshotStreams
    private let database: PostgresPool

    package init(streams: SnapshotStreams, database: PostgresPool) {
        self.streams = streams
        self.database = database
    }

    /// nil: there is no such object. Throws when only the database could tell and it is away.
    package func find(_ address: SHA256Digest) async throws -> [UInt8]? {
        if let object = streams.object(address) { return object.bytes }
        return try await database.withConnection { try await SnapshotStore.object(address, $0) }
    }
}
