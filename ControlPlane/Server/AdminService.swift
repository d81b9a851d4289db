import API
import Cryptography
import Domain
import EventLoops
import HTTPServing
import Lifecycle
import OpenID
import Operations
import PostgresDriver
import Settings
import Synchronization
import Telemetry
import Transport

/// What all loops share: values and things that are safe on any thread.
struct SharedParts: Sendable {
    let values: SettingsValues
    let clock: WallClock
    let keys: PlatformKeys
    let hashing: BlockingPool
    let passwords: PasswordPolicy
    let egress: EgressPolicy
    /// Looks names up for calls to providers.
    let resolver: BlockingPool
    let metrics: MetricsRegistry
    let limits: RequestLimits
    let webFiles: WebFiles
    let tracer: Tracer?
    let departure = Departure()
    let log: Log

    /// Why providers may not be at an address; nil when they may. A host name is judged as if it were public:
    /// what it resolves to is judged when it is dialled.
    func refusal(_ url: BaseURL) -> String? {
        let address = IPAddress(url.host) ?? IPAddress(v4: 0x0808_0808)
        return egress.refusal(host: url.host, address: address, port: url.port, isSecure: url.isSecure)
    }
}

/// Whether the program is about to end: it still answers, but should get no new work. Any thread.
final class Departure: Sendable {
    private let begun = Atomic<Bool>(false)
    var isUnderWay: Bool { begun.load(ordering: .relaxed) }
    func begin() { begun.store(true, ordering: .relaxed) }
}

/// The admin API on one loop. Non-Sendable: everything of it lives there.
final class AdminService: LoopService {
    let operations: Operations
    /// Where it listens.
    private(set) var address: SocketAddress
    private let isOneOfSeveral: Bool
    private let server: HTTPServer
    private let database: PostgresPool
    private let openID: OpenIDClient

    init(
        _ shared: SharedParts, loop: EventLoop, database: PostgresPool,
        changed: @escaping @Sendable () -> Void
    ) throws {
        self.database = database
        // Tenants name these hosts: the operator's policy decides.
        openID = OpenIDClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: shared.resolver, policy: shared.egress),
            tls: try TLSContext.client())
        let prober = ProviderProber(shared, loop: loop)
        let poster = WebhookPoster(shared, loop: loop)
        let environment = try OperationEnvironment(
            database: database, clock: shared.clock, keys: shared.keys, hashing: shared.hashing,
            passwords: shared.passwords, openID: openID,
            nodeURL: shared.values[ControlSettings.nodePublicURL],
            publicURL: shared.values[ControlSettings.publicURL],
            grafanaURL: shared.values[ControlSettings.grafanaURL],
            keepsBackups: shared.values[ControlSettings.backupFolder] != nil,
            paymentSecret: shared.values[ControlSettings.paymentSecret], log: shared.log,
            egressRefusal: { shared.refusal($0) },
            probe: { await prober.ask($0) }, post: { await poster.post($0) }, changed: changed)
        operations = Operations(environment)
        let surroundings = Surroundings(
            version: ControlProgram.version, metrics: shared.metrics, limits: shared.limits,
            crossOrigin: .admin(shared.values[ControlSettings.corsOrigins]),
            webFiles: shared.webFiles, proxies: ControlSettings.proxies(shared.values),
            isSecure: shared.values[ControlSettings.publicURL].hasPrefix("https://"), tracer: shared.tracer
        ) { [database] in shared.departure.isUnderWay ? ["stopping"] : await Self.unreadyParts(database) }
        let api = try AdminAPI(operations: operations, surroundings: surroundings, log: shared.log)
        server = HTTPServer(loop: loop, refusal: ErrorEdge.refusal) { await api.handle($0) }
        address = shared.values[ControlSettings.adminListenAddress]
        isOneOfSeveral = shared.values[ControlSettings.loops] > 1
    }

    /// Opens the listener. Once.
    func listen() throws {
        do throws(SystemError) {
            address = try server.listen(on: address, reusePort: isOneOfSeveral)
        } catch {
            throw StartUp.failure(error, listening: address, setting: "--admin-listen-address")
        }
    }

    private static func unreadyParts(_ database: PostgresPool) async -> [String] {
        let isThere = (try? await database.withConnection { try await $0.query("select 1").count }) == 1
        return isThere ? [] : ["database"]
    }

    func drain(withinNanoseconds nanoseconds: Int64) async {
        await server.drain(withinNanoseconds: nanoseconds)
        openID.close()
    }

    /// For loops whose pool nobody else closes.
    func end(withinNanoseconds nanoseconds: Int64) async {
        await drain(withinNanoseconds: nanoseconds)
        await database.close()
    }
}

/// What lives on one loop from its start to its end there.
protocol LoopService {
    /// Finishes what is under way, for at most so long, and lets go of everything.
    func end(withinNanoseconds nanoseconds: Int64) async
}

/// A service that lives on another loop: a task there holds it from its start to its end.
struct RemoteService: Sendable {
    private let stopping = Completion<Int64>()
    private let stopped = Completion<Void>()

    private init() {}

    /// Makes a service there, with what other threads may know of it.
    static func start<Service: LoopService, Known: Sendable>(
        on loop: EventLoop, _ make: @escaping @Sendable () throws -> (Service, Known)
    ) async throws -> (RemoteService, Known) {
        let remote = RemoteService()
        let started = Completion<Result<Known, any Error>>()
        loop.execute {
            loop.spawn {
                do {
                    let (service, known) = try make()
                    started.fulfil(.success(known))
                    await service.end(withinNanoseconds: await remote.stopping.value())
                } catch {
                    started.fulfil(.failure(error))
                }
                remote.stopped.fulfil(())
            }
        }
        return (remote, try await started.value().get())
    }

    func stop(withinNanoseconds nanoseconds: Int64) async {
        stopping.fulfil(nanoseconds)
        await stopped.value()
    }
}

/// Loops beside the main one, with what they serve.
struct MoreLoops {
    let threads: LoopThreads
    let services: [RemoteService]

    func stop(withinNanoseconds nanoseconds: Int64) async {
        for service in services { await service.stop(withinNanoseconds: nanoseconds) }
        threads.stop()
    }
}
