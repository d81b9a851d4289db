import Cryptography
import Settings
import Telemetry
import Transport

/// Every setting of `eclusa-control`.
enum ControlSettings {
    static let databaseURL = Setting.text(
        "database-url", as: "URL", default: nil,
        help: "The Postgres database, such as postgres://user@host:5432/eclusa. Version 15 or later."
    ).readingAlso(environment: "DATABASE_URL")
    static let databaseConnections = Setting.integer(
        "database-connections", default: 8, in: 2...200,
        help: "Connections to Postgres of each loop, at most.")
    static let masterKey = Setting.secret(
        "master-key", minimumBytes: 32,
        help: "The key that seals everything secret in the database: 32 random bytes in base64, as from "
            + "`openssl rand -base64 32`. Keep it safe and apart from the database's backups.")

    static let adminListenAddress = address(
        "admin-listen-address", default: "127.0.0.1:7070",
        help: "Where the admin API, health and metrics are served, over HTTP.")
    static let nodeListenAddress = address(
        "node-listen-address", default: "127.0.0.1:7071",
        help: "Where gateway nodes connect, over TLS with certificates of this installation's own authority.")
    static let nodePublicURL = Setting.text(
        "node-public-url", as: "URL", default: "https://127.0.0.1:7071",
        help:
            "How gateway nodes reach the node listener; written into join bundles. Its host is in the "
            + "listener's certificate.")
    static let nodeServerNames = Setting<[String]>.list(
        "node-server-names", as: "NAME",
        help: "More host names and addresses for the node listener's certificate.")

    static let bootstrapEmail = Setting<String?>.optionalText(
        "bootstrap-admin-email", as: "EMAIL",
        help: "The first administrator, made when there is no user yet.")
    static let bootstrapPassword = Setting<Secret?>.optionalSecret(
        "bootstrap-admin-password", minimumBytes: 12, help: "The first administrator's password.")

    static let loops = Setting.integer(
        "loops", default: 1, in: 1...64, help: "Event loops that serve the admin API, one thread each.")
    static let passwordThreads = Setting.integer(
        "password-threads", default: 2, in: 1...64,
        help: "Threads that hash passwords; each takes 19 MiB while it does.")
    static let allowEgress = Setting<[String]>.list(
        "allow-egress", as: "DESTINATION",
        help: "Destinations providers may have although they are not https on port 443 of a public address: "
            + "host, host:port, address or block, as in 127.0.0.1:9100 or 10.0.0.0/8.")
    static let drain = Setting.duration(
        "drain-time", default: .seconds(10), in: .milliseconds(100)...(.seconds(600)),
        help: "How long requests under way may take when the program stops.")
    static let logLevel = Setting<LogLevel>.value(
        "log-level", as: "debug|info|warning|error", default: "info",
        help: "The least urgent lines that are logged.",
        expects: "debug, info, warning or error"
    ) { LogLevel(name: $0) }

    static let schema = SettingsSchema(
        program: "eclusa-control",
        summary: "The control plane: admin API, publishing to gateway nodes, usage.",
        version: ControlProgram.version,
        groups: [
            SettingGroup("Database and keys", [databaseURL, databaseConnections, masterKey]),
            SettingGroup(
                "Listeners", [adminListenAddress, nodeListenAddress, nodePublicURL, nodeServerNames]),
            SettingGroup("First start", [bootstrapEmail, bootstrapPassword]),
            SettingGroup("Running", [loops, passwordThreads, allowEgress, drain, logLevel]),
        ],
        rules: [bootstrapIsWhole])

    @Sendable private static func bootstrapIsWhole(_ values: SettingsValues) -> SettingProblem? {
        switch (values[bootstrapEmail], values[bootstrapPassword]) {
        case (nil, nil), (_?, _?): nil
        case (_?, nil):
            SettingProblem(
                "--bootstrap-admin-email", what: "is given without a password",
                fix: "give --bootstrap-admin-password-file or ECLUSA_BOOTSTRAP_ADMIN_PASSWORD too")
        case (nil, _?):
            SettingProblem(
                "--bootstrap-admin-password-file", what: "is given without an address",
                fix: "give --bootstrap-admin-email too")
        }
    }

    private static func address(
        _ name: String, default text: String, help: String
    ) -> Setting<SocketAddress> {
        .value(
            name, as: "ADDRESS:PORT", default: text, help: help,
            expects: "an address and a port, as in 127.0.0.1:7070 or [::]:7070"
        ) { SocketAddress($0) }
    }
}
