import Contract
package import EventLoops
package import LocalStore
package import Telemetry

/// Ships sealed batches to the control plane, in order, until each is acknowledged. Lives on one loop,
/// usually the feed's.
package final class UsageUploader {
    /// Posts a sealed batch to `NodeProtocol.usagePath`; nil when there was no answer.
    package typealias Post = (_ batch: [UInt8]) async -> (status: Int, body: [UInt8])?

    private let loop: EventLoop
    private let outbox: Outbox
    private let post: Post
    private let log: Log
    private let batches: Counter
    private var machine = UploadMachine()
    private var timer: Timer?
    private var isStopped = false

    package init(
        loop: EventLoop, outbox: Outbox, log: Log, metrics: MetricsRegistry, post: @escaping Post
    ) {
        self.loop = loop
        self.outbox = outbox
        self.post = post
        self.log = log
        batches = metrics.counter(
            "eclusa_usage_batches_total", help: "Usage batches sent, by what the control plane said.",
            labels: ["outcome"])
    }

    /// Begins to ship what is sealed, now and from now on. Loop thread; once.
    package func start() {
        let uploader = UploaderReference(uploader: self, loop: loop)
        outbox.onSeal { uploader.signal() }
        lookAtOutbox()
    }

    /// Sends no more; what is on the way is acknowledged if its answer still comes. Loop thread.
    package func stop() {
        isStopped = true
        timer?.cancel()
    }

    /// Tries at once instead of after the back-off: the control plane is known to be there. Loop thread.
    package func proceed() {
        timer?.cancel()
        take(.proceed)
        lookAtOutbox()
    }

    fileprivate func lookAtOutbox() {
        let status = outbox.status
        take(.outbox(epoch: status.epoch, sealed: status.sealed))
    }

    private func take(_ event: UploadMachine.Event) {
        if isStopped { return }
        for action in machine.handle(event) { run(action) }
    }

    private func run(_ action: UploadMachine.Action) {
        switch action {
        case .send(let epoch, let sequence):
            loop.spawn { await self.send(epoch, sequence) }
        case .acknowledge(let epoch, let sequence):
            loop.spawn {
                // When the disk refuses, the batch goes again after a restart and is acknowledged again.
                if await !self.outbox.acknowledge(epoch: epoch, through: sequence) {
                    self.log.error("an acknowledged usage batch could not be deleted")
                }
                self.lookAtOutbox()
            }
        case .wait(let nanoseconds):
            timer = loop.schedule(afterNanoseconds: nanoseconds) { self.take(.proceed) }
        case .renumber(let epoch):
            log.error(
                "the control plane lacks acknowledged usage batches: was it restored? Sending the rest anew",
                ["epoch": LogValue(epoch)])
            giveUp { await self.outbox.renumber(epoch) }
        case .retire(let epoch):
            log.error(
                "the control plane holds other usage under this outbox's numbers; sending what is left anew",
                ["epoch": LogValue(epoch), "cause": "the outbox was rolled back or cloned"])
            giveUp { await self.outbox.retireEpoch(epoch) }
        }
    }

    private func giveUp(_ change: @escaping () async -> Bool) {
        loop.spawn {
            while await !change(), !self.isStopped {
                await self.loop.sleep(nanoseconds: UploadMachine.maximumDelayNanoseconds)
            }
            self.lookAtOutbox()
        }
    }

    private func send(_ epoch: UInt64, _ sequence: UInt64) async {
        guard let batch = await outbox.batch(sequence), batch.outline.epoch == epoch else {
            // Moved aside meanwhile, or unreadable: what the outbox holds now decides.
            take(.failed(epoch: epoch, sequence: sequence))
            return lookAtOutbox()
        }
        guard let (status, body) = await post(batch.bytes) else {
            batches.cell("unreachable").add()
            return take(.failed(epoch: epoch, sequence: sequence))
        }
        if status == 200 || status == 409, let answer = try? BatchAnswer(encoded: body) {
            batches.cell(answer.outcome).add()
            return take(.answered(epoch: epoch, sequence: sequence, answer))
        }
        batches.cell("refused").add()
        if status < 500 {
            // It will be refused again: an operator has to act. It is kept and tried on.
            log.error(
                "the control plane refuses a usage batch",
                ["status": LogValue(status), "sequence": LogValue(sequence)])
        }
        take(.failed(epoch: epoch, sequence: sequence))
    }
}

/// The uploader as the writer thread knows it: only a way back to its loop.
private struct UploaderReference: Sendable {
    nonisolated(unsafe) let uploader: UsageUploader
    let loop: EventLoop

    func signal() {
        let reference = self
        loop.execute { reference.uploader.lookAtOutbox() }
    }
}

extension BatchAnswer {
    /// The label of its metric.
    fileprivate var outcome: String {
        switch self {
        case .acknowledged: "acknowledged"
        case .gap: "gap"
        case .conflict: "conflict"
        }
    }
}
