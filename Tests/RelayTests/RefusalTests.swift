import Contract
import Domain
import EventLoops
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import LocalStore
import Metering
import StandInProvider
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Relay

@Suite("refusals")
struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var body = GatewayBench.body()
        var authorization: String?
        var plan = GatewayBench.Plan()
        let status: Int
        let code: String
        var parameter: String?
        var type: String?
    }

    static func snapshot(
        _ change: @escaping @Sendable (inout SnapshotFixture, SnapshotFixture.Parts) -> Void
    ) -> GatewayBench.Plan {
        var plan = GatewayBench.Plan()
        plan.snapshot = change
        return plan
    }

    /// The plan with the one key replaced by one that differs.
    static func key(
        _ change: @escaping @Sendable (KeyEntry, SnapshotFixture) -> KeyEntry
    ) -> GatewayBench.Plan {
        snapshot { fixture, _ in fixture.content.keys = fixture.content.keys.map { change($0, fixture) } }
    }

    static func entry(
        _ key: KeyEntry, permitted: KeyPermissions = .everything, notBefore: Timestamp? = nil,
        expires: Timestamp? = nil, revoked: Timestamp? = nil, rotatedBefore: Timestamp? = nil,
        isStrict: Bool = false
    ) -> KeyEntry {
        let previous = rotatedBefore.map { PreviousSecret(hash: key.secretHash, until: $0) }
        return KeyEntry(
            id: key.id, tenant: key.tenant, workspace: key.workspace, publicID: key.publicID,
            secretHash: previous == nil ? key.secretHash : .unknown, previous: previous,
            permitted: permitted, notBefore: notBefore, expires: expires, revoked: revoked,
            isStrict: isStrict)
    }

    static let elsewhere = ["10.9.0.0/16", "2001:db8::/32"].compactMap { AddressRange($0) }

    static let stranger: String = {
        var generator = SystemRandomNumberGenerator()
        return KeyText(using: &generator).reveal()
    }()

    static let keys = [
        Case(testDescription: "no key", authorization: "", status: 401, code: "invalid_api_key"),
        Case(
            testDescription: "another scheme", authorization: "Basic eDp5", status: 401,
            code: "invalid_api_key"),
        Case(
            testDescription: "not a key", authorization: "Bearer sk-foreign", status: 401,
            code: "invalid_api_key", type: "authentication_error"),
        Case(
            testDescription: "an unknown key", authorization: "Bearer \(stranger)", status: 401,
            code: "invalid_api_key"),
        Case(
            testDescription: "a revoked key", plan: key { entry($0, revoked: $1.now) }, status: 401,
            code: "key_revoked"),
        Case(
            testDescription: "an expired key", plan: key { entry($0, expires: $1.now) }, status: 401,
            code: "key_expired"),
        Case(
            testDescription: "a key of tomorrow",
            plan: key { entry($0, notBefore: $1.now.advanced(bySeconds: 60)) }, status: 401,
            code: "key_not_yet_valid"),
        Case(
            testDescription: "a suspended tenant",
            plan: snapshot { fixture, parts in
                fixture.content.tenants = [TenantEntry(id: parts.tenant, isSuspended: true)]
            }, status: 403, code: "tenant_suspended", type: "permission_error"),
        Case(
            testDescription: "a tenant of another region",
            plan: snapshot { fixture, parts in
                fixture.content.tenants = [TenantEntry(id: parts.tenant, region: "eu")]
            }, status: 403, code: "region_not_allowed", type: "permission_error"),
        Case(
            testDescription: "a key for other endpoints",
            plan: key { key, _ in
                entry(key, permitted: KeyPermissions(endpoints: EndpointSet([.embeddings])))
            }, status: 403, code: "endpoint_not_allowed"),
        Case(
            testDescription: "a key for other routes",
            plan: key { key, _ in entry(key, permitted: KeyPermissions(routes: [RouteID(at: .epoch)])) },
            status: 403, code: "route_not_allowed"),
        Case(
            testDescription: "a key for other models",
            plan: key { key, _ in entry(key, permitted: KeyPermissions(models: [ModelID(at: .epoch)])) },
            status: 403, code: "model_not_allowed"),
        Case(
            testDescription: "a key for other addresses",
            plan: key { key, _ in entry(key, permitted: KeyPermissions(addresses: elsewhere)) },
            status: 403, code: "address_not_allowed"),
        Case(
            testDescription: "the secret from before a rotation",
            plan: key { key, fixture in entry(key, rotatedBefore: fixture.now) },
            status: 401, code: "key_rotated"),
        Case(
            testDescription: "a strict key on a node that was cut off",
            plan: {
                var plan = key { key, _ in entry(key, isStrict: true) }
                plan.limits.maximumStaleSeconds = -1
                return plan
            }(), status: 503, code: "snapshot_stale"),
        Case(
            testDescription: "a killed key", plan: snapshot { $0.kills = [.key($1.keyID)] }, status: 401,
            code: "key_revoked"),
    ]

    static let requests = [
        Case(
            testDescription: "an unknown model", body: GatewayBench.body("gpt-other"), status: 404,
            code: "route_not_found", parameter: "model", type: "not_found_error"),
        Case(
            testDescription: "not JSON", body: "{\"model\":", status: 400, code: "invalid_json",
            type: "invalid_request_error"),
        Case(testDescription: "no body", body: "", status: 400, code: "invalid_json"),
        Case(
            testDescription: "no model", body: #"{"messages":[]}"#, status: 400, code: "model_required",
            parameter: "model"),
        Case(
            testDescription: "a stream that is no flag", body: #"{"model":"gpt-test","stream":"yes"}"#,
            status: 400, code: "invalid_request", parameter: "stream"),
        Case(
            testDescription: "a repeated member", body: #"{"model":"gpt-test","model":"gpt-test"}"#,
            status: 400,
            code: "invalid_json"),
    ]

    static let conditions = [
        Case(
            testDescription: "no snapshot yet",
            plan: {
                var plan = GatewayBench.Plan()
                plan.hasSnapshot = false
                return plan
            }(), status: 503, code: "snapshot_missing", type: "server_error"),
        Case(
            testDescription: "a body above the limit",
            plan: {
                var plan = GatewayBench.Plan()
                plan.limits.requestBodyBytes = 20
                return plan
            }(), status: 413, code: "payload_too_large"),
        Case(
            testDescription: "a killed provider", plan: snapshot { $0.kills = [.provider($1.provider)] },
            status: 503, code: "no_target"),
        Case(
            testDescription: "a provider whose credential fits into no head",
            plan: snapshot { fixture, _ in fixture.useCredential("sk-a\r\nx: y") }, status: 503,
            code: "no_target"),
    ]

    @Test(
        "a refused call has its status, its code and OpenAI's shape, and dials nobody",
        arguments: keys + requests + conditions)
    func refused(_ example: Case) async throws {
        try await GatewayBench.run(example.plan) { bench in
            let answer = try await bench.chat(
                example.body, fields: example.authorization.map { ["authorization": $0] } ?? [:])
            #expect(answer.status == example.status)
            #expect(answer.fields["x-eclusa-error-code"] == example.code)
            #expect(answer.fields["x-eclusa-error-origin"] == "gateway")
            #expect(answer.fields["content-type"] == "application/json")
            #expect(answer.fields.contains("x-request-id"))
            let error = try answer.json["error"]
            #expect(error?["code"]?.string == example.code)
            #expect(error?["message"]?.string?.isEmpty == false)
            #expect(error?["param"]?.string == example.parameter)
            if let type = example.type { #expect(error?["type"]?.string == type) }
            #expect(answer.fields.contains("retry-after") == [429, 503].contains(answer.status))
            #expect(bench.standIn.totals[.calls] == 0 && bench.standIn.connectionCount == 0)
            let isDialledEvent = example.code == "no_target"
            let events = try await bench.events()
            #expect(events.isEmpty || isDialledEvent)
        }
    }

    @Test("unknown, malformed and wrong keys cannot be told apart")
    func indistinguishable() async throws {
        try await GatewayBench.run { bench in
            var answers: Set<[UInt8]> = []
            // A good public id with another key's secret would need its checksum; a stranger's key is as
            // good.
            for authorization in [
                "Bearer x", "Bearer \(Self.stranger)", "bearer ek_", "Basic zzz", "Bearer ",
            ] {
                let answer = try await bench.chat(fields: ["authorization": authorization])
                #expect(answer.status == 401)
                answers.insert(answer.body)
            }
            #expect(answers.count == 1)
        }
    }

    @Test("the scheme may be written in any case")
    func schemeCase() async throws {
        try await GatewayBench.run { bench in
            for scheme in ["bearer", "BEARER", "Bearer", "bEaReR"] {
                let answer = try await bench.chat(fields: ["authorization": "\(scheme) \(bench.key)"])
                #expect(answer.status == 200)
            }
        }
    }

    @Test("a stranger's large body is not asked for")
    func strangers() async throws {
        try await GatewayBench.run { bench in
            let connection = try await bench.dial()
            try await connection.send(
                Array(
                    ("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer nope\r\n"
                        + "expect: 100-continue\r\ncontent-length: 1000000\r\n\r\n").utf8))
            while try await connection.fill() {}
            let text = String(decoding: connection.buffered, as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 401 ") && !text.contains("100 Continue"))
            connection.close()
        }
    }

    @Test("a full outbox refuses the next call rather than losing its usage")
    func outboxFull() async throws {
        var plan = GatewayBench.Plan()
        plan.outbox.capacityBytes = 1
        try await GatewayBench.run(plan) { bench in
            let first = try await bench.chat()
            #expect(first.status == 200)
            let second = try await bench.chat()
            #expect(second.status == 503 && second.fields["x-eclusa-error-code"] == "outbox_full")
            #expect(second.fields["retry-after"] == "10")
            let events = try await bench.events()
            #expect(events.count == 1 && bench.standIn.totals[.calls] == 1)
        }
    }

    @Test("other paths and methods are refused in the same shape")
    func paths() async throws {
        try await GatewayBench.run { bench in
            let unknown = try await bench.get("/v1/unknown")
            #expect(unknown.status == 404 && unknown.fields["x-eclusa-error-code"] == "not_found")
            #expect(unknown.text.contains("/v1/unknown"))
            let method = try await bench.get("/v1/chat/completions")
            #expect(method.status == 405 && method.fields["allow"] == "POST")
            let url = "http://\(bench.address)/v1/models"
            let post = try await bench.client.request(.post, url)
            #expect(post.status == 405 && post.fields["allow"] == "GET, HEAD")
        }
    }

    @Test("an address behind a trusted proxy is held to a key's addresses, not what the client wrote itself")
    func behindProxy() async throws {
        var plan = Self.key { key, _ in Self.entry(key, permitted: KeyPermissions(addresses: Self.elsewhere))
        }
        plan.limits.trustedProxies = TrustedProxies([AddressBlock("127.0.0.1")].compactMap(\.self))
        try await GatewayBench.run(plan) { bench in
            for (client, status) in [
                ("10.9.1.2", 200), ("2001:db8::1", 200), ("10.9.1.2, 198.51.100.1", 403), ("", 403),
            ] {
                let answer = try await bench.chat(fields: ["x-forwarded-for": client])
                #expect(answer.status == status, "\(client): \(answer.text)")
            }
        }
    }

    @Test("while the node ends, calls are refused")
    func draining() async throws {
        try await GatewayBench.run { bench in
            bench.gateway.endCalls()
            let answer = try await bench.chat()
            #expect(answer.status == 503 && answer.fields["x-eclusa-error-code"] == "draining")
            #expect(answer.fields["retry-after"] == "1")
        }
    }

    @Test("refused calls of a known key are noted for its tenant's report; strangers are nobody's")
    func reported() async throws {
        var plan = Self.key { key, fixture in Self.entry(key, expires: fixture.now) }
        plan.outbox.sealAfterNanoseconds = .max / 4
        try await GatewayBench.run(plan) { bench in
            for _ in 0..<3 { #expect(try await bench.chat().status == 401) }
            _ = try await bench.get("/v1/models")
            _ = try await bench.chat(key: Self.stranger)
            let shipper = RefusalShipper(loop: bench.loop, outbox: bench.outbox, refusals: bench.refusals)
            shipper.ship()
            while bench.outbox.status.bytes == 0 { await bench.loop.yieldTurn() }
            #expect(await bench.outbox.sealNow())
            let sent = try #require(await bench.outbox.batch(1))
            let batch = try SealedUsageBatch(bytes: sent.bytes).opened()
            #expect(batch.events.isEmpty)
            #expect(batch.refusals.map(\.code) == ["key_expired"] && batch.refusals.map(\.calls) == [4])
            #expect(batch.refusals.first?.tenant == bench.parts.tenant)
            #expect(batch.refusalSamples.count == 4)
            #expect(batch.refusalSamples.allSatisfy { $0.status == 401 && $0.request.hasPrefix("req_") })
        }
    }

    @Test("refusals are counted by code")
    func metrics() async throws {
        try await GatewayBench.run { bench in
            _ = try await bench.chat(fields: ["authorization": "Bearer x"])
            _ = try await bench.chat()
            let text = bench.metrics.text()
            #expect(text.contains("eclusa_refusals_total{code=\"invalid_api_key\"} 1\n"))
            #expect(text.contains("eclusa_calls_total{endpoint=\"chat\",ending=\"completed\"} 1\n"))
            #expect(text.contains("eclusa_upstream_attempts_total 1\n"))
            #expect(text.contains("eclusa_calls_in_flight 0\n"))
        }
    }
}

@Suite("the model list")
struct ModelListTests {
    @Test("a key sees the routes it may name")
    func list() async throws {
        var plan = GatewayBench.Plan()
        plan.snapshot = { fixture, parts in
            _ = fixture.addRoute("alpha", of: parts.tenant, to: [(parts.provider, parts.model)])
            let (other, _) = fixture.addTenant()
            _ = fixture.addRoute("foreign", of: other, to: [(parts.provider, parts.model)])
        }
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.get("/v1/models")
            #expect(answer.status == 200)
            let ids = try answer.json["data"]?.array?.compactMap { $0["id"]?.string }
            #expect(ids == ["alpha", "gpt-test"])
            let one = try await bench.get("/v1/models/alpha")
            let name = try one.json["id"]?.string
            #expect(one.status == 200 && name == "alpha")
            for missing in ["foreign", "nothing"] {
                let answer = try await bench.get("/v1/models/\(missing)")
                #expect(answer.status == 404 && answer.fields["x-eclusa-error-code"] == "route_not_found")
            }
            let stranger = try await bench.get("/v1/models", key: RefusalTests.stranger)
            #expect(stranger.status == 401)
        }
    }

    @Test("routes a key may not name are left out")
    func permitted() async throws {
        let plan = RefusalTests.key { key, fixture in
            RefusalTests.entry(key, permitted: KeyPermissions(routes: [RouteID(at: fixture.now)]))
        }
        try await GatewayBench.run(plan) { bench in
            let answer = try await bench.get("/v1/models")
            let count = try answer.json["data"]?.array?.count
            #expect(count == 0)
            let one = try await bench.get("/v1/models/gpt-test")
            #expect(one.status == 404)
        }
    }
}
