import Contract
import Cryptography
import Domain
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import LocalStore
import Metering
import Policy
import PostgresDriver
import Store
import Telemetry
import TestSupport
import Testing
import Transport

@testable import Feed
@testable import Publishing

/// A control plane's node listener and a node's feed in one process, with real TLS, Postgres and SQLite
/// between them.
@Suite("between the planes")
struct BetweenPlanesTests {
    /// Sooner than the heartbeat, which would bring it too; how soon is measured in a release build.
    private static let pushed = NodeProtocol.heartbeatSeconds * 800_000_000

    @Test(
        "a node joins, follows, serves a key, reports, and refuses the key soon after its revocation")
    func walk() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { node.counter != nil && node.refuses(key) == nil }
            #expect(node.snapshots.isReady)
            #expect(!node.snapshots.isStale(at: rig.clock.now()))
            #expect(
                node.live.current?.credentials(of: tenancy.provider).first?.secret == Secret(utf8: "sk-acme"))
            #expect(node.folder.mode("identity") == 0o600)
            #expect(node.folder.mode() == 0o700)

            try await tenancy.revoke(id, at: rig.clock.now(), pool)
            let revokedAt = loop.now
            await loop.until { node.refuses(key) == .revoked }
            #expect(loop.now - revokedAt < Self.pushed)

            await loop.until { node.counter == rig.publisher.version?.counter }
            node.feed.report()
            try await loop.until {
                let listed = try await pool.withConnection { try await NodeStore.list(Page(limit: 10), $0) }
                return listed.items.first?.report?.running == rig.publisher.version
            }
            let listed = try await pool.withConnection { try await NodeStore.list(Page(limit: 10), $0) }
            #expect(listed.items.first?.node.id == node.node)
            #expect(listed.items.first?.node.name == "node-1")
            #expect(listed.items.first?.report?.rejected == nil)
            node.close()
        }
    }

    @Test("what was said in calls is handed over by an enrolled node, and kept if its tenant keeps it")
    func contents() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            func kept(_ call: UsageEventID) async throws -> CallContent? {
                let stored = try await pool.withConnection {
                    try await ContentStore.find(call, of: tenancy.tenant, $0)
                }
                return try stored.map {
                    try CallContent(encoded: try Zstandard.decompress($0.sealed, limit: 1_000))
                }
            }
            let content = CallContent(
                call: UsageEventID(at: now), tenant: tenancy.tenant, startedAt: now,
                request: .init(text: "{}", byteCount: 2), answer: nil)
            let batch = CallContentBatch([content]).encoded
            #expect(await node.feed.postContents(batch) == 204)
            #expect(try await kept(content.call) == nil, "nobody wants it")
            _ = try await pool.withConnection {
                try await $0.execute("update tenants set content_days = 7 where id = \(tenancy.tenant)")
            }
            #expect(await node.feed.postContents(batch) == 204)
            #expect(try await kept(content.call) == content)
            #expect(await node.feed.postContents([4, 4, 4, 4]) == 400)
            node.close()
        }
    }

    @Test("every one of many revocations is pushed to the node: none waits for the next heartbeat")
    func revocationLatency() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            var keys: [(text: KeyText, id: KeyID)] = []
            for _ in 0..<40 { keys.append(try await tenancy.addKey(at: now, pool)) }
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { node.refuses(keys[39].text) == nil }
            var slowest: Int64 = 0
            for (text, id) in keys {
                try await tenancy.revoke(id, at: rig.clock.now(), pool)
                let start = loop.now
                await loop.until { node.refuses(text) == .revoked }
                slowest = max(slowest, loop.now - start)
            }
            #expect(slowest < Self.pushed, "the slowest took \(slowest / 1_000_000) ms")
            node.close()
        }
    }

    @Test(
        "with the control plane gone the node goes on, also after a restart; then it follows again by itself")
    func outage() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            let (key, id) = try await tenancy.addKey(at: now, pool)
            try rig.listen()
            rig.start()
            let port = rig.address!.port
            let first = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { first.refuses(key) == nil }
            await rig.close()
            #expect(first.refuses(key) == nil)
            first.close()

            // Restarted with nothing but its disk.
            let began = loop.now
            let second = try await NodeRig.start(nil, in: first.folder, on: loop)
            #expect(second.refuses(key) == nil)
            #expect(
                second.live.current?.credentials(of: tenancy.provider).first?.secret
                    == Secret(utf8: "sk-acme"))
            #expect(loop.now - began < Self.pushed)
            #expect(second.node == first.node)

            // Meanwhile the key is revoked; the control plane comes back on its address.
            try await tenancy.revoke(id, at: now, pool)
            let again = try ControlPlaneRig(rig.database, keys: rig.keys)
            try again.listen(port: port)
            again.start()
            await loop.until { second.refuses(key) == .revoked }
            second.close()
            await again.close()
        }
    }

    @Test(
        "usage recorded at the node is in the control plane's sums, once, also what was sealed before a restart"
    )
    func usage() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool, now = rig.clock.now()
            let tenancy = try await Tenancy.create("acme", fleet: rig.keys.fleet, at: now, pool)
            try rig.listen()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            var options = OutboxOptions()
            options.sealAtEvents = 3
            let directory = try DataDirectory(path: node.folder.path)
            let outbox = try UsageOutbox.open(
                in: directory, node: node.node, options: options, log: .silent, metrics: MetricsRegistry())
            let recorder = UsageRecorder(outbox: outbox, loop: loop)
            for number in 0..<8 {
                let event = UsageEvent(
                    id: UsageEventID(high: 1, low: UInt64(number)), tenant: tenancy.tenant,
                    workspace: tenancy.workspace, key: KeyID(at: now), route: tenancy.route,
                    provider: tenancy.provider, model: tenancy.model, price: nil, endpoint: .chat,
                    startedAt: now,
                    latencyMicroseconds: 1, firstByteMicroseconds: 1, usage: TokenUsage(input: 1, output: 1),
                    cost: NanoUSD(nanos: 5), costState: .settled, status: 200, isStream: false,
                    ending: .completed)
                #expect(await recorder.record(event))
            }
            #expect(await outbox.sealNow())
            let uploader = UsageUploader(loop: loop, outbox: outbox, log: .silent, metrics: MetricsRegistry())
            {
                await node.feed.postUsage($0)
            }
            uploader.start()
            await loop.until { outbox.status.depth == 0 }
            let rows = try await pool.withConnection {
                try await $0.query("select count(*), sum(cost_nanos)::bigint from usage_events")
            }
            #expect(try rows[0].int64(0) == 8)
            #expect(try rows[0].int64(1) == 40)
            uploader.stop()
            outbox.close()
            node.close()
        }
    }

    @Test("a join token works once, for a while, and a lost answer is given again to the same keys")
    func joinTokens() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, now = rig.clock.now()
            try rig.listen()
            let bundle = try await rig.bundle()
            let folder = TemporaryDirectory()
            let first = try await NodeRig.start(bundle, in: folder, on: loop, follows: false)
            first.close()
            // Another node with the same token.
            await #expect(throws: NodeEnrollment.Failure.self) {
                try await NodeRig.start(bundle, on: loop, follows: false)
            }
            // The same node, whose answer was lost: keys saved, no credentials.
            var identity = try #require(try NodeIdentity.load(from: DataDirectory(path: folder.path)))
            identity.enrolled = nil
            try identity.save(to: DataDirectory(path: folder.path))
            let again = try await NodeRig.start(bundle, in: folder, on: loop, follows: false)
            #expect(again.node == first.node)
            again.close()
            // Expired, and made up.
            let expired = JoinSecret()
            try await rig.database.pool.withConnection { connection in
                try await JoinTokenStore.create(
                    JoinToken(
                        id: JoinTokenID(at: now), nodeName: "late", region: "local", createdBy: nil,
                        createdAt: now.advanced(bySeconds: -1_000), expires: now.advanced(bySeconds: -100)),
                    hash: expired.digest, connection)
            }
            for secret in [expired, JoinSecret()] {
                let bad = JoinBundle(
                    controlURL: rig.url, token: secret, authorityPEM: rig.keys.authority.certificatePEM,
                    rootKey: rig.keys.root.publicKey)
                do {
                    _ = try await NodeRig.start(bad, on: loop, follows: false)
                    Issue.record("joined")
                } catch let failure as NodeEnrollment.Failure {
                    guard case .refused(let status, let code) = failure else {
                        Issue.record("\(failure)")
                        continue
                    }
                    #expect(status == 401)
                    #expect(code == "join_token_invalid")
                }
            }
            // Not enrolled and nothing to join with.
            await #expect(throws: NodeEnrollment.Failure.self) {
                try await NodeRig.start(nil, on: loop, follows: false)
            }
        }
    }

    @Test("a control plane that shows another authority's certificate is not spoken to")
    func pinned() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try rig.listen()
            let stranger = try RigKeys(now: rig.clock.now())
            let folder = TemporaryDirectory()
            let bundle = JoinBundle(
                controlURL: rig.url, token: JoinSecret(), authorityPEM: stranger.authority.certificatePEM,
                rootKey: rig.keys.root.publicKey)
            let client = try ControlPlaneClient(
                loop: loop, resolver: BlockingPool(threads: 1, queueLimit: 1, name: "r"),
                identity: NodeIdentity(joining: bundle))
            let identity = NodeIdentity(joining: bundle)
            await #expect(throws: ControlPlaneError.self) {
                try await client.join(
                    JoinRequest(
                        token: bundle.token, identity: identity.identityKey,
                        sealingKey: identity.sealingKey.publicKey, softwareVersion: "test"))
            }
            #expect(folder.names.isEmpty)
        }
    }

    @Test("a revoked node is refused everywhere and its stream ends")
    func revokedNode() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop, pool = rig.database.pool
            try rig.listen()
            rig.start()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop)
            await loop.until { node.counter != nil }
            #expect(rig.streams.listenerCount == 1)
            let id = node.node
            _ = try await pool.withConnection { try await NodeStore.setStatus(.revoked, of: id, $0) }
            let refused = try #require(await node.feed.postUsage([1]))
            #expect(refused.status == 403)
            #expect(String(decoding: refused.body, as: UTF8.self).contains("\"node_revoked\""))
            #expect(await !node.feed.renew())
            // The next statement finds out; until then at most five seconds of an older answer count.
            await loop.until {
                rig.publisher.restate()
                return rig.streams.listenerCount == 0
            }
            #expect(node.snapshots.isReady)
            node.close()
        }
    }

    @Test(
        "a renewed certificate and fleet key are used and kept; the registered key is enough, no certificate needed"
    )
    func renewal() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try rig.listen()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop, follows: false)
            let before = try #require(node.feed.identity.enrolled)
            #expect(before.renewal(spread: 0) > before.receivedAt.advanced(bySeconds: 43_000))
            #expect(before.renewal(spread: 0.99) < before.credentials.certificateExpires)
            #expect(await node.feed.renew())
            let after = try #require(node.feed.identity.enrolled)
            #expect(after.credentials.certificatePEM != before.credentials.certificatePEM)
            let kept = try #require(try NodeIdentity.load(from: DataDirectory(path: node.folder.path)))
            #expect(kept.enrolled?.credentials == after.credentials)
            // The new one is accepted: an empty batch is refused for what it is, not for who sends it.
            #expect(await node.feed.postUsage([])?.status == 400)
            node.close()
        }
    }

    @Test(
        "requests without a registered certificate, unknown paths, wrong methods, too large bodies are refused by code"
    )
    func refusals() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try rig.listen()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop, follows: false)
            let resolver = BlockingPool(threads: 1, queueLimit: 4, name: "r")
            let client = HTTPClient(
                loop: loop, dialer: Dialer(loop: loop, resolver: resolver, policy: .unrestricted))
            let anonymous = try TLSContext.client(trustPEM: rig.keys.authority.certificatePEM)
            let stranger = Ed25519PrivateKey()
            let seconds = rig.clock.now().microseconds / 1_000_000
            let unregistered = try TLSContext.client(
                trustPEM: rig.keys.authority.certificatePEM,
                certificateChainPEM: try rig.keys.authority.issueClientCertificate(
                    publicKey: stranger.publicKey, commonName: "stranger",
                    validity: CertificateValidity(notBefore: seconds - 60, notAfter: seconds + 600)
                ).pem, privateKeyPEM: stranger.pem)
            let known = try TLSContext.client(
                trustPEM: rig.keys.authority.certificatePEM,
                certificateChainPEM: node.feed.identity.enrolled?.credentials.certificatePEM,
                privateKeyPEM: node.feed.identity.identityKey.pem)
            func status(
                _ method: HTTPMethod, _ path: String, _ tls: TLSContext, _ body: [UInt8] = []
            ) async throws -> Int {
                try await client.request(method, rig.url + path, body: body, tls: tls).status
            }
            let object = NodeProtocol.objectsPath + sha256("x").hexadecimal
            for tls in [anonymous, unregistered] {
                #expect(try await status(.get, NodeProtocol.streamPath, tls) == 401)
                #expect(try await status(.get, object, tls) == 401)
                #expect(try await status(.post, NodeProtocol.usagePath, tls) == 401)
                #expect(try await status(.post, NodeProtocol.statusPath, tls) == 401)
            }
            #expect(try await status(.get, object, known) == 404)
            #expect(try await status(.get, NodeProtocol.objectsPath + "zz", known) == 404)
            #expect(try await status(.get, "/node/v1/other", known) == 404)
            #expect(try await status(.get, NodeProtocol.joinPath, known) == 405)
            #expect(try await status(.post, NodeProtocol.joinPath, anonymous, Array("{}".utf8)) == 400)
            #expect(try await status(.post, NodeProtocol.renewPath, anonymous, Array("[".utf8)) == 400)
            #expect(try await status(.post, NodeProtocol.statusPath, known, Array("{}".utf8)) == 400)
            func code(_ path: String, _ tls: TLSContext, _ body: [UInt8] = []) async throws -> String? {
                let answer = try await client.request(.post, rig.url + path, body: body, tls: tls)
                return try JSONValue.parse(answer.body)["code"]?.string
            }
            #expect(try await code(NodeProtocol.usagePath, unregistered) == "node_unknown")
            #expect(try await code(NodeProtocol.usagePath, known, [1, 2, 3]) == "batch_invalid")
            let large = [UInt8](repeating: 32, count: UsageBatch.maximumBytes + 1)
            #expect(try await status(.post, NodeProtocol.usagePath, known, large) == 413)
            #expect(
                try await status(.post, NodeProtocol.joinPath, anonymous, Array(large.prefix(70_000))) == 413)
            let someone = RenewRequest(
                node: node.node, identity: stranger, softwareVersion: "x", issuedAt: rig.clock.now())
            #expect(try await status(.post, NodeProtocol.renewPath, anonymous, someone.json) == 401)
            client.closeIdle()
            resolver.shutdown()
            node.close()
        }
    }

    @Test("a page or shard is served with its hash as its name, to be cached for ever")
    func objects() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try await rig.publisher.reconcile()
            try rig.listen()
            let node = try await NodeRig.start(try await rig.bundle(), on: loop, follows: false)
            let address = try #require(try rig.published()?.manifest.pages.first)
            let object = try await node.feed.control.object(address, limit: ManifestPage.maximumBytes)
            #expect(object.address == address)
            // Larger than expected: not read to the end.
            await #expect(throws: ControlPlaneError.self) {
                try await node.feed.control.object(address, limit: 3)
            }
            node.close()
        }
    }

    @Test("two live processes with one identity are told so")
    func clones() async throws {
        try await withControlPlane { rig in
            let loop = rig.database.loop
            try rig.listen()
            let first = try await NodeRig.start(try await rig.bundle(), on: loop, follows: false)
            let clone = TemporaryDirectory()
            clone.replace("identity", first.folder.content("identity"))
            let second = try await NodeRig.start(nil, in: clone, on: loop, follows: false)
            try await first.feed.control.report(first.feed.status)
            try await second.feed.control.report(second.feed.status)
            await #expect(
                throws: ControlPlaneError.refused(
                    status: 409, code: "node_duplicate", retryAfterNanoseconds: nil)
            ) { try await first.feed.control.report(first.feed.status) }
            first.close()
            second.close()
        }
    }
}
