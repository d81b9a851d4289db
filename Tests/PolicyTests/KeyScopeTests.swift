import Contract
import Cryptography
import Domain
import Policy
import TestSupport
import Testing

@Suite("what a key is held to")
struct KeyScopeTests {
    private static let ranges = ["10.0.0.0/8", "2001:db8::/32"].compactMap { AddressRange($0) }

    private static func origin(_ text: String?, isOverdue: Bool = false) -> CallOrigin {
        CallOrigin(address: text.flatMap { NetworkAddress($0) }, isOverdue: isOverdue)
    }

    @Test("a key held to addresses is refused from every other, and from one that is not known")
    func addresses() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        _ = fixture.addRoute("gpt-test", of: tenant, to: [(fixture.addProvider(), fixture.addModel().model)])
        let held = fixture.addKey(
            tenant, workspace, permitted: KeyPermissions(addresses: Self.ranges)
        ).text.reveal()
        let free = fixture.addKey(tenant, workspace).text.reveal()
        let snapshot = try fixture.compiled()
        let cases: [(String?, Bool)] = [
            ("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("2001:db8::7", true), ("11.0.0.1", false),
            ("2001:db9::", false), ("::1", false), (nil, false),
        ]
        for (address, isAllowed) in cases {
            let origin = Self.origin(address)
            let refusal = admission(held, from: origin, at: fixture.now, in: snapshot).refusal
            #expect(refusal == (isAllowed ? nil : .addressNotAllowed), "\(address ?? "unknown")")
            #expect(admission(free, from: origin, at: fixture.now, in: snapshot).refusal == nil)
        }
    }

    @Test("a key held to models is sent to no other, and refused where none is left")
    func models() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        let provider = fixture.addProvider()
        let cheap = fixture.addModel().model, dear = fixture.addModel().model
        _ = fixture.addRoute("both", of: tenant, to: [(provider, dear), (provider, cheap)])
        _ = fixture.addRoute("dear", of: tenant, to: [(provider, dear)])
        let key = fixture.addKey(tenant, workspace, permitted: KeyPermissions(models: [cheap])).text.reveal()
        let snapshot = try fixture.compiled()
        let admitted = try admission(key, route: "both", at: fixture.now, in: snapshot).get()
        for draw in 0..<50 as Range<UInt64> {
            let plan = plan(
                admitted.route, of: admitted.key, in: snapshot,
                by: PlanChance(draw: draw &* 0x9E37_79B9_7F4A_7C15))
            #expect(plan.count == 1 && plan[0]?.entry.model == cheap)
        }
        let refused = admission(key, route: "dear", at: fixture.now, in: snapshot).refusal
        #expect(refused == .modelNotAllowed)
        #expect(admitted.key.routes.map(\.name) == ["both"])
    }

    @Test("of a rotated key the new secret works, and the old one until its time is over")
    func rotation() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        _ = fixture.addRoute("gpt-test", of: tenant, to: [(fixture.addProvider(), fixture.addModel().model)])
        let old = fixture.addKey(tenant, workspace).text
        var generator = SystemRandomNumberGenerator()
        let new = KeyText(rotating: old.publicID, using: &generator)
        let third = KeyText(rotating: old.publicID, using: &generator)
        let until = fixture.now.advanced(bySeconds: 60)
        let entry = fixture.content.keys[0]
        fixture.content.keys[0] = KeyEntry(
            id: entry.id, tenant: tenant, workspace: workspace, publicID: entry.publicID,
            secretHash: SecretHash(of: new),
            previous: PreviousSecret(hash: SecretHash(of: old), until: until))
        let snapshot = try fixture.compiled()
        #expect(new.publicID == old.publicID)
        let before = until.advanced(byMicroseconds: -1)
        #expect(admission(new.reveal(), at: before, in: snapshot).refusal == nil)
        #expect(admission(new.reveal(), at: until, in: snapshot).refusal == nil)
        #expect(admission(old.reveal(), at: before, in: snapshot).refusal == nil)
        #expect(admission(old.reveal(), at: until, in: snapshot).refusal == .secretReplaced)
        #expect(admission(third.reveal(), at: before, in: snapshot).refusal == .invalidKey)
    }

    @Test("strict keys, and only they, end when the control plane was silent for too long")
    func strict() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        _ = fixture.addRoute("gpt-test", of: tenant, to: [(fixture.addProvider(), fixture.addModel().model)])
        let free = fixture.addKey(tenant, workspace).text.reveal()
        let strict = fixture.addKey(tenant, workspace).text
        let entry = fixture.content.keys[1]
        fixture.content.keys[1] = KeyEntry(
            id: entry.id, tenant: tenant, workspace: workspace, publicID: entry.publicID,
            secretHash: entry.secretHash, isStrict: true)
        let snapshot = try fixture.compiled()
        let overdue = Self.origin("10.0.0.1", isOverdue: true), fresh = Self.origin("10.0.0.1")
        #expect(admission(free, from: overdue, at: fixture.now, in: snapshot).refusal == nil)
        let refusal = admission(strict.reveal(), from: overdue, at: fixture.now, in: snapshot).refusal
        #expect(refusal == .snapshotStale)
        #expect(admission(strict.reveal(), from: fresh, at: fixture.now, in: snapshot).refusal == nil)
    }

    @Test("tags and owner come along, for few bytes")
    func scopes() throws {
        var fixture = SnapshotFixture()
        let (tenant, workspace) = fixture.addTenant()
        _ = fixture.addRoute("gpt-test", of: tenant, to: [(fixture.addProvider(), fixture.addModel().model)])
        let owner = UserID(at: fixture.now)
        var texts: [KeyText] = []
        for index in 0..<100 {
            texts.append(fixture.addKey(tenant, workspace).text)
            let entry = fixture.content.keys[index]
            fixture.content.keys[index] = KeyEntry(
                id: entry.id, tenant: tenant, workspace: workspace, publicID: entry.publicID,
                secretHash: entry.secretHash, tags: ["team:\(index)", "red"],
                owner: index == 7 ? owner : nil)
        }
        let snapshot = try fixture.compiled()
        for (index, text) in texts.enumerated() {
            let key = try admission(text.reveal(), at: fixture.now, in: snapshot).get().key
            #expect(key.tags == ["team:\(index)", "red"])
            #expect(key.has(tag: "red") && key.has(tag: "team:\(index)") && !key.has(tag: "blue"))
            #expect(key.owner == (index == 7 ? owner : nil))
        }
        #expect(snapshot.keyBytes / snapshot.keyCount < 400)
    }
}
