import Admission
import Contract
import Domain
import Policy
import TestSupport
import Testing

@Suite("admission")
struct AdmissionTests {
    let fixture: SnapshotFixture
    let parts: SnapshotFixture.Parts
    let snapshot: CompiledSnapshot

    init() throws {
        (fixture, parts) = SnapshotFixture.small()
        snapshot = try CompiledSnapshot(fixture.built())
    }

    func admit(
        _ admission: Admission, key: String?, route: String = "gpt-test", at now: Timestamp? = nil
    ) throws(Refusal) -> Permit {
        let name = Array(route.utf8)
        let bearer = key.map { Array($0.utf8) }
        return try name.span.withUnsafeBytes { name throws(Refusal) in
            guard let bearer else {
                return try admission.admit(
                    nil, route: name, endpoint: .chat, at: now ?? fixture.now, in: snapshot)
            }
            return try bearer.span.withUnsafeBytes { bearer throws(Refusal) in
                try admission.admit(
                    bearer, route: name, endpoint: .chat, at: now ?? fixture.now, in: snapshot)
            }
        }
    }

    @Test("a permit counts as in flight until it is settled or dropped")
    func counting() throws {
        let admission = Admission(seed: 1)
        do {
            let first = try admit(admission, key: parts.key.reveal())
            #expect(admission.inFlight == 1)
            let target = try #require(first.route.targets.first)
            let second = try admit(admission, key: parts.key.reveal())
            #expect(admission.inFlight == 2)
            _ = first.settle(
                CallOutcome(target: target, ending: .completed, status: 200, isStream: false, attempts: 1))
            #expect(admission.inFlight == 1)
            _ = consume second
        }
        #expect(admission.inFlight == 0)
    }

    @Test("without a key, with garbage or an unknown route nothing is admitted")
    func refusals() throws {
        let admission = Admission(seed: 1)
        for (key, route, refusal) in [
            (nil, "gpt-test", Refusal.invalidKey), ("", "gpt-test", .invalidKey),
            ("sk-foreign", "gpt-test", .invalidKey), (parts.key.reveal(), "other", .routeNotFound),
        ] {
            do throws(Refusal) {
                _ = try admit(admission, key: key, route: route)
                Issue.record("admitted")
            } catch { #expect(error == refusal) }
        }
        #expect(admission.inFlight == 0)
        #expect(throws: Refusal.invalidKey) {
            try admission.authenticate(nil, for: .models, at: fixture.now, in: snapshot)
        }
    }

    @Test("a key is known without naming a route")
    func authenticate() throws {
        let bearer = Array(parts.key.reveal().utf8)
        let key = try bearer.withUnsafeBytes {
            try Admission(seed: 1).authenticate($0, for: .models, at: fixture.now, in: snapshot)
        }
        #expect(key.routes.map(\.name) == ["gpt-test"])
        #expect(key.record.id == parts.keyID)
    }

    @Test("settling prices the usage and names everybody concerned")
    func settle() throws {
        let admission = Admission(seed: 7)
        let permit = try admit(admission, key: parts.key.reveal())
        let target = try #require(permit.route.targets.first)
        let event = permit.settle(
            CallOutcome(
                target: target, usage: TokenUsage(input: 1000, output: 500), ending: .completed, status: 200,
                isStream: true, attempts: 2, latencyMicroseconds: 9, firstByteMicroseconds: 4))
        #expect(event.tenant == parts.tenant && event.workspace == parts.workspace)
        #expect(event.key == parts.keyID && event.route == parts.route)
        #expect(event.provider == parts.provider && event.model == parts.model)
        #expect(event.price == parts.price && event.costState == .settled)
        // 1000 × 1 + 500 × 2 dollars a million tokens.
        #expect(event.cost == NanoUSD(nanos: 2_000_000))
        #expect(event.startedAt == fixture.now && event.endpoint == .chat && event.attempts == 2)
        #expect(event.isStream && event.errorCode == nil)
    }

    @Test("estimates and calls without a price say so")
    func states() throws {
        let admission = Admission(seed: 7)
        let permit = try admit(admission, key: parts.key.reveal())
        let target = try #require(permit.route.targets.first)
        let estimated = permit.settle(
            CallOutcome(
                target: target, usage: TokenUsage(input: 10, output: 0), isEstimated: true,
                ending: .clientGone, error: .upstreamCut, status: 200, isStream: true, attempts: 1))
        #expect(estimated.costState == .estimated && estimated.errorCode == "upstream_cut")
        let early = try admit(
            admission, key: parts.key.reveal(), at: Timestamp.epoch.advanced(bySeconds: -1))
        let unpriced = early.settle(
            CallOutcome(
                target: target, usage: TokenUsage(input: 10, output: 9), ending: .completed, status: 200,
                isStream: false, attempts: 1))
        #expect(unpriced.costState == .unpriced && unpriced.cost == .zero && unpriced.price == nil)
        #expect(unpriced.usage.output == 9)
    }

    @Test("ids of usage events do not repeat, also not between loops")
    func identifiers() throws {
        var seen: Set<UsageEventID> = []
        for seed in [UInt64(1), 2, 3] {
            let admission = Admission(seed: seed)
            for _ in 0..<200 {
                let permit = try admit(admission, key: parts.key.reveal())
                let target = try #require(permit.route.targets.first)
                let event = permit.settle(
                    CallOutcome(
                        target: target, ending: .completed, status: 200, isStream: false, attempts: 1))
                #expect(seen.insert(event.id).inserted)
            }
        }
    }
}
