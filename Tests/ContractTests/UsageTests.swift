import Contract
import Cryptography
import Domain
import TestSupport
import Testing

@Suite("usage batches")
struct UsageTests {
    static let node = NodeID(high: 9, low: 9)

    static func sealed(_ count: Int, sequence: Int64 = 1, epoch: Int64 = 77) throws -> SealedUsageBatch {
        let events = (0..<count).map { Sample.event(UInt64($0)) }
        return try SealedUsageBatch(node: node, outboxEpoch: epoch, sequence: sequence, events: events)
    }

    @Test("a sealed batch opens to its events", arguments: [0, 1, 3, 2000])
    func opens(_ count: Int) throws {
        let batch = try Self.sealed(count, sequence: 5).opened()
        #expect(batch.node == Self.node)
        #expect((batch.outboxEpoch, batch.sequence) == (77, 5))
        #expect(batch.events == (0..<count).map { Sample.event(UInt64($0)) })
        #expect(batch.totalCost.nanos == batch.events.reduce(0) { $0 + $1.cost.nanos })
    }

    @Test("2,000 of the largest events fit a batch, and one event more does not")
    func limits() throws {
        var event = Sample.event(.max >> 12)
        event.errorCode = String(repeating: "x", count: 64)
        event.latencyMicroseconds = .max
        event.firstByteMicroseconds = .max
        event.usage = TokenUsage(
            input: .max, cachedInput: 500_000_000, cacheWrite: .max, output: .max, reasoning: .max)
        #expect(event.encoded.count <= UsageEvent.maximumBytes)
        let events = Array(repeating: event.encoded, count: UsageBatch.maximumEvents)
        let batch = try SealedUsageBatch(
            node: Self.node, outboxEpoch: 1, sequence: 1, encodedEvents: events, totalCost: .zero)
        #expect(batch.bytes.count <= UsageBatch.maximumBytes)
        #expect(throws: CodecError.self) { try Self.sealed(2001) }
        #expect(throws: CodecError.self) { try Self.sealed(1, sequence: 0) }
        #expect(throws: CodecError.self) { try Self.sealed(1, epoch: 0) }
        #expect(throws: CodecError.self) {
            try SealedUsageBatch(
                node: Self.node, outboxEpoch: 1, sequence: 1,
                encodedEvents: [[UInt8](repeating: 0, count: UsageBatch.maximumBytes)], totalCost: .zero)
        }
        var dear = Sample.event(1)
        dear.cost = NanoUSD(nanos: .max)
        #expect(throws: CodecError.self) {
            try SealedUsageBatch(node: Self.node, outboxEpoch: 1, sequence: 1, events: [dear, dear])
        }
    }

    @Test("with any bit flipped or cut at any length it does not open")
    func damaged() throws {
        let sealed = try Self.sealed(2)
        for length in sealed.bytes.indices {
            #expect(throws: UsageBatch.Failure.self) {
                try SealedUsageBatch(bytes: Array(sealed.bytes[..<length])).opened()
            }
        }
        for position in sealed.bytes.indices {
            var bytes = sealed.bytes
            bytes[position] ^= 1 << UInt8(position % 8)
            #expect(throws: UsageBatch.Failure.digest) { try SealedUsageBatch(bytes: bytes).opened() }
        }
        #expect(throws: UsageBatch.Failure.self) {
            try SealedUsageBatch(bytes: [UInt8](repeating: 0, count: UsageBatch.maximumBytes + 1)).opened()
        }
    }

    /// A batch whose hash fits, with a record written by hand.
    static func forged(_ body: (inout FieldWriter) -> Void) -> SealedUsageBatch {
        var writer = FieldWriter()
        body(&writer)
        return SealedUsageBatch(bytes: sha256(writer.bytes).bytes + writer.bytes)
    }

    @Test("a count or a total that does not fit the events is refused, though the hash fits")
    func tally() throws {
        func batch(count: UInt32, total: Int64, sequence: Int64 = 1) -> SealedUsageBatch {
            Self.forged { writer in
                writer.id(1, Self.node)
                writer.signed(2, 5)
                writer.signed(3, sequence)
                writer.number(4, count)
                writer.signed(5, total)
                writer.value(6, Sample.event(1))
            }
        }
        #expect(try batch(count: 1, total: 1000).opened().events.count == 1)
        #expect(throws: UsageBatch.Failure.tally) { try batch(count: 2, total: 1000).opened() }
        #expect(throws: UsageBatch.Failure.tally) { try batch(count: 1, total: 999).opened() }
        #expect(throws: UsageBatch.Failure.self) { try batch(count: 1, total: 1000, sequence: -1).opened() }
        #expect(throws: UsageBatch.Failure.codec(.missing("UsageBatch", 1))) {
            try Self.forged { _ in }.opened()
        }
        #expect(throws: UsageBatch.Failure.codec(.truncated)) {
            try Self.forged { $0.bytes(6, [0x06]) }.opened()
        }
    }

    @Test(
        "the rule of exactly once",
        arguments: [
            (1, 0, nil, .take), (2, 0, nil, .answer(.gap(needed: 1))), (5, 4, nil, .take),
            (4, 4, true, .answer(.acknowledged(sequence: 4))),
            (3, 4, true, .answer(.acknowledged(sequence: 3))),
            (4, 4, false, .answer(.conflict(sequence: 4))), (2, 4, nil, .answer(.conflict(sequence: 2))),
            (7, 4, nil, .answer(.gap(needed: 5))),
        ] as [(Int64, Int64, Bool?, BatchAnswer.Verdict)])
    func judged(_ sequence: Int64, _ lastTaken: Int64, _ isSame: Bool?, _ expected: BatchAnswer.Verdict) {
        let digest = sha256([1])
        let taken = isSame.map { $0 ? digest : sha256([2]) }
        let verdict = BatchAnswer.judge(
            sequence: sequence, digest: digest, lastTaken: lastTaken, takenDigest: taken)
        #expect(verdict == expected)
        #expect(BatchAnswer.acknowledged(sequence: 1).status == 200)
        #expect(BatchAnswer.gap(needed: 1).status == 409 && BatchAnswer.conflict(sequence: 1).status == 409)
    }

    @Test(
        "with messages lost, repeated and reordered every batch is taken once and in order",
        arguments: SeededGenerator.seeds)
    func lossyNetwork(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let batches = try (1...30).map { try Self.sealed(1, sequence: Int64($0)) }
        var taken: [SHA256Digest] = []
        var acknowledged = 0
        var steps = 0
        while acknowledged < batches.count, steps < 100_000 {
            steps += 1
            // The sender offers one of the next two, now and then an old one; requests and answers get lost.
            let offset =
                Int.random(in: 0..<10, using: &generator) == 0 ? -1 : Int.random(in: 0..<2, using: &generator)
            let index = min(max(acknowledged + offset, 0), batches.count - 1)
            if Int.random(in: 0..<3, using: &generator) == 0 { continue }
            let batch = batches[index]
            let digest = try #require(batch.digest)
            let verdict = BatchAnswer.judge(
                sequence: Int64(index + 1), digest: digest, lastTaken: Int64(taken.count),
                takenDigest: index < taken.count ? taken[index] : nil)
            var answer = BatchAnswer.acknowledged(sequence: Int64(index + 1))
            switch verdict {
            case .take: taken.append(digest)
            case .answer(let given): answer = given
            }
            if Int.random(in: 0..<3, using: &generator) == 0 { continue }
            if case .acknowledged(let sequence) = answer { acknowledged = max(acknowledged, Int(sequence)) }
            if case .gap(let needed) = answer { #expect(needed == Int64(taken.count + 1)) }
        }
        #expect(taken == batches.compactMap(\.digest))
    }
}

@Suite("stream frames")
struct StreamFrameTests {
    @Test("frames come out whole, however the bytes are cut")
    func segmentation() throws {
        let (fixture, _) = SnapshotFixture.small()
        let built = try fixture.built()
        let first = fixture.frame(of: built)
        let second = StreamFrame(manifest: fixture.envelope(of: built))
        let bytes = first.framed + second.framed
        for cut in 0...bytes.count {
            var reader = FrameReader()
            var frames: [StreamFrame] = []
            for part in [bytes[..<cut], bytes[cut...]] {
                Array(part).withUnsafeBytes { reader.append($0) }
                while let frame = try reader.next() { frames.append(frame) }
            }
            #expect(frames == [first, second], "cut at \(cut)")
        }
    }

    @Test("a frame that is too long or no frame ends the stream")
    func refused() throws {
        var long = FrameReader()
        [UInt8]([0x01, 0, 0, 0, 0]).withUnsafeBytes { long.append($0) }
        #expect(throws: CodecError.self) { try long.next() }
        var garbage = FrameReader()
        [UInt8]([0, 0, 0, 1, 0xFF]).withUnsafeBytes { garbage.append($0) }
        #expect(throws: CodecError.self) { try garbage.next() }
        var empty = FrameReader()
        #expect(try empty.next() == nil)
        [UInt8]([0, 0, 0, 0]).withUnsafeBytes { empty.append($0) }
        #expect(throws: CodecError.missing("StreamFrame", 1)) { try empty.next() }
    }
}
