import API
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import TestSupport
import Testing

@Suite("The way into Grafana")
struct DashboardTests {
    @Test("a token names its bearer as a viewer for five minutes, and the published key proves it")
    func token() async throws {
        try await withAdminServer { server in
            let session = try await server.administrator()
            let access = try await server.send(.get, "/api/v1/dashboards", token: session).json
            #expect(access["url"] == "https://grafana.example.com/board")
            let token = try #require(access["token"]?.string)

            let keys = try await server.send(.get, "/.well-known/jwks.json")
            #expect(keys.fields["content-type"] == "application/json")
            let key = try #require(keys.json["keys"]?.array?.first)
            #expect(key["kty"] == "OKP" && key["crv"] == "Ed25519" && key["d"] == nil)
            let text = try #require(key["x"]?.string), name = try #require(key["kid"]?.string)
            let bytes = try #require(Base64.decodeURL(text))
            let verifier = JSONWebTokenVerifier(
                keys: [name: try #require(Ed25519PublicKey(rawBytes: bytes))], issuer: "eclusa",
                audience: "grafana", type: "JWT")
            let now = server.clock.now.microseconds / 1_000_000
            let claims = try verifier.verify(token, nowSeconds: now)
            #expect(claims.expires - claims.issuedAt == 300)
            #expect(claims.other["role"] == "Viewer" && claims.other["email"]?.string?.contains("@") == true)
            #expect(throws: JSONWebTokenError.expired) {
                try verifier.verify(token, nowSeconds: now + 400)
            }
            // It opens nothing here.
            #expect(try await server.send(.get, "/api/v1/me", token: token).status == 401)
        }
    }
}
