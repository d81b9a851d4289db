import Domain
import EventLoops
import Feed
import Grants
import HTTPCalling
import HTTPServing
import LocalStore
import Metering
import Relay
import Synchronization
import Telemetry
import Transport

/// What all serving loops share: values and things that are safe on any thread.
struct SharedParts: Sendable {
    let snapshots: LiveSnapshots
    let outbox: Outbox
    let refusals: RefusalLog
    let contents: ContentLog
    let grants: NodeGrants
    let resolver: BlockingPool
    let egress: EgressPolicy
    let upstreamTLS: TLSContext
    let clientLimits: ClientLimits
    let gatewayLimits: Gateway.Limits
    let clock: WallClock
    let metrics: MetricsRegistry
    let tracer: Tracer?
    let log: Log
    let answers: AnswerCache
}

/// Where applications connect.
struct ListenPlan: Sendable {
    let addresses: [SocketAddress]
    let tls: TLSContext?
    /// Several loops listen on the same address.
    let isShared: Bool
    /// Web pages that may call.
    let browsers: CrossOrigin
}

/// One loop that serves calls: a gateway and its listeners. Everything of it lives on that loop.
final class ServingLoop {
    let addresses: [SocketAddress]
    private let loop: EventLoop
    private let gateway: Gateway
    private let server: HTTPServer

    init(_ shared: SharedParts, _ plan: ListenPlan, loop: EventLoop) throws(SystemError) {
        self.loop = loop
        let dialer = Dialer(loop: loop, resolver: shared.resolver, policy: shared.egress)
        let client = HTTPClient(loop: loop, dialer: dialer, limits: shared.clientLimits)
        let gateway = Gateway(
            loop: loop, live: LiveSnapshot(following: shared.snapshots, on: loop),
            recorder: UsageRecorder(
                outbox: shared.outbox, loop: loop, refusals: shared.refusals, contents: shared.contents),
            grants: GrantPort(
                shared.grants, outbox: shared.outbox, loop: loop, clock: shared.clock),
            calling: UpstreamCalling(client: client, tls: shared.upstreamTLS), clock: shared.clock,
            limits: shared.gatewayLimits, log: shared.log, metrics: shared.metrics, tracer: shared.tracer,
            answers: shared.answers)
        self.gateway = gateway
        let server = HTTPServer(loop: loop, refusal: Gateway.refusal) {
            await plan.browsers.serve($0, by: gateway)
        }
        self.server = server
        var addresses: [SocketAddress] = []
        for address in plan.addresses {
            addresses.append(
                try server.listen(on: address, reusePort: plan.isShared, tls: plan.tls))
        }
        self.addresses = addresses
    }

    var callsInFlight: Int { gateway.callsInFlight }

    /// Stops accepting and lets calls finish; what is left near the end of the time is ended with an error of
    /// its dialect, settled and recorded.
    func drain(withinNanoseconds nanoseconds: Int64) async {
        let gateway = gateway
        let cut = loop.schedule(afterNanoseconds: nanoseconds / 10 * 8) { gateway.endCalls() }
        await server.drain(withinNanoseconds: nanoseconds / 10 * 9)
        cut.cancel()
    }
}

/// The serving loops, with their threads; held from the main loop.
final class ServingLoops {
    private let threads: LoopThreads
    private let boxes: [Box]

    /// A serving loop as other threads hold it: only its own loop looks inside.
    private final class Box: Sendable {
        nonisolated(unsafe) var serving: ServingLoop?
    }

    let addresses: [SocketAddress]

    init(_ shared: SharedParts, _ plan: ListenPlan, count: Int) async throws {
        let threads = try LoopThreads(count: count, name: "gateway")
        self.threads = threads
        boxes = threads.loops.map { _ in Box() }
        // The first loop may learn a port; the others listen on the same.
        var plan = plan
        for (loop, box) in zip(threads.loops, boxes) {
            do {
                let wanted = plan
                let bound = try await loop.run {
                    let serving = try ServingLoop(shared, wanted, loop: loop)
                    box.serving = serving
                    return serving.addresses
                }
                plan = ListenPlan(
                    addresses: bound, tls: plan.tls, isShared: plan.isShared, browsers: plan.browsers)
            } catch {
                threads.stop()
                throw error
            }
        }
        addresses = plan.addresses
    }

    /// Calls being served now, over all loops.
    func callsInFlight() async -> Int {
        var sum = 0
        for (loop, box) in zip(threads.loops, boxes) {
            sum += (try? await loop.run { box.serving?.callsInFlight ?? 0 }) ?? 0
        }
        return sum
    }

    /// Drains every loop at once and ends their threads.
    func stop(on main: EventLoop, withinNanoseconds nanoseconds: Int64) async {
        let left = Atomic<Int>(boxes.count)
        let done = Completion<Void>()
        for (loop, box) in zip(threads.loops, boxes) {
            main.spawn {
                try? await loop.run {
                    await box.serving?.drain(withinNanoseconds: nanoseconds)
                    box.serving = nil
                }
                if left.subtract(1, ordering: .relaxed).newValue == 0 { done.fulfil(()) }
            }
        }
        await done.value()
        threads.stop()
        threads.join()
    }
}
