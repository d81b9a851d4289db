import EventLoops
import Glibc
import TestSupport
import Testing

/// One end of a socket pair that notes what it is told.
private final class Probe: Channel {
    let loop: EventLoop
    let descriptor: Int32
    var registration = Registration.none
    var events: [Readiness] = []
    var whenTold: (Readiness) -> Void = { _ in }

    init(_ loop: EventLoop, _ descriptor: Int32, for readiness: Readiness) throws {
        self.loop = loop
        self.descriptor = descriptor
        registration = try loop.register(self, descriptor: descriptor, for: readiness)
    }
    deinit { loop.close(registration) }

    func onEvents(_ ready: Readiness) {
        events.append(ready)
        whenTold(ready)
    }
    func read() -> Int {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, 0)
    }
}

private func socketPair() -> (Int32, Int32) {
    var pair: [Int32] = [0, 0]
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    precondition(socketpair(AF_UNIX, type, 0, &pair) == 0)
    return (pair[0], pair[1])
}

private func write(_ descriptor: Int32, _ count: Int = 1) {
    let bytes = [UInt8](repeating: 1, count: count)
    precondition(send(descriptor, bytes, count, Int32(MSG_NOSIGNAL)) == count)
}

private func turns(_ count: Int, _ loop: EventLoop) async {
    for _ in 0..<count { await loop.yieldTurn() }
}

@Suite("Channels")
struct ChannelTests {
    @Test("a level-triggered channel is told again while there is something to read")
    func levelTriggered() async throws {
        try await withLoop { loop in
            let (near, far) = socketPair()
            defer { close(far) }
            let probe = try Probe(loop, near, for: .readable)
            await turns(3, loop)
            #expect(probe.events.isEmpty)
            write(far, 2)
            await turns(4, loop)
            #expect(probe.events.count >= 3)
            #expect(probe.events.allSatisfy { $0.canReceive && !$0.canSend && !$0.isGone })
            #expect(probe.read() == 1)
            #expect(probe.read() == 1)
            await turns(1, loop)
            let before = probe.events.count
            await turns(3, loop)
            #expect(probe.events.count == before)
        }
    }

    @Test("an edge-triggered channel is told once for each arrival")
    func edgeTriggered() async throws {
        try await withLoop { loop in
            let (near, far) = socketPair()
            defer { close(far) }
            let probe = try Probe(loop, near, for: .stream)
            await turns(3, loop)
            #expect(probe.events.count == 1)  // writable, once
            write(far)
            await turns(3, loop)
            #expect(probe.events.count == 2)
            write(far)
            await turns(3, loop)
            #expect(probe.events.count == 3)
        }
    }

    @Test("a channel's interest can be changed, off and on")
    func modifies() async throws {
        try await withLoop { loop in
            let (near, far) = socketPair()
            defer { close(far) }
            let probe = try Probe(loop, near, for: .readable)
            write(far)
            loop.modify(probe.registration, for: Readiness())
            await turns(3, loop)
            #expect(probe.events.isEmpty)
            loop.modify(probe.registration, for: .writable)
            await turns(3, loop)
            #expect(probe.events.last?.canSend == true)
            loop.modify(probe.registration, for: .readable)
            await turns(2, loop)
            #expect(probe.events.last?.canReceive == true)
        }
    }

    @Test("the peer's end is told apart from data")
    func hangUp() async throws {
        try await withLoop { loop in
            let (near, far) = socketPair()
            let probe = try Probe(loop, near, for: .stream)
            await turns(2, loop)
            close(far)
            await turns(3, loop)
            #expect(probe.events.last?.isGone == true)
            #expect(probe.events.last?.canReceive == true)
        }
    }

    @Test("unregister leaves the descriptor open and silent; it can be registered again")
    func unregisters() async throws {
        try await withLoop { loop in
            let (near, far) = socketPair()
            defer { close(far) }
            let probe = try Probe(loop, near, for: .readable)
            let old = probe.registration
            loop.unregister(old)
            write(far)
            await turns(3, loop)
            #expect(probe.events.isEmpty)
            #expect(fcntl(near, F_GETFD) >= 0)
            probe.registration = try loop.register(probe, descriptor: near, for: .readable)
            loop.close(old)
            loop.unregister(old)
            loop.modify(old, for: Readiness())
            await turns(3, loop)
            #expect(!probe.events.isEmpty, "an old registration has no power over the new one")
        }
    }

    @Test("events in the batch for a channel closed in this very batch find nobody")
    func staleEvents() async throws {
        try await withLoop { loop in
            let pairs = (0..<8).map { _ in socketPair() }
            var probes: [Probe?] = try pairs.map { try Probe(loop, $0.0, for: [.readable, .edgeTriggered]) }
            await turns(2, loop)
            var told = 0
            var heirs: [Probe] = []
            for index in probes.indices {
                // The first one told closes all the others; their slots and descriptors go to new channels.
                probes[index]!.whenTold = { _ in
                    told += 1
                    for other in probes.indices where other != index { probes[other] = nil }
                    heirs = (0..<7).compactMap { _ in
                        let (near, far) = socketPair()
                        _ = far
                        return try? Probe(loop, near, for: [.readable, .edgeTriggered])
                    }
                }
            }
            for pair in pairs { write(pair.1) }
            await turns(4, loop)
            #expect(told == 1)
            #expect(heirs.count == 7)
            #expect(heirs.allSatisfy { $0.events.isEmpty })
            #expect(loop.channelCount == 8)
            for pair in pairs { close(pair.1) }
            for probe in probes { probe?.whenTold = { _ in } }
        }
    }

    @Test("thousands of channels come and go without anything being kept")
    func comeAndGo() async throws {
        try await withLoop { loop in
            for _ in 0..<10 {
                var probes: [Probe] = []
                for _ in 0..<300 {
                    let (near, far) = socketPair()
                    close(far)
                    probes.append(try Probe(loop, near, for: .stream))
                }
                await turns(3, loop)
                #expect(probes.allSatisfy { $0.events.count == 1 })
                #expect(loop.channelCount == 300)
                weak let first = probes[0]
                probes.removeAll()
                #expect(first == nil)
                #expect(loop.channelCount == 0)
            }
        }
    }

    @Test("a descriptor that cannot be watched is refused with the reason")
    func refuses() async throws {
        try await withLoop { loop in
            let file = open("/dev/null", O_RDONLY)
            let error = #expect(throws: SystemError.self) { _ = try Probe(loop, -1, for: .readable) }
            #expect(error?.errno == EBADF)
            #expect(error?.description.hasPrefix("epoll_ctl: ") == true)
            #expect(throws: SystemError(operation: "epoll_ctl", errno: EBADF)) {
                _ = try Probe(loop, -1, for: .readable)
            }
            close(file)
            #expect(loop.channelCount == 0)
        }
    }
}
