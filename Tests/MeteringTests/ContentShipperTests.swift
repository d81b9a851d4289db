import Contract
import Domain
import EventLoops
import Telemetry
import TestSupport
import Testing

@testable import Metering

@Suite("contents of calls on their way to the control plane")
struct ContentShipperTests {
    /// The control plane's side.
    private final class Receiver {
        var batches: [CallContentBatch] = []
        var status: Int? = 204

        func take(_ bytes: [UInt8]) -> Int? {
            guard let status, status < 300 else { return status }
            guard let batch = try? CallContentBatch(encoded: bytes) else { return 400 }
            batches.append(batch)
            return status
        }
    }

    private static func entry(_ number: UInt64, bytes: Int = 10) -> ContentLog.Entry {
        ContentLog.Entry(
            call: UsageEventID(high: 1, low: number), tenant: TenantID(high: 2, low: 2),
            startedAt: Timestamp(microseconds: 1_700_000_000_000_000),
            request: ContentLog.Said(bytes: [UInt8](repeating: 120, count: bytes), byteCount: bytes),
            answer: nil)
    }

    private static func run(
        _ body:
            @escaping @Sendable (ContentLog, ContentShipper, Receiver, MetricsRegistry) async throws -> Void
    ) async throws {
        let workers = BlockingPool(threads: 1, queueLimit: 4, name: "redaction")
        try await withLoop { loop in
            let (metrics, receiver) = (MetricsRegistry(), Receiver())
            let contents = ContentLog(metrics: metrics)
            let shipper = ContentShipper(
                loop: loop, contents: contents, workers: workers, log: .silent, metrics: metrics,
                redact: { said in
                    let text = String(decoding: said.bytes, as: UTF8.self).uppercased()
                    return CallContent.Side(text: text, byteCount: UInt64(said.byteCount))
                },
                post: { receiver.take($0) })
            try await body(contents, shipper, receiver, metrics)
        }
        workers.shutdown()
    }

    @Test("they are redacted, and arrive in order, in batches that are never too large")
    func arrive() async throws {
        try await Self.run { contents, shipper, receiver, metrics in
            for number in 0..<300 { contents.add(Self.entry(UInt64(number))) }
            for number in 300..<340 { contents.add(Self.entry(UInt64(number), bytes: 60_000)) }
            await shipper.ship()
            #expect(receiver.batches.flatMap(\.contents).map(\.call.low) == Array(0..<340))
            #expect(receiver.batches.allSatisfy { $0.contents.count <= CallContentBatch.maximumContents })
            #expect(receiver.batches.allSatisfy { $0.encoded.count <= CallContentBatch.maximumBytes })
            #expect(receiver.batches.first?.contents.first?.request?.text == "XXXXXXXXXX")
            #expect(metrics.text().contains("eclusa_contents_delivered_total 340\n"))
            #expect(metrics.text().contains("eclusa_contents_left_out_total 0\n"))
        }
    }

    @Test("without an answer they wait and go again; what is refused is left out, and the rest goes on")
    func outage() async throws {
        try await Self.run { contents, shipper, receiver, metrics in
            contents.add(Self.entry(1))
            for status in [nil, 503] as [Int?] {
                receiver.status = status
                await shipper.ship()
                #expect(receiver.batches.isEmpty)
            }
            receiver.status = 204
            contents.add(Self.entry(2))
            await shipper.finish(withinNanoseconds: 60_000_000_000)
            #expect(receiver.batches.map { $0.contents.map(\.call.low) } == [[1], [2]])
            receiver.status = 400
            contents.add(Self.entry(3))
            await shipper.ship()
            receiver.status = 204
            contents.add(Self.entry(4))
            await shipper.ship()
            #expect(receiver.batches.last?.contents.map(\.call.low) == [4])
            #expect(metrics.text().contains("eclusa_contents_left_out_total 1\n"))
        }
    }

    @Test("what does not fit is left out and counted; when there is room again, it goes on")
    func bounded() async throws {
        try await Self.run { contents, shipper, receiver, metrics in
            let size = 1 << 20
            let fitting = ContentLog.maximumBytes / (size + 256)
            for number in 0..<(fitting + 5) { contents.add(Self.entry(UInt64(number), bytes: size)) }
            #expect(metrics.text().contains("eclusa_contents_left_out_total 5\n"))
            let taken = contents.take(maximumBytes: .max, maximumCount: .max)
            #expect(taken.map(\.call.low) == Array(0..<UInt64(fitting)))
            contents.add(Self.entry(7))
            await shipper.ship()
            #expect(receiver.batches.count == 1)
        }
    }
}
