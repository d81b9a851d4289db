import EventLoops
import Glibc
import TestSupport
import Testing

@testable import Transport

@Suite("How a connection ends")
struct ConnectionEndingTests {
    @Test("a deadline ends a waiting fill, and everything after it")
    func deadlineOfFill() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            let start = monotonicNanoseconds()
            pair.server.setDeadline(afterNanoseconds: 30_000_000)
            #expect(await pair.server.failureOfFill() == .timedOut)
            #expect(monotonicNanoseconds() - start >= 29_000_000)
            #expect(pair.server.isEnded)
            await #expect(throws: TransportError.timedOut) { try await pair.server.send("late") }
        }
    }

    @Test("a deadline ends a send to a reader that stalls")
    func deadlineOfSend() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            pair.server.setDeadline(afterNanoseconds: 30_000_000)
            await #expect(throws: TransportError.timedOut) {
                try await pair.server.send(manyZeroes)
            }
        }
    }

    @Test("a deadline that is cleared or moved does not end anything at its old time")
    func deadlineMoves() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            pair.server.setDeadline(afterNanoseconds: 20_000_000)
            pair.server.setDeadline(afterNanoseconds: 0)
            pair.client.setDeadline(afterNanoseconds: 20_000_000)
            pair.client.setDeadline(afterNanoseconds: 10_000_000_000)
            await loop.sleep(nanoseconds: 60_000_000)
            try await pair.client.send("a")
            try await pair.server.send("b")
            #expect(try await pair.client.receiveText(1) == "b")
            #expect(try await pair.server.receiveText(1) == "a")
        }
    }

    @Test("a reset by the peer is not the end of the stream")
    func peerReset() async throws {
        try await withLoop { loop in
            let (server, peer) = try await accept(loop)
            try await server.send("x")
            loop.schedule(afterNanoseconds: 5_000_000) { peer.reset() }
            #expect(await server.failureOfFill() == .reset)
            #expect(server.peerHungUp)
            await #expect(throws: TransportError.reset) { try await server.send("more") }
        }
    }

    @Test("a reset ends a send that waits for the peer to read")
    func resetWhileSending() async throws {
        try await withLoop { loop in
            let (server, peer) = try await accept(loop)
            loop.schedule(afterNanoseconds: 20_000_000) { peer.reset() }
            await #expect(throws: TransportError.reset) {
                try await server.send(manyZeroes)
            }
        }
    }

    @Test("abort ends the reader and the writer that wait; close gives the descriptor back")
    func aborts() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            var errors: [TransportError] = []
            let ended = LoopSemaphore(permits: 0)
            loop.spawn {
                if let error = await pair.server.failureOfFill() { errors.append(error) }
                ended.release()
            }
            loop.spawn {
                do { try await pair.server.send(manyZeroes) } catch {
                    errors.append(error as! TransportError)
                }
                ended.release()
            }
            await loop.yieldTurn()
            pair.server.abort()
            pair.server.abort()
            for _ in 0..<2 { await ended.acquire() }
            #expect(errors == [.aborted, .aborted])
            #expect(loop.channelCount == 2)
            pair.server.close()
            pair.server.close()
            #expect(loop.channelCount == 1)
            #expect(pair.server.buffered.isEmpty)
        }
    }

    @Test("close by another task ends a waiting fill with .aborted, and the peer sees the end")
    func closeWhileWaiting() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            loop.schedule(afterNanoseconds: 1) { pair.server.close() }
            #expect(await pair.server.failureOfFill() == .aborted)
            #expect(try await pair.client.fill() == false)
            pair.server.setDeadline(afterNanoseconds: 1_000_000)
            pair.server.shutdownWrite()
            await #expect(throws: TransportError.aborted) { try await pair.server.send("x") }
        }
    }

    @Test("the last reference going away closes, timers and all")
    func closesByItself() async throws {
        try await withLoop { loop in
            let timers = loop.wheel.count
            var pair: ConnectionPair? = try await ConnectionPair.make(loop)
            weak let watched = pair!.server
            pair!.server.setDeadline(afterNanoseconds: 3_600_000_000_000)
            #expect(loop.channelCount == 2)
            pair = nil
            #expect(watched == nil)
            #expect(loop.channelCount == 0)
            #expect(loop.wheel.count == timers)
        }
    }

    @Test("when the client hangs up, the linked upstream is aborted at once")
    func linked() async throws {
        try await withLoop { loop in
            let client = try await ConnectionPair.make(loop)
            let upstream = try await ConnectionPair.make(loop)
            client.server.linked = upstream.client
            loop.schedule(afterNanoseconds: 1) { client.client.close() }
            #expect(await upstream.client.failureOfFill() == .aborted)
            upstream.client.close()
            #expect(client.server.linked == nil)
        }
    }

    @Test("a link to a client that has already hung up aborts at once")
    func linkedTooLate() async throws {
        try await withLoop { loop in
            let client = try await ConnectionPair.make(loop)
            let upstream = try await ConnectionPair.make(loop)
            client.client.close()
            #expect(try await client.server.fill() == false)
            client.server.linked = upstream.client
            #expect(upstream.client.isEnded)
        }
    }

    @Test("a link ends with either side and leaves the other alone")
    func linkEnds() async throws {
        try await withLoop { loop in
            let client = try await ConnectionPair.make(loop)
            var upstream: ConnectionPair? = try await ConnectionPair.make(loop)
            client.server.linked = upstream!.client
            upstream = nil
            #expect(client.server.linked == nil)
            let next = try await ConnectionPair.make(loop)
            client.server.linked = next.client
            client.server.linked = nil
            client.server.linked = next.client
            client.server.close()
            #expect(!next.client.isEnded)
            let another = try await ConnectionPair.make(loop)
            another.server.linked = next.client
            another.client.close()
            #expect(await next.client.failureOfFill() == .aborted)
        }
    }

    @Test("after a lingering close the peer reads the whole answer although it was still sending")
    func lingers() async throws {
        try await withLoop { loop in
            let (server, peer) = try await accept(loop)
            peer.send(String(repeating: "a", count: 50_000))
            _ = try await server.fill()
            try await server.send("too large")
            let closed = Wakeup()
            loop.spawn {
                await server.lingerThenClose()
                closed.signal()
            }
            peer.send(String(repeating: "b", count: 50_000))
            await loop.sleep(nanoseconds: 20_000_000)
            #expect(peer.receiveNow() == Array("too large".utf8))
            #expect(peer.receiveNow() == nil)
            peer.close()
            await closed.wait()
            #expect(loop.channelCount == 0)
        }
    }

    @Test("a lingering close ends by its time or its amount, whatever the peer does")
    func lingerIsBounded() async throws {
        try await withLoop { loop in
            let (silent, peer) = try await accept(loop)
            await silent.lingerThenClose(nanoseconds: 20_000_000)
            #expect(loop.channelCount == 0)
            peer.close()
            let pair = try await ConnectionPair.make(loop)
            loop.spawn { try? await pair.client.send(manyZeroes) }
            await pair.server.lingerThenClose(maximumBytes: 200_000, nanoseconds: 3_600_000_000_000)
            #expect(pair.server.isEnded)
        }
    }
}

/// An accepted connection and the plain blocking socket at its other end.
func accept(_ loop: EventLoop) async throws -> (Connection, RawPeer) {
    let accepted = Wakeup()
    var server: Connection?
    let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) {
        server = $0
        accepted.signal()
    }
    let peer = RawPeer(connectingTo: listener.localAddress)
    await accepted.wait()
    listener.close()
    return (server!, peer)
}
