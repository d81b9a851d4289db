import Contract
import Cryptography
import HTTPServing
import LocalStore
import Settings
import Telemetry
import TelemetryExport
import Transport

/// Every setting of `eclusa-gateway`.
enum GatewaySettings {
    static let listenAddresses = Setting<[String]>.list(
        "listen-address", as: "ADDRESS:PORT", default: ["127.0.0.1:8080"],
        help: "Where applications call, over TLS if a certificate is given; several are possible.")
    static let tlsCertificate = Setting<String?>.optionalText(
        "tls-certificate", as: "PATH",
        help: "The certificate chain for the listeners, in PEM; needs --tls-key-file too. "
            + "SIGHUP has both files read again.")
    static let tlsKey = Setting<Secret?>.optionalSecret(
        "tls-key", help: "The private key of --tls-certificate, in PEM.")
    static let trustedProxies = Setting<[String]>.list(
        "trusted-proxies", as: "ADDRESS",
        help: "Proxies in front of this program, as addresses or blocks such as 10.0.0.0/8: the client is "
            + "then who they say in --client-address-header.")
    static let clientAddressHeader = Setting<TrustedProxies.Header>.choice(
        "client-address-header", default: .xForwardedFor,
        help: "Which header the trusted proxies write: x-forwarded-for, or forwarded (RFC 7239). They must "
            + "write it themselves; of the other one nothing is believed.")

    static let operationsListenAddress = Setting<SocketAddress>.value(
        "operations-listen-address", as: "ADDRESS:PORT", default: "127.0.0.1:8081",
        help: "Where health, metrics and the state of the snapshot are served, over HTTP.",
        expects: "an address and a port, as in 127.0.0.1:8081 or [::]:8081"
    ) { SocketAddress($0) }

    static let dataDirectory = Setting<String>.text(
        "data-directory", as: "PATH", default: "eclusa-gateway-data",
        help: "The node's identity, its copy of the configuration, and usage not yet delivered. One process "
            + "each.")
    static let join = Setting<Secret?>.optionalSecret(
        "join",
        help: "The join bundle of `eclusa nodes join-token`, needed once; ignored by a node that has joined.")

    static let mirror = Setting<String?>.optionalText(
        "mirror", as: "PATH|URL",
        help:
            "A static copy of the published snapshots, written by eclusa-control --mirror-directory: a node "
            + "that has none boots from it while the control plane is away.")

    static let loops = Setting<Int>.integer(
        "loops", default: 0, in: 0...256,
        help: "Event loops that serve calls, one thread each; 0 means one for each processor.")
    static let corsOrigins = Setting<[String]>.list(
        "cors-origins", as: "ORIGIN",
        help: "Web origins whose pages may call, such as https://console.example.com for the console's "
            + "playground; none: pages of no origin.")
    static let allowEgress = Setting<[String]>.list(
        "allow-egress", as: "DESTINATION",
        help: "Destinations providers may have although they are not https on port 443 of a public address: "
            + "host, host:port, address or block, as in 127.0.0.1:9100 or 10.0.0.0/8; http is allowed there."
    )
    static let upstreamTrust = Setting<String?>.optionalText(
        "upstream-trust", as: "PATH",
        help: "Authorities to trust for providers, in PEM, instead of the system's.")
    static let upstreamIdle = Setting<Duration>.duration(
        "upstream-idle-time", default: .seconds(55), in: .seconds(1)...(.seconds(3600)),
        help: "How long connections to providers are kept for further calls.")
    static let maximumBody = Setting<Int>.byteCount(
        "maximum-body", default: 64 << 20, in: (64 << 10)...(1 << 30),
        help: "The largest request body taken; images travel inside it.")

    static let maximumStale = Setting<Duration>.duration(
        "maximum-stale-time", default: .seconds(7 * 86_400), in: .seconds(60)...(.seconds(365 * 86_400)),
        help: "How long keys marked strict are served without a word from the control plane; others always "
            + "are.")

    static let outboxSynchronous = Setting<OutboxOptions.Durability>.value(
        "outbox-synchronous", as: "normal|full", default: "normal",
        help:
            "What usage records survive before an answer's last byte is sent: normal, a kill of the process; "
            + "full, also a power cut.",
        expects: "normal or full"
    ) { $0 == "normal" ? .process : $0 == "full" ? .power : nil }
    static let outboxLimit = Setting<Int>.integer(
        "outbox-limit-mib", default: 1024, in: 1...(1 << 20),
        help: "Undelivered usage kept on disk, in MiB; at this size calls are refused rather than lost.")

    static let drain = Setting<Duration>.duration(
        "drain-time", default: .seconds(30), in: .milliseconds(100)...(.seconds(3600)),
        help: "How long calls under way may take when the program stops.")
    static let drainDelay = Setting<Duration>.duration(
        "drain-delay", default: .seconds(0), in: .seconds(0)...(.seconds(600)),
        help: "How long the program says that it is not ready, and still takes calls, before it drains: time "
            + "for load balancers to notice.")
    static let logLevel = Setting<LogLevel>.value(
        "log-level", as: "debug|info|warning|error", default: "info",
        help: "The least urgent lines that are logged.",
        expects: "debug, info, warning or error"
    ) { LogLevel(name: $0) }

    static let schema = SettingsSchema(
        program: "eclusa-gateway",
        summary: "A gateway node: serves applications by what the control plane published.",
        version: GatewayProgram.version,
        groups: [
            SettingGroup(
                "Listeners",
                [
                    listenAddresses, tlsCertificate, tlsKey, trustedProxies, clientAddressHeader,
                    operationsListenAddress, corsOrigins,
                ]),
            SettingGroup("The node", [dataDirectory, join, mirror, outboxSynchronous, outboxLimit]),
            SettingGroup("Providers", [allowEgress, upstreamTrust, upstreamIdle]),
            SettingGroup("Running", [loops, maximumBody, maximumStale, drain, drainDelay, logLevel]),
            TelemetrySettings.group,
        ],
        rules: [
            listenersAreAddresses, proxiesAreAddresses, tlsIsWhole, joinIsABundle, originsAreExact,
            TelemetrySettings.areAddresses,
        ])

    @Sendable private static func originsAreExact(_ values: SettingsValues) -> SettingProblem? {
        for origin in values[corsOrigins] {
            guard let problem = CrossOrigin.problem(origin) else { continue }
            return SettingProblem("--cors-origins", what: "has \(origin)", fix: "each \(problem)")
        }
        return nil
    }

    @Sendable private static func listenersAreAddresses(_ values: SettingsValues) -> SettingProblem? {
        guard let wrong = values[listenAddresses].first(where: { SocketAddress($0) == nil }) else {
            return values[listenAddresses].isEmpty
                ? SettingProblem("--listen-address", what: "is empty", fix: "give an address and a port")
                : nil
        }
        return SettingProblem(
            "--listen-address", what: "has \"\(wrong.prefix(64))\"",
            fix: "give addresses with ports, as in 127.0.0.1:8080 or [::]:8080")
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

    @Sendable private static func tlsIsWhole(_ values: SettingsValues) -> SettingProblem? {
        switch (values[tlsCertificate], values[tlsKey]) {
        case (nil, nil), (_?, _?): nil
        case (_?, nil):
            SettingProblem("--tls-certificate", what: "has no key", fix: "give --tls-key-file too")
        case (nil, _?):
            SettingProblem(
                "--tls-key-file", what: "has no certificate", fix: "give --tls-certificate too")
        }
    }

    @Sendable private static func joinIsABundle(_ values: SettingsValues) -> SettingProblem? {
        guard values[join] != nil, joinBundle(values) == nil else { return nil }
        return SettingProblem(
            "--join-file", what: "holds no join bundle",
            fix: "give the text that `eclusa nodes join-token` printed; it begins with eclusa-join:")
    }

    static func joinBundle(_ values: SettingsValues) -> JoinBundle? {
        values[join].flatMap { secret in
            secret.withBytes { try? JoinBundle(String(decoding: $0, as: UTF8.self)) }
        }
    }
}
