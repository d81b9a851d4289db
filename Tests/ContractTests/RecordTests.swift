import Contract
import Domain
import TestSupport
import Testing

@Suite("binary records")
struct RecordTests {
    @Test("a record reads back to the same bytes", arguments: Sample.all)
    func roundTrip(_ sample: Sample) throws {
        #expect(try sample.again(sample.bytes) == sample.bytes)
    }

    @Test("fields of a later release are skipped", arguments: Sample.all)
    func unknownFields(_ sample: Sample) throws {
        var writer = FieldWriter()
        writer.text(100_000, "later")
        writer.number(100_001, 5 as UInt8)
        #expect(try sample.again(writer.bytes + sample.bytes + writer.bytes) == sample.bytes)
    }

    @Test("cut at any length it is refused, or a record that says less; never a trap", arguments: Sample.all)
    func truncated(_ sample: Sample) {
        for length in 0..<sample.bytes.count {
            let isSame = (try? sample.again(Array(sample.bytes[..<length]))) == sample.bytes
            #expect(!isSame, "cut to \(length)")
        }
    }

    @Test(
        "with any bit flipped it is refused, or a record that says something else; never a trap",
        arguments: Sample.all)
    func flipped(_ sample: Sample) {
        for position in sample.bytes.indices {
            for bit in 0..<8 {
                var damaged = sample.bytes
                damaged[position] ^= 1 << UInt8(bit)
                if let read = try? sample.again(damaged) {
                    #expect(read != sample.bytes, "\(position).\(bit)")
                }
            }
        }
    }

    @Test("any byte replaced by any extreme never traps", arguments: Sample.all, SeededGenerator.seeds)
    func mutated(_ sample: Sample, _ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<400 {
            var damaged = sample.bytes
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                guard let position = damaged.indices.randomElement(using: &generator) else { break }
                switch UInt8.random(in: 0..<4, using: &generator) {
                case 0: damaged[position] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &generator) ?? 0
                case 1: damaged.remove(at: position)
                case 2: damaged.insert(.random(in: 0...255, using: &generator), at: position)
                default: damaged[position] = .random(in: 0...255, using: &generator)
                }
            }
            // What can be read can be written and read again, to the same bytes.
            guard let read = try? sample.again(damaged) else { continue }
            let isStable = (try? sample.again(read)) == read
            #expect(isStable)
        }
    }

    @Test("values of later releases that matter are refused, not guessed")
    func unknownValues() {
        func replacing(_ tag: UInt32, _ body: (inout FieldWriter) -> Void) -> [UInt8] {
            var writer = FieldWriter()
            body(&writer)
            return Sample.event(1).encoded + writer.bytes
        }
        // A later field wins, so each of these overrides the good one.
        #expect(throws: CodecError.self) {
            try UsageEvent(encoded: replacing(9) { $0.number(9, 200 as UInt8) })
        }
        #expect(throws: CodecError.self) {
            try UsageEvent(encoded: replacing(19) { $0.number(19, 9 as UInt8) })
        }
        #expect(throws: CodecError.self) {
            try UsageEvent(encoded: replacing(22) { $0.number(22, 99 as UInt8) })
        }
        #expect(throws: CodecError.self) { try UsageEvent(encoded: replacing(13) { $0.signed(13, -1) }) }
        #expect(throws: CodecError.self) { try UsageEvent(encoded: replacing(14) { $0.signed(14, 101) }) }
        #expect(throws: CodecError.self) { try UsageEvent(encoded: replacing(18) { $0.signed(18, -1) }) }
        #expect(throws: CodecError.self) {
            try UsageEvent(encoded: replacing(20) { $0.number(20, 1000 as UInt16) })
        }
    }

    @Test("lists are bounded")
    func bounds() throws {
        let target = TargetEntry(
            provider: ProviderID(high: 1, low: 1), model: ModelID(high: 1, low: 1), upstreamModel: "m")
        func route(_ count: Int) -> RouteEntry {
            RouteEntry(
                id: RouteID(high: 1, low: 1), tenant: TenantID(high: 1, low: 1), name: "r",
                targets: Array(repeating: target, count: count))
        }
        #expect(try RouteEntry(encoded: route(32).encoded).targets.count == 32)
        #expect(throws: CodecError.tooLarge("more than 32 targets of a route")) {
            try RouteEntry(encoded: route(33).encoded)
        }
        var shard = Shard()
        let entry = TenantEntry(id: TenantID(high: 1, low: 1))
        shard.tenants = Array(repeating: entry, count: Shard.maximumEntries + 1)
        #expect(throws: CodecError.self) { try Shard(encoded: shard.encoded) }
        #expect(throws: CodecError.self) { try shard.object() }
    }

    @Test("a full route and a full price read back as they were")
    func fullEntries() throws {
        let parts = SnapshotFixture.small().parts
        let (route, price) = (Sample.route(parts), Sample.price(parts))
        #expect(try RouteEntry(encoded: route.encoded) == route)
        #expect(try PriceEntry(encoded: price.encoded) == price)
        let usual = RouteEntry(
            id: parts.route, tenant: parts.tenant, name: "r", steps: [.route(parts.route, TargetTerms())])
        #expect(try RouteEntry(encoded: usual.encoded) == usual)
    }

    @Test("a parameter that is no JSON is refused: it would go into requests as it stands")
    func parameters() {
        let parts = SnapshotFixture.small().parts
        for json in ["{", "1,\"model\":\"x\"", "nul"] {
            let terms = TargetTerms(parameters: [TargetParameter(name: "p", json: json)])
            let target = TargetEntry(
                provider: parts.provider, model: parts.model, upstreamModel: "m", terms: terms)
            #expect(throws: CodecError.self, "\(json)") { try TargetEntry(encoded: target.encoded) }
        }
    }

    @Test("names of states are the words of the API")
    func names() {
        #expect(UsageEvent.CostState.allCases.map(\.name) == ["settled", "estimated", "unpriced"])
        #expect(
            UsageEvent.Ending.allCases.map(\.name) == [
                "completed", "client_gone", "upstream_cut", "timed_out", "provider_error", "node_killed",
            ])
    }
}
