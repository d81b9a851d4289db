package import PostgresDriver

/// The database's error that `body` failed with; nil when it did not fail, or with another error.
package func postgresFailure<T>(of body: () async throws -> T) async -> PostgresError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? PostgresError
    }
}
