import EventLoops
import PostgresDriver

/// What the program's statements run as. None of them owns a table, and none can sign in: a pool signs in as
/// the user of the URL, which owns the schema, and works as its role.
package enum DatabaseRole: CaseIterable, Sendable {
    /// The admin API: under row-level security, one tenant at a time.
    case app
    case ingest
    case publisher
    /// Reads over all tenants.
    case reports

    package var name: StaticString {
        switch self {
        case .app: "eclusa_app"
        case .ingest: "eclusa_ingest"
        case .publisher: "eclusa_publisher"
        case .reports: "eclusa_reports"
        }
    }

    /// Whether it sees all tenants' rows.
    package var bypassesRowSecurity: Bool { self != .app }

    fileprivate var creation: String {
        "create role \(name) nologin\(bypassesRowSecurity ? " bypassrls" : "")"
    }
}

/// Makes sure that the roles are there and that the user of the URL may work as them.
enum DatabaseRoles {
    private static let attempts = 5

    /// Roles belong to the cluster, so other databases' programs may be doing the same at this moment.
    static func ensure(_ connection: PostgresConnection) async throws {
        for attempt in 1...attempts {
            let missing = try await missing(connection)
            if missing.isEmpty { return }
            do throws(PostgresError) {
                for statement in missing { try await connection.executeScript(statement) }
            } catch {
                guard error.kind == .refused else { throw error }
                if error.sqlState == "42501" || attempt == attempts {
                    throw Migrator.Failure.rolesMissing(
                        statements: missing, reason: error.privateDetail)
                }
                await EventLoop.current?.sleep(nanoseconds: Int64.random(in: 10_000_000...100_000_000))
            }
        }
    }

    /// The statements that would put right what is not.
    private static func missing(_ connection: PostgresConnection) async throws(PostgresError) -> [String] {
        let server = try await connection.query(
            "select current_setting('server_version_num')::int8, quote_ident(session_user)")
        guard let row = server.first else { return [] }
        // From 16 on, being a member and being allowed to work as the role are two things.
        let isSplit = try row.int64(0) >= 160_000
        let user = try row.text(1)
        var statements: [String] = []
        for role in DatabaseRole.allCases {
            let found = try await connection.query(
                """
                select rolbypassrls, rolsuper,
                       pg_has_role(session_user, oid, \(isSplit ? "SET" : "MEMBER"))
                  from pg_roles
                 where rolname = \(role.name.description)
                """)
            let known = found.first
            if known == nil { statements.append(role.creation) }
            let bypasses = try known?.bool(0)
            let isSuperuser = try known?.bool(1)
            if known != nil, bypasses != role.bypassesRowSecurity || isSuperuser == true {
                let attribute = role.bypassesRowSecurity ? "bypassrls" : "nobypassrls"
                statements.append("alter role \(role.name) nosuperuser \(attribute)")
            }
            if try known?.bool(2) != true {
                let options = isSplit ? " with inherit false, set true" : ""
                statements.append("grant \(role.name) to \(user)\(options)")
            }
        }
        return statements
    }
}
