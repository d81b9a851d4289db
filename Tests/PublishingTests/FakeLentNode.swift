import Contract
import Cryptography
import Domain
import EventLoops
import Ingest
import Policy
import Publishing
import TestSupport
import Testing

/// A node that is nothing but the real holder: its disk is an array, its calls are counters. Loop thread.
final class FakeLentNode {
    let id: NodeID
    private(set) var holder: GrantHolder
    private let rig: ControlPlaneRig
    private let trust: TrustedKeys
    private let time: FakeTime
    private var saved: [GrantID: SavedGrant] = [:]
    private var events: [UsageEvent] = []
    private var sequence: Int64 = 0
    private let outboxEpoch: Int64

    init(_ id: NodeID, _ rig: ControlPlaneRig, _ time: FakeTime, seed: UInt64) throws {
        self.id = id
        self.rig = rig
        self.time = time
        trust = try TrustedKeys(pinned: [rig.keys.root.publicKey], chain: rig.keys.keySets)
        outboxEpoch = Int64(bitPattern: seed) & .max | 1
        holder = GrantHolder(sequence: 0, at: time.now, identifiers: SeededGenerator(seed: seed))
    }

    /// One message there and its answer back; false: the control plane did not answer.
    @discardableResult
    func exchange() async throws -> Bool {
        let request = holder.request(at: time.now, wall: time.wall)
        guard case .answer(let answer) = await rig.lender.take(request.encoded, from: id) else {
            return false
        }
        let decoded = try GrantAnswer(encoded: answer.encoded)
        let changes = holder.take(decoded, to: request, at: time.now) { trust.grant(in: $0, of: id) }
        for save in changes.saves {
            var save = save
            save.spent = saved[save.id]?.spent ?? 0
            saved[save.id] = save
        }
        for id in changes.deletes { saved[id] = nil }
        _ = holder.saved(changes, at: time.now)
        return true
    }

    func hold(_ claim: LimitClaim) -> HoldVerdict { hold([claim]) }
    func hold(_ claims: [LimitClaim]) -> HoldVerdict { holder.hold(claims, at: time.now, wall: time.wall) }
    func endWait(_ wait: LimitWait) { holder.endWait(wait) }

    /// The call is answered: its event is durable, then its holds go back.
    func settle(_ holds: [LimitHold], of tenant: TenantID, cost: Int64) {
        let grants = holds.filter(\.isSpent).map(\.grant)
        for grant in grants { saved[grant]?.spent += cost }
        events.append(Self.event(tenant, cost: cost, grants, at: time.wall))
        holder.settle(holds, (TokenUsage(input: 1, output: 1), NanoUSD(nanos: cost)), at: time.now)
    }

    /// Sends what it has, as one batch.
    func upload() async throws {
        if events.isEmpty { return }
        sequence += 1
        let batch = try SealedUsageBatch(
            node: id, outboxEpoch: outboxEpoch, sequence: sequence, events: events)
        #expect(await rig.ingest.take(batch.bytes, from: id) == .answer(.acknowledged(sequence: sequence)))
        events = []
    }

    static func event(
        _ tenant: TenantID, cost: Int64, _ grants: [GrantID], at now: Timestamp
    ) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(at: now), tenant: tenant, workspace: WorkspaceID(high: 1, low: 1),
            key: KeyID(high: 1, low: 1), route: RouteID(high: 1, low: 1),
            provider: ProviderID(high: 1, low: 1), model: ModelID(high: 1, low: 1), price: nil,
            endpoint: .chat, startedAt: now, latencyMicroseconds: 0, firstByteMicroseconds: 0,
            usage: TokenUsage(input: 1, output: 1), cost: NanoUSD(nanos: cost), costState: .settled,
            status: 200, isStream: false, ending: .completed, grants: grants)
    }
}

/// The monotonic clock and the wall clock, moved by the test alone.
final class FakeTime: Sendable {
    private let clock: FakeClock
    private let start: Timestamp

    init() {
        clock = FakeClock()
        start = clock.now
    }

    var wall: Timestamp { clock.now }
    var now: Int64 { 1_000_000_000 + wall.microseconds(since: start) * 1_000 }
    var wallClock: WallClock { clock.clock }
    func advance(milliseconds: Int64) { clock.advance(microseconds: milliseconds * 1_000) }
}
