package import Contract
package import EventLoops
package import Telemetry

/// Redacts what was said, away from the loops that serve calls, and hands it to the control plane. Lives on
/// one loop.
package final class ContentShipper {
    /// Posts a batch to `NodeProtocol.contentsPath`; the status of the answer, nil when there was none.
    package typealias Post = (_ batch: [UInt8]) async -> Int?
    /// Makes of what was said what may leave the node. Any thread.
    package typealias Redact = @Sendable (ContentLog.Said) -> CallContent.Side

    package static let intervalNanoseconds: Int64 = 1_000_000_000
    /// Of what is taken for one batch: marks may be thrice as long as what they stand for.
    private static let maximumTakenBytes = 512 << 10
    private static let longestPause = 32

    private let loop: EventLoop
    private let contents: ContentLog
    private let workers: BlockingPool
    private let redact: Redact
    private let post: Post
    private let log: Log
    private let delivered: CounterCell
    private var timer: Timer?
    private var isShipping = false
    /// What was not taken yet.
    private var waiting: (batch: [UInt8], count: Int)?
    /// Turns of the timer to let pass, and how many it was before.
    private var pause = (left: 0, last: 0)

    /// - Parameter workers: with threads that give way.
    package init(
        loop: EventLoop, contents: ContentLog, workers: BlockingPool, log: Log, metrics: MetricsRegistry,
        redact: @escaping Redact, post: @escaping Post
    ) {
        self.loop = loop
        self.contents = contents
        self.workers = workers
        self.log = log
        self.redact = redact
        self.post = post
        delivered = metrics.counter(
            "eclusa_contents_delivered_total", help: "Calls whose content the control plane has taken."
        ).cell()
    }

    /// Loop thread; once.
    package func start() {
        timer = loop.schedule(afterNanoseconds: Self.intervalNanoseconds) { [self] in
            if pause.left > 0 { pause.left -= 1 } else { loop.spawn { await self.ship() } }
            start()
        }
    }

    /// Tries once more to hand over what is there, and begins nothing new.
    package func finish(withinNanoseconds nanoseconds: Int64) async {
        timer?.cancel()
        let ended = Completion<Void>()
        let limit = loop.schedule(afterNanoseconds: nanoseconds) { ended.fulfil(()) }
        loop.spawn {
            await self.ship()
            ended.fulfil(())
        }
        await ended.value()
        limit.cancel()
    }

    /// Hands over all there is, unless it is at it, or as much as is taken.
    package func ship() async {
        if isShipping { return }
        isShipping = true
        defer { isShipping = false }
        while let (batch, count) = await next() {
            guard let status = await post(batch), status < 500 else {
                waiting = (batch, count)
                pause.last = min(max(1, pause.last * 2), Self.longestPause)
                pause.left = pause.last
                return
            }
            pause = (0, 0)
            guard status < 300 else {
                // It would be refused again.
                log.error("the control plane refuses contents of calls", ["status": LogValue(status)])
                contents.leftOut.add(Int64(count))
                continue
            }
            delivered.add(Int64(count))
        }
    }

    private func next() async -> (batch: [UInt8], count: Int)? {
        if let waiting {
            self.waiting = nil
            return waiting
        }
        let taken = contents.take(
            maximumBytes: Self.maximumTakenBytes, maximumCount: CallContentBatch.maximumContents)
        if taken.isEmpty { return nil }
        let redact = redact
        let batch = try? await workers.run {
            CallContentBatch(
                taken.map { entry in
                    CallContent(
                        call: entry.call, tenant: entry.tenant, startedAt: entry.startedAt,
                        request: entry.request.map(redact), answer: entry.answer.map(redact))
                }
            ).encoded
        }
        guard let batch, batch.count <= CallContentBatch.maximumBytes else {
            contents.leftOut.add(Int64(taken.count))
            return await next()
        }
        return (batch, taken.count)
    }
}
