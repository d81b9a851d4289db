import Contract
import Cryptography
import Domain
import EventLoops
import Feed
import Grants
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Metering
import Policy
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

/// A gateway on one loop with everything real around it: a stand-in provider, a signed snapshot, an outbox
/// on disk, and a client. Loop thread.
final class GatewayBench {
    /// What a test wants to be different.
    struct Plan: Sendable {
        /// The model name behind the route `gpt-test`.
        var model = "stand-in"
        /// What the provider behind it is.
        var kind = ProviderKind.openAI
        var snapshot: (@Sendable (inout SnapshotFixture, SnapshotFixture.Parts) -> Void)?
        var hasSnapshot = true
        var standInKey: String?
        /// The address providers are dialled at, instead of the stand-in's.
        var upstreamAddress: String?
        var timeouts = ProviderTimeouts(
            connect: 2000, firstByte: 5000, betweenChunks: 5000, total: 10_000)
        var isEgressOpen = true
        var limits = Gateway.Limits()
        var outbox = OutboxOptions()
        /// What binds the calls; the lender lends it.
        var bounds: [LimitTerms] = []
        var patienceNanoseconds: Int64 = 2_000_000_000
    }

    let loop: EventLoop
    let standIn: StandIn
    let gateway: Gateway
    let server: HTTPServer
    let client: HTTPClient
    let fixture: SnapshotFixture
    let parts: SnapshotFixture.Parts
    let outbox: Outbox
    let refusals: RefusalLog
    let contents: ContentLog
    let folder = TemporaryDirectory()
    let lender: TestLender
    let exchanger: GrantExchanger
    let metrics = MetricsRegistry()
    let address: String
    var key: String { parts.key.reveal() }

    static let node = NodeID(at: .epoch)

    private init(_ plan: Plan, loop: EventLoop, resolver: BlockingPool) throws {
        self.loop = loop
        standIn = StandIn(loop: loop, options: StandIn.Options(apiKey: plan.standInKey))
        let any = try #require(SocketAddress("127.0.0.1:0"))
        let upstream = try standIn.listen(on: any)
        var (fixture, parts) = SnapshotFixture.small(
            baseURL: "http://\(plan.upstreamAddress ?? "\(upstream)")/v1")
        fixture.useModel(plan.model, timeouts: plan.timeouts)
        if plan.kind != .openAI {
            fixture.useKind(plan.kind, at: "http://\(plan.upstreamAddress ?? "\(upstream)")")
        }
        lender = TestLender(key: fixture.grantKey, now: fixture.now)
        fixture.bind(plan.bounds, parts, lender)
        plan.snapshot?(&fixture, parts)
        self.fixture = fixture
        self.parts = parts
        let compiled = try CompiledSnapshot(fixture.built())
        let serving = try ServingSnapshot(compiled, openingWith: fixture.fleetKey)
        client = HTTPClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: resolver, policy: .unrestricted))
        let dialer = Dialer(
            loop: loop, resolver: resolver, policy: plan.isEgressOpen ? .unrestricted : .publicInternetOnly)
        outbox = try UsageOutbox.open(
            in: DataDirectory(path: folder.path), node: Self.node, options: plan.outbox,
            log: .silent, metrics: metrics)
        refusals = RefusalLog(metrics: metrics)
        contents = ContentLog(metrics: metrics)
        let grants = NodeGrants(at: loop.now)
        exchanger = GrantExchanger(
            loop: loop, grants: grants, outbox: outbox, clock: .fixed(fixture.now), log: .silent,
            metrics: metrics, verify: { [lender] in lender.verified($0, of: Self.node) },
            post: { [lender] in lender.answer($0, of: Self.node) })
        exchanger.start()
        let calling = UpstreamCalling(
            client: HTTPClient(loop: loop, dialer: dialer),
            tls: try .client(trustPEM: nil, certificateChainPEM: nil, privateKeyPEM: nil, alpn: []))
        let gateway = Gateway(
            loop: loop, live: LiveSnapshot(fixed: plan.hasSnapshot ? serving : nil),
            recorder: UsageRecorder(outbox: outbox, loop: loop, refusals: refusals, contents: contents),
            grants: GrantPort(
                grants, outbox: outbox, loop: loop, clock: .fixed(fixture.now),
                patienceNanoseconds: plan.patienceNanoseconds), calling: calling,
            clock: .fixed(fixture.now), limits: plan.limits, log: .silent, metrics: metrics)
        self.gateway = gateway
        server = HTTPServer(loop: loop) { [gateway] in await gateway.handle($0) }
        address = "\(try server.listen(on: any))"
    }

    /// Runs a test on a bench of its own.
    static func run<T: Sendable>(
        _ plan: Plan = Plan(), _ body: @escaping @Sendable (GatewayBench) async throws -> T
    ) async throws -> T {
        let resolver = BlockingPool(threads: 1, queueLimit: 4, name: "resolver")
        let (result, outbox) = try await withLoop { loop in
            let bench = try GatewayBench(plan, loop: loop, resolver: resolver)
            let result = try await body(bench)
            bench.client.closeIdle()
            await bench.server.drain(withinNanoseconds: 1_000_000_000)
            await bench.standIn.drain(withinNanoseconds: 100_000_000)
            bench.exchanger.stop()
            #expect(bench.gateway.callsInFlight == 0)
            return (result, bench.outbox)
        }
        outbox.close()
        resolver.shutdown()
        return result
    }

    /// A second gateway on the same loop; end it.
    static func nested(_ plan: Plan, in bench: GatewayBench) async throws -> GatewayBench {
        try GatewayBench(
            plan, loop: bench.loop, resolver: BlockingPool(threads: 1, queueLimit: 1, name: "unused"))
    }

    func end() async {
        exchanger.stop()
        client.closeIdle()
        await server.drain(withinNanoseconds: 1_000_000_000)
        await standIn.drain(withinNanoseconds: 100_000_000)
    }

    // MARK: Calls

    /// A chat completion by the gateway's own client.
    func chat(
        _ body: String? = nil, stream: Bool = false, usage: Bool = false, key: String? = nil,
        fields: HeaderFields = [:]
    ) async throws(CallError) -> Response {
        var fields = fields
        fields.append("content-type", "application/json")
        if !fields.contains("authorization") {
            fields.append("authorization", "Bearer \(key ?? self.key)")
        }
        let body = body ?? Self.body(stream: stream, usage: usage)
        return try await client.request(
            .post, "http://\(address)/v1/chat/completions", fields: fields, body: Array(body.utf8),
            timeoutNanoseconds: 20_000_000_000)
    }

    /// A call at any path, with the key where its dialect's clients put it.
    func post(
        _ path: String, _ body: String, fields: HeaderFields = [:]
    ) async throws(CallError) -> Response {
        var fields = fields
        fields.append("content-type", "application/json")
        return try await client.request(
            .post, "http://\(address)\(path)", fields: fields, body: Array(body.utf8),
            timeoutNanoseconds: 20_000_000_000)
    }

    func get(_ path: String, key: String? = nil) async throws(CallError) -> Response {
        try await client.request(
            .get, "http://\(address)\(path)", fields: ["authorization": "Bearer \(key ?? self.key)"])
    }

    static func body(_ model: String = "gpt-test", stream: Bool = false, usage: Bool = false) -> String {
        var text = #"{"model":"\#(model)","messages":[{"role":"user","content":"hi"}]"#
        if stream { text += #","stream":true"# }
        if usage { text += #","stream_options":{"include_usage":true}"# }
        return text + "}"
    }

    /// The bytes of a request, for clients that misbehave.
    func rawRequest(_ body: String, version: String = "1.1") -> [UInt8] {
        Array(
            ("POST /v1/chat/completions HTTP/\(version)\r\nhost: x\r\nauthorization: Bearer \(key)\r\n"
                + "content-length: \(body.utf8.count)\r\n\r\n\(body)").utf8)
    }

    /// A plain connection to the gateway.
    func dial() async throws -> Connection {
        let resolver = BlockingPool(threads: 1, queueLimit: 1, name: "unused")
        defer { resolver.shutdown() }
        let parsed = try #require(SocketAddress(address))
        return try await Dialer(loop: loop, resolver: resolver, policy: .unrestricted).connect(
            host: "127.0.0.1", port: parsed.port, tls: nil, timeoutNanoseconds: 1_000_000_000)
    }

    /// Everything recorded so far, in order.
    func events() async throws -> [UsageEvent] {
        _ = await outbox.sealNow()
        var events: [UsageEvent] = []
        var sequence: UInt64 = 1
        while let batch = await outbox.batch(sequence) {
            events += try SealedUsageBatch(bytes: batch.bytes).opened().events
            sequence += 1
        }
        return events
    }

    /// The one event of a test with one call; waits for it when the call ends behind the client's back.
    func event() async throws -> UsageEvent {
        var events = try await events()
        while events.isEmpty {
            await loop.sleep(nanoseconds: 2_000_000)
            events = try await self.events()
        }
        #expect(events.count == 1)
        return events[0]
    }
}

extension SnapshotFixture {
    /// Limits of the tenant, named `limit-0`, `limit-1` …
    mutating func bind(_ bounds: [LimitTerms], _ parts: Parts, _ lender: TestLender) {
        for (index, terms) in bounds.enumerated() {
            let id = LimitID(high: 7, low: UInt64(index))
            content.limits.append(
                LimitEntry(
                    id: id, tenant: parts.tenant, name: "limit-\(index)", subject: .tenant,
                    metric: terms.metric, amount: terms.amount, period: terms.period, mode: terms.mode))
            lender.add(id, terms)
        }
    }

    /// Renames what all targets ask their providers for, and sets the providers' timeouts.
    mutating func useModel(_ name: String, timeouts: ProviderTimeouts? = nil) {
        content.routes = content.routes.map { route in
            RouteEntry(
                id: route.id, tenant: route.tenant, name: route.name,
                targets: route.targets.map {
                    TargetEntry(
                        provider: $0.provider, model: $0.model, upstreamModel: name, weight: $0.weight,
                        priority: $0.priority)
                })
        }
        guard let timeouts else { return }
        content.providers = content.providers.map {
            ProviderEntry(
                id: $0.id, tenant: $0.tenant, kind: $0.kind, baseURL: $0.baseURL, credentials: $0.credentials,
                headers: $0.headers, timeouts: timeouts, isEnabled: $0.isEnabled)
        }
    }
}

extension SnapshotFixture {
    /// Makes every provider one of this kind, at this address.
    mutating func useKind(_ kind: ProviderKind, at address: String, options: [String: String] = [:]) {
        guard let url = BaseURL(address) else { preconditionFailure("not a base URL: \(address)") }
        var options = options
        var credential: String?
        if kind == .bedrock {
            options["region"] = "eu-central-1"
            credential = StandIn.lentAccessKey
        } else if kind == .vertex {
            options["project"] = "stand-in"
            options["location"] = "europe-west4"
            credential = StandIn.serviceAccount(at: url.authority)
        }
        content.providers = content.providers.map {
            ProviderEntry(
                id: $0.id, tenant: $0.tenant, kind: kind, baseURL: url, credentials: $0.credentials,
                options: options, headers: $0.headers, timeouts: $0.timeouts, isEnabled: $0.isEnabled)
        }
        if let credential { useCredential(credential) }
    }

    /// Gives every provider this one credential.
    mutating func useCredential(_ text: String) {
        content.providers = content.providers.map {
            let sealed = SealedCredential(Secret(utf8: text), of: $0.id, under: fleetKey)
            let entry = CredentialEntry(id: CredentialID(high: $0.id.high, low: $0.id.low), sealed: sealed)
            return ProviderEntry(
                id: $0.id, tenant: $0.tenant, kind: $0.kind, baseURL: $0.baseURL, credentials: [entry],
                options: $0.options, headers: $0.headers, timeouts: $0.timeouts, isEnabled: $0.isEnabled)
        }
    }
}

extension Response {
    var text: String { String(decoding: body, as: UTF8.self) }
    var json: JSONValue { get throws { try JSONValue.parse(body) } }
    /// The payloads of a stream's events.
    var events: [String] {
        text.split(separator: "\n\n").map { String($0.hasPrefix("data: ") ? $0.dropFirst(6) : $0) }
    }
}

extension Connection {
    /// Sends bytes that have no place of their own.
    func send(_ bytes: [UInt8]) async throws(TransportError) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: bytes)
        try await send(UnsafeRawBufferPointer(copy))
    }
}
