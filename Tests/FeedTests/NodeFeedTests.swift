import Contract
import Cryptography
import Domain
import EventLoops
import HTTPWire
import LocalStore
import Policy
import Telemetry
import TestSupport
import Testing

@testable import Feed

@Suite("node feed")
struct NodeFeedTests {
    /// Runs the body with a control plane that listens and a node that has joined it.
    private static func withNode(
        confirmNanoseconds: Int64 = 3_600_000_000_000, reportNanoseconds: Int64 = 3_600_000_000_000,
        _ body: @escaping @Sendable (ScriptedControlPlane, FeedRig) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let control = try ScriptedControlPlane(on: loop)
            try control.listen()
            let node = try await FeedRig(
                control.bundle, on: loop, confirmNanoseconds: confirmNanoseconds,
                reportNanoseconds: reportNanoseconds)
            await node.feed.boot()
            node.feed.start()
            do {
                try await body(control, node)
                node.close()
                await control.close()
            } catch {
                node.close()
                await control.close()
                throw error
            }
        }
    }

    @Test("frames become snapshots, unchanged shards are not fetched twice, what is running is reported")
    func following() async throws {
        try await Self.withNode(reportNanoseconds: 5_000_000) { control, node in
            let loop = control.loop
            try control.publish(1)
            await loop.until { node.counter == 1 }
            let fetched = control.fetched.count
            _ = control.fixture.addKey(control.parts.tenant, control.parts.workspace)
            try control.publish(2)
            await loop.until { node.counter == 2 }
            #expect(control.fetched.count == fetched + 2)
            await loop.until { control.reports.last?.running?.counter == 2 }
            #expect(control.reports.last?.rejected == nil)
            #expect(node.metrics.text().contains("eclusa_snapshot_activations_total 2"))
            #expect(node.metrics.text().contains("eclusa_feed_connected 1"))
        }
    }

    @Test("a stream that says nonsense is left and opened again; what runs goes on")
    func nonsense() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            try control.publish(1)
            await loop.until { node.counter == 1 }
            for bytes in [[0xff, 0xff, 0xff, 0xff], [0, 0, 0, 2, 0xff, 0xff]] as [[UInt8]] {
                let streams = control.streams
                control.send(bytes)
                try await loop.until {
                    if control.streams > streams { try control.publish(1) }
                    return control.streams > streams
                }
            }
            #expect(node.counter == 1)
            #expect(node.metrics.text().contains("eclusa_feed_breaks_total 2"))
        }
    }

    @Test("a frame cut by the end of the stream changes nothing")
    func cutFrame() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            let built = try control.fixture.built(counter: 1, issuedAt: WallClock.real.now())
            for (address, object) in built.objects { control.objects[address] = object.bytes }
            let whole = control.fixture.frame(of: built).framed
            await loop.until { control.streams == 1 }
            control.send(Array(whole.prefix(whole.count - 1)))
            // Long enough for it to be written, were it ever so slow to be read.
            for _ in 0..<50 { await loop.yieldTurn() }
            control.endStreams()
            await loop.until { node.metrics.text().contains("eclusa_feed_breaks_total 1") }
            #expect(node.counter == nil)
            control.send(whole)
            await loop.until { node.counter == 1 }
        }
    }

    @Test("an object that cannot be had is a NACK of that stage, and tried again with the next statement")
    func missingObject() async throws {
        try await Self.withNode(reportNanoseconds: 5_000_000) { control, node in
            let loop = control.loop
            try control.publish(1, withObjects: false)
            await loop.until { control.reports.last?.rejected?.stage == .fetched }
            #expect(node.counter == nil)
            try control.publish(1)
            await loop.until { node.counter == 1 }
            await loop.until { control.reports.last?.rejected == nil }
        }
    }

    @Test("an object with other bytes than its address says is not taken")
    func wrongObject() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            let built = try control.fixture.built(counter: 1, issuedAt: WallClock.real.now())
            for address in built.objects.keys { control.objects[address] = [1, 2, 3] }
            control.send(control.fixture.frame(of: built).framed)
            await loop.until { node.feed.status.rejected?.stage == .fetched }
            #expect(node.counter == nil)
        }
    }

    @Test("a snapshot sealed for another fleet key makes the node renew, and run it then")
    func fleetKeyRotated() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            try control.publish(1)
            await loop.until { node.counter == 1 }
            // The control plane rotates the fleet key and seals the credentials again.
            let fleetKey = FleetKey(id: FleetKeyID(high: 5, low: 5), key: SymmetricKey())
            control.fixture.fleetKey = fleetKey
            control.fixture.content.providers = control.fixture.content.providers.map { provider in
                ProviderEntry(
                    id: provider.id, tenant: provider.tenant, kind: provider.kind, baseURL: provider.baseURL,
                    credential: SealedCredential(Secret(utf8: "sk-new"), of: provider.id, under: fleetKey))
            }
            try control.publish(2)
            await loop.until { node.counter == 2 }
            #expect(control.renewals == 1)
            #expect(node.feed.identity.enrolled?.fleetKey.id == fleetKey.id)
            #expect(
                node.live.current?.credentials(of: control.parts.provider).first?.secret
                    == Secret(utf8: "sk-new"))
        }
    }

    @Test("a credential that does not open refuses the whole snapshot at the stage where it is opened")
    func credentialOfAnother() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            try control.publish(1)
            await loop.until { node.counter == 1 }
            let provider = control.fixture.content.providers[0]
            control.fixture.content.providers[0] = ProviderEntry(
                id: provider.id, tenant: provider.tenant, kind: provider.kind, baseURL: provider.baseURL,
                credential: SealedCredential(
                    fleetKey: control.fixture.fleetKey.id, sealed: [UInt8](repeating: 7, count: 60)))
            try control.publish(2)
            await loop.until { node.feed.status.rejected?.stage == .warm }
            #expect(node.counter == 1)
        }
    }

    @Test("503 with Retry-After is waited out, other refusals too, and then the stream is opened")
    func refusedStream() async throws {
        try await withLoop { loop in
            let control = try ScriptedControlPlane(on: loop)
            try control.listen()
            control.refusals[NodeProtocol.streamPath] = (503, ["retry-after": "0"], #"{"code":"overloaded"}"#)
            let node = try await FeedRig(control.bundle, on: loop)
            node.feed.start()
            await loop.until { node.metrics.text().contains("eclusa_feed_breaks_total 1") }
            control.refusals = [:]
            try control.publish(1)
            await loop.until { node.counter == 1 }
            node.close()
            await control.close()
        }
    }

    @Test("a node whose certificate ran out renews with its registered key")
    func expired() async throws {
        try await withLoop { loop in
            let control = try ScriptedControlPlane(on: loop)
            try control.listen()
            // Expired when it is given out.
            control.certificateSeconds = -60
            let node = try await FeedRig(control.bundle, on: loop)
            control.certificateSeconds = 86_400
            try control.publish(1)
            node.feed.start()
            await loop.until { node.counter == 1 }
            #expect(control.renewals >= 1)
            node.close()
            await control.close()
        }
    }

    @Test(
        "the cache is filled again after damage, then the snapshot is confirmed, and what is old is dropped")
    func refill() async throws {
        try await Self.withNode { control, node in
            let loop = control.loop
            try control.publish(1)
            await loop.until { node.counter == 1 }
            let first = Set(control.objects.keys)
            _ = control.fixture.addKey(control.parts.tenant, control.parts.workspace)
            try control.publish(2)
            await loop.until { node.counter == 2 }
            // Half of the cache is gone.
            try node.cache.retainOnly(Set(first.sorted().prefix(3)))
            await node.feed.maintain()
            let needed = Set(node.live.current!.compiled.addresses.compactMap(\.self))
            #expect(try node.cache.missing(Array(needed)).isEmpty)
            #expect(try node.cache.manifest(.confirmed)?.counter == 2)
            let stale = first.subtracting(needed).subtracting(node.live.current!.compiled.manifest.pages)
            #expect(!stale.isEmpty)
            #expect(try node.cache.missing(stale.sorted()).count == stale.count)
        }
    }

    @Test("maintenance comes by itself some time after a snapshot became active")
    func confirmation() async throws {
        try await Self.withNode(confirmNanoseconds: 1_000_000) { control, node in
            try control.publish(1)
            try await control.loop.until { try node.cache.manifest(.confirmed)?.counter == 1 }
        }
    }

    @Test("a full cache does not keep a snapshot from running; the report says that it runs from memory")
    func fullCache() async throws {
        try await withLoop { loop in
            let control = try ScriptedControlPlane(on: loop)
            try control.listen()
            for _ in 0..<3_000 { _ = control.fixture.addKey(control.parts.tenant, control.parts.workspace) }
            let node = try await FeedRig(control.bundle, on: loop)
            // As a full disk would be.
            node.cache.close()
            node.feed.start()
            try control.publish(1)
            await loop.until { node.counter == 1 }
            #expect(node.feed.status.rejected?.stage == .persisted)
            node.close()
            await control.close()
        }
    }

    @Test("usage goes to the control plane, and no answer is no answer")
    func usage() async throws {
        try await Self.withNode { control, node in
            let answer = await node.feed.postUsage([1])
            #expect(answer?.status == 200)
            #expect(answer.flatMap { try? BatchAnswer(encoded: $0.body) } == .acknowledged(sequence: 1))
            await control.close()
            #expect(await node.feed.postUsage([1]) == nil)
        }
    }

    @Test("the load of the node is part of its report")
    func load() async throws {
        try await Self.withNode(reportNanoseconds: 5_000_000) { control, node in
            node.feed.load = {
                var load = NodeFeed.Load()
                load.callsInFlight = 3
                load.outboxEvents = 4
                load.outboxBytes = 5
                load.isDraining = true
                return load
            }
            await control.loop.until { control.reports.last?.outboxBytes == 5 }
            #expect(control.reports.last?.callsInFlight == 3)
            #expect(control.reports.last?.isDraining == true)
            #expect(control.reports.last?.softwareVersion == "test")
        }
    }
}
