import Contract
import Cryptography
import Domain
import EventLoops
import HTTPServing
import HTTPWire
import Publishing
import Telemetry
import Transport

/// At most fifty new streams a second, so that a thousand nodes that come back at once do not starve the
/// rest. Pure.
struct StreamAdmission {
    static let perSecond: Int64 = 50

    private var tokens = Self.perSecond * 1_000_000_000
    private var filledAt: Int64?

    /// Whether a stream may begin now. Unit of `now`: monotonic nanoseconds.
    mutating func admit(at now: Int64) -> Bool {
        let full = Self.perSecond * 1_000_000_000
        let passed = min(max(0, now - (filledAt ?? now)), 1_000_000_000)
        tokens = min(full, tokens + passed * Self.perSecond)
        filledAt = now
        guard tokens >= 1_000_000_000 else { return false }
        tokens -= 1_000_000_000
        return true
    }
}

extension NodeAPI {
    /// Frames for as long as the node reads them: one on every change, one every heartbeat.
    func stream(_ exchange: Exchange) async throws(Refusal) {
        let node = try await node(exchange, .recent)
        guard !parts.streams.isClosed else { throw Refusal(.unavailable, retryAfterSeconds: 1) }
        guard streamAdmission.admit(at: parts.loop.now) else {
            throw Refusal(.overloaded, retryAfterSeconds: Int.random(in: 1...5))
        }
        let news = StreamSignal(loop: parts.loop)
        let listener = parts.streams.listen { news.signal() }
        defer { parts.streams.stop(listener) }
        parts.log.info("a node follows", ["node": LogValue("\(node.id)"), "name": LogValue(node.name)])
        count("stream", 200)
        do {
            try await exchange.startStreaming(
                status: 200, fields: ["content-type": NodeProtocol.streamType, "cache-control": "no-store"])
            try await tell(node.id, exchange, news)
            try await exchange.finish()
        } catch {
            parts.log.info(
                "a node's stream ended", ["node": LogValue("\(node.id)"), "reason": LogValue(error)])
        }
    }

    private func tell(_ node: NodeID, _ exchange: Exchange, _ news: StreamSignal) async throws {
        var told: UInt64 = 0
        var toldKeySets = 0
        var generation = parts.registry.generation
        var frame = GrowableBytes()
        while !parts.streams.isClosed {
            if generation != parts.registry.generation {
                generation = parts.registry.generation
                if await isRevoked(exchange) { return exchange.connection.abort() }
            }
            guard let statement = parts.streams.statement(for: node), statement.number > told else {
                await news.wait()
                continue
            }
            // Asked for every statement too: the word that somebody was revoked may have been lost.
            if told > 0, await isRevoked(exchange) { return exchange.connection.abort() }
            frame.removeAll()
            let isNew = statement.keySetCount > toldKeySets
            (isNew ? statement.first : statement.next).withUnsafeBytes { frame.append($0) }
            toldKeySets = statement.keySetCount
            told = statement.number
            try await exchange.write(frame.view)
        }
    }

    /// Whether the node was revoked meanwhile; while the database is away, as it was last known.
    private func isRevoked(_ exchange: Exchange) async -> Bool {
        guard let key = exchange.connection.peerCertificateKey else { return true }
        do throws(NodeRefusal) {
            _ = try await parts.registry.node(identityKey: key, .recent)
            return false
        } catch {
            return error != .unavailable
        }
    }

    /// A page or shard, from memory or, when it is older, from the database.
    func object(_ text: String, _ exchange: Exchange) async throws(Refusal) {
        _ = try await node(exchange, .recent)
        guard let address = SHA256Digest(hexadecimal: text) else { throw Refusal(.notFound) }
        let bytes: [UInt8]?
        do { bytes = try await parts.objects.find(address) } catch {
            throw Refusal(.unavailable, retryAfterSeconds: 2)
        }
        guard let bytes else { throw Refusal(.notFound) }
        await respond(
            exchange, "object", type: NodeProtocol.objectType, bytes,
            ["cache-control": "private, max-age=31536000, immutable", "etag": "\"\(text)\""])
    }
}

/// A stream's wakeup as other threads know it.
private struct StreamSignal: Sendable {
    nonisolated(unsafe) private let wakeup = Wakeup()
    private let loop: EventLoop

    init(loop: EventLoop) { self.loop = loop }

    /// Loop thread.
    func wait() async { await wakeup.wait() }

    /// Any thread.
    func signal() {
        let target = self
        loop.execute { target.wakeup.signal() }
    }
}
