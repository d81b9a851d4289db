import EventLoops
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Transport

@Suite("Connection")
struct ConnectionTests {
    @Test("bytes go both ways and the end of the stream is seen after them")
    func roundTrip() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            try await pair.client.send("question")
            #expect(try await pair.server.receiveText(8) == "question")
            try await pair.server.send("answer")
            pair.server.shutdownWrite()
            #expect(try await pair.client.receiveText(6) == "answer")
            #expect(try await pair.client.fill() == false)
            #expect(pair.client.peerHungUp)
            #expect(try await pair.client.fill() == false)
        }
    }

    @Test("a peer that has shut down its sending side still gets its answer")
    func halfClose() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            try await pair.client.send("all of it")
            pair.client.shutdownWrite()
            #expect(try await pair.server.receiveText(9) == "all of it")
            #expect(try await pair.server.fill() == false)
            let answer = [UInt8](repeating: 7, count: 3_000_000)
            loop.spawn {
                try? await pair.server.send(answer)
                pair.server.close()
            }
            #expect(try await pair.client.receive(answer.count) == answer)
            #expect(try await pair.client.fill() == false)
        }
    }

    @Test("two spans arrive as one, whichever of them is empty")
    func twoSpans() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            for (first, second) in [("head", "body"), ("", "body"), ("head", ""), ("", "")] {
                try await pair.client.send(Array(first.utf8), Array(second.utf8))
                let expected = first + second
                #expect(try await pair.server.receiveText(expected.utf8.count) == expected)
            }
        }
    }

    @Test("a reader that stalls stops the sender; nothing piles up on either side")
    func slowReader() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            let total = 64 * 1024 * 1024
            let piece = [UInt8](repeating: 9, count: 256 * 1024)
            var sent = 0
            let done = Wakeup()
            loop.spawn {
                while sent < total {
                    try? await pair.server.send(piece)
                    sent += piece.count
                }
                done.signal()
            }
            await loop.sleep(nanoseconds: 50_000_000)
            let stalledAt = sent
            #expect(stalledAt < total / 2, "the kernel's buffers fill and the sender waits")
            await loop.sleep(nanoseconds: 20_000_000)
            #expect(sent == stalledAt)
            #expect(loop.lentBlocks == 0)
            var received = 0
            var most = 0
            while received < total {
                #expect(try await pair.client.fill())
                most = max(most, loop.lentBlocks)
                received += pair.client.buffered.count
                pair.client.consume(pair.client.buffered.count)
            }
            await done.wait()
            #expect(most == 1)
            #expect(pair.client.capacity <= BlockSize.large.bytes)
        }
    }

    @Test("the buffer grows up to its limit, keeps what is in it, and shrinks when idle")
    func growsAndShrinks() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            loop.spawn { try? await pair.server.send(bytes) }
            try await pair.client.fill(until: 60_000)
            #expect(pair.client.buffered.elementsEqual(bytes[..<pair.client.buffered.count]))
            #expect(pair.client.capacity > BlockPool.blockSize)
            await #expect(throws: TransportError.tooLarge) { try await pair.client.fill(until: 70_000) }
            #expect(pair.client.buffered.count == Connection.defaultMaximumBuffered)
            #expect(pair.client.capacity == Connection.defaultMaximumBuffered)
            pair.client.maximumBuffered = 120_000
            try await pair.client.fill(until: 100_000)
            #expect(pair.client.buffered.elementsEqual(bytes))
            pair.client.consume(100_000)
            pair.client.releaseBufferIfEmpty()
            #expect(pair.client.capacity == 0)
            pair.client.maximumBuffered = 10
            loop.spawn { try? await pair.server.send("0123456789abcdef") }
            await #expect(throws: TransportError.tooLarge) { try await pair.client.fill(until: 11) }
            #expect(try await pair.client.receiveText(16) == "0123456789abcdef")
        }
    }

    @Test("a message begins in a block as large as the ones before it needed, and comes whole from any")
    func expectsWhatCameLast() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            let table: [(count: Int, size: BlockSize)] = [
                (3, .small), (4_097, .usual), (3, .usual), (3, .small), (20_000, .large), (16_385, .large),
                (5_000, .large), (5_000, .usual), (16_384, .usual), (3, .large), (4_096, .usual),
                (4_096, .small), (3, .usual), (3, .small),
            ]
            for (count, size) in table {
                let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                loop.spawn { try? await pair.server.send(bytes) }
                try await pair.client.fill(until: count)
                #expect(pair.client.buffered.elementsEqual(bytes))
                #expect(pair.client.capacity == size.bytes, "\(count) bytes")
                #expect(loop.blocks(of: size).lent == 1 && loop.lentBlocks == 1)
                pair.client.consume(count)
                pair.client.releaseBufferIfEmpty()
                #expect(loop.lentBlocks == 0)
            }
        }
    }

    @Test("a connection that waits with nothing received holds no buffer")
    func idleHoldsNothing() async throws {
        try await withLoop { loop in
            let pairs = [try await ConnectionPair.make(loop), try await ConnectionPair.make(loop)]
            for pair in pairs { loop.spawn { _ = try? await pair.server.receive(5) } }
            #expect(loop.lentBlocks == 0)
            try await pairs[0].client.send("four")
            for _ in 0..<3 { await loop.yieldTurn() }
            #expect(loop.lentBlocks == 0, "consumed to the end: given back before waiting again")
            for pair in pairs { pair.server.abort() }
            await loop.yieldTurn()
        }
    }

    @Test("receiving exactly so many bytes tells a short stream")
    func fillUntil() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            try await pair.client.send("abc")
            pair.client.close()
            try await pair.server.fill(until: 3)
            await #expect(throws: TransportError.endOfStream) { try await pair.server.fill(until: 4) }
            #expect(pair.server.buffered.elementsEqual("abc".utf8))
        }
    }

    @Test("a flood on one connection does not hold up the loop")
    func floodIsFair() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            let other = try await ConnectionPair.make(loop)
            var isOver = false
            let over = Wakeup()
            loop.spawn {
                let piece = [UInt8](repeating: 0, count: 1 << 20)
                while !isOver { try? await pair.server.send(piece) }
                over.signal()
            }
            loop.spawn {
                while !isOver, (try? await pair.client.fill()) == true {
                    pair.client.consume(pair.client.buffered.count)
                }
            }
            for number in 0..<50 {
                try await other.client.send("ping \(number % 10)")
                #expect(try await other.server.receiveText(6) == "ping \(number % 10)")
            }
            isOver = true
            pair.client.close()
            await over.wait()
        }
    }

    @Test("a connection is quiet until something arrives or the peer goes")
    func quiet() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            #expect(pair.client.isQuiet)
            try await pair.server.send("unasked")
            while pair.client.isQuiet { await loop.yieldTurn() }
            _ = try await pair.client.receive(7)
            #expect(pair.client.isQuiet)
            try await pair.server.send("more")
            _ = try await pair.client.fill()
            pair.client.consume(1)
            #expect(!pair.client.isQuiet)
            pair.client.consume(3)
            pair.server.close()
            while pair.client.isQuiet { await loop.yieldTurn() }
            #expect(pair.client.peerHungUp)
        }
    }

    @Test("the peer's address is what it dialled from")
    func addresses() async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            #expect(pair.server.peer.isLoopback)
            #expect(pair.server.peer.port != pair.client.peer.port)
            #expect(pair.client.peer.description.hasPrefix("127.0.0.1:"))
            #expect(!pair.client.isSecure)
            #expect(pair.client.peerCertificateKey == nil)
            #expect(pair.client.negotiatedProtocol == nil)
            #expect(pair.client.tlsVersion == nil)
            #expect(!pair.client.isResumed)
        }
    }

    @Test("everything arrives in order through random sizes both ways", arguments: [1, 2, 3] as [UInt64])
    func randomTransfers(seed: UInt64) async throws {
        try await withLoop { loop in
            let pair = try await ConnectionPair.make(loop)
            try pair.client.setKernelBuffers(send: 8192)
            try pair.server.setKernelBuffers(send: 4096)
            try await exchange(loop, pair, bytesEachWay: 2_000_000, seed: seed)
        }
    }
}

/// Sends seeded bytes both ways at once, in random spans, receives them in random portions, and compares.
func exchange(_ loop: EventLoop, _ pair: ConnectionPair, bytesEachWay: Int, seed: UInt64) async throws {
    let ended = LoopSemaphore(permits: 0)
    var failures: [String] = []
    for (sender, receiver, salt) in [(pair.client, pair.server, 1), (pair.server, pair.client, 2)] {
        loop.spawn {
            var random = SplitMix(state: seed &* 1000 &+ UInt64(salt))
            var position = 0
            do {
                while position < bytesEachWay {
                    let sizes = [random.below(40_000), random.below(300) * random.below(200)]
                    let first = content(position, min(sizes[0], bytesEachWay - position), salt)
                    position += first.count
                    let second = content(position, min(sizes[1], bytesEachWay - position), salt)
                    position += second.count
                    try await sender.send(first, second)
                }
            } catch { failures.append("send \(salt): \(error)") }
            ended.release()
        }
        loop.spawn {
            var random = SplitMix(state: seed &* 1000 &+ UInt64(salt + 10))
            var position = 0
            do {
                while position < bytesEachWay {
                    if receiver.buffered.isEmpty || random.below(3) == 0 {
                        if receiver.buffered.count < receiver.maximumBuffered, position < bytesEachWay,
                            receiver.buffered.isEmpty || position + receiver.buffered.count < bytesEachWay
                        {
                            guard try await receiver.fill() else { throw TransportError.endOfStream }
                        }
                    }
                    let count = min(1 + random.below(receiver.buffered.count + 1), receiver.buffered.count)
                    if count > 0,
                        memcmp(
                            receiver.buffered.baseAddress!, content(position, count, salt).baseAddress!, count
                        )
                            != 0
                    {
                        throw TransportError.tls("content differs near \(position)")
                    }
                    receiver.consume(count)
                    position += count
                }
            } catch { failures.append("receive \(salt): \(error)") }
            ended.release()
        }
    }
    for _ in 0..<4 { await ended.acquire() }
    #expect(failures.isEmpty, "seed \(seed)")
}

/// Bytes that tell their position (the period is prime): a view into a pattern, nothing is copied.
private func content(_ position: Int, _ count: Int, _ salt: Int) -> UnsafeRawBufferPointer {
    let start = (position + salt * 1009) % patternPeriod
    return UnsafeRawBufferPointer(rebasing: pattern[start..<start + count])
}
private let patternPeriod = 65_521
private nonisolated(unsafe) let pattern: UnsafeRawBufferPointer = {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: patternPeriod * 2, alignment: 1)
    var random = SplitMix(state: 7)
    for index in 0..<patternPeriod { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
    memcpy(bytes.baseAddress! + patternPeriod, bytes.baseAddress!, patternPeriod)
    return UnsafeRawBufferPointer(bytes)
}()
