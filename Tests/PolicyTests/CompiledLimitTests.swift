import Contract
import Domain
import Policy
import TestSupport
import Testing

/// Which limits bind a call, and where it counts.
@Suite("limits of a call")
struct CompiledLimitTests {
    private static let owner = UserID(high: 9, low: 1)
    private static let group = GroupID(high: 9, low: 2)
    private static let red = LimitPart(tag: "team:red")

    /// A tenant whose one key has an owner in a group, and two tags.
    private struct Scene {
        var fixture: SnapshotFixture
        let parts: SnapshotFixture.Parts

        init() {
            (fixture, parts) = SnapshotFixture.small()
            let key = fixture.content.keys[0]
            fixture.content.keys = [
                KeyEntry(
                    id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
                    secretHash: key.secretHash, tags: ["team:red", "batch"], owner: owner)
            ]
            fixture.content.groups = [GroupEntry(id: group, tenant: parts.tenant, members: [owner])]
        }

        func limit(
            _ number: UInt64, _ subject: LimitSubject = .tenant, match: LimitMatch = .everything,
            by partition: LimitPartition = .none
        ) -> LimitEntry {
            LimitEntry(
                id: LimitID(high: 5, low: number), tenant: parts.tenant, name: "limit \(number)",
                subject: subject, match: match, partition: partition, metric: .cost, amount: 100,
                period: .month)
        }

        mutating func add(_ limits: LimitEntry...) {
            for limit in limits {
                if limit.subject.kind == .key {
                    fixture.content.keys[0].limits.append(limit)
                } else {
                    fixture.content.limits.append(limit)
                }
            }
        }

        /// The accounts a call of the key counts in: each limit's number, and the part.
        func accounts() throws -> [(UInt64, LimitPart)] {
            let admitted = try admission(
                parts.key.reveal(), at: fixture.now, in: try fixture.compiled()
            ).get()
            var found: [(UInt64, LimitPart)] = []
            admitted.key.forEachLimit(of: admitted.route) { limit, account in
                #expect(account.limit == limit.id && account.tenant == parts.tenant)
                found.append((account.limit.low, account.part))
            }
            #expect(admitted.key.mayBeLimited || found.isEmpty)
            return found
        }
    }

    @Test("a key without limits is asked nothing")
    func none() throws {
        let scene = Scene()
        let admitted = try admission(
            scene.parts.key.reveal(), at: scene.fixture.now, in: try scene.fixture.compiled()
        ).get()
        #expect(!admitted.key.mayBeLimited)
        #expect(try scene.accounts().isEmpty)
    }

    @Test("a call counts against its tenant, workspace, groups, owner and key, and nobody else's")
    func subjects() throws {
        var scene = Scene()
        scene.add(
            scene.limit(1), scene.limit(2, .workspace(scene.parts.workspace)),
            scene.limit(3, .group(Self.group)),
            scene.limit(4, .user(Self.owner)), scene.limit(5, .key(scene.parts.keyID)),
            scene.limit(6, .workspace(WorkspaceID(high: 8, low: 8))),
            scene.limit(7, .group(GroupID(high: 8, low: 8))), scene.limit(8, .user(UserID(high: 8, low: 8))))
        #expect(try scene.accounts().map(\.0) == [1, 2, 3, 4, 5])
        #expect(try scene.accounts().allSatisfy { $0.1 == .whole })
    }

    @Test("routes, models and tags choose which calls count")
    func matches() throws {
        var scene = Scene()
        let other = LimitMatch(routes: [RouteID(high: 8, low: 8)])
        scene.add(
            scene.limit(1, match: LimitMatch(routes: [scene.parts.route])), scene.limit(2, match: other),
            scene.limit(3, match: LimitMatch(models: [scene.parts.model])),
            scene.limit(4, match: LimitMatch(models: [ModelID(high: 8, low: 8)])),
            scene.limit(5, match: LimitMatch(tags: ["x", "batch"])),
            scene.limit(6, match: LimitMatch(tags: ["x"])))
        #expect(try scene.accounts().map(\.0) == [1, 3, 5])
    }

    @Test("a partitioned limit has an account for every part, and a call counts in its own")
    func partitions() throws {
        var scene = Scene()
        let tags = LimitMatch(tags: ["batch", "team:red", "x"])
        scene.add(
            scene.limit(1, by: .workspace), scene.limit(2, by: .key), scene.limit(3, by: .user),
            scene.limit(4, match: tags, by: .tag))
        let found = try scene.accounts()
        #expect(found.map(\.0) == [1, 2, 3, 4, 4])
        #expect(
            found.map(\.1) == [
                LimitPart(scene.parts.workspace), LimitPart(scene.parts.keyID), LimitPart(Self.owner),
                LimitPart(tag: "batch"), Self.red,
            ])
        // Both planes must find the same account for ever.
        #expect(Self.red == LimitPart(high: 0xF47D_4965_EF61_52E3, low: 0x7920_E60A_8B2A_288B))
    }

    @Test("a snapshot with a limit that cannot be, or that lies in the wrong place, does not stand")
    func refused() throws {
        let cases: [(inout Scene) -> Void] = [
            { $0.add($0.limit(1, by: .tag)) },
            { $0.add($0.limit(1), $0.limit(1)) },
            { $0.fixture.content.limits = [$0.limit(1, .key($0.parts.keyID))] },
            { $0.fixture.content.keys[0].limits = [$0.limit(1)] },
            { $0.fixture.content.keys[0].limits = [$0.limit(1, .key(KeyID(high: 8, low: 8)))] },
        ]
        for (index, spoil) in cases.enumerated() {
            var scene = Scene()
            spoil(&scene)
            #expect(throws: InvalidSnapshot.self, "case \(index)") { _ = try scene.fixture.compiled() }
        }
    }
}
