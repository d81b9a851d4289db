package import Cryptography
package import Domain

/// A sealed set of usage events: numbered once, never cut again, taken exactly once.
package struct UsageBatch: Hashable, Sendable {
    package let node: NodeID
    /// Random, made with the outbox file: a copied or restored outbox cannot pass for the old one. Positive.
    package let outboxEpoch: Int64
    /// 1, 2, 3 … without gaps inside an outbox epoch.
    package let sequence: Int64
    /// The sum of the events' costs.
    package let totalCost: NanoUSD
    package let events: [UsageEvent]
    /// What was refused meanwhile, by key, reason and minute; and a few of those calls. Neither counted nor
    /// summed above: a control plane of before they were sent skips them.
    package var refusals: [RefusalCount] = []
    package var refusalSamples: [RefusalSample] = []
    /// Of an outbox that was rolled back or cloned: some of the events may have come in an earlier epoch.
    package var isRecovered = false

    package static let maximumEvents = 2000
    /// Of each kind; no more would fit into a batch.
    package static let maximumRefusals = 1 << 15
    static let refusalCountTag: UInt32 = 7
    static let refusalSampleTag: UInt32 = 8
    static let recoveredTag: UInt32 = 9
    /// The largest sealed batch, in bytes.
    package static let maximumBytes = 2 << 20
    package static let mediaType = "application/vnd.eclusa.usage.v1"

    package enum Failure: Error, Hashable, Sendable {
        case codec(CodecError)
        /// The bytes are not the ones that were sealed.
        case digest
        /// The events are not as many, or do not cost as much, as the batch says.
        case tally
    }
}

/// The immutable bytes of a sealed batch: their SHA-256, then the record. What the outbox keeps and uploads.
package struct SealedUsageBatch: Hashable, Sendable {
    package let bytes: [UInt8]

    package var digest: SHA256Digest? { SHA256Digest(Array(bytes.prefix(SHA256Digest.byteCount))) }

    /// Bytes that were sealed before, from an outbox.
    package init(bytes: [UInt8]) { self.bytes = bytes }

    /// Seals events, each in its encoded form and in order.
    ///
    /// Throws `.tooLarge` above 2,000 events and `.malformed` when the total leaves the range of money.
    package init(
        node: NodeID, outboxEpoch: Int64, sequence: Int64, encodedEvents: [[UInt8]], totalCost: NanoUSD,
        refusals: [RefusalCount] = [], refusalSamples: [RefusalSample] = [], isRecovered: Bool = false
    ) throws(CodecError) {
        guard encodedEvents.count <= UsageBatch.maximumEvents else {
            throw .tooLarge("more than \(UsageBatch.maximumEvents) events")
        }
        guard outboxEpoch > 0, sequence > 0 else { throw .malformed("outbox epoch and sequence begin at 1") }
        var writer = FieldWriter(reserving: encodedEvents.reduce(96) { $0 + $1.count + 4 })
        writer.id(1, node)
        writer.signed(2, outboxEpoch)
        writer.signed(3, sequence)
        writer.number(4, UInt32(encodedEvents.count))
        writer.signed(5, totalCost.nanos)
        for event in encodedEvents { writer.bytes(6, event) }
        writer.values(UsageBatch.refusalCountTag, refusals)
        writer.values(UsageBatch.refusalSampleTag, refusalSamples)
        writer.flag(UsageBatch.recoveredTag, isRecovered)
        guard writer.bytes.count + SHA256Digest.byteCount <= UsageBatch.maximumBytes else {
            throw .tooLarge("a batch above \(UsageBatch.maximumBytes) bytes")
        }
        bytes = sha256(writer.bytes).bytes + writer.bytes
    }

    /// Seals events, adding up their costs.
    package init(
        node: NodeID, outboxEpoch: Int64, sequence: Int64, events: [UsageEvent],
        refusals: [RefusalCount] = [], refusalSamples: [RefusalSample] = [], isRecovered: Bool = false
    ) throws(CodecError) {
        guard let total = UsageBatch.total(of: events) else { throw .malformed("a total cost out of range") }
        try self.init(
            node: node, outboxEpoch: outboxEpoch, sequence: sequence, encodedEvents: events.map(\.encoded),
            totalCost: total, refusals: refusals, refusalSamples: refusalSamples,
            isRecovered: isRecovered)
    }

    /// The batch, after its hash, count and total were checked.
    package func opened() throws(UsageBatch.Failure) -> UsageBatch {
        guard bytes.count <= UsageBatch.maximumBytes else {
            throw .codec(.tooLarge("a batch above \(UsageBatch.maximumBytes) bytes"))
        }
        guard let digest else { throw .codec(.truncated) }
        let record = bytes.withUnsafeBytes { bytes in
            let content = UnsafeRawBufferPointer(rebasing: bytes[SHA256Digest.byteCount...])
            return sha256(content) == digest
                ? Result { () throws(CodecError) in try Self.parse(content) } : nil
        }
        guard let record else { throw .digest }
        let (batch, count): (UsageBatch, Int)
        do throws(CodecError) { (batch, count) = try record.get() } catch { throw .codec(error) }
        guard batch.events.count == count, UsageBatch.total(of: batch.events) == batch.totalCost else {
            throw .tally
        }
        return batch
    }

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws(CodecError) -> (UsageBatch, Int) {
        var reader = FieldReader(bytes)
        var node: NodeID?
        var outboxEpoch: Int64 = 0
        var sequence: Int64 = 0
        var count: UInt32 = 0
        var totalCost: Int64 = 0
        var events: [UsageEvent] = []
        var refusals: [RefusalCount] = []
        var samples: [RefusalSample] = []
        var isRecovered = false
        while let field = try reader.next() {
            switch field.tag {
            case 1: node = try field.id()
            case 2: outboxEpoch = try field.signed()
            case 3: sequence = try field.signed()
            case 4: count = try field.number(upTo: UInt32(UsageBatch.maximumEvents))
            case 5: totalCost = try field.signed()
            case 6: try events.append(UsageEvent(field), upTo: UsageBatch.maximumEvents, "events in a batch")
            case UsageBatch.refusalCountTag:
                try refusals.append(
                    RefusalCount(field), upTo: UsageBatch.maximumRefusals, "refusals in a batch")
            case UsageBatch.refusalSampleTag:
                try samples.append(
                    RefusalSample(field), upTo: UsageBatch.maximumRefusals, "refused calls in a batch")
            case UsageBatch.recoveredTag: isRecovered = try field.flag()
            default: continue
            }
        }
        guard let node else { throw .missing("UsageBatch", 1) }
        guard outboxEpoch > 0, sequence > 0 else { throw .malformed("outbox epoch and sequence begin at 1") }
        let batch = UsageBatch(
            node: node, outboxEpoch: outboxEpoch, sequence: sequence, totalCost: NanoUSD(nanos: totalCost),
            events: events, refusals: refusals, refusalSamples: samples, isRecovered: isRecovered)
        return (batch, Int(count))
    }
}

extension UsageBatch {
    /// The sum of the events' costs, or nil when it leaves the range.
    static func total(of events: [UsageEvent]) -> NanoUSD? {
        var total = NanoUSD.zero
        for event in events {
            guard let sum = total.adding(event.cost) else { return nil }
            total = sum
        }
        return total
    }
}

/// What the control plane says to a batch.
package enum BatchAnswer: Hashable, Sendable {
    /// Taken, now or before with the same hash: delete it.
    case acknowledged(sequence: Int64)
    /// An earlier one is missing: go on from there.
    case gap(needed: Int64)
    /// This number was taken with another hash: the outbox was rolled back or cloned; begin a new outbox
    /// epoch.
    case conflict(sequence: Int64)

    /// The HTTP status it travels with.
    package var status: Int {
        switch self {
        case .acknowledged: 200
        case .gap, .conflict: 409
        }
    }

    /// The one rule of exactly-once: what to say to a batch, knowing the last sequence taken in its outbox
    /// epoch (0 when none) and, for one taken before, the digest it had.
    package static func judge(
        sequence: Int64, digest: SHA256Digest, lastTaken: Int64, takenDigest: SHA256Digest?
    ) -> Verdict {
        if sequence <= lastTaken {
            return takenDigest == digest
                ? .answer(.acknowledged(sequence: sequence)) : .answer(.conflict(sequence: sequence))
        }
        return sequence == lastTaken + 1 ? .take : .answer(.gap(needed: lastTaken + 1))
    }

    package enum Verdict: Hashable, Sendable {
        /// New and next: store its events, then acknowledge.
        case take
        case answer(BatchAnswer)
    }
}

extension BatchAnswer: BinaryRecord {
    package func encode(into writer: inout FieldWriter) {
        switch self {
        case .acknowledged(let sequence): writer.signed(1, sequence)
        case .gap(let needed): writer.signed(2, needed)
        case .conflict(let sequence): writer.signed(3, sequence)
        }
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        while let field = try reader.next() {
            switch field.tag {
            case 1: self = .acknowledged(sequence: try field.signed())
            case 2: self = .gap(needed: try field.signed())
            case 3: self = .conflict(sequence: try field.signed())
            default: continue
            }
            return
        }
        throw .missing("BatchAnswer", 1)
    }
}
