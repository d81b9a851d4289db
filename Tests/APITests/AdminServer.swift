import API
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import Operations
import PostgresDriver
import Store
import Synchronization
import Telemetry
import TestSupport
import Testing
import Transport

/// The admin API of one test: a database of its own, a server on a free loopback port, and a client that
/// holds every answer against its route's shape. Lives on its loop.
final class AdminServer {
    static let adminEmail = "root@example.com"
    static let adminPassword = "correct horse battery staple"
    static let paymentSecret = Secret(utf8: "what the payment provider signs with")
    /// Shared by all tests: threads are expensive, and nothing waits for them to end.
    static let hashing = BlockingPool(threads: 2, queueLimit: 256, name: "test-hash")
    static let resolver = BlockingPool(threads: 1, queueLimit: 16, name: "test-dns")

    /// What tests set differently.
    struct Options: Sendable {
        var addressRate = 0
        var userRate = 0
        var corsOrigins: [String] = []
        var webFiles = WebFiles()
        /// Streams of events at once.
        var eventStreams = 128
        var isSecure = false
        var proxies = TrustedProxies.none
        var http = ServerLimits()
        /// Routes beside those of the table.
        var moreRoutes: [AdminRoute] = []
    }

    private static let tags = EntityTags(of: RouteTable.all)

    let database: TestDatabase
    let clock: FakeClock
    let keys: PlatformKeys
    let operations: Operations
    let logged: LoggedLines
    let metrics = MetricsRegistry()
    private(set) var changes = 0
    /// Hosts the operator does not allow providers to have.
    var refusedHosts: Set<String> = []
    /// What providers answer when they are tested.
    var probe: (ProviderProbe) -> ProviderProbe.Answer = { _ in .unreachable("nobody is there") }
    /// What webhooks answer.
    var post: (WebhookPost) -> WebhookPost.Answer = { _ in .unreachable("nobody is there") }
    /// What the API uses; tests look at the database through `database.pool`.
    private let pool: PostgresPool
    private let client: HTTPClient
    /// Everything that was answered, for tests that look for what must not be there.
    private(set) var answered = ""
    private var server: HTTPServer?
    private(set) var url = ""

    fileprivate init(
        _ database: TestDatabase, hashing: BlockingPool, statementTimeoutMilliseconds: Int, options: Options
    ) async throws {
        self.database = database
        pool = database.makePool(role: .app, timeoutMilliseconds: statementTimeoutMilliseconds)
        let clock = FakeClock()
        self.clock = clock
        logged = LoggedLines()
        keys = try await PlatformKeys.load(pool, masterKey: .random(), clock: clock.clock)
        var count: () -> Void = {}
        var refusal: (BaseURL) -> String? = { _ in nil }
        var ask: (ProviderProbe) -> ProviderProbe.Answer = { _ in .unreachable("") }
        var post: (WebhookPost) -> WebhookPost.Answer = { _ in .unreachable("") }
        operations = Operations(
            try OperationEnvironment(
                database: pool, clock: clock.clock, keys: keys, hashing: hashing,
                nodeURL: "https://control.example.com:7071",
                grafanaURL: "https://grafana.example.com/board/", keepsBackups: true,
                paymentSecret: Self.paymentSecret, log: logged.log, egressRefusal: { refusal($0) },
                probe: { ask($0) }, post: { post($0) }, changed: { count() }))
        client = HTTPClient(
            loop: database.loop,
            dialer: Dialer(loop: database.loop, resolver: Self.resolver, policy: .unrestricted))
        count = { [unowned self] in changes += 1 }
        ask = { [unowned self] in probe($0) }
        post = { [unowned self] in self.post($0) }
        refusal = { [unowned self] in refusedHosts.contains($0.host) ? "\($0.host) is not public" : nil }
        let surroundings = Surroundings(
            version: "0.0.0", metrics: metrics,
            limits: RequestLimits(
                perAddress: options.addressRate, perUser: options.userRate, clock: clock.clock),
            crossOrigin: .admin(options.corsOrigins), webFiles: options.webFiles,
            eventStreams: EventStreams(
                maximum: options.eventStreams, lookNanoseconds: 50_000_000, looksPerHeartbeat: 4),
            proxies: options.proxies, isSecure: options.isSecure
        ) { [pool] in
            (try? await pool.withConnection { try await $0.query("select 1").count }) == 1 ? [] : ["database"]
        }
        let api = try AdminAPI(
            operations: operations, surroundings: surroundings, log: logged.log,
            routes: RouteTable.all + options.moreRoutes)
        let server = HTTPServer(
            loop: database.loop, limits: options.http, refusal: ErrorEdge.refusal
        ) { await api.handle($0) }
        let address = try #require(SocketAddress("127.0.0.1:0"))
        url = "http://\(try server.listen(on: address))"
        self.server = server
    }

    fileprivate func stop() async {
        client.closeIdle()
        await server?.drain(withinNanoseconds: 100_000_000)
        await pool.close()
    }

    /// One request. A success of a known route is checked against the route's shape, an error against the
    /// problem's.
    func send(
        _ method: HTTPMethod, _ path: String, token: String? = nil, body: JSONValue? = nil,
        fields extra: HeaderFields = [:]
    ) async throws -> Reply {
        var fields = extra
        if let token { fields.append("authorization", "Bearer \(token)") }
        if body != nil, !fields.contains("content-type") { fields.append("content-type", "application/json") }
        return try await sendRaw(method, path, fields: fields, body: body?.bytes ?? [])
    }

    /// One request with a body that need not be JSON.
    func sendRaw(
        _ method: HTTPMethod, _ path: String, fields: HeaderFields, body: [UInt8]
    ) async throws -> Reply {
        let response = try await client.request(method, url + path, fields: fields, body: body)
        let reply = Reply(response)
        answered += reply.text
        check(reply, method, path)
        return reply
    }

    private func check(_ reply: Reply, _ method: HTTPMethod, _ path: String) {
        #expect(reply.fields["x-request-id"] != nil)
        let isFile = reply.fields["etag"] != nil && RouteTable.route(method, path) == nil
        #expect(reply.fields["cache-control"] == (isFile ? "no-cache" : "no-store"))
        if reply.status >= 400 {
            let isSCIM = path.contains("/scim/v2/")
            #expect(
                reply.fields["content-type"]
                    == (isSCIM ? "application/scim+json" : "application/problem+json"), "\(method) \(path)")
            #expect(
                reply.json["status"]
                    == (isSCIM ? .string("\(reply.status)") : .number(JSONNumber(Int64(reply.status)))))
            #expect(isSCIM || reply.json["request_id"]?.string == reply.fields["x-request-id"])
            let known = ErrorCode.named(reply.code)
            #expect(known?.status == reply.status, "\(method) \(path) answered \(reply.code)")
            return
        }
        guard let route = RouteTable.route(method, path) else { return }
        #expect(reply.status == route.answer.status, "\(route.operationID)")
        let isDryRun = reply.fields["eclusa-dry-run"] != nil
        #expect((reply.change != nil) == (route.answer.carriesChange && !isDryRun), "\(route.operationID)")
        #expect(
            (reply.fields["etag"] != nil) == Self.tags.carriesTag(route), "\(route.operationID)")
        if case .json(let schema) = route.answer.content {
            for problem in schema.problems(in: reply.json) {
                Issue.record("\(route.operationID) answered \(problem)")
            }
        }
    }

    // MARK: Signing in

    /// The access token of a password sign-in.
    func signIn(_ email: String = adminEmail, _ password: String = adminPassword) async throws -> String {
        let reply = try await send(
            .post, "/api/v1/sessions", body: ["email": .string(email), "password": .string(password)])
        #expect(reply.status == 201)
        return try #require(reply.json["access_token"]?.string)
    }

    /// Makes the first administrator and signs in.
    func administrator() async throws -> String {
        _ = try await operations.users.createFirstAdministrator(
            email: Self.adminEmail, password: Secret(utf8: Self.adminPassword))
        return try await signIn()
    }
}

/// Runs `body` with a server of its own.
func withAdminServer(
    hashing: BlockingPool = AdminServer.hashing, statementTimeoutMilliseconds: Int = 30_000,
    options: AdminServer.Options = AdminServer.Options(),
    _ body: @escaping @Sendable (AdminServer) async throws -> Void
) async throws {
    try await withTestDatabase(timeLimitSeconds: 240) { database in
        let server = try await AdminServer(
            database, hashing: hashing, statementTimeoutMilliseconds: statementTimeoutMilliseconds,
            options: options)
        do {
            try await body(server)
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }
}

/// An answer, read as JSON where it is JSON.
struct Reply {
    let status: Int
    let fields: HeaderFields
    let body: [UInt8]
    let json: JSONValue

    init(_ response: Response) {
        status = response.status
        fields = response.fields
        body = response.body
        json = (try? JSONValue.parse(response.body)) ?? .null
    }

    var text: String { String(decoding: body, as: UTF8.self) }
    /// The error's code; empty for a success.
    var code: String { json["code"]?.string ?? fields["x-eclusa-error-code"] ?? "" }
    var change: String? { fields["eclusa-change"] }

    /// The member as text; empty when it is not one.
    func string(_ path: String...) -> String {
        path.reduce(Optional(json)) { $0?[$1] }?.string ?? ""
    }

    /// Pointers of the fields an error complains about.
    var pointers: [String] { json["errors"]?.array?.compactMap { $0["pointer"]?.string } ?? [] }
}

/// A log that remembers its lines.
final class LoggedLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: String { lines.withLock { $0.joined() } }

    var log: Log {
        Log(
            output: LogOutput(level: .debug) { [self] bytes in
                let line = String(decoding: bytes, as: UTF8.self)
                lines.withLock { $0.append(line) }
                return true
            })
    }
}

extension RouteTable {
    /// The route that serves a concrete path.
    static func route(_ method: HTTPMethod, _ path: String) -> AdminRoute? {
        let segments = path.prefix { $0 != "?" }.split(separator: "/")
        return all.first { route in
            let pattern = route.path.split(separator: "/")
            return route.method == method && pattern.count == segments.count
                && zip(pattern, segments).allSatisfy { $0.hasPrefix("{") || $0 == $1 }
        }
    }
}
