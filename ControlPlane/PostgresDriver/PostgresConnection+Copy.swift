import CPostgres
import EventLoops

extension PostgresConnection {
    /// libpq keeps what it could not send; beyond this many bytes the copy waits for the socket.
    private static let copyChunk = 65_536

    /// Copies rows into a table: `copy t (a, b) from stdin (format binary)`, with `columns` values written
    /// for each element. All rows or none; gives their number.
    package func copyIn<Elements: Sequence>(
        _ statement: StaticString, columns: Int16, _ elements: Elements,
        _ write: (Elements.Element, inout CopyRow) -> Void
    ) async throws(PostgresError) -> Int {
        try checkCancellation()
        try begin()
        defer { end() }
        try await settle()
        try await openIfAsked()
        try await beginCopy(statement.description)
        var buffer = CopyRow()
        buffer.appendHeader()
        for element in elements {
            buffer.begin(columns: columns)
            write(element, &buffer)
            guard buffer.isComplete(columns: columns) else {
                return try await abandonCopy("a row has another number of columns than announced")
            }
            if buffer.count >= Self.copyChunk {
                try await put(buffer)
                buffer.removeAll()
            }
        }
        buffer.appendTrailer()
        try await put(buffer)
        return try await endCopy(reason: nil)
    }

    private func beginCopy(_ text: String) async throws(PostgresError) {
        guard PQsendQuery(handle, text) == 1 else { throw failure() }
        try await flush()
        guard let result = try await nextResult() else { throw failure() }
        defer { PQclear(result) }
        if PQresultStatus(result) == PGRES_COPY_IN { return }
        let refused = PQresultStatus(result) == PGRES_FATAL_ERROR
        _ = try await collect()
        throw note(
            refused
                ? PostgresError(result: result)
                : PostgresError(.misuse, privateDetail: "not a COPY … FROM STDIN"))
    }

    private func put(_ buffer: CopyRow) async throws(PostgresError) {
        while true {
            let result = buffer.bytes.withUnsafeBytes { bytes in
                PQputCopyData(
                    handle, bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                    Int32(clamping: bytes.count))
            }
            if result < 0 { throw failure() }
            try await flush()
            if result == 1 { return }
        }
    }

    private func endCopy(reason: String?) async throws(PostgresError) -> Int {
        while true {
            let result = PQputCopyEnd(handle, reason)
            if result < 0 { throw failure() }
            try await flush()
            if result == 1 { break }
        }
        return try await collect()?.affected ?? 0
    }

    private func abandonCopy(_ reason: String) async throws(PostgresError) -> Int {
        _ = try? await endCopy(reason: reason)  // the server answers with our own words
        throw note(PostgresError(.misuse, privateDetail: reason))
    }
}
