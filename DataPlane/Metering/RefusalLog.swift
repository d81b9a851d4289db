import Contract
package import Domain
import LocalStore
import Synchronization
package import Telemetry

/// What a node refused, until it is handed to the outbox: how often by key, reason and minute, and a few
/// samples a second. Any thread; one of it a node.
///
/// Its size is bounded, whatever comes: what does not fit is counted on the metrics page and nowhere else.
package final class RefusalLog: Sendable {
    /// Counters between two hand-overs.
    package static let maximumCounters = 1024
    package static let samplesPerSecond = 10

    private struct Place: Hashable {
        let key: KeyID
        let code: String
        let minute: Timestamp
    }

    private struct State {
        var counters: [Place: RefusalCount] = [:]
        var samples: [RefusalSample] = []
        var second: Int64 = 0
        var samplesInSecond = 0
    }

    private let state = Mutex(State())
    private let uncounted: CounterCell

    package init(metrics: MetricsRegistry) {
        uncounted = metrics.counter(
            "eclusa_refusals_unreported_total",
            help: "Refused calls of known keys that the control plane is not told of: too many keys at once."
        ).cell()
    }

    package func note(
        _ code: ErrorCode, status: Int, of key: KeyID, in workspace: WorkspaceID, _ tenant: TenantID,
        at now: Timestamp, request: @autoclosure () -> String
    ) {
        let place = Place(key: key, code: code.code, minute: now.startOfMinute)
        let isCounted = state.withLock { state in
            let known = state.counters[place]
            guard known != nil || state.counters.count < Self.maximumCounters else { return false }
            state.counters[place] = RefusalCount(
                tenant: tenant, workspace: workspace, key: key, code: code.code, minute: place.minute,
                calls: min(known?.calls ?? 0, .max - 1) + 1)
            let second = now.microseconds / 1_000_000
            if second != state.second { (state.second, state.samplesInSecond) = (second, 0) }
            guard state.samplesInSecond < Self.samplesPerSecond,
                state.samples.count < Self.maximumCounters
            else { return true }
            state.samplesInSecond += 1
            state.samples.append(
                RefusalSample(
                    tenant: tenant, workspace: workspace, key: key, code: code.code,
                    status: UInt16(clamping: status), at: now, request: request()))
            return true
        }
        if !isCounted { uncounted.add() }
    }

    /// Hands over what was noted, as records of a batch, and begins anew; empty when there is nothing.
    func take() -> [UInt8] {
        let taken = state.withLock { state in
            defer {
                state.counters.removeAll(keepingCapacity: true)
                state.samples.removeAll(keepingCapacity: true)
            }
            return (Array(state.counters.values), state.samples)
        }
        var records: [UInt8] = []
        for count in taken.0 { count.append(toBatch: &records) }
        for sample in taken.1 { sample.append(toBatch: &records) }
        return records
    }
}
