import CPostgres
import EventLoops
import Glibc

extension PostgresConnection {
    /// Connects without blocking the loop, or throws `.unavailable` with libpq's reason.
    static func connect(
        loop: EventLoop, settings: [String: String], statementTimeoutMilliseconds: Int,
        timeoutNanoseconds: Int64
    ) async throws(PostgresError) -> PostgresConnection {
        let socket = PostgresSocket(loop: loop)
        guard let handle = start(settings) else {
            throw PostgresError(.unavailable, privateDetail: "out of memory")
        }
        // From here on the connection's deinit closes what was opened.
        let connection = PostgresConnection(
            handle: handle, socket: socket, statementTimeoutMilliseconds: statementTimeoutMilliseconds)
        socket.setDeadline(afterNanoseconds: timeoutNanoseconds)
        var state = PGRES_POLLING_WRITING  // as the manual has it: begin as if it had said so
        while state != PGRES_POLLING_OK {
            if state == PGRES_POLLING_FAILED || PQstatus(handle) == CONNECTION_BAD {
                throw connection.failure()
            }
            try socket.attach(
                PQsocket(handle), for: state == PGRES_POLLING_READING ? .readable : .writable)
            do {
                try await socket.wait()
            } catch {
                throw PostgresError(.unavailable, privateDetail: "no answer while connecting")
            }
            // Each poll may close the descriptor and open another, even under the same number.
            socket.detach()
            state = PQconnectPoll(handle)
        }
        socket.clearDeadline()
        guard PQsetnonblocking(handle, 1) == 0 else { throw connection.failure() }
        // libpq would write notices to standard error.
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        try socket.attach(PQsocket(handle), for: .readable)
        return connection
    }

    private static func start(_ settings: [String: String]) -> OpaquePointer? {
        let settings = settings.sorted { $0.key < $1.key }
        let keys = settings.map { strdup($0.key) }
        let values = settings.map { strdup($0.value) }
        defer { for text in keys + values { free(text) } }
        let keywords: [UnsafePointer<CChar>?] = keys.map { $0.map { UnsafePointer($0) } } + [nil]
        let texts: [UnsafePointer<CChar>?] = values.map { $0.map { UnsafePointer($0) } } + [nil]
        return PQconnectStartParams(keywords, texts, 0)
    }
}
