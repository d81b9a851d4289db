import API
import Contract
import Cryptography
import Domain
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing

@Suite("Secrets")
struct SecretTests {
    @Test(
        "planted secrets are nowhere but where they are shown once: not in answers, logs, audit, metrics, tables"
    )
    func canary() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let planted = try await world.plantSecrets() + world.plantIdentitySecrets()
            let logged = server.logged.all
            let tables = try await server.dump()
            let metrics = server.metrics.text()
            #expect(tables.contains("acme-canary-tenant"), "the dump shows what is there")
            for secret in planted {
                #expect(!logged.contains(secret.text), "\(secret.name) is in the log")
                #expect(!metrics.contains(secret.text), "\(secret.name) is in the metrics")
                let encoded = Base64.encode(Array(secret.text.utf8))
                #expect(!tables.contains(secret.text), "\(secret.name) is in a table")
                #expect(
                    !tables.contains(encoded.prefix(encoded.count - 4)),
                    "\(secret.name) is in a table's bytes")
                let shown = server.answered.ranges(of: secret.text).count
                #expect(shown == secret.timesShown, "\(secret.name) was answered \(shown) times")
            }
        }
    }

    @Test("the database alone opens no credential; with the master key it does, for its own provider only")
    func vault() async throws {
        try await withAdminServer { server in
            let world = try await World(server)
            let tenant = try #require(TenantID(world.acme.tenant))
            let provider = try #require(ProviderID(world.acme.provider))
            try await server.database.pool.withConnection { connection in
                let stored = try #require(try await server.storedCredential(provider, tenant, connection))
                let vault = server.keys.vault
                let opened = try await vault.open(
                    stored.sealed, of: .provider(provider), owner: tenant, connection)
                #expect(opened == Secret(utf8: "sk-test-0123456789abcd"))
                // Whoever stole the database and has another master key, or none.
                let thief = CredentialVault(masterKey: .random())
                await #expect(throws: (any Error).self) {
                    _ = try await thief.open(
                        stored.sealed, of: .provider(provider), owner: tenant, connection)
                }
                let fleet = SealedCredentialBytes(stored)
                #expect(fleet.opens(as: "sk-test-0123456789abcd", of: provider, with: server.keys.fleetKey))
                let other = try #require(ProviderID(world.other.provider))
                await #expect(throws: CryptographyError.self) {
                    _ = try await vault.open(stored.sealed, of: .provider(other), owner: tenant, connection)
                }
                let owner = try #require(TenantID(world.other.tenant))
                await #expect(throws: CryptographyError.self) {
                    _ = try await vault.open(stored.sealed, of: .provider(provider), owner: owner, connection)
                }
            }
        }
    }
}

struct PlantedSecret {
    let name: String
    let text: String
    /// How often an answer may hold it.
    let timesShown: Int
}

extension World {
    /// Uses secrets in every way the API has, well and badly.
    func plantSecrets() async throws -> [PlantedSecret] {
        let tenant = try await make("/api/v1/tenants", ["slug": "acme-canary-tenant", "name": "C"])
        let base = "/api/v1/tenants/\(tenant)"
        let workspace = try await make("\(base)/workspaces", ["slug": "w", "name": "W"])
        let credential = "sk-canary-credential-6a7b8c9d0e1f"
        let provider: JSONValue = ["name": "p", "kind": "openai", "credential": .string(credential)]
        _ = try await make("\(base)/providers", provider)
        // Again: the name is taken, so the whole transaction fails.
        _ = try await server.send(.post, "\(base)/providers", token: admin, body: provider)
        let malformed = "sk canary malformed credential"
        _ = try await server.send(
            .post, "\(base)/providers", token: admin,
            body: [
                "name": "q", "kind": "openai", "credential": .string(malformed), "oops": .string(malformed),
            ])
        let password = "canary-password-1234"
        _ = try await server.send(
            .post, "/api/v1/users", token: admin,
            body: ["email": "canary@example.com", "name": "C", "password": .string(password)])
        let wrong = "canary-wrong-password"
        _ = try await server.send(
            .post, "/api/v1/sessions", body: ["email": "canary@example.com", "password": .string(wrong)])
        let session = try await server.send(
            .post, "/api/v1/sessions", body: ["email": "canary@example.com", "password": .string(password)])
        let access = session.string("access_token")
        _ = try await server.send(.get, "/api/v1/me", token: access)
        _ = try await server.send(.get, "/api/v1/me?token=\(access)", token: access)
        let refresh = session.string("refresh_token")
        _ = try await server.refresh(refresh)
        server.clock.advance(seconds: 20)
        _ = try await server.refresh(refresh)
        let key = try await server.send(
            .post, "\(base)/keys", token: admin, body: ["workspace": .string(workspace), "name": "k"]
        ).string("secret")
        let bundle = try await server.send(
            .post, "/api/v1/join-tokens", token: admin, body: ["node_name": "n"]
        ).string("bundle")
        let join = try JoinBundle(bundle).token.reveal()
        return [
            PlantedSecret(name: "credential", text: credential, timesShown: 0),
            PlantedSecret(name: "malformed credential", text: malformed, timesShown: 0),
            PlantedSecret(name: "password", text: password, timesShown: 0),
            PlantedSecret(name: "wrong password", text: wrong, timesShown: 0),
            PlantedSecret(name: "administrator's password", text: AdminServer.adminPassword, timesShown: 0),
            PlantedSecret(name: "access token", text: access, timesShown: 1),
            PlantedSecret(name: "refresh token", text: refresh, timesShown: 1),
            PlantedSecret(name: "key", text: key, timesShown: 1),
            PlantedSecret(
                name: "key's secret half", text: String(key.dropFirst(20).prefix(32)), timesShown: 1),
            // Inside the bundle it is base64 of JSON.
            PlantedSecret(name: "join token", text: join, timesShown: 0),
            PlantedSecret(name: "join bundle", text: bundle, timesShown: 1),
        ]
    }
}

extension World {
    /// Secrets of people and machines that sign in: seeds, codes, links, tokens, an identity provider's.
    func plantIdentitySecrets() async throws -> [PlantedSecret] {
        let base = "/api/v1/tenants/\(acme.tenant)"
        let clientSecret = "canary-client-secret-1a2b3c", later = "canary-client-secret-later"
        let provider = try await make(
            "\(base)/identity-providers",
            [
                "name": "idp", "issuer": "https://idp.example.com", "client_id": "eclusa",
                "client_secret": .string(clientSecret),
            ])
        _ = try await server.send(
            .patch, "\(base)/identity-providers/\(provider)", token: admin,
            body: ["client_secret": .string(later)])
        _ = try await server.send(
            .post, "\(base)/identity-providers", token: admin, body: ["client_secret": .string(later)])
        let token = try await server.send(
            .post, "\(base)/service-accounts/\(acme.serviceAccount)/tokens", token: admin,
            body: ["name": "canary"]
        ).string("secret")
        _ = try await server.send(.get, base, token: token)
        _ = try await server.send(.get, base, token: String(token.dropLast()) + "x")
        _ = try await make("\(base)/invitations", ["email": "asked@example.com", "roles": ["viewer"]])
        let invitation = try await server.newestToken(for: "asked@example.com")
        _ = try await server.send(
            .post, "/api/v1/invitations/accept",
            body: ["token": .string(invitation), "name": "A", "password": "short"])
        let body: JSONValue = ["workspace": .string(acme.workspace), "name": "twice"]
        var shown = ""
        for _ in 0..<2 {
            shown = try await server.send(
                .post, "\(base)/keys", token: admin, body: body, fields: ["idempotency-key": "canary-keys"]
            ).string("secret")
        }
        let rotated = try await server.send(
            .post, "\(base)/keys/\(acme.key)/rotate", token: admin, body: [:]
        ).string("secret")
        return try await plantSecondFactor() + [
            PlantedSecret(name: "client secret", text: clientSecret, timesShown: 0),
            PlantedSecret(name: "replaced client secret", text: later, timesShown: 0),
            PlantedSecret(name: "management token", text: token, timesShown: 1),
            PlantedSecret(name: "token of an invitation", text: invitation, timesShown: 0),
            PlantedSecret(name: "key of a repeated request", text: shown, timesShown: 2),
            PlantedSecret(name: "rotated key", text: rotated, timesShown: 1),
        ]
    }

    private func plantSecondFactor() async throws -> [PlantedSecret] {
        let password = "canary-second-password"
        let account: JSONValue = ["email": "two@example.com", "password": .string(password)]
        _ = try await server.send(
            .post, "/api/v1/users", token: admin,
            body: ["email": "two@example.com", "name": "Two", "password": .string(password)])
        let access = try await server.send(.post, "/api/v1/sessions", body: account).string("access_token")
        let enrolment = try await server.send(
            .post, "/api/v1/me/second-factor", token: access, body: ["current_password": .string(password)])
        let seed = enrolment.string("secret")
        let secret = try SecondFactorTests.secret(seed)
        let step = TimeBasedCode.step(at: server.clock.now.microseconds / 1_000_000)
        let confirmed = try await server.send(
            .post, "/api/v1/me/second-factor/confirm", token: access,
            body: ["code": .string(TimeBasedCode.code(secret, step: step))])
        let codes = confirmed.json["codes"]?.array?.compactMap(\.string) ?? []
        let challenge = try await server.send(.post, "/api/v1/sessions", body: account).string("challenge")
        _ = try await server.send(
            .post, "/api/v1/sessions/second-step",
            body: ["challenge": .string(challenge), "code": .string(try #require(codes.first))])
        return [
            PlantedSecret(name: "second password", text: password, timesShown: 0),
            // As itself and in the URI.
            PlantedSecret(name: "seed", text: seed, timesShown: 2),
            PlantedSecret(
                name: "seed's bytes", text: secret.withBytes { Base64.encode(Array($0)) }, timesShown: 0),
            PlantedSecret(name: "recovery code", text: codes[0], timesShown: 1),
            PlantedSecret(name: "another recovery code", text: codes[1], timesShown: 1),
            PlantedSecret(name: "challenge", text: challenge, timesShown: 1),
        ]
    }
}

extension AdminServer {
    /// Every row of every table, as text.
    func dump() async throws -> String {
        try await database.pool.withConnection { connection in
            let rows = try await connection.query(
                """
                select string_agg(query_to_xml(format('select * from %I', table_name),
                                               true, false, '')::text, '')
                  from information_schema.tables
                 where table_schema = 'public'
                """)
            return try rows.first?.text(0) ?? ""
        }
    }

    func storedCredential(
        _ provider: ProviderID, _ tenant: TenantID, _ connection: PostgresConnection
    ) async throws -> StoredCredential? {
        try await ProviderStore.credential(of: provider, ownedBy: tenant, connection)
    }
}

/// A credential as it will go into snapshots.
struct SealedCredentialBytes {
    private let stored: StoredCredential

    init(_ stored: StoredCredential) { self.stored = stored }

    func opens(as text: String, of provider: ProviderID, with key: FleetKey) -> Bool {
        let expected = SealedCredential(Secret(utf8: text), of: provider, under: key)
        return stored.forFleet?.fleetKey == key.id && stored.forFleet?.sealed == expected.sealed
    }
}
