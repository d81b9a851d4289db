import Contract
import Cryptography
import Domain
import Policy
import Store
import TestSupport
import Testing

@testable import Publishing

@Suite("sharded snapshot")
struct ShardedSnapshotTests {
    /// A small generator, so that a failing seed can be run again.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
    }

    private static func content(of owners: Set<TenantID?>, in content: SnapshotContent) -> SnapshotContent {
        var part = content
        part.tenants.removeAll { !owners.contains($0.id) }
        part.workspaces.removeAll { !owners.contains($0.tenant) }
        part.keys.removeAll { !owners.contains($0.tenant) }
        part.providers.removeAll { !owners.contains($0.tenant) }
        part.routes.removeAll { !owners.contains($0.tenant) }
        part.prices.removeAll { !owners.contains($0.tenant) }
        return part
    }

    @Test("changing some owners gives the very objects that building everything gives", arguments: 1...20)
    func incremental(_ seed: UInt64) throws {
        var dice = Dice(state: seed)
        var fixture = SnapshotFixture()
        let provider = fixture.addProvider()
        var tenants: [(tenant: TenantID, workspace: WorkspaceID)] = []
        for _ in 0..<12 { tenants.append(fixture.addTenant()) }
        var sharded = try ShardedSnapshot(fixture.content)
        for step in 0..<15 {
            var dirty: Set<TenantID?> = []
            for _ in 0..<Int.random(in: 1...3, using: &dice) {
                let (tenant, workspace) = tenants[Int.random(in: 0..<tenants.count, using: &dice)]
                dirty.insert(tenant)
                switch Int.random(in: 0..<6, using: &dice) {
                case 0...2: _ = fixture.addKey(tenant, workspace)
                case 3:
                    let (model, _) = fixture.addModel(of: tenant)
                    _ = fixture.addRoute("route-\(step)-\(model)", of: tenant, to: [(provider, model)])
                case 4: fixture.content.keys.removeAll { $0.tenant == tenant }
                default:
                    _ = fixture.addProvider(baseURL: "https://provider-\(step).example")
                    dirty.insert(nil)
                }
            }
            _ = try sharded.replace(
                SnapshotScope(of: dirty), with: Self.content(of: dirty, in: fixture.content))
            let whole = try ShardedSnapshot(fixture.content)
            #expect(sharded.pages == whole.pages, "seed \(seed), step \(step)")
            #expect(sharded.shards == whole.shards, "seed \(seed), step \(step)")
            #expect(sharded.keyCount == fixture.content.keys.count, "seed \(seed), step \(step)")
        }
    }

    @Test("one key moves one shard and one page")
    func oneKey() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for _ in 0..<50 { _ = fixture.addKey(parts.tenant, parts.workspace) }
        var sharded = try ShardedSnapshot(fixture.content)
        let before = Set(sharded.objects.keys)
        _ = fixture.addKey(parts.tenant, parts.workspace)
        let part = Self.content(of: [parts.tenant], in: fixture.content)
        #expect(try sharded.replace(SnapshotScope(of: [parts.tenant]), with: part).tightening.isEmpty)
        #expect(Set(sharded.objects.keys).subtracting(before).count == 2)
    }

    @Test("one key of a tenant with thousands opens and encodes one shard, and needs none of the others")
    func oneKeyOfThousands() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for _ in 0..<3_000 { _ = fixture.addKey(parts.tenant, parts.workspace) }
        var sharded = try ShardedSnapshot(fixture.content)
        let key = fixture.content.keys[1_500]
        let revoked = KeyEntry(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: key.secretHash, revoked: fixture.now)
        var part = SnapshotContent()
        part.keys = [revoked]
        var scope = SnapshotScope()
        scope.keys = [key.publicID]
        let result = try sharded.replace(scope, with: part)
        #expect((result.opened, result.changed) == (1, 1))
        #expect(result.tightening.added == [.key(key.id)])
        fixture.content.keys[1_500] = revoked
        #expect(try sharded.shards == ShardedSnapshot(fixture.content).shards)
        // The same again differs in nothing, and a key that is gone leaves its shard.
        let again = try sharded.replace(scope, with: part)
        #expect((again.opened, again.changed) == (1, 0))
        #expect(try sharded.replace(scope, with: SnapshotContent()).changed == 1)
        #expect(sharded.keyCount == 3_000)
    }

    @Test("the settings of a tenant are replaced without a look at its keys")
    func settingsAlone() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for _ in 0..<3_000 { _ = fixture.addKey(parts.tenant, parts.workspace) }
        var sharded = try ShardedSnapshot(fixture.content)
        var part = Self.content(of: [parts.tenant], in: fixture.content)
        part.keys = []
        part.tenants = [TenantEntry(id: parts.tenant, isSuspended: true)]
        var scope = SnapshotScope()
        scope.owners = [parts.tenant]
        let result = try sharded.replace(scope, with: part)
        #expect((result.opened, result.changed) == (1, 1))
        #expect(sharded.keyCount == 3_001)
    }

    @Test("more than 100,000 keys are dealt to 4,096 buckets, and one fewer does not move everything back")
    func layout() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        func key(_ number: UInt64) throws -> KeyEntry {
            let text = String(number)
            return KeyEntry(
                id: KeyID(high: 1, low: number), tenant: tenant, workspace: workspace,
                publicID: try #require(KeyPublicID(String(repeating: "0", count: 16 - text.count) + text)),
                secretHash: .unknown)
        }
        fixture.content.keys = try (1...100_000).map { try key($0) }
        var sharded = try ShardedSnapshot(fixture.content)
        #expect(sharded.layout.bucketCount == 256)
        var scope = SnapshotScope()
        scope.keys = [try key(100_001).publicID]
        var part = SnapshotContent()
        part.keys = [try key(100_001)]
        _ = try sharded.replace(scope, with: part)
        #expect((sharded.layout.bucketCount, sharded.keyCount) == (4_096, 100_001))
        _ = try sharded.replace(scope, with: SnapshotContent())
        #expect((sharded.layout.bucketCount, sharded.keyCount) == (4_096, 100_000))
    }

    @Test("an adopted snapshot changes like the one it was published from")
    func adopted() throws {
        var (fixture, parts) = SnapshotFixture.small()
        for _ in 0..<20 { _ = fixture.addKey(parts.tenant, parts.workspace) }
        let built = try fixture.built()
        var adopted = try ShardedSnapshot(adopting: try fixture.assembly(of: built), objects: built.objects)
        #expect(adopted.pages.map(\.address) == built.manifest.pages)
        #expect(adopted.keyCount == 21)
        fixture.content.keys.removeFirst(5)
        _ = try adopted.replace(
            SnapshotScope(of: [parts.tenant]), with: Self.content(of: [parts.tenant], in: fixture.content))
        #expect(try adopted.shards == ShardedSnapshot(fixture.content).shards)
    }

    @Test("a deleted tenant leaves nothing behind")
    func deletedTenant() throws {
        var (fixture, parts) = SnapshotFixture.small()
        let empty = fixture.content
        let (tenant, workspace) = fixture.addTenant()
        for _ in 0..<30 { _ = fixture.addKey(tenant, workspace) }
        var sharded = try ShardedSnapshot(fixture.content)
        let change = try sharded.replace(SnapshotScope(of: [tenant]), with: SnapshotContent()).tightening
        #expect(try sharded.shards == ShardedSnapshot(empty).shards)
        #expect(change.added.contains(.tenant(tenant)))
        #expect(change.added.count == 31)
        #expect(!change.added.contains(.tenant(parts.tenant)))
    }

    @Test("a sweep of everything finds what changed without a note, and says what it takes away")
    func sweep() throws {
        var (fixture, parts) = SnapshotFixture.small()
        var sharded = try ShardedSnapshot(fixture.content)
        #expect(try sharded.replace(nil, with: fixture.content).tightening.isEmpty)
        let key = fixture.content.keys[0]
        fixture.content.keys[0] = KeyEntry(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: key.secretHash, revoked: fixture.now)
        let change = try sharded.replace(nil, with: fixture.content).tightening
        #expect(change.added == [.key(parts.keyID)])
        #expect(try sharded.shards == ShardedSnapshot(fixture.content).shards)
    }

    @Test("suspending, disabling and revoking take away; resuming and enabling give back")
    func tightening() {
        let now = SnapshotFixture().now
        let tenant = TenantID(at: now), provider = ProviderID(at: now)
        func shard(suspended: Bool, enabled: Bool) -> Shard {
            var shard = Shard()
            shard.tenants = [TenantEntry(id: tenant, isSuspended: suspended)]
            shard.providers = [
                ProviderEntry(
                    id: provider, tenant: nil, kind: .openAI, baseURL: BaseURL("https://a.example")!,
                    credential: nil, isEnabled: enabled)
            ]
            return shard
        }
        var change = Tightening()
        change.note(from: shard(suspended: false, enabled: true), to: shard(suspended: true, enabled: false))
        #expect(change.added == [.tenant(tenant), .provider(provider)])
        #expect(change.lifted.isEmpty)
        change = Tightening()
        change.note(from: shard(suspended: true, enabled: false), to: shard(suspended: false, enabled: true))
        #expect(change.added.isEmpty)
        #expect(change.lifted == [.tenant(tenant), .provider(provider)])
    }

    @Test(
        "kills live until every node has them in its shards, at most a thousand of them, the youngest first")
    func killList() {
        let now = SnapshotFixture().now
        var list = KillList()
        var change = Tightening()
        var old = Shard()
        let tenant = TenantID(at: now), workspace = WorkspaceID(at: now)
        old.keys = (0..<1_200).map { number in
            KeyEntry(
                id: KeyID(high: 1, low: UInt64(number)), tenant: tenant, workspace: workspace,
                publicID: KeyPublicID(high: 1, low: UInt64(number)), secretHash: .unknown)
        }
        change.note(from: old, to: Shard())
        list.apply(change, at: now)
        var late = Tightening()
        var one = Shard()
        one.tenants = [TenantEntry(id: tenant)]
        late.note(from: one, to: Shard())
        list.apply(late, at: now.advanced(bySeconds: 200))
        #expect(list.entries.count == 1_000)
        #expect(list.entries.contains(.tenant(tenant)))
        let version = SnapshotVersion(epoch: 1, counter: 5)
        let later = now.advanced(bySeconds: 86_400)
        var unpublished = list
        let isForgotten = unpublished.expire(at: later, running: version)
        #expect(!isForgotten, "no shard says it yet")
        list.published(in: version)
        let verdicts = [
            list.expire(at: later, running: nil),
            list.expire(at: later, running: SnapshotVersion(epoch: 1, counter: 4)),
            list.expire(at: now.advanced(bySeconds: 29), running: version),
        ]
        #expect(verdicts == [false, false, false])
        // The tenant's entry is younger than half a minute.
        let isDone = list.expire(at: now.advanced(bySeconds: 220), running: version)
        #expect(isDone && list.entries == [.tenant(tenant)])
        let adopted = KillList(adopting: list.entries, of: version, at: now)
        #expect(adopted.entries == list.entries)
    }

    @Test("a process that another had replaced is noticed when it speaks again")
    func processWatch() {
        var watch = ProcessWatch()
        let node = NodeID(high: 1, low: 1)
        let verdicts = ["a", "a", "b", "b", "a", "b"].map { watch.note(node, nonce: $0) }
        #expect(verdicts == [true, true, true, true, false, false])
        let other = watch.note(NodeID(high: 1, low: 2), nonce: "a")
        #expect(other)
    }
}
