import Domain

/// Events on their way to the writer: their bytes in one run, so that an append is a copy and no allocation.
/// With them goes what they spend of grants, and which calls began and ended.
struct PendingRecords {
    var bytes: [UInt8] = []
    var lengths: [Int32] = []
    var costs: [Int64] = []
    var charges: [GrantCharge] = []
    /// The most that is held of a grant, where it grew.
    var margins: [GrantCharge] = []
    var calls = CallRecords()
    /// Records of a batch that are no events: nobody waits for them.
    var notes: [UInt8] = []

    /// Events.
    var count: Int { lengths.count }
    var isEmpty: Bool { lengths.isEmpty && margins.isEmpty && calls.isEmpty && notes.isEmpty }

    mutating func append(cost: Int64, charges: [GrantCharge] = [], encode: (inout [UInt8]) -> Void) {
        let start = bytes.count
        encode(&bytes)
        lengths.append(Int32(bytes.count - start))
        costs.append(cost)
        if !charges.isEmpty { self.charges += charges }
    }

    mutating func append(_ others: borrowing PendingRecords) {
        bytes.append(contentsOf: others.bytes)
        lengths.append(contentsOf: others.lengths)
        costs.append(contentsOf: others.costs)
        charges.append(contentsOf: others.charges)
        margins.append(contentsOf: others.margins)
        calls.begun.append(contentsOf: others.calls.begun)
        calls.ended.append(contentsOf: others.calls.ended)
        notes.append(contentsOf: others.notes)
    }

    struct Run: Equatable {
        var events = 0
        var bytes = 0
        var cost: Int64 = 0
    }

    /// How many of the events from this one on fit into the open batch: by count, by bytes, and by a sum of
    /// costs that does not overflow. An empty batch takes at least one event, however large.
    func run(from first: Int, openBatch: OutboxFile.State, limits: OutboxOptions) -> Run {
        var run = Run()
        for event in first..<count {
            let length = Int(lengths[event])
            let (cost, overflow) = run.cost.addingReportingOverflow(costs[event])
            let fits =
                openBatch.unsealedEvents + run.events < limits.sealAtEvents
                && openBatch.unsealedBytes + run.bytes + length <= limits.sealAtBytes
                && !overflow && !openBatch.unsealedCost.addingReportingOverflow(cost).overflow
            let isAlone = openBatch.unsealedEvents == 0 && run.events == 0
            guard fits || isAlone else { break }
            run.events += 1
            run.bytes += length
            run.cost = cost
        }
        return run
    }

    /// Empties it, keeping its memory unless a burst made it large.
    mutating func clear() {
        let keep = bytes.capacity <= 1 << 20
        bytes.removeAll(keepingCapacity: keep)
        lengths.removeAll(keepingCapacity: keep)
        costs.removeAll(keepingCapacity: keep)
        charges.removeAll(keepingCapacity: keep)
        margins.removeAll(keepingCapacity: keep)
        calls.begun.removeAll(keepingCapacity: keep)
        calls.ended.removeAll(keepingCapacity: keep)
        notes.removeAll()
    }
}

/// A 64-bit check of a row's bytes: SQLite does not notice a flipped bit inside a value.
func rowCheck(_ bytes: UnsafeRawBufferPointer) -> Int64 {
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(bytes.count)
    var offset = 0
    while offset &+ 8 <= bytes.count {
        let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        state = (state ^ word) &* 0xff51_afd7_ed55_8ccd
        state ^= state >> 32
        offset &+= 8
    }
    while offset < bytes.count {
        state = (state ^ UInt64(bytes[offset])) &* 0xc4ce_b9fe_1a85_ec53
        state ^= state >> 29
        offset &+= 1
    }
    return Int64(bitPattern: state)
}
