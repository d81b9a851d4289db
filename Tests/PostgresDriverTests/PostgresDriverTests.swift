import PostgresDriver
import TestSupport
import Testing

@Suite("queries")
struct QueryTests {
    @Test("values come back as they were bound")
    func roundTrip() async throws {
        try await withTestDatabase(.empty) { database in
            try await database.pool.withConnection { connection in
                let rows = try await connection.query(
                    "select \(42), \("héllo"), \([UInt8]([0, 255])), \(true)")
                let row = try #require(rows.first)
                #expect(try row.int64(0) == 42)
                #expect(try row.text(1) == "héllo")
                #expect(try row.bytes(2) == [0, 255])
                #expect(try row.bool(3))
            }
        }
    }
}
