import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

@Suite("Signing in")
struct SessionTests {
    @Test("a password gives tokens that work, and the profile they stand for")
    func signIn() async throws {
        try await withAdminServer { server in
            let token = try await server.administrator()
            let me = try await server.send(.get, "/api/v1/me", token: token)
            #expect(me.status == 200)
            #expect(me.string("user", "email") == AdminServer.adminEmail)
            #expect(me.json["bindings"]?[0]?["role"]?.string == "platform-admin")
        }
    }
}
