import EventLoops
import Operations
import Telemetry

/// Removes what deleted tenants leave behind, a pass every few seconds.
final class TenantPurgeService {
    private static let periodNanoseconds: Int64 = 10_000_000_000

    private let loop: EventLoop
    private let operations: Operations
    private let log: Log
    private var timer: Timer?

    init(loop: EventLoop, operations: Operations, log: Log) {
        self.loop = loop
        self.operations = operations
        self.log = log
        schedule()
    }

    func stop() {
        timer?.cancel()
        timer = nil
    }

    private func schedule() {
        timer = loop.schedule(afterNanoseconds: Self.periodNanoseconds) { [weak self] in
            guard let self else { return }
            loop.spawn { await self.run() }
        }
    }

    private func run() async {
        do throws(OperationError) {
            for tenant in try await operations.tenantPurge.run() {
                log.info("a deleted tenant is gone", ["tenant": LogValue("\(tenant)")])
            }
        } catch {
            log.warning(
                "deleted tenants wait for the next pass", ["error": LogValue("\(error.privateDetail)")])
        }
        if timer != nil { schedule() }
    }
}
