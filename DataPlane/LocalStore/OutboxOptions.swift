/// How the outbox trades latency, durability and disk.
package struct OutboxOptions: Sendable {
    package enum Durability: String, Sendable, CaseIterable {
        /// Survives kill -9 of the node.
        case process
        /// Also survives a power cut; about 200 µs more latency.
        case power
    }

    package var durability: Durability = .process
    /// Bytes of events kept at most; at this size `isFull` is set and metered calls are refused.
    package var capacityBytes = 1 << 30
    /// A batch is sealed this long after its first event.
    package var sealAfterNanoseconds: Int64 = 1_000_000_000
    package var sealAtEvents = 2_000
    package var sealAtBytes = 1 << 20
    /// Commits begin at least this far apart; less than a second. Shorter than a call takes on a node that
    /// has little to do.
    package var commitGapNanoseconds: Int64 = 150_000
    /// How long to wait before writing again what the disk refused.
    package var retryAfterNanoseconds: Int64 = 250_000_000
    /// Bytes held in memory while the disk refuses; beyond it a record is not taken.
    package var memoryLimitBytes = 16 << 20

    package init() {}

    /// SQLite pages: the capacity, a quarter more for the calls in flight when it was reached, and the
    /// schema.
    func maximumPages(of bytes: Int) -> Int { capacityBytes / bytes * 5 / 4 + 64 }
}

/// What an operator must hear of.
package enum OutboxAlarm: Sendable, Equatable {
    /// At 80 % of the capacity.
    case nearlyFull(bytes: Int, capacity: Int)
    case full(bytes: Int, capacity: Int)
    /// Below 80 % again.
    case roomAgain
    /// The disk refused a write; the events are kept in memory and tried again.
    case writeFailed(String)
    case writingAgain
    /// The file was damaged: it was renamed, nothing was deleted, a new epoch began.
    case movedAside(to: String, reason: String)
}

/// The outbox at one moment, for metrics and the node's status report.
package struct OutboxStatus: Sendable, Equatable {
    package var epoch: UInt64 = 0
    /// Bytes of events not yet acknowledged.
    package var bytes = 0
    package var unsealedEvents = 0
    /// Sealed and not acknowledged.
    package var sealedEvents = 0
    /// The sequence numbers of the sealed batches: contiguous, empty when equal.
    package var sealed: Range<UInt64> = 1..<1
    package var isWriting = true
    /// Since the file was opened.
    package var commits = 0
    package var events = 0

    /// Events not yet known to the control plane.
    package var depth: Int { unsealedEvents + sealedEvents }
}

/// What is known of a batch when it is sealed.
package struct BatchOutline: Sendable, Equatable {
    package let epoch: UInt64
    /// Contiguous from 1 within the epoch.
    package let sequence: UInt64
    package let eventCount: Int
    /// Nano-USD, the sum over the events.
    package let totalCost: Int64
    /// Of a file that was rolled back or cloned: some of the events may be known already.
    package var isRecovered = false
}

/// Makes the bytes that stand before the events of a batch, on the writer thread. Called once a batch: what
/// it returns is kept, so that a later release of the node sends the same bytes.
package typealias BatchSealer = @Sendable (BatchOutline, _ events: UnsafeRawBufferPointer) -> [UInt8]

/// An immutable, numbered set of usage events, exactly as it will be sent however often.
package struct SealedBatch: Sendable, Equatable {
    package let outline: BatchOutline
    /// The sealer's bytes, then the events' encodings, one after the other.
    package let bytes: [UInt8]
}
