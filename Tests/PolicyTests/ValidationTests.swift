import Contract
import Domain
import Policy
import TestSupport
import Testing

@Suite("validation of snapshots")
struct ValidationTests {
    /// A way to break a good configuration, and the kind of problem it must be called.
    struct Breakage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let kind: SnapshotProblem.Kind
        let apply: @Sendable (inout SnapshotFixture, SnapshotFixture.Parts) -> Void

        init(
            _ name: String, _ kind: SnapshotProblem.Kind,
            _ apply: @escaping @Sendable (inout SnapshotFixture, SnapshotFixture.Parts) -> Void
        ) {
            testDescription = name
            self.kind = kind
            self.apply = apply
        }

        static func route(
            _ name: String, _ parts: SnapshotFixture.Parts, _ targets: [TargetEntry]
        ) -> RouteEntry {
            RouteEntry(id: RouteID(high: 9, low: 9), tenant: parts.tenant, name: name, targets: targets)
        }
        static func target(
            _ parts: SnapshotFixture.Parts, model: String = "m", weight: Int32 = 1, priority: Int32 = 0
        ) -> TargetEntry {
            TargetEntry(
                provider: parts.provider, model: parts.model, upstreamModel: model, weight: weight,
                priority: priority)
        }

        static let all = [
            Breakage("a tenant twice", .duplicate) { fixture, _ in
                fixture.content.tenants.append(fixture.content.tenants[0])
            },
            Breakage("a workspace twice", .duplicate) { fixture, _ in
                fixture.content.workspaces.append(fixture.content.workspaces[0])
            },
            Breakage("a key twice", .duplicate) { fixture, _ in
                fixture.content.keys.append(fixture.content.keys[0])
            },
            Breakage("two keys of one public id", .duplicate) { fixture, parts in
                fixture.content.keys.append(
                    KeyEntry(
                        id: KeyID(high: 1, low: 1), tenant: parts.tenant, workspace: parts.workspace,
                        publicID: parts.key.publicID, secretHash: .unknown))
            },
            Breakage("a provider twice", .duplicate) { fixture, _ in
                fixture.content.providers.append(fixture.content.providers[0])
            },
            Breakage("a price twice", .duplicate) { fixture, _ in
                fixture.content.prices.append(fixture.content.prices[0])
            },
            Breakage("two routes of one name", .duplicate) { fixture, parts in
                fixture.content.routes.append(route("gpt-test", parts, [target(parts)]))
            },
            Breakage("a key without its tenant", .dangling) { fixture, _ in
                fixture.content.keys.append(
                    Self.key(tenant: TenantID(high: 7, low: 7), workspace: WorkspaceID(high: 7, low: 7)))
            },
            Breakage("a key in another tenant's workspace", .dangling) { fixture, parts in
                let other = fixture.addTenant()
                fixture.content.keys.append(Self.key(tenant: parts.tenant, workspace: other.workspace))
            },
            Breakage("a workspace without its tenant", .dangling) { fixture, _ in
                fixture.content.workspaces.append(
                    WorkspaceEntry(id: WorkspaceID(high: 7, low: 7), tenant: TenantID(high: 7, low: 7)))
            },
            Breakage("a route without its tenant", .dangling) { fixture, parts in
                _ = fixture.addRoute("x", of: TenantID(high: 7, low: 7), to: [(parts.provider, parts.model)])
            },
            Breakage("a provider without its tenant", .dangling) { fixture, _ in
                _ = fixture.addProvider(of: TenantID(high: 7, low: 7))
            },
            Breakage("a price without its tenant", .dangling) { fixture, _ in
                _ = fixture.addModel(of: TenantID(high: 7, low: 7))
            },
            Breakage("a target without its provider", .dangling) { fixture, parts in
                _ = fixture.addRoute("x", of: parts.tenant, to: [(ProviderID(high: 7, low: 7), parts.model)])
            },
            Breakage("a target at another tenant's provider", .dangling) { fixture, parts in
                // Whatever buckets the tenants fall into, none may use the other's.
                for _ in 0..<300 {
                    let provider = fixture.addProvider(of: fixture.addTenant().tenant)
                    _ = fixture.addRoute(
                        "x-\(fixture.content.routes.count)", of: parts.tenant, to: [(provider, parts.model)])
                }
            },
            Breakage("a route without targets", .invalid) { fixture, parts in
                fixture.content.routes.append(route("x", parts, []))
            },
            Breakage("a route with 33 targets", .invalid) { fixture, parts in
                fixture.content.routes.append(route("x", parts, Array(repeating: target(parts), count: 33)))
            },
            Breakage("a route of a bad name", .invalid) { fixture, parts in
                fixture.content.routes.append(route("a\"b", parts, [target(parts)]))
            },
            Breakage("an upstream model of a bad name", .invalid) { fixture, parts in
                fixture.content.routes.append(route("x", parts, [target(parts, model: "a\"b")]))
            },
            Breakage("a weight of zero", .invalid) { fixture, parts in
                fixture.content.routes.append(route("x", parts, [target(parts, weight: 0)]))
            },
            Breakage("a priority of 101", .invalid) { fixture, parts in
                fixture.content.routes.append(route("x", parts, [target(parts, priority: 101)]))
            },
            Breakage("a key with too many routes", .invalid) { fixture, parts in
                let routes = (0...KeyPermissions.maximumRoutes).map { RouteID(high: 0, low: UInt64($0)) }
                _ = fixture.addKey(parts.tenant, parts.workspace, permitted: KeyPermissions(routes: routes))
            },
            Breakage("a provider with a header of ours", .invalid) { fixture, _ in
                let old = fixture.content.providers[0]
                fixture.content.providers[0] = ProviderEntry(
                    id: old.id, tenant: nil, kind: .openAI, baseURL: old.baseURL,
                    credentials: old.credentials,
                    headers: [ExtraHeader(name: "Host", value: "x")])
            },
            Breakage("a credential under another fleet key", .fleetKey) { fixture, _ in
                var other = SnapshotFixture()
                let provider = other.addProvider()
                fixture.content.providers.append(
                    contentsOf: other.content.providers.filter { $0.id == provider })
            },
        ]

        static func key(tenant: TenantID, workspace: WorkspaceID) -> KeyEntry {
            var generator = SeededGenerator(seed: 4)
            let text = KeyText(using: &generator)
            return KeyEntry(
                id: KeyID(high: 1, low: 1), tenant: tenant, workspace: workspace, publicID: text.publicID,
                secretHash: SecretHash(of: text))
        }
    }

    @Test("a good snapshot has no problems")
    func good() throws {
        let (fixture, _) = SnapshotFixture.small()
        #expect(validate(try fixture.built()).isEmpty)
        #expect(validate(try SnapshotFixture().built()).isEmpty)
    }

    @Test("publisher and node refuse what is broken, and say what it is", arguments: Breakage.all)
    func broken(_ breakage: Breakage) throws {
        var (fixture, parts) = SnapshotFixture.small()
        breakage.apply(&fixture, parts)
        let built = try fixture.built()
        let problems = validate(built)
        #expect(problems.contains { $0.kind == breakage.kind }, "\(problems)")
        #expect(throws: (any Error).self) { try CompiledSnapshot(try fixture.assembly(of: built)) }
    }

    @Test("an entry in a shard that is not its home is refused")
    func misplaced() throws {
        let (fixture, parts) = SnapshotFixture.small()
        let home = ShardLayout.small.shard(of: parts.tenant)
        let away = home % 256 + 1
        func problems(_ shards: [Int: Shard]) throws -> [SnapshotProblem.Kind] {
            var references: [ManifestPage.Reference?] = Array(repeating: nil, count: 257)
            var objects: [SnapshotObject] = []
            for (number, shard) in shards {
                let object = try shard.object()
                objects.append(object)
                references[number] = .init(object)
            }
            let pages = stride(from: 0, to: 257, by: 64).map { first in
                ManifestPage(firstShard: first, references: Array(references[first..<min(first + 64, 257)]))
                    .object
            }
            let manifest = Manifest(
                version: SnapshotVersion(epoch: 1, counter: 1), issuedAt: fixture.now,
                freshUntil: fixture.now,
                layout: .small, pages: pages.map(\.address), fleetKey: fixture.fleetKey.id)
            var assembly = SnapshotAssembly(
                try VerifiedManifest.verify(
                    cached: manifest.signed(by: fixture.snapshotKey), trusting: try fixture.trustedKeys()))
            for object in pages + objects { try assembly.add(object) }
            do throws(InvalidSnapshot) {
                _ = try CompiledSnapshot(assembly)
                return []
            } catch { return error.problems.map(\.kind) }
        }
        var tenant = Shard()
        tenant.tenants = fixture.content.tenants
        tenant.workspaces = fixture.content.workspaces
        #expect(try problems([home: tenant]) == [])
        #expect(try problems([away: tenant]) == [.misplaced])
        #expect(try problems([0: tenant]) == [.misplaced])
        var platform = Shard()
        platform.providers = fixture.content.providers
        platform.prices = fixture.content.prices
        #expect(try problems([0: platform]) == [])
        #expect(try problems([home: platform]).contains(.misplaced))
        var keys = Shard()
        keys.keys = fixture.content.keys
        let keyHome = ShardLayout.small.shard(of: parts.key.publicID)
        #expect(try problems([keyHome % 256 + 1: keys]).contains(.misplaced))
    }

    @Test("a tenant that goes away under its keys is noticed, though their shards did not change")
    func danglingLater() throws {
        var fixture = SnapshotFixture()
        for _ in 0..<10 {
            let (tenant, workspace) = fixture.addTenant()
            for _ in 0..<20 { _ = fixture.addKey(tenant, workspace) }
        }
        let running = try fixture.compiled()
        fixture.content.tenants.removeLast()
        fixture.content.workspaces.removeLast()
        let assembly = try fixture.assembly(of: try fixture.built(counter: 2), previous: running.addresses)
        #expect {
            try CompiledSnapshot(assembly, previous: running)
        } throws: { error in
            (error as? InvalidSnapshot)?.problems.allSatisfy { $0.kind == .dangling } == true
        }
    }

    @Test("no more than a hundred problems are listed")
    func limited() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for number in 0..<300 {
            _ = fixture.addRoute(
                "r-\(number)", of: parts.tenant, to: [(ProviderID(high: 7, low: 7), parts.model)])
        }
        let problems = validate(try fixture.built())
        #expect(problems.count == InvalidSnapshot.maximumProblems)
        let built = try fixture.built()
        do throws(InvalidSnapshot) { _ = try CompiledSnapshot(built) } catch {
            #expect(error.description.contains("; dangling: route_"))
        }
    }
}
