import Contract
import Cryptography
import Domain
import Policy
import TestSupport
import Testing

@Suite("compiled snapshots")
struct CompiledSnapshotTests {
    static func crowd(tenants: Int, keys: Int) -> (fixture: SnapshotFixture, keys: [KeyText]) {
        var fixture = SnapshotFixture()
        let provider = fixture.addProvider()
        let model = fixture.addModel().model
        var texts: [KeyText] = []
        for _ in 0..<tenants {
            let (tenant, workspace) = fixture.addTenant()
            _ = fixture.addRoute("gpt-test", of: tenant, to: [(provider, model)])
            for _ in 0..<keys { texts.append(fixture.addKey(tenant, workspace).text) }
        }
        return (fixture, texts)
    }

    @Test("thousands of keys are all found, at less than 300 bytes each")
    func manyKeys() throws {
        let (fixture, keys) = Self.crowd(tenants: 20, keys: 500)
        let snapshot = try CompiledSnapshot(try fixture.built())
        #expect(snapshot.keyCount == 10_000)
        #expect(snapshot.keyBytes / snapshot.keyCount < 300)
        #expect(snapshot.tenants.count == 20)
        #expect(snapshot.providers.count == 1)
        for key in keys { #expect(admission(key.reveal(), at: fixture.now, in: snapshot).refusal == nil) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<1000 {
            let stranger = KeyText(using: &generator).reveal()
            #expect(admission(stranger, at: fixture.now, in: snapshot).refusal == .invalidKey)
        }
    }

    /// One random edit of the configuration.
    static func edit(
        _ fixture: inout SnapshotFixture, _ keys: inout [KeyText], using generator: inout SeededGenerator
    ) {
        guard let tenant = fixture.content.tenants.randomElement(using: &generator)?.id,
            let workspace = fixture.content.workspaces.first(where: { $0.tenant == tenant })?.id
        else { return }
        switch Int.random(in: 0..<8, using: &generator) {
        case 0, 1: keys.append(fixture.addKey(tenant, workspace).text)
        case 2:
            guard let index = fixture.content.keys.indices.randomElement(using: &generator) else { return }
            let key = fixture.content.keys[index]
            fixture.content.keys[index] = KeyEntry(
                id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
                secretHash: key.secretHash, revoked: fixture.now)
        case 3:
            guard let index = fixture.content.keys.indices.randomElement(using: &generator) else { return }
            fixture.content.keys.remove(at: index)
        case 4:
            let (tenant, workspace) = fixture.addTenant()
            _ = fixture.addRoute(
                "gpt-test", of: tenant, to: [(fixture.addProvider(of: tenant), fixture.addModel().model)])
            keys.append(fixture.addKey(tenant, workspace).text)
        case 5:
            fixture.content.keys.removeAll { $0.tenant == tenant }
            fixture.content.routes.removeAll { $0.tenant == tenant }
            fixture.content.workspaces.removeAll { $0.tenant == tenant }
            fixture.content.providers.removeAll { $0.tenant == tenant }
            fixture.content.tenants.removeAll { $0.id == tenant }
        case 6:
            // A change of the platform part relinks every tenant.
            let provider = fixture.addProvider()
            fixture.content.routes = fixture.content.routes.map { route in
                guard route.tenant == tenant, let target = route.targets.first else { return route }
                let moved = TargetEntry(provider: provider, model: target.model, upstreamModel: "moved")
                return RouteEntry(id: route.id, tenant: route.tenant, name: route.name, targets: [moved])
            }
        default:
            let model = fixture.content.prices[0].model
            guard let rates = PriceRates(input: Int64.random(in: 0..<1000, using: &generator), output: 1)
            else { return }
            fixture.content.prices.append(
                PriceEntry(
                    id: PriceID(at: fixture.now), model: model, tenant: nil, effectiveFrom: fixture.now,
                    rates: rates))
        }
    }

    @Test(
        "after any edits the snapshot built on the last one answers as one built from nothing",
        arguments: SeededGenerator.seeds)
    func incremental(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var (fixture, keys) = Self.crowd(tenants: 3, keys: 4)
        var running = try fixture.compiled()
        for counter in 2..<40 as Range<UInt64> {
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                Self.edit(&fixture, &keys, using: &generator)
            }
            let built = try fixture.built(counter: counter)
            running = try CompiledSnapshot(
                try fixture.assembly(of: built, previous: running.addresses), previous: running)
            let whole = try CompiledSnapshot(built)
            #expect(running.version == whole.version)
            #expect(running.addresses == whole.addresses)
            #expect(running.keyCount == whole.keyCount)
            #expect(Set(running.providers.map(\.id)) == Set(whole.providers.map(\.id)))
            for key in keys {
                let one = admission(key.reveal(), at: fixture.now, in: running)
                let other = admission(key.reveal(), at: fixture.now, in: whole)
                #expect(one.refusal == other.refusal)
                guard let one = try? one.get(), let other = try? other.get() else { continue }
                let target = plan(one.route, in: running, by: PlanChance(draw: 5))[0]
                let expected = plan(other.route, in: whole, by: PlanChance(draw: 5))[0]
                #expect(target?.provider.entry == expected?.provider.entry)
                #expect(target?.entry == expected?.entry)
                #expect(target?.prices == expected?.prices)
            }
        }
    }

    @Test("what did not change is shared between versions")
    func sharing() throws {
        var (fixture, keys) = Self.crowd(tenants: 20, keys: 20)
        let running = try fixture.compiled()
        keys.append(fixture.addKey(fixture.content.tenants[0].id, fixture.content.workspaces[0].id).text)
        let next = try CompiledSnapshot(
            try fixture.assembly(of: try fixture.built(counter: 2), previous: running.addresses),
            previous: running)
        let home = running.manifest.layout.shard(of: keys[400].publicID)
        let shared = running.tenants.count { tenant in next.tenant(tenant.id) === tenant }
        let moved = running.tenants.count { running.manifest.layout.shard(of: $0.id) == home }
        #expect(shared == 20 - moved)
    }

    @Test("changed shards put on another snapshot than theirs are refused")
    func mismatched() throws {
        let (fixture, _) = Self.crowd(tenants: 2, keys: 2)
        let (other, _) = Self.crowd(tenants: 2, keys: 2)
        let running = try fixture.compiled()
        let assembly = try fixture.assembly(of: try fixture.built(counter: 2), previous: running.addresses)
        #expect(throws: InvalidSnapshot.self) {
            try CompiledSnapshot(assembly, previous: try other.compiled())
        }
        #expect(throws: InvalidSnapshot.self) { try CompiledSnapshot(assembly) }
        let verified = assembly.verified
        #expect(throws: InvalidSnapshot.self) { try CompiledSnapshot(SnapshotAssembly(verified)) }
    }

    @Test("a rotated fleet key is checked on shards that did not change")
    func fleetKeyRotation() throws {
        let (fixture, _) = Self.crowd(tenants: 2, keys: 1)
        let running = try fixture.compiled()
        let manifest = running.manifest
        let rotated = Manifest(
            version: manifest.version.next, issuedAt: fixture.now, freshUntil: fixture.now,
            layout: manifest.layout,
            pages: manifest.pages, fleetKey: FleetKeyID(high: 1, low: 1))
        let verified = try VerifiedManifest.verify(
            cached: rotated.signed(by: fixture.snapshotKey), trusting: try fixture.trustedKeys())
        var assembly = SnapshotAssembly(verified, previous: running.addresses)
        let built = try fixture.built()
        while let address = assembly.missing.first { try assembly.add(try #require(built.objects[address])) }
        #expect(assembly.changed.isEmpty)
        #expect {
            try CompiledSnapshot(assembly, previous: running)
        } throws: { error in
            (error as? InvalidSnapshot)?.problems.map(\.kind) == [.fleetKey]
        }
    }
}
