import Contract
import Domain
import Testing

@Suite("parts of a usage batch")
struct UsageBatchPartsTests {
    private static func event(_ number: Int) -> UsageEvent {
        UsageEvent(
            id: UsageEventID(high: 1, low: UInt64(number)), tenant: TenantID(high: 2, low: 2),
            workspace: WorkspaceID(high: 3, low: 3), key: KeyID(high: 4, low: 4),
            route: RouteID(high: 5, low: 5), provider: ProviderID(high: 6, low: 6),
            model: ModelID(high: 7, low: 7), price: number.isMultiple(of: 2) ? PriceID(high: 8, low: 8) : nil,
            endpoint: .chat, startedAt: Timestamp(microseconds: 1_700_000_000_000_000),
            latencyMicroseconds: 1_234, firstByteMicroseconds: 99,
            usage: TokenUsage(input: 100, output: Int64(number)), cost: NanoUSD(nanos: Int64(number) * 10),
            costState: .settled, status: 200, isStream: false, ending: .completed,
            errorCode: number == 3 ? String(repeating: "e", count: 60) : nil)
    }

    @Test("a head and events written in place are the very bytes of a sealed batch", arguments: [1, 2, 7])
    func sameBytes(_ count: Int) throws {
        let node = NodeID(high: 9, low: 9)
        let events = (1...count).map(Self.event)
        let whole = try SealedUsageBatch(node: node, outboxEpoch: 77, sequence: 5, events: events)
        var written: [UInt8] = []
        for event in events { event.append(toBatch: &written) }
        let total = NanoUSD(nanos: events.reduce(0) { $0 + $1.cost.nanos })
        let head = written.withUnsafeBytes {
            SealedUsageBatch.head(
                node: node, outboxEpoch: 77, sequence: 5, eventCount: count, totalCost: total, events: $0)
        }
        #expect(head + written == whole.bytes)
        #expect(try SealedUsageBatch(bytes: head + written).opened().events == events)
    }
}
