import Cryptography
import LocalStore
import Synchronization
import TestSupport

extension TemporaryDirectory {
    var directory: DataDirectory { get throws { try DataDirectory(path: path) } }
}

/// The alarms of an outbox, as they came.
final class Alarms: Sendable {
    private let heard = Mutex<[OutboxAlarm]>([])
    var all: [OutboxAlarm] { heard.withLock { $0 } }
    var record: @Sendable (OutboxAlarm) -> Void { { alarm in self.heard.withLock { $0.append(alarm) } } }
    var movedAside: [String] {
        all.compactMap { if case .movedAside(let name, _) = $0 { name } else { nil } }
    }
}

extension OutboxPort {
    func append(_ event: [UInt8], cost: Int64 = 1, isPatient: Bool = false) async -> Bool {
        await append(cost: cost, isPatient: isPatient) { $0 += event }
    }
}

extension Outbox {
    /// An outbox whose batches begin with the hash of their events.
    static func opened(
        _ directory: DataDirectory, options: OutboxOptions = OutboxOptions(),
        alarm: @escaping @Sendable (OutboxAlarm) -> Void
    ) throws -> Outbox {
        try Outbox(directory: directory, options: options, sealer: { sha256($1).bytes }, alarm: alarm)
    }
}

extension SealedBatch {
    var events: [UInt8] { Array(bytes.dropFirst(32)) }
}
