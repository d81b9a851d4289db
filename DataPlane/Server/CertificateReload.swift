import Lifecycle
import Settings
import Telemetry
import Transport

/// New certificates without a restart: SIGHUP has the listeners' files read again. Connections under way keep
/// what they began with; on an error everything stays as it was. Any thread.
struct CertificateReload: Sendable {
    let tls: TLSContext
    let log: Log

    /// Only listeners with TLS have something to read again: without, SIGHUP ends the program as ever.
    static func watch(_ plan: ListenPlan, _ lifecycle: Lifecycle, _ log: Log) {
        guard let tls = plan.tls else { return }
        let reload = CertificateReload(tls: tls, log: log)
        lifecycle.onHangUp { reload.run() }
    }

    private func run() {
        do {
            guard let pair = try Self.files() else { return }
            do throws(TLSError) {
                try tls.reloadServer(certificateChainPEM: pair.chain, privateKeyPEM: pair.key)
            } catch { throw StartUp.unusableCertificate(error) }
            log.info("certificates read again")
        } catch {
            log.error(
                "certificates not read again: the old ones stay until the next SIGHUP",
                ["error": LogValue(error)])
        }
    }

    /// The settings are taken from where they came from at the start, so that the key's file is read again.
    private static func files() throws -> (chain: String, key: String)? {
        let outcome = try GatewaySettings.schema.parse(
            arguments: Array(CommandLine.arguments.dropFirst()),
            environment: SettingsSchema.processEnvironment())
        guard case .run(let values) = outcome else { return nil }
        return try StartUp.certificate(values)
    }
}
