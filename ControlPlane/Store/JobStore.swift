package import Domain
package import PostgresDriver

/// What is done again and again, by one control plane at a time.
package enum JobStore {
    /// Whether the caller is to do it now: nobody began it within the period before. Of any number of callers
    /// at once, one is told so.
    package static func begin(
        _ name: String, every seconds: Int64, at now: Timestamp, _ connection: PostgresConnection
    ) async throws(PostgresError) -> Bool {
        try await connection.execute(
            """
            insert into job_runs as run (name, started_at)
            values (\(name), \(now))
            on conflict (name) do update set started_at = excluded.started_at
             where run.started_at <= \(now.advanced(bySeconds: -seconds))
            """) == 1
    }
}
