import Cryptography
import EventLoops
import Feed
import Glibc
import HTTPCalling
import Lifecycle
import LocalStore
import Relay
import Settings
import Transport

/// The steps of a start that can fail because of what the operator gave, each failure with its fix and its
/// exit code.
enum StartUp {
    static func egressPolicy(_ values: SettingsValues) throws(StartFailure) -> EgressPolicy {
        do throws(InvalidEgressEntry) {
            return try EgressPolicy.publicInternetOnly.allowing(
                values[GatewaySettings.allowEgress], http: true)
        } catch { throw StartFailure(.configuration, "--allow-egress: \(error)") }
    }

    static func listenPlan(_ values: SettingsValues) throws(StartFailure) -> ListenPlan {
        var tls: TLSContext?
        if let pair = try certificate(values) {
            do throws(TLSError) {
                tls = try TLSContext.server(
                    certificateChainPEM: pair.chain, privateKeyPEM: pair.key, alpn: ["http/1.1"])
            } catch { throw unusableCertificate(error) }
        }
        return ListenPlan(
            addresses: values[GatewaySettings.listenAddresses].compactMap { SocketAddress($0) }, tls: tls,
            isShared: loopCount(values) > 1,
            browsers: .gateway(values[GatewaySettings.corsOrigins]))
    }

    /// The listeners' certificate chain and its key as they stand in their files now; nil without TLS.
    static func certificate(_ values: SettingsValues) throws(StartFailure) -> (chain: String, key: String)? {
        guard let path = values[GatewaySettings.tlsCertificate], let key = values[GatewaySettings.tlsKey]
        else { return nil }
        return (
            try text(of: path, setting: "--tls-certificate"),
            key.withBytes { String(decoding: $0, as: UTF8.self) }
        )
    }

    static func unusableCertificate(_ error: TLSError) -> StartFailure {
        StartFailure(
            .configuration, "--tls-certificate and --tls-key-file are no pair that can be used: \(error)")
    }

    static func upstreamTLS(_ values: SettingsValues) throws(StartFailure) -> TLSContext {
        var trust: String?
        if let path = values[GatewaySettings.upstreamTrust] {
            trust = try text(of: path, setting: "--upstream-trust")
        }
        do throws(TLSError) {
            return try TLSContext.client(trustPEM: trust, alpn: ["http/1.1"])
        } catch {
            throw StartFailure(.configuration, "--upstream-trust holds no authority to trust: \(error)")
        }
    }

    static func dataDirectory(_ values: SettingsValues) throws(StartFailure) -> DataDirectory {
        do throws(DataDirectoryError) {
            return try DataDirectory(path: values[GatewaySettings.dataDirectory])
        } catch {
            throw StartFailure(
                .cannotCreate, "--data-directory cannot be used: \(error); give a folder this user may write")
        }
    }

    static func loopCount(_ values: SettingsValues) -> Int {
        let wanted = values[GatewaySettings.loops]
        return wanted > 0 ? wanted : max(1, processorCount())
    }

    static func clientLimits(_ values: SettingsValues) -> ClientLimits {
        var limits = ClientLimits()
        limits.idleNanoseconds = values[GatewaySettings.upstreamIdle].wholeNanoseconds
        return limits
    }

    static func gatewayLimits(_ values: SettingsValues, of identity: NodeIdentity) -> Gateway.Limits {
        var limits = Gateway.Limits()
        limits.requestBodyBytes = values[GatewaySettings.maximumBody]
        limits.maximumStaleSeconds = values[GatewaySettings.maximumStale].components.seconds
        limits.trustedProxies = GatewaySettings.proxies(values)
        limits.region = identity.region
        return limits
    }

    static func serving(
        _ shared: SharedParts, _ plan: ListenPlan, _ values: SettingsValues
    ) async throws -> ServingLoops {
        do {
            return try await ServingLoops(shared, plan, count: loopCount(values))
        } catch let error as SystemError {
            let addresses = plan.addresses.map { "\($0)" }.joined(separator: ",")
            throw failure(error, listening: addresses, setting: "--listen-address")
        }
    }

    /// What the node reports of itself.
    static func load(_ outbox: Outbox, isDraining: Bool) -> NodeFeed.Load {
        let status = outbox.status
        var load = NodeFeed.Load()
        load.outboxEvents = Int64(status.depth)
        load.outboxBytes = Int64(status.bytes)
        load.isDraining = isDraining
        return load
    }

    // MARK: Failures

    static func failure(_ error: SystemError, listening address: String, setting: String) -> StartFailure {
        switch error.errno {
        case EADDRINUSE:
            StartFailure(
                .cannotCreate,
                "\(address) is in use by another process: stop it, or give another address with \(setting)")
        case EADDRNOTAVAIL, EACCES:
            StartFailure(
                .cannotCreate, "cannot listen on \(address): \(error); give another address with \(setting)")
        default: StartFailure(.internalError, "cannot listen on \(address): \(error)")
        }
    }

    static func failure(_ error: NodeEnrollment.Failure) -> StartFailure {
        switch error {
        case .noBundle:
            StartFailure(.configuration, "\(error), with --join-file PATH or ECLUSA_JOIN")
        case .refused: StartFailure(.configuration, "\(error), and give it with --join-file PATH")
        case .identity(.directory): StartFailure(.cannotCreate, error.description)
        case .identity, .unusable: StartFailure(.configuration, error.description)
        }
    }

    static func failure(storage error: any Error, _ path: String) -> StartFailure {
        StartFailure(
            .cannotCreate,
            "the node's files in \(path) cannot be opened: \(error); is another node running on this folder?")
    }

    /// A file of the operator's, up to 1 MiB.
    private static func text(of path: String, setting: String) throws(StartFailure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw StartFailure(
                .configuration,
                "\(setting) names \(path), which cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var count = 0
        while count < bytes.count {
            let received = bytes.withUnsafeMutableBytes {
                read(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count)
            }
            if received < 0 && errno == EINTR { continue }
            guard received >= 0 else {
                throw StartFailure(
                    .configuration,
                    "\(setting) names \(path), which cannot be read: \(String(cString: strerror(errno)))")
            }
            if received == 0 { break }
            count += received
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
