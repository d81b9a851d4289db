import CPostgres
import Glibc

/// Where a database is and how to sign in: a `postgres://` URL or libpq's `key=value` text, parsed by libpq
/// itself.
///
/// Holds the password; `description` shows only host, port, database and user.
package struct PostgresURL: Sendable, CustomStringConvertible, CustomReflectable {
    private(set) var settings: [String: String]

    /// Throws `.misuse` with libpq's explanation when the text is not a connection string.
    package init(_ text: String) throws(PostgresError) {
        guard !text.utf8.contains(0) else {
            throw PostgresError(.misuse, privateDetail: "the database URL has a NUL in it")
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            let reason = message.map { String(cString: $0) } ?? "out of memory"
            PQfreemem(message)
            throw PostgresError(.misuse, privateDetail: "invalid database URL: \(reason)")
        }
        defer { PQconninfoFree(options) }
        settings = Self.values(of: options)
    }

    /// The same server and user with another database.
    package func with(database: String) -> PostgresURL {
        var copy = self
        copy.settings["dbname"] = database
        return copy
    }

    /// The same server and database as another user, without a password.
    package func with(user: String) -> PostgresURL {
        var copy = self
        copy.settings["user"] = user
        copy.settings["password"] = nil
        return copy
    }

    package var database: String? { settings["dbname"] }

    /// The same for libpq's own programs, as their environment: everybody on the machine can read a command
    /// line, and the password with it.
    package var programEnvironment: [String: String] {
        let names = [
            "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE",
            "user": "PGUSER", "password": "PGPASSWORD", "passfile": "PGPASSFILE", "sslmode": "PGSSLMODE",
            "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
            "channel_binding": "PGCHANNELBINDING", "service": "PGSERVICE", "options": "PGOPTIONS",
        ]
        let inherited = Self.defaults
        return names.reduce(into: [:]) { environment, name in
            environment[name.value] = settings[name.key] ?? inherited[name.key]
        }
    }

    /// Nothing, so that a dump of whatever holds it does not show the password.
    package var customMirror: Mirror { Mirror(self, children: []) }

    package var description: String {
        ["host", "hostaddr", "port", "dbname", "user"]
            .compactMap { key in settings[key].map { "\(key)=\($0)" } }
            .joined(separator: " ")
    }

    /// What to hand to `PQconnectStartParams`, host names excepted: see `HostResolution`.
    ///
    /// GSSAPI is off unless asked for: its credential lookup reads files and may ask DNS on the loop's
    /// thread.
    func connectionSettings(
        purpose: String, role: StaticString? = nil, statementTimeoutMilliseconds: Int
    ) -> [String: String] {
        var result = settings
        if result["host"] == nil && result["hostaddr"] == nil {
            let defaults = Self.defaults
            for key in ["host", "hostaddr", "port"] where result[key] == nil { result[key] = defaults[key] }
        }
        result["gssencmode"] = result["gssencmode"] ?? "disable"
        // A network that swallows packets must not hold a statement for longer than callers wait.
        let network = [
            "keepalives_idle": "30", "keepalives_interval": "5", "keepalives_count": "3",
            "tcp_user_timeout": "4000",
        ]
        result.merge(network) { asked, _ in asked }
        result["application_name"] = result["application_name"] ?? "eclusa-\(purpose)"
        result["client_encoding"] = "UTF8"
        let options = [
            result["options"] ?? "",
            "-c statement_timeout=\(statementTimeoutMilliseconds)",
            "-c idle_in_transaction_session_timeout=\(statementTimeoutMilliseconds * 2)",
            // What is text on the wire (error details, casts) must not depend on the server's configuration.
            "-c timezone=UTC -c datestyle=ISO",
            // The session's own value: RESET ROLE comes back to it.
            role.map { "-c role=\($0)" } ?? "",
        ]
        result["options"] = options.joined(separator: " ")
        return result
    }

    /// libpq's own defaults: PGHOST and its kin, then the compiled-in ones.
    private static var defaults: [String: String] {
        guard let options = PQconndefaults() else { return [:] }
        defer { PQconninfoFree(options) }
        return values(of: options)
    }

    private static func values(of options: UnsafeMutablePointer<PQconninfoOption>) -> [String: String] {
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val, value.pointee != 0 {
                values[String(cString: keyword)] = String(cString: value)
            }
            option += 1
        }
        return values
    }
}

/// Turns the host names of a connection into addresses, because libpq would look them up on the loop's
/// thread.
///
/// Socket directories and addresses need no lookup; the name stays in `host`, so certificates are checked
/// against it.
enum HostResolution {
    static func needsLookup(_ settings: [String: String]) -> Bool {
        guard settings["hostaddr"] == nil, let host = settings["host"] else { return false }
        return host.split(separator: ",", omittingEmptySubsequences: false).contains { isName($0) }
    }

    /// Blocks (DNS). A name with several addresses becomes several hosts, tried in order; a failed lookup
    /// throws `.unavailable`.
    static func resolve(_ settings: [String: String]) throws(PostgresError) -> [String: String] {
        guard needsLookup(settings), let host = settings["host"] else { return settings }
        let names = host.split(separator: ",", omittingEmptySubsequences: false)
        let ports = (settings["port"] ?? "").split(separator: ",", omittingEmptySubsequences: false)
        var hosts: [String] = []
        var addresses: [String] = []
        var hostPorts: [String] = []
        for (index, name) in names.enumerated() {
            let found = isName(name) ? lookUp(String(name)) : [name.hasPrefix("/") ? "" : String(name)]
            for address in found {
                hosts.append(String(name))
                addresses.append(address)
                hostPorts.append(
                    String(ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : ""))
            }
        }
        guard !hosts.isEmpty else {
            throw PostgresError(.unavailable, privateDetail: "the host name \(host) has no address")
        }
        var result = settings
        result["host"] = hosts.joined(separator: ",")
        result["hostaddr"] = addresses.joined(separator: ",")
        result["port"] = hostPorts.joined(separator: ",")
        return result
    }

    private static func isName(_ host: Substring) -> Bool {
        if host.isEmpty || host.hasPrefix("/") || host.hasPrefix("@") { return false }
        var space = in6_addr()
        let text = String(host)
        return inet_pton(AF_INET, text, &space) != 1 && inet_pton(AF_INET6, text, &space) != 1
    }

    private static func lookUp(_ name: String) -> [String] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(name, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var addresses: [String] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let code = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0,
                NI_NUMERICHOST)
            if code == 0 {
                addresses.append(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
            }
        }
        return addresses
    }
}
