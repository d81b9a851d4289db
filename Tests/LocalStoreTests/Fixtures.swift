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
    func append(_ event: [UInt8], cost: Int64 = 1) async -> Bool {
        await append(cost: cost) { $0 += event }
    }
}
