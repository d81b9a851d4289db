import Contract
import Cryptography
import Domain
import Policy
import TestSupport
import Testing

/// What happens to one call: the admitted call or the refusal.
func admission(
    _ credential: String, route: String = "gpt-test", endpoint: Endpoint = .chat,
    from origin: CallOrigin = CallOrigin(), at now: Timestamp, in snapshot: CompiledSnapshot
) -> Result<Admitted, Refusal> {
    let (credential, route) = (Array(credential.utf8), Array(route.utf8))
    return credential.withUnsafeBytes { credential in
        route.withUnsafeBytes { route in
            Result { () throws(Refusal) in
                try admit(
                    credential, route: route, endpoint: endpoint, from: origin, at: now, in: snapshot)
            }
        }
    }
}

extension Result where Failure == Refusal {
    var refusal: Refusal? { if case .failure(let refusal) = self { refusal } else { nil } }
}

extension SnapshotFixture {
    func compiled(counter: UInt64 = 1) throws -> CompiledSnapshot {
        try CompiledSnapshot(try assembly(of: try built(counter: counter)))
    }
}

@Suite("admission")
struct AdmissionTests {
    @Test("a key of the snapshot is admitted to its tenant's route, with all a call needs")
    func admitted() throws {
        let (fixture, parts) = SnapshotFixture.small()
        let snapshot = try fixture.compiled()
        let admitted = try admission(parts.key.reveal(), at: fixture.now, in: snapshot).get()
        #expect(admitted.key.record.id == parts.keyID)
        #expect(admitted.key.record.publicID == parts.key.publicID)
        #expect(admitted.key.record.workspace == parts.workspace)
        #expect(admitted.key.tenant.id == parts.tenant)
        #expect(admitted.route.id == parts.route)
        #expect(admitted.key.routes.map(\.name) == ["gpt-test"])
        let target = try #require(plan(admitted.route, in: snapshot, by: PlanChance(draw: 1))[0])
        #expect(target.provider.id == parts.provider)
        #expect(target.price(at: fixture.now)?.id == parts.price)
        #expect(target.upstreamModelJSON == Array("\"stand-in\"".utf8))
        let credential = try #require(target.provider.entry.credentials.first?.sealed)
        #expect(try credential.open(of: parts.provider, with: fixture.fleetKey) == Secret(utf8: "sk-test"))
    }

    @Test("unknown, malformed and wrong keys are one and the same refusal", arguments: SeededGenerator.seeds)
    func indistinguishable(_ seed: UInt64) throws {
        let (fixture, parts) = SnapshotFixture.small()
        let snapshot = try fixture.compiled()
        var generator = SeededGenerator(seed: seed)
        let right = parts.key.reveal()
        let other = KeyText(using: &generator).reveal()
        // The right public id with somebody else's secret, its checksum made to fit.
        var mixed = SnapshotFixture(now: fixture.now)
        mixed.content = fixture.content
        var wrong: [String] = [
            "", "ek_", "sk-123", other, right.uppercased(), right + " ", String(right.dropLast()),
        ]
        wrong.append(withChecksum("ek_\(parts.key.publicID)_" + other.dropFirst(20).prefix(32)))
        for _ in 0..<300 {
            let count = Int.random(in: 0..<80, using: &generator)
            let noise = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            wrong.append(String(decoding: noise, as: UTF8.self))
        }
        for text in wrong {
            #expect(admission(text, at: fixture.now, in: snapshot).refusal == .invalidKey)
        }
        #expect(admission(right, at: fixture.now, in: snapshot).refusal == nil)
    }

    /// Finds the six checksum digits that make a text acceptable, by computing them as the product documents
    /// it.
    func withChecksum(_ body: String) -> String {
        var value = UInt64(crc32(Array(body.utf8)))
        let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
        var text = ""
        for _ in 0..<6 {
            text = String(digits[Int(value % 62)]) + text
            value /= 62
        }
        return body + text
    }

    @Test("standing is told to whoever knows the secret, and to nobody else")
    func standing() throws {
        var fixture = SnapshotFixture()
        let (now, later) = (fixture.now, fixture.now.advanced(bySeconds: 1))
        let (tenant, workspace) = fixture.addTenant()
        let (suspended, suspendedSpace) = fixture.addTenant(isSuspended: true)
        let provider = fixture.addProvider()
        _ = fixture.addRoute("gpt-test", of: tenant, to: [(provider, fixture.addModel().model)])
        let cases: [(KeyText, Refusal?)] = [
            (fixture.addKey(tenant, workspace).text, nil),
            (fixture.addKey(tenant, workspace, revoked: later).text, .revoked),
            (fixture.addKey(tenant, workspace, expires: now).text, .expired),
            (fixture.addKey(tenant, workspace, notBefore: now, expires: later).text, nil),
            (fixture.addKey(tenant, workspace, notBefore: later).text, .notYetValid),
            (fixture.addKey(suspended, suspendedSpace).text, .tenantSuspended),
            (fixture.addKey(suspended, suspendedSpace, revoked: now).text, .revoked),
            (
                fixture.addKey(tenant, workspace, permitted: KeyPermissions(endpoints: [])).text,
                .endpointNotAllowed
            ),
        ]
        let snapshot = try fixture.compiled()
        for (key, expected) in cases {
            #expect(admission(key.reveal(), at: now, in: snapshot).refusal == expected)
            let stranger = withChecksum("ek_\(key.publicID)_" + String(repeating: "x", count: 32))
            #expect(admission(stranger, at: now, in: snapshot).refusal == .invalidKey)
        }
    }

    @Test("a tenant's calls are served in its region alone, where it has one")
    func regions() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        let target = (fixture.addProvider(), fixture.addModel().model)
        _ = fixture.addRoute("gpt-test", of: tenant, to: [target])
        let key = fixture.addKey(tenant, workspace).text.reveal()
        let anywhere = try fixture.compiled()
        fixture.content.tenants = [TenantEntry(id: tenant, region: "eu")]
        let europe = try fixture.compiled()
        for (snapshot, region, expected): (CompiledSnapshot, String?, Refusal?) in [
            (anywhere, nil, nil), (anywhere, "us", nil), (europe, "eu", nil),
            (europe, "us", .regionNotAllowed), (europe, nil, .regionNotAllowed),
        ] {
            let refusal = admission(
                key, from: CallOrigin(region: region), at: fixture.now, in: snapshot
            ).refusal
            #expect(refusal == expected, "in \(region ?? "no region")")
        }
    }

    @Test("a key may be held to endpoints and routes")
    func permissions() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        let target = (fixture.addProvider(), fixture.addModel().model)
        let allowed = fixture.addRoute("allowed", of: tenant, to: [target])
        _ = fixture.addRoute("other", of: tenant, to: [target])
        let permitted = KeyPermissions(
            endpoints: EndpointSet([.chat]),
            routes: [RouteID(high: 1, low: 1), allowed, RouteID(high: 2, low: 2)])
        let key = fixture.addKey(tenant, workspace, permitted: permitted).text.reveal()
        let free = fixture.addKey(tenant, workspace).text.reveal()
        let snapshot = try fixture.compiled()
        func refusal(_ key: String, _ route: String, _ endpoint: Endpoint = .chat) -> Refusal? {
            admission(key, route: route, endpoint: endpoint, at: fixture.now, in: snapshot).refusal
        }
        #expect(refusal(key, "allowed") == nil)
        #expect(refusal(key, "other") == .routeNotAllowed)
        #expect(refusal(key, "none") == .routeNotFound)
        #expect(refusal(key, "") == .routeNotFound)
        #expect(refusal(key, "allowed", .embeddings) == .endpointNotAllowed)
        #expect(refusal(key, "none", .embeddings) == .endpointNotAllowed)
        for endpoint in Endpoint.allCases { #expect(refusal(free, "other", endpoint) == nil) }
        let narrow = try admission(key, route: "allowed", at: fixture.now, in: snapshot).get()
        #expect(narrow.key.routes.map(\.name) == ["allowed"])
        let wide = try admission(free, route: "allowed", at: fixture.now, in: snapshot).get()
        #expect(wide.key.routes.map(\.name) == ["allowed", "other"])
    }

    @Test("a route of another tenant is not there, even under the same name")
    func isolation() throws {
        var fixture = SnapshotFixture()
        let provider = fixture.addProvider()
        let model = fixture.addModel().model
        var keys: [(String, RouteID)] = []
        for _ in 0..<300 {
            let (tenant, workspace) = fixture.addTenant()
            let route = fixture.addRoute("shared-name", of: tenant, to: [(provider, model)])
            keys.append((fixture.addKey(tenant, workspace).text.reveal(), route))
        }
        let (poor, poorSpace) = fixture.addTenant()
        let without = fixture.addKey(poor, poorSpace).text.reveal()
        let snapshot = try fixture.compiled()
        for (key, route) in keys {
            let admitted = try admission(key, route: "shared-name", at: fixture.now, in: snapshot).get()
            #expect(admitted.route.id == route)
        }
        #expect(
            admission(without, route: "shared-name", at: fixture.now, in: snapshot).refusal == .routeNotFound)
    }

    @Test("every route is found by its bytes, and no other name is", arguments: SeededGenerator.seeds)
    func routeNames(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var fixture = SnapshotFixture()
        let (tenant, _) = fixture.addTenant()
        let target = (fixture.addProvider(), fixture.addModel().model)
        let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        func name() -> String {
            String(
                (0..<Int.random(in: 1...12, using: &generator)).map { _ in
                    letters.randomElement(using: &generator)!
                })
        }
        var ids: [String: RouteID] = [:]
        for _ in 0..<400 {
            let name = name()
            if ids[name] == nil { ids[name] = fixture.addRoute(name, of: tenant, to: [target]) }
        }
        let compiled = try #require(try fixture.compiled().tenant(tenant))
        #expect(compiled.routes.map(\.name) == ids.keys.sorted())
        for (name, id) in ids { #expect(compiled.route(named: name)?.id == id) }
        for _ in 0..<2000 {
            let name = name()
            #expect(compiled.route(named: name)?.id == ids[name])
        }
        #expect(compiled.route(named: String(repeating: "a", count: 129)) == nil)
        #expect(compiled.route(named: "") == nil)
    }

    @Test("what the manifest kills is refused at once, before any shard of it is here")
    func kills() throws {
        var (fixture, parts) = SnapshotFixture.small()
        let other = fixture.addKey(parts.tenant, parts.workspace).text.reveal()
        let running = try fixture.compiled()
        let killed = parts.key.reveal()
        func takingAway(_ kills: [KillEntry], from running: CompiledSnapshot) throws -> CompiledSnapshot {
            fixture.kills = kills
            let envelope = fixture.envelope(of: try fixture.built(counter: 2))
            return running.taking(
                away: try VerifiedManifest.verify(
                    received: envelope, trusting: try fixture.trustedKeys(), running: .init(running.manifest),
                    at: fixture.now))
        }
        let now = fixture.now
        #expect(admission(killed, at: now, in: running).refusal == nil)
        let withoutKey = try takingAway([.key(parts.keyID)], from: running)
        #expect(admission(killed, at: now, in: withoutKey).refusal == .revoked)
        #expect(admission(other, at: now, in: withoutKey).refusal == nil)
        #expect(withoutKey.version == running.version)
        #expect(withoutKey.addresses == running.addresses)
        // Kills add up until the shards arrive.
        let withoutProvider = try takingAway([.provider(parts.provider)], from: withoutKey)
        #expect(admission(killed, at: now, in: withoutProvider).refusal == .revoked)
        let route = try admission(other, at: now, in: withoutProvider).get().route
        #expect(plan(route, in: withoutProvider, by: PlanChance(draw: 0)).isEmpty)
        let withoutTenant = try takingAway([.tenant(parts.tenant)], from: running)
        #expect(admission(other, at: now, in: withoutTenant).refusal == .tenantSuspended)
    }

    @Test(
        "every refusal is in the catalogue; only a node that knows too little says to retry",
        arguments: Refusal.allCases)
    func codes(_ refusal: Refusal) {
        #expect(ErrorCode.named(refusal.errorCode.code) == refusal.errorCode)
        #expect(refusal.errorCode.isRetryable == (refusal == .snapshotStale))
        #expect(Refusal.allCases.count { $0.errorCode == refusal.errorCode } == 1)
    }
}
