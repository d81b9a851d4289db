import EventLoops
import TestSupport
import Testing

@testable import Transport

@Suite("TLS refusals")
struct TLSRefusalTests {
    /// One handshake that must fail, and how.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let server: @Sendable (TestAuthority) -> TestAuthority.Identity
        var trust: @Sendable (TestAuthority) -> TestAuthority = { $0 }
        var name = "localhost"
        let reason: String
    }

    static let servers = [
        Case(
            testDescription: "expired", server: { $0.issue(seconds: -7200...(-3600)) },
            reason: "certificate refused: certificate has expired"),
        Case(
            testDescription: "not yet valid", server: { $0.issue(seconds: 3600...7200) },
            reason: "certificate refused: certificate is not yet valid"),
        Case(
            testDescription: "another name", server: { $0.issue("DNS:other.example") },
            reason: "certificate refused: hostname mismatch"),
        Case(
            testDescription: "another address", server: { $0.issue("IP:127.0.0.2") }, name: "127.0.0.1",
            reason: "certificate refused: IP address mismatch"),
        Case(
            testDescription: "a name where an address is asked for", server: { $0.issue("DNS:127.0.0.1") },
            name: "127.0.0.1", reason: "certificate refused: IP address mismatch"),
        Case(
            testDescription: "a wildcard in part of a label", server: { $0.issue("DNS:loc*.example") },
            name: "localhost.example", reason: "certificate refused: hostname mismatch"),
        Case(
            testDescription: "no alternative name", server: { $0.issue(nil) },
            reason: "certificate refused: hostname mismatch"),
        Case(
            testDescription: "unknown authority", server: { $0.issue() }, trust: { _ in TestAuthority() },
            reason: "certificate refused: "),
        Case(
            testDescription: "a client's certificate", server: { $0.issue(forClient: true) },
            reason: "certificate refused: unsuitable certificate purpose"),
    ]

    @Test("a client refuses a server it cannot verify, and sends nothing", arguments: servers)
    func refusesServer(_ refused: Case) async throws {
        try await withLoop { loop in
            let authority = TestAuthority()
            let identity = refused.server(authority)
            var accepted = 0
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort,
                tls: try .server(
                    certificateChainPEM: identity.certificatePEM, privateKeyPEM: identity.privateKeyPEM)
            ) { _ in accepted += 1 }
            let client = try TLSContext.client(trustPEM: refused.trust(authority).certificatePEM)
            let error = await #expect(throws: TransportError.self) {
                _ = try await ConnectionPair.dial(
                    loop, listener.localAddress, tls: client, serverName: refused.name)
            }
            let reason = tlsReason(error)
            #expect(reason.lowercased().hasPrefix(refused.reason.lowercased()), "\(reason)")
            for _ in 0..<1000 where listener.handshakesFailed == 0 { await loop.yieldTurn() }
            #expect(listener.handshakesFailed == 1)
            #expect(accepted == 0)
            #expect(loop.channelCount == 1)
            listener.close()
        }
    }

    @Test("the system's store is what a client trusts by default, and a test's authority is not in it")
    func systemStore() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let error = await #expect(throws: TransportError.self) {
                _ = try await ConnectionPair.make(
                    loop, serverTLS: try parties.server(), clientTLS: try .client(), serverName: "localhost")
            }
            let reason = tlsReason(error)
            #expect(reason.hasPrefix("certificate refused: "))
        }
    }

    @Test(
        "a server refuses a client it cannot verify; the client sees it at its first fill",
        arguments: ["none", "unknown authority", "expired", "a server's certificate"])
    func refusesClient(kind: String) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let identity: TestAuthority.Identity? =
                switch kind {
                case "unknown authority": TestAuthority().issue(nil, forClient: true)
                case "expired": parties.authority.issue(nil, seconds: -7200...(-3600), forClient: true)
                case "a server's certificate": parties.authority.issue()
                default: nil
                }
            var accepted = 0
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort,
                tls: try parties.server(clientCA: parties.authority, required: true)
            ) { _ in accepted += 1 }
            for limitsTo12 in [false, true] {
                var context = try parties.client(identity)
                if limitsTo12 { context = context.limitedToTLS12() }
                var failure: TransportError?
                do throws(TransportError) {
                    let connection = try await ConnectionPair.dial(loop, listener.localAddress, tls: context)
                    #expect(!limitsTo12, "with TLS 1.2 the handshake itself fails")
                    _ = try await connection.fill()
                } catch { failure = error }
                let reason = tlsReason(failure)
                #expect(reason.contains("alert"), "\(reason)")
            }
            #expect(listener.handshakesFailed == 2)
            #expect(accepted == 0)
            listener.close()
        }
    }

    @Test("an optional client certificate that does not verify is refused all the same")
    func refusesBadOptional() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort,
                tls: try parties.server(clientCA: parties.authority)
            ) { _ in }
            let stranger = TestAuthority().issue(nil, forClient: true)
            let connection = try await ConnectionPair.dial(
                loop, listener.localAddress, tls: try parties.client(stranger))
            #expect(tlsReason(await connection.failureOfFill()).contains("alert"))
            #expect(listener.handshakesFailed == 1)
            listener.close()
        }
    }

    @Test("a client that offers only protocols the server does not speak is refused")
    func noCommonProtocol() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let error = await #expect(throws: TransportError.self) {
                _ = try await ConnectionPair.make(
                    loop, serverTLS: try parties.server(alpn: ["http/1.1"]),
                    clientTLS: try parties.client(alpn: ["h2"]))
            }
            let reason = tlsReason(error)
            #expect(reason.contains("no application protocol"))
        }
    }

    @Test("a handshake that takes too long, and those under way when listening ends, are dropped")
    func slowHandshake() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort, tls: try parties.server(),
                handshakeNanoseconds: 20_000_000
            ) { _ in Issue.record("accepted") }
            let peer = RawPeer(connectingTo: listener.localAddress)
            await loop.sleep(nanoseconds: 60_000_000)
            #expect(listener.handshakesFailed == 1)
            #expect(peer.receiveNow() == nil)
            peer.close()
            let second = RawPeer(connectingTo: listener.localAddress)
            for _ in 0..<1000 where loop.channelCount < 2 { await loop.yieldTurn() }
            #expect(loop.channelCount == 2)
            listener.close()
            for _ in 0..<5 { await loop.yieldTurn() }
            #expect(loop.channelCount == 0)
            second.close()
        }
    }

    @Test("the dialer's time covers the handshake")
    func handshakeTimesOut() async throws {
        try await withLoop { loop in
            let parties = Parties()
            var kept: [Connection] = []
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { kept.append($0) }
            let names = NameResolver(loop: loop, pool: idlePool) { _ in [] }
            let dialer = Dialer(loop: loop, names: names, policy: .unrestricted)
            await #expect(throws: TransportError.timedOut) {
                _ = try await dialer.connect(
                    host: "127.0.0.1", port: listener.localAddress.port, tls: try parties.client(),
                    timeoutNanoseconds: 30_000_000)
            }
            listener.close()
        }
    }

    @Test("unusable certificates and keys are refused when the context is made")
    func badMaterial() throws {
        let authority = TestAuthority()
        let (one, two) = (authority.issue(), authority.issue())
        let good = one.certificatePEM
        let key = one.privateKeyPEM
        let cut = String(good.dropLast(60)) + "-----END CERTIFICATE-----\n"
        for (chain, key) in [
            ("", key), ("nonsense", key), (good, ""), (good, "nonsense"), (good, two.privateKeyPEM),
            (cut, key),
            (good + cut, key), (good, good),
        ] {
            let error = #expect(throws: TLSError.self) {
                _ = try TLSContext.server(certificateChainPEM: chain, privateKeyPEM: key)
            }
            #expect(error?.description.isEmpty == false)
            #expect(error?.description.contains("PRIVATE") != true)
        }
        #expect(throws: TLSError.self) { _ = try TLSContext.client(trustPEM: "") }
        #expect(throws: TLSError.self) { _ = try TLSContext.client(certificateChainPEM: good) }
        #expect(throws: TLSError.self) {
            _ = try TLSContext.server(
                certificateChainPEM: good, privateKeyPEM: key, requireClientCertificate: true)
        }
        let server = try TLSContext.server(
            certificateChainPEM: good + authority.certificatePEM, privateKeyPEM: key,
            clientCAPEM: authority.certificatePEM, requireClientCertificate: true)
        #expect(throws: TLSError.self) {
            try server.reloadServer(certificateChainPEM: good, privateKeyPEM: key)
        }
    }
}

/// The text of a TLS failure; another failure in words that match nothing.
func tlsReason(_ error: TransportError?) -> String {
    if case .tls(let reason) = error { return reason }
    return "NOT A TLS FAILURE: \(String(describing: error))"
}
