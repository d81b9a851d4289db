import EventLoops
import TestSupport
import Testing

@testable import Transport

@Suite("TLS")
struct TLSTests {
    @Test("bytes go both ways, verified, and the end is told by close_notify")
    func roundTrip() async throws {
        try await withLoop { loop in
            let authority = TestAuthority()
            let identity = authority.issue()
            let pair = try await ConnectionPair.make(
                loop,
                serverTLS: try .server(
                    certificateChainPEM: identity.certificatePEM, privateKeyPEM: identity.privateKeyPEM),
                clientTLS: try .client(trustPEM: authority.certificatePEM))
            #expect(pair.client.tlsVersion == "TLSv1.3")
            try await pair.client.send("question")
            #expect(try await pair.server.receiveText(8) == "question")
            try await pair.server.send("answer")
            pair.server.shutdownWrite()
            #expect(try await pair.client.receiveText(6) == "answer")
            #expect(try await pair.client.fill() == false)
        }
    }
}
