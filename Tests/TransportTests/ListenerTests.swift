import EventLoops
import Glibc
import TestSupport
import Testing

@testable import Transport

@Suite("Listener")
struct ListenerTests {
    @Test("many connections at once are all accepted")
    func acceptsMany() async throws {
        try await withLoop { loop in
            var accepted: [Connection] = []
            let all = Wakeup()
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) {
                accepted.append($0)
                if accepted.count == 200 { all.signal() }
            }
            let peers = (0..<200).map { _ in RawPeer(connectingTo: listener.localAddress) }
            await all.wait()
            #expect(Set(accepted.map(\.peer)).count == 200)
            for peer in peers { peer.close() }
            listener.close()
        }
    }

    @Test("an address in use is refused with the reason, unless the port is shared")
    func inUse() async throws {
        try await withLoop { loop in
            let first = try Listener(loop: loop, address: ConnectionPair.anyPort, reusePort: true) { _ in }
            let second = try Listener(loop: loop, address: first.localAddress, reusePort: true) { _ in }
            #expect(second.localAddress == first.localAddress)
            #expect(throws: SystemError(operation: "listen", errno: EADDRINUSE)) {
                _ = try Listener(loop: loop, address: first.localAddress) { _ in }
            }
            first.close()
            second.close()
            first.close()
            let again = try Listener(loop: loop, address: first.localAddress) { _ in }
            again.close()
        }
    }

    @Test("what waits in the queue can be accepted before listening ends")
    func acceptsQueued() async throws {
        try await withLoop { loop in
            var accepted: [Connection] = []
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { accepted.append($0) }
            let peers = (0..<150).map { _ in RawPeer(connectingTo: listener.localAddress) }
            listener.acceptQueued()
            listener.close()
            listener.acceptQueued()
            #expect(accepted.count == 150)
            for connection in accepted { try await connection.send("x") }
            for peer in peers {
                #expect(peer.receiveNow() == Array("x".utf8))
                peer.close()
            }
        }
    }

    @Test("loops that share a port share the connections")
    func sharesPort() async throws {
        try await withLoop { left in
            try await withLoop { right in
                var there = 0
                let first = ConnectionPair.anyPort
                let listener = try Listener(loop: right, address: first, reusePort: true) { _ in there += 1 }
                let address = listener.localAddress
                let here = try await left.run {
                    var here = 0
                    let sibling = try Listener(loop: left, address: address, reusePort: true) { _ in here += 1
                    }
                    let peers = (0..<100).map { _ in RawPeer(connectingTo: address) }
                    sibling.acceptQueued()
                    sibling.close()
                    for peer in peers { peer.close() }
                    return here
                }
                listener.acceptQueued()
                #expect(there + here == 100)
                #expect(there > 0 && here > 0)
                listener.close()
            }
        }
    }

    @Test("IPv6 is listened to and dialled; a dual-stack listener names IPv4 peers as what they are")
    func dualStack() async throws {
        try await withLoop { loop in
            var peers: [SocketAddress] = []
            let listener = try Listener(loop: loop, address: SocketAddress("[::]:0")!) {
                peers.append($0.peer)
            }
            let port = listener.localAddress.port
            let six = try await ConnectionPair.dial(loop, SocketAddress("[::1]:\(port)")!)
            let four = try await ConnectionPair.dial(loop, SocketAddress("127.0.0.1:\(port)")!)
            for _ in 0..<100 where peers.count < 2 { await loop.yieldTurn() }
            #expect(Set(peers.map(\.address)) == [IPAddress("::1")!, IPAddress("127.0.0.1")!])
            #expect(six.peer.description == "[::1]:\(port)")
            #expect(four.peer.isLoopback)
            listener.close()
        }
    }

    @Test("out of descriptors, accepting pauses without spinning and goes on by itself")
    func outOfDescriptors() async throws {
        await #expect(processExitsWith: .success) {
            try await withLoop { loop in
                var accepted: [Connection] = []
                let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) {
                    accepted.append($0)
                }
                // These take descriptors of this very process; the limit is reached by accepting.
                let peers = (0..<20).map { _ in RawPeer(connectingTo: listener.localAddress) }
                var limit = rlimit()
                let descriptors = __rlimit_resource_t(7)  // RLIMIT_NOFILE
                getrlimit(descriptors, &limit)
                let before = limit
                // Room for five more, wherever the holes are.
                var free = 0
                var next: Int32 = 0
                while free < 5 {
                    if fcntl(next, F_GETFD) < 0 { free += 1 }
                    next += 1
                }
                limit.rlim_cur = rlim_t(next)
                setrlimit(descriptors, &limit)
                let (turn, start) = (loop.turn, monotonicNanoseconds())
                while listener.timesPaused < 3 { await loop.sleep(nanoseconds: 20_000_000) }
                let elapsed = monotonicNanoseconds() - start
                precondition(accepted.count == 5, "accepted \(accepted.count)")
                precondition(elapsed >= 2 * Listener.pauseNanoseconds, "paused for \(elapsed) ns")
                precondition(loop.turn - turn < 200, "\(loop.turn - turn) turns: it spins")
                limit = before
                setrlimit(descriptors, &limit)
                while accepted.count < 20 { await loop.sleep(nanoseconds: 20_000_000) }
                for peer in peers { peer.close() }
            }
        }
    }
}
