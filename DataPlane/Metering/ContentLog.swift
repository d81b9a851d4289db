package import Domain
import Synchronization
package import Telemetry

/// What was said in calls whose tenants keep that, until it is handed over. Any thread; one of it a node.
///
/// In memory only, and bounded: what does not fit is left out and counted, and no call waits for it.
package final class ContentLog: Sendable {
    /// JSON text, or as much of its beginning as is wanted.
    package struct Said: Sendable {
        package let bytes: [UInt8]
        /// How long it is in all.
        package let byteCount: Int

        package init(bytes: [UInt8], byteCount: Int) {
            self.bytes = bytes
            self.byteCount = byteCount
        }
    }

    /// What was said in one call, as it was said.
    package struct Entry: Sendable {
        package let call: UsageEventID
        package let tenant: TenantID
        package let startedAt: Timestamp
        package let request: Said?
        package let answer: Said?

        package init(
            call: UsageEventID, tenant: TenantID, startedAt: Timestamp, request: Said?, answer: Said?
        ) {
            self.call = call
            self.tenant = tenant
            self.startedAt = startedAt
            self.request = request
            self.answer = answer
        }

        var byteCount: Int { 256 + (request?.bytes.count ?? 0) + (answer?.bytes.count ?? 0) }
    }

    /// Of what waits. Unit: bytes.
    package static let maximumBytes = 32 << 20

    private struct State {
        var entries: [Entry] = []
        var first = 0
        var bytes = 0
    }

    private let state = Mutex(State())
    let leftOut: CounterCell

    package init(metrics: MetricsRegistry) {
        leftOut = metrics.counter(
            "eclusa_contents_left_out_total",
            help: "Calls whose content was to be kept and is not: too much at once, or nobody took it."
        ).cell()
    }

    package func add(_ entry: Entry) {
        let fits = state.withLock { state in
            guard state.bytes + entry.byteCount <= Self.maximumBytes else { return false }
            state.bytes += entry.byteCount
            state.entries.append(entry)
            return true
        }
        if !fits { leftOut.add() }
    }

    /// Hands over the oldest, as many as fit into so many bytes, one at least; empty when there is none.
    func take(maximumBytes: Int, maximumCount: Int) -> [Entry] {
        state.withLock { state in
            var taken: [Entry] = []
            var bytes = 0
            while state.first < state.entries.count, taken.count < maximumCount {
                let next = state.entries[state.first]
                if !taken.isEmpty, bytes + next.byteCount > maximumBytes { break }
                bytes += next.byteCount
                taken.append(next)
                state.first += 1
            }
            state.bytes -= bytes
            if state.first == state.entries.count || state.first >= 1024 {
                state.entries.removeFirst(state.first)
                state.first = 0
            }
            return taken
        }
    }
}
