import COpenSSL
import EventLoops
import Glibc
import TestSupport
import Testing

@testable import Transport

/// Two contexts that trust each other's authority, in the shapes the tests need.
struct Parties {
    let authority = TestAuthority()

    func server(
        _ identity: TestAuthority.Identity? = nil, clientCA: TestAuthority? = nil, required: Bool = false,
        alpn: [String] = []
    ) throws -> TLSContext {
        let identity = identity ?? authority.issue()
        return try .server(
            certificateChainPEM: identity.certificatePEM, privateKeyPEM: identity.privateKeyPEM,
            clientCAPEM: clientCA?.certificatePEM, requireClientCertificate: required, alpn: alpn)
    }
    func client(_ identity: TestAuthority.Identity? = nil, alpn: [String] = []) throws -> TLSContext {
        try .client(
            trustPEM: authority.certificatePEM, certificateChainPEM: identity?.certificatePEM,
            privateKeyPEM: identity?.privateKeyPEM, alpn: alpn)
    }
}

extension TLSContext {
    /// This context, speaking TLS 1.2 at most.
    func limitedToTLS12() -> TLSContext {
        let library = begin(sessionKey: nil).0
        SSL_CTX_ctrl(library.pointer, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(TLS1_2_VERSION), nil)
        return self
    }
}

@Suite("TLS")
struct TLSTests {
    @Test("bytes go both ways, verified, and the end is told by close_notify", arguments: [false, true])
    func roundTrip(onlyTLS12: Bool) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let client = try parties.client()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(),
                clientTLS: onlyTLS12 ? client.limitedToTLS12() : client, serverName: "localhost")
            #expect(pair.client.tlsVersion == (onlyTLS12 ? "TLSv1.2" : "TLSv1.3"))
            #expect(pair.client.isSecure && pair.server.isSecure)
            try await pair.client.send("question")
            #expect(try await pair.server.receiveText(8) == "question")
            for (first, second) in [("head", "body"), ("", "body"), ("head", ""), ("", "")] {
                try await pair.server.send(Array(first.utf8), Array(second.utf8))
                #expect(try await pair.client.receiveText((first + second).utf8.count) == first + second)
            }
            pair.server.shutdownWrite()
            #expect(try await pair.client.fill() == false)
            // Half a connection is left, and it is good.
            try await pair.client.send("bye")
            #expect(try await pair.server.receiveText(3) == "bye")
            pair.client.close()
            #expect(try await pair.server.fill() == false)
        }
    }

    @Test(
        "everything arrives in order through random sizes both ways",
        arguments: [(1, false), (2, true), (3, false)] as [(UInt64, Bool)])
    func randomTransfers(seed: UInt64, onlyTLS12: Bool) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let client = try parties.client()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: onlyTLS12 ? client.limitedToTLS12() : client
            )
            try pair.client.setKernelBuffers(send: 8192)
            try pair.server.setKernelBuffers(send: 4096)
            try await exchange(loop, pair, bytesEachWay: 2_000_000, seed: seed)
            #expect(loop.lentBlocks <= 2)
        }
    }

    /// Takes all that comes, up to a last byte.
    private final class Counter: ArrivalTaker {
        let connection: Connection
        var text = ""
        var times = 0

        init(_ connection: Connection) { self.connection = connection }

        func takeArrival() -> Bool {
            times += 1
            text += String(decoding: connection.buffered, as: UTF8.self)
            connection.consume(connection.buffered.count)
            return !text.hasSuffix(".")
        }
    }

    @Test("what arrives is taken in its turn, without waking the task that waits", arguments: [false, true])
    func arrivals(isSecure: Bool) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: isSecure ? try parties.server() : nil,
                clientTLS: isSecure ? try parties.client() : nil)
            let counter = Counter(pair.client)
            loop.spawn {
                for index in 0..<100 {
                    try? await pair.server.send("\(index) ")
                    // A turn of its own for every piece.
                    await loop.yieldTurn()
                    await loop.yieldTurn()
                }
                try? await pair.server.send(".")
            }
            var wakings = 0
            while !counter.text.hasSuffix(".") {
                let isMore = try await pair.client.fill(offering: counter)
                #expect(isMore)
                wakings += 1
                // What came before it waited is looked at by the task itself.
                if !pair.client.buffered.isEmpty { _ = counter.takeArrival() }
            }
            #expect(counter.text == (0..<100).map { "\($0) " }.joined() + ".")
            #expect(wakings <= 5, "\(wakings) for \(counter.times) pieces")
            #expect(counter.times > 20)
            pair.server.close()
            #expect(try await !pair.client.fill(offering: counter))
        }
    }

    @Test("a broken record ends the wait with its own error")
    func brokenRecord() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: try parties.client())
            let counter = Counter(pair.client)
            loop.spawn {
                try? await pair.server.send("a ")
                await loop.sleep(nanoseconds: 5_000_000)
                // Past the session: what the other side cannot decrypt.
                let junk = Array("\u{17}\u{03}\u{03}\u{00}\u{14}abcdefghijklmnopqrst".utf8)
                junk.withUnsafeBytes { _ = Glibc.send(pair.server.descriptor, $0.baseAddress, $0.count, 0) }
            }
            await #expect(throws: TransportError.self) {
                while try await pair.client.fill(offering: counter) {
                    if !pair.client.buffered.isEmpty { _ = counter.takeArrival() }
                }
            }
            #expect(counter.text == "a ")
        }
    }

    @Test("what does not fit the buffer stays with the library until there is room")
    func smallBuffer() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: try parties.client())
            pair.server.maximumBuffered = 100
            try await pair.client.send([UInt8](repeating: 5, count: 1000))
            try await pair.server.fill(until: 100)
            await #expect(throws: TransportError.tooLarge) { try await pair.server.fill(until: 101) }
            // No event comes for these: they are decrypted or received already.
            #expect(try await pair.server.receive(1000) == [UInt8](repeating: 5, count: 1000))
        }
    }

    @Test("an end without close_notify is a reset, not the end of the stream")
    func truncated() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: try parties.client())
            try await pair.client.send("part of it")
            pair.client.abort()
            pair.client.close()
            #expect(try await pair.server.receiveText(10) == "part of it")
            #expect(await pair.server.failureOfFill() == .reset)
            #expect(await pair.server.failureOfFill() == .reset)
            await #expect(throws: TransportError.reset) { try await pair.server.send("x") }
        }
    }

    @Test("bytes that are no records end the connection with the reason")
    func garbage() async throws {
        try await withLoop { loop in
            let parties = Parties()
            var failed: TransportError?
            let ended = Wakeup()
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { connection in
                loop.spawn {
                    do throws(TransportError) { try await connection.acceptTLS(try! parties.server()) } catch
                    {
                        failed = error
                    }
                    ended.signal()
                }
            }
            let peer = RawPeer(connectingTo: listener.localAddress)
            peer.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await ended.wait()
            #expect(tlsReason(failed) == "http request")
            peer.close()
            listener.close()
        }
    }

    @Test("deadline, abort and hang-up work through TLS as without")
    func endings() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let server = try parties.server()
            let client = try parties.client()
            var pair = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            pair.server.setDeadline(afterNanoseconds: 20_000_000)
            #expect(await pair.server.failureOfFill() == .timedOut)

            pair = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            pair.server.setDeadline(afterNanoseconds: 20_000_000)
            await #expect(throws: TransportError.timedOut) { try await pair.server.send(manyZeroes) }

            pair = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            let upstream = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            pair.server.linked = upstream.client
            let peer = pair.client
            loop.schedule(afterNanoseconds: 1) { peer.close() }
            #expect(await upstream.client.failureOfFill() == .aborted)
        }
    }

    @Test("the second connection to a server resumes the first one's session", arguments: [false, true])
    func resumes(onlyTLS12: Bool) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let client = onlyTLS12 ? try parties.client().limitedToTLS12() : try parties.client()
            var server: Connection?
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort, tls: try parties.server()
            ) { server = $0 }
            func connect(_ name: String? = nil) async throws -> Connection {
                server = nil
                let connection = try await ConnectionPair.dial(
                    loop, listener.localAddress, tls: client, serverName: name)
                while server == nil { await loop.yieldTurn() }
                return connection
            }
            for number in 0..<4 {
                let connection = try await connect()
                #expect(connection.isResumed == (number > 0))
                #expect(server!.isResumed == (number > 0))
                try await server!.send("x")
                #expect(try await connection.receiveText(1) == "x")
                // Also a connection that was cut leaves its session usable.
                if number == 1 { connection.abort() }
                connection.close()
            }
            // Another name is another session, and a reload forgets all of them.
            #expect(try await !connect("localhost").isResumed)
            try client.reloadClient(trustPEM: parties.authority.certificatePEM)
            #expect(try await !connect().isResumed)
            listener.close()
        }
    }

    @Test("a server that asks for client certificates resumes nothing")
    func noResumptionWithClientCertificates() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let client = try parties.client(parties.authority.issue(nil, forClient: true))
            var server: Connection?
            let listener = try Listener(
                loop: loop, address: ConnectionPair.anyPort,
                tls: try parties.server(clientCA: parties.authority, required: true)
            ) { server = $0 }
            for _ in 0..<2 {
                server = nil
                let connection = try await ConnectionPair.dial(loop, listener.localAddress, tls: client)
                while server == nil { await loop.yieldTurn() }
                try await server!.send("x")
                #expect(try await connection.receiveText(1) == "x")
                #expect(!connection.isResumed)
                connection.close()
            }
            listener.close()
        }
    }

    @Test(
        "ALPN picks the server's first common protocol; without one on either side it is not used",
        arguments: [
            (["http/1.1"], ["h2", "http/1.1"], "http/1.1"), (["b", "a"], ["a", "b"], "b"), ([], ["h2"], nil),
            (["http/1.1"], [], nil), ([], [], nil),
        ] as [([String], [String], String?)])
    func alpn(server: [String], client: [String], expected: String?) async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(alpn: server), clientTLS: try parties.client(alpn: client)
            )
            #expect(pair.server.negotiatedProtocol == expected)
            #expect(pair.client.negotiatedProtocol == expected)
        }
    }

    @Test("a verified client certificate gives its public key; none gives none where none is required")
    func clientKey() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let node = parties.authority.issue(nil, forClient: true)
            for isRequired in [true, false] {
                let server = try parties.server(clientCA: parties.authority, required: isRequired)
                let pair = try await ConnectionPair.make(
                    loop, serverTLS: server, clientTLS: try parties.client(node))
                #expect(pair.server.peerCertificateKey == node.publicKey)
            }
            let optional = try parties.server(clientCA: parties.authority)
            let pair = try await ConnectionPair.make(
                loop, serverTLS: optional, clientTLS: try parties.client())
            #expect(pair.server.peerCertificateKey == nil)
            #expect(pair.client.peerCertificateKey?.count == 32)
        }
    }

    @Test("a reload serves the new certificate to new connections and leaves those under way alone")
    func reloads() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let (old, new) = (parties.authority.issue(), parties.authority.issue())
            let server = try parties.server(old)
            let client = try parties.client()
            let before = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            #expect(before.client.peerCertificateKey == old.publicKey)
            try server.reloadServer(certificateChainPEM: new.certificatePEM, privateKeyPEM: new.privateKeyPEM)
            #expect(throws: TLSError.self) {
                try server.reloadServer(
                    certificateChainPEM: old.certificatePEM, privateKeyPEM: new.privateKeyPEM)
            }
            let after = try await ConnectionPair.make(loop, serverTLS: server, clientTLS: client)
            #expect(after.client.peerCertificateKey == new.publicKey)
            try await before.client.send("still here")
            #expect(try await before.server.receiveText(10) == "still here")
        }
    }

    @Test("a peer that asks for new keys while it does not read cannot upset a sender that waits")
    func keyUpdates() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: try parties.client())
            try pair.server.setKernelBuffers(send: 4096)
            let total = 8 << 20
            let ended = LoopSemaphore(permits: 0)
            var outcomes: [String] = []
            loop.spawn {
                do throws(TransportError) {
                    try await pair.server.send(UnsafeRawBufferPointer(rebasing: manyZeroes[..<total]))
                } catch { outcomes.append("send: \(error)") }
                ended.release()
            }
            loop.spawn {
                do throws(TransportError) { try await pair.server.fill(until: 6) } catch {
                    outcomes.append("receive: \(error)")
                }
                ended.release()
            }
            await loop.sleep(nanoseconds: 10_000_000)
            for _ in 0..<20 {
                SSL_key_update(pair.client.tls!.ssl, SSL_KEY_UPDATE_REQUESTED)
                #expect(SSL_do_handshake(pair.client.tls!.ssl) == 1)
                for _ in 0..<3 { await loop.yieldTurn() }
            }
            try await pair.client.send("finish")
            var received = 0
            while received < total, try await pair.client.fill() {
                received += pair.client.buffered.count
                pair.client.consume(pair.client.buffered.count)
            }
            for _ in 0..<2 { await ended.acquire() }
            #expect(outcomes.isEmpty)
            #expect(received == total)
        }
    }

    @Test("a peer that never reads cannot make answers to its key updates pile up")
    func keyUpdateFlood() async throws {
        try await withLoop { loop in
            let parties = Parties()
            let pair = try await ConnectionPair.make(
                loop, serverTLS: try parties.server(), clientTLS: try parties.client())
            try pair.server.setKernelBuffers(send: 4096)
            loop.spawn { try? await pair.server.send(manyZeroes) }
            var failure: TransportError?
            loop.spawn {
                failure = await pair.server.failureOfFill()
                pair.server.close()
            }
            var updates = 0
            while failure == nil && updates < 20_000 {
                SSL_key_update(pair.client.tls!.ssl, SSL_KEY_UPDATE_REQUESTED)
                SSL_do_handshake(pair.client.tls!.ssl)
                updates += 1
                if updates.isMultiple(of: 50) { await loop.yieldTurn() }
            }
            #expect(failure != nil)
        }
    }

    @Test("two loops use one context at the same time")
    func sharedContext() async throws {
        let parties = Parties()
        let server = try parties.server()
        let client = try parties.client()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    try await withLoop { loop in
                        for _ in 0..<25 {
                            let pair = try await ConnectionPair.make(
                                loop, serverTLS: server, clientTLS: client)
                            try await pair.server.send("x")
                            #expect(try await pair.client.receiveText(1) == "x")
                            pair.client.close()
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
