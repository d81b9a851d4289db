import API
import Cryptography
import Domain
import HTTPServing
import Mail
import Operations
import SMTP
import Settings
import Telemetry
import TelemetryExport
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
    static let previousMasterKey = Setting<Secret?>.optionalSecret(
        "previous-master-key", minimumBytes: 32,
        help: "The master key before this one, while a rotation is under way: it still opens what it sealed, "
            + "and all of that is sealed again under --master-key. Take it away when "
            + "`GET /api/v1/master-key` says complete.")

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

    static let mirrorDirectory = Setting<String?>.optionalText(
        "mirror-directory", as: "PATH",
        help:
            "A folder to keep a static copy of the published snapshots in, for nodes' --mirror: served by "
            + "any web server or copied to a bucket, it lets new nodes start while this program is away.")
    static let rolloutBake = Setting.duration(
        "rollout-bake-time", default: .seconds(1), in: .zero...(.seconds(86_400)),
        help:
            "How long the first node, and then the first tenth of them, runs new providers, routes and "
            + "prices before the next ones get them. Keys and revocations never wait.")

    static let bootstrapEmail = Setting<String?>.optionalText(
        "bootstrap-admin-email", as: "EMAIL",
        help: "The first administrator, made when there is no user yet.")
    static let bootstrapPassword = Setting<Secret?>.optionalSecret(
        "bootstrap-admin-password", minimumBytes: 12, help: "The first administrator's password.")

    static let publicURL = Setting.text(
        "public-url", as: "URL", default: "http://127.0.0.1:7070",
        help: "How people reach the control plane; links in messages begin with it.")
    static let smtpHost = Setting<String?>.optionalText(
        "smtp-host", as: "HOST", help: "The mail server messages are handed to.")
    static let smtpPort = Setting.integer(
        "smtp-port", default: 587, in: 1...65_535, help: "The mail server's port.")
    static let smtpSecurity = Setting<SMTPSecurity>.choice(
        "smtp-security", default: .starttls,
        help:
            "tls from the first byte (port 465), starttls (port 587), or none, for a relay on this machine. "
            + "The server's certificate is always verified.")
    static let smtpUser = Setting<String?>.optionalText(
        "smtp-user", as: "USER", help: "Whom to sign in to the mail server as.")
    static let smtpPassword = Setting<Secret?>.optionalSecret(
        "smtp-password", help: "The password for the mail server.")
    static let mailFrom = Setting<MailSenderAddress>.value(
        "mail-from", as: "ADDRESS", default: "Eclusa <no-reply@localhost>",
        help: "Whom messages are from.",
        expects: "an address, as in no-reply@example.com or \"Eclusa <no-reply@example.com>\""
    ) { MailSenderAddress($0) }
    static let mailFolder = Setting<String?>.optionalText(
        "mail-folder", as: "PATH",
        help: "A folder that takes messages as files, in place of a mail server. They hold links that let "
            + "somebody in: keep the folder private.")

    static let addressRate = Setting.integer(
        "address-rate", default: 100, in: 0...1_000_000,
        help:
            "Admin requests a second of one client address (of IPv6 a /64), ten seconds' worth at once; 0: "
            + "no limit. Behind a proxy, name it in --trusted-proxies.")
    static let userRate = Setting.integer(
        "user-rate", default: 50, in: 0...1_000_000,
        help: "Admin requests a second of one user, ten seconds' worth at once; 0: no limit.")
    static let trustedProxies = Setting<[String]>.list(
        "trusted-proxies", as: "ADDRESS",
        help: "Proxies in front of this program, as addresses or blocks such as 10.0.0.0/8: the client is "
            + "then who they say in --client-address-header.")
    static let clientAddressHeader = Setting<TrustedProxies.Header>.choice(
        "client-address-header", default: .xForwardedFor,
        help: "Which header the trusted proxies write: x-forwarded-for, or forwarded (RFC 7239). They must "
            + "write it themselves; of the other one nothing is believed.")

    static let corsOrigins = Setting<[String]>.list(
        "cors-origins", as: "ORIGIN",
        help: "Web origins whose pages may use the admin API, such as https://console.example.com; none: "
            + "pages of no other origin.")
    static let backupFolder = Setting<String?>.optionalText(
        "backup-directory", as: "PATH",
        help: "Where scheduled backups of the database are kept. Without it none are made.")
    static let backupKey = Setting<Secret?>.optionalSecret(
        "backup-key", minimumBytes: 32,
        help:
            "The key backups are sealed with: 32 random bytes in base64, as from `openssl rand -base64 32`. "
            + "A backup holds the master key too, so keep this one where neither the backups nor the "
            + "database are.")
    static let backupEvery = Setting.duration(
        "backup-every", default: .seconds(86_400), in: .seconds(60)...(.seconds(31 * 86_400)),
        help: "How often a backup is made.")
    static let backupDays = Setting.integer(
        "backup-keep-days", default: 7, in: 1...3_650,
        help: "Of how many days the last backup is kept.")
    static let backupWeeks = Setting.integer(
        "backup-keep-weeks", default: 4, in: 0...520,
        help: "Of how many weeks the last backup is kept.")
    static let backupCheckEvery = Setting.duration(
        "backup-check-every", default: .seconds(7 * 86_400), in: .seconds(0)...(.seconds(366 * 86_400)),
        help: "How often the newest backup is proved by restoring it into a scratch database; 0s: never. "
            + "Needs a database user that may create databases.")

    static let usageRetention = Setting.integer(
        "usage-retention-days", default: 0, in: 0...36_500,
        help: "How long single calls are kept of tenants that do not settle it themselves; 0: for ever. Sums "
            + "and the ledger stay.")
    static let usagePartitionsAhead = Setting.integer(
        "usage-partitions-ahead", default: 7, in: 2...60,
        help: "Days whose partitions of usage are made before they begin.")
    static let paymentSecret = Setting<Secret?>.optionalSecret(
        "payment-secret", minimumBytes: 16,
        help:
            "What a payment provider signs its messages to /api/v1/payment-events with (HMAC-SHA-256). "
            + "Without it none are taken.")

    static let apiDocsFolder = Setting<String?>.optionalText(
        "api-docs-folder", as: "PATH",
        help: "Where swagger-ui-bundle.js and swagger-ui.css lie, for the interactive page at /api/docs.")

    static let consoleFolder = Setting<String?>.optionalText(
        "console-folder", as: "PATH",
        help: "Where the files of the web console lie; it is at /console/. Without it there is none.")
    static let consoleChartScript = Setting.text(
        "console-chart-script", as: "PATH", default: "/usr/share/javascript/chart.js/chart.min.js",
        help: "Chart.js 3 or later, as of Debian's libjs-chart.js; without it the console has tables only.")
    static let consoleCodeScript = Setting.text(
        "console-qr-script", as: "PATH", default: "/usr/share/javascript/qrcode-generator/qrcode.js",
        help: "qrcode-generator, as of Debian's node-qrcode-generator: QR codes for second factors; "
            + "without it their secret is typed.")
    static let gatewayURL = Setting<String?>.optionalText(
        "gateway-url", as: "ORIGIN",
        help: "Where applications reach the gateway nodes, such as https://gateway.example.com: the console "
            + "shows it and its playground calls it. The nodes need --cors-origins with the console's.")
    static let grafanaURL = Setting<String?>.optionalText(
        "grafana-url", as: "URL",
        help: "Where Grafana is, such as https://grafana.example.com: the console embeds the dashboards and "
            + "signs people of the platform in there. How Grafana is set up: "
            + "docs/operating/observability.md.")

    static let loops = Setting.integer(
        "loops", default: 1, in: 1...64, help: "Event loops that serve the admin API, one thread each.")
    static let passwordThreads = Setting.integer(
        "password-threads", default: 2, in: 1...64,
        help: "Threads that hash passwords; each takes 19 MiB while it does.")
    static let passwordMinimum = Setting.integer(
        "password-minimum-bytes", default: 12, in: 12...128, help: "The least length of new passwords.")
    static let passwordBreachList = Setting<String?>.optionalText(
        "password-breach-list", as: "PATH",
        help: "A file of passwords nobody may take: one a line, as text or as SHA-1 in hexadecimal with or "
            + "without :count behind it. Read at start; at most \(BreachList.maximumEntries) lines count.")
    static let allowEgress = Setting<[String]>.list(
        "allow-egress", as: "DESTINATION",
        help: "Destinations providers may have although they are not https on port 443 of a public address: "
            + "host, host:port, address or block, as in 127.0.0.1:9100 or 10.0.0.0/8.")
    static let drain = Setting.duration(
        "drain-time", default: .seconds(10), in: .milliseconds(100)...(.seconds(600)),
        help: "How long requests under way may take when the program stops.")
    static let migrateOnly = Setting.boolean(
        "migrate-only", default: false,
        help: "Bring the database to this release's schema, and end.")
    static let drainDelay = Setting.duration(
        "drain-delay", default: .seconds(0), in: .seconds(0)...(.seconds(600)),
        help: "How long the program says that it is not ready, and still answers, before it drains: time for "
            + "load balancers to notice.")
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
            SettingGroup(
                "Database and keys",
                [databaseURL, databaseConnections, migrateOnly, masterKey, previousMasterKey]),
            SettingGroup(
                "Listeners", [adminListenAddress, nodeListenAddress, nodePublicURL, nodeServerNames]),
            SettingGroup("Passwords", [passwordThreads, passwordMinimum, passwordBreachList]),
            SettingGroup("Gateway nodes", [rolloutBake, mirrorDirectory]),
            SettingGroup("First start", [bootstrapEmail, bootstrapPassword]),
            SettingGroup(
                "Messages to people",
                [
                    publicURL, smtpHost, smtpPort, smtpSecurity, smtpUser, smtpPassword, mailFrom, mailFolder,
                ]),
            SettingGroup(
                "Admin API",
                [addressRate, userRate, trustedProxies, clientAddressHeader, corsOrigins, apiDocsFolder]),
            SettingGroup(
                "Web console",
                [consoleFolder, consoleChartScript, consoleCodeScript, gatewayURL, grafanaURL]),
            SettingGroup("Usage and billing", [usageRetention, usagePartitionsAhead, paymentSecret]),
            SettingGroup(
                "Backups",
                [backupFolder, backupKey, backupEvery, backupDays, backupWeeks, backupCheckEvery]),
            SettingGroup("Running", [loops, allowEgress, drain, drainDelay, logLevel]),
            TelemetrySettings.group,
        ],
        rules: [
            bootstrapIsWhole, mailIsWhole, backupIsWhole, originsAreExact, proxiesAreAddresses,
            TelemetrySettings.areAddresses,
        ])

    @Sendable private static func originsAreExact(_ values: SettingsValues) -> SettingProblem? {
        for origin in values[corsOrigins] {
            guard let problem = CrossOrigin.problem(origin) else { continue }
            return SettingProblem("--cors-origins", what: "has \(origin)", fix: "each \(problem)")
        }
        if let url = values[gatewayURL], let problem = CrossOrigin.problem(url) {
            return SettingProblem("--gateway-url", what: "is \(url)", fix: "it \(problem)")
        }
        if let url = values[grafanaURL], BaseURL(url) == nil {
            return SettingProblem(
                "--grafana-url", what: "is \(url)",
                fix: "give http:// or https://, a host, and a path if there is one")
        }
        return nil
    }

    @Sendable private static func proxiesAreAddresses(_ values: SettingsValues) -> SettingProblem? {
        guard let wrong = values[trustedProxies].first(where: { AddressBlock($0) == nil }) else { return nil }
        return SettingProblem(
            "--trusted-proxies", what: "has \"\(wrong.prefix(64))\"",
            fix: "give addresses or blocks, as in 192.0.2.7 or 10.0.0.0/8")
    }

    static func proxies(_ values: SettingsValues) -> TrustedProxies {
        TrustedProxies(
            values[trustedProxies].compactMap { AddressBlock($0) }, header: values[clientAddressHeader])
    }

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

    @Sendable private static func backupIsWhole(_ values: SettingsValues) -> SettingProblem? {
        switch (values[backupFolder], values[backupKey]) {
        case (nil, nil), (_?, _?): nil
        case (_?, nil):
            SettingProblem(
                "--backup-directory", what: "is given without a key",
                fix: "give --backup-key-file or ECLUSA_BACKUP_KEY too")
        case (nil, _?):
            SettingProblem(
                "--backup-key-file", what: "is given without a folder", fix: "give --backup-directory too")
        }
    }

    @Sendable private static func mailIsWhole(_ values: SettingsValues) -> SettingProblem? {
        if values[smtpHost] != nil, values[mailFolder] != nil {
            return SettingProblem(
                "--mail-folder", what: "is given beside --smtp-host", fix: "give one of them")
        }
        guard values[smtpUser] != nil || values[smtpPassword] != nil else { return nil }
        if values[smtpUser] == nil || values[smtpPassword] == nil {
            return SettingProblem(
                "--smtp-user", what: "and --smtp-password-file are not given together",
                fix: "give both or neither")
        }
        if values[smtpSecurity] == .none {
            return SettingProblem(
                "--smtp-security", what: "is none although there is a password to send",
                fix: "give tls or starttls")
        }
        return nil
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
