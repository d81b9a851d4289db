import EventLoops
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Transport

@Suite("Dialer")
struct DialerTests {
    /// A dialer whose names come from `table`, and the number of lookups made.
    private final class Names: Sendable {
        let lookups = Atomic<Int>(0)
        func dialer(
            _ loop: EventLoop, _ policy: EgressPolicy, _ table: [String: [String]],
            pool: BlockingPool = idlePool
        ) -> Dialer {
            let names = NameResolver(loop: loop, pool: pool) { [self] name in
                lookups.add(1, ordering: .relaxed)
                return (table[name] ?? []).map { IPAddress($0)! }
            }
            return Dialer(loop: loop, names: names, policy: policy)
        }
    }

    private func failure(
        _ dialer: Dialer, _ host: String, _ port: UInt16 = 443, milliseconds: Int64 = 5_000
    ) async -> TransportError? {
        do throws(TransportError) {
            _ = try await dialer.connect(
                host: host, port: port, tls: nil, timeoutNanoseconds: milliseconds * 1_000_000)
        } catch { return error }
        return nil
    }

    @Test("addresses are tried one after the other until one answers")
    func triesAll() async throws {
        try await withLoop { loop in
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { _ in }
            let dialer = Names().dialer(
                loop, .unrestricted, ["service.test": ["127.0.0.2", "127.0.0.3", "127.0.0.1"]])
            let connection = try await dialer.connect(
                host: "Service.Test", port: listener.localAddress.port, tls: nil,
                timeoutNanoseconds: 5_000_000_000)
            #expect(connection.peer == listener.localAddress)
            listener.close()
        }
    }

    @Test("nobody listening is .refused, and no descriptor is left")
    func refused() async throws {
        try await withLoop { loop in
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { _ in }
            let port = listener.localAddress.port
            listener.close()
            #expect(await failure(Names().dialer(loop, .unrestricted, [:]), "127.0.0.1", port) == .refused)
            #expect(loop.channelCount == 0)
        }
    }

    @Test("a host that swallows connects is .timedOut")
    func swallowed() async throws {
        try await withLoop { loop in
            // A full accept queue drops further connects: nobody accepts, and there is room for one or two.
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            listen(descriptor, 0)
            var raw = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &raw) {
                _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    getsockname(descriptor, $0, &size)
                }
            }
            let dialer = Names().dialer(loop, .unrestricted, [:])
            var connections: [Connection] = []
            var seen: TransportError?
            for _ in 0..<8 where seen == nil {
                do throws(TransportError) {
                    connections.append(
                        try await dialer.connect(
                            host: "127.0.0.1", port: UInt16(bigEndian: raw.sin_port), tls: nil,
                            timeoutNanoseconds: 100_000_000))
                } catch { seen = error }
            }
            #expect(seen == .timedOut)
            close(descriptor)
        }
    }

    @Test("every resolved address is judged; what is forbidden is not dialled")
    func forbidden() async throws {
        try await withLoop { loop in
            var accepted = 0
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { _ in accepted += 1 }
            let port = listener.localAddress.port
            let table = ["rebound.test": ["127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.169.254"]]
            let strict = Names().dialer(loop, .publicInternetOnly, table)
            for host in ["rebound.test", "127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                guard case .forbiddenAddress(let reason) = await failure(strict, host, port) else {
                    Issue.record("\(host) was not forbidden")
                    continue
                }
                #expect(reason.contains("not public"))
            }
            await loop.sleep(nanoseconds: 5_000_000)
            #expect(accepted == 0)
            let opened = Names().dialer(
                loop, try .publicInternetOnly.allowing(["rebound.test:\(port)"], http: true), table)
            #expect(await failure(opened, "rebound.test", port) == nil)
            #expect(await failure(opened, "127.0.0.1", port) != nil)
            listener.close()
        }
    }

    @Test("numeric hosts are never looked up, and half-numeric ones never dialled")
    func numeric() async throws {
        try await withLoop { loop in
            let names = Names()
            let dialer = names.dialer(loop, .unrestricted, [:])
            for host in [
                "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "", "a b", "localhost\0.x",
            ] {
                #expect(await failure(dialer, host) == .unresolved)
            }
            _ = await failure(dialer, "127.0.0.1", 1)
            #expect(names.lookups.load(ordering: .relaxed) == 0)
        }
    }

    @Test(
        "one lookup serves all who wait and those who come a little later, also for names without an address")
    func caches() async throws {
        try await withLoop { loop in
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { _ in }
            let port = listener.localAddress.port
            let names = Names()
            let dialer = names.dialer(loop, .unrestricted, ["a.test": ["127.0.0.1"]])
            let ended = LoopSemaphore(permits: 0)
            for _ in 0..<20 {
                loop.spawn {
                    #expect(await failure(dialer, "a.test", port) == nil)
                    ended.release()
                }
            }
            for _ in 0..<20 { await ended.acquire() }
            #expect(await failure(dialer, "a.test", port) == nil)
            #expect(names.lookups.load(ordering: .relaxed) == 1)
            for _ in 0..<3 { #expect(await failure(dialer, "none.test") == .unresolved) }
            #expect(names.lookups.load(ordering: .relaxed) == 2)
            listener.close()
        }
    }

    @Test("a lookup that hangs is .timedOut for its waiters, each at its own time")
    func lookupHangs() async throws {
        let release = Completion<Void>()
        let pool = BlockingPool(threads: 1, queueLimit: 4, name: "slow")
        try await withLoop { loop in
            let gate = Atomic<Bool>(false)
            let names = NameResolver(loop: loop, pool: pool) { _ in
                while !gate.load(ordering: .acquiring) { sched_yield() }
                return [IPAddress("127.0.0.1")!]
            }
            let dialer = Dialer(loop: loop, names: names, policy: .unrestricted)
            #expect(await failure(dialer, "slow.test", 1, milliseconds: 20) == .timedOut)
            #expect(await failure(dialer, "slow.test", 1, milliseconds: 30) == .timedOut)
            gate.store(true, ordering: .releasing)
            // The lookup that went on is what a later caller gets.
            #expect(await failure(dialer, "slow.test", 1) == .refused)
        }
        release.fulfil(())
        pool.shutdown()
    }

    @Test("when the pool is full a name is .unresolved, and asked for again the next time")
    func poolFull() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 1, name: "full")
        pool.shutdown()
        try await withLoop { loop in
            let names = Names()
            let dialer = names.dialer(loop, .unrestricted, ["a.test": ["127.0.0.1"]], pool: pool)
            #expect(await failure(dialer, "a.test") == .unresolved)
            #expect(await failure(dialer, "a.test") == .unresolved)
            #expect(names.lookups.load(ordering: .relaxed) == 0)
        }
    }

    @Test("more names than the cache holds do not make it grow, and expired ones go first")
    func cacheIsBounded() async throws {
        let pool = BlockingPool(threads: 1, queueLimit: 4, name: "many")
        defer { pool.shutdown() }
        try await withLoop { loop in
            let names = NameResolver(loop: loop, pool: pool) { _ in [IPAddress("127.0.0.1")!] }
            for number in 0..<1100 {
                let name = HostName("n\(number).test")!
                let found = try await names.addresses(of: name, deadline: loop.now + 5_000_000_000)
                #expect(found.count == 1)
                #expect(names.cachedCount <= 1024)
            }
        }
    }

    @Test("the system's resolver finds localhost")
    func systemResolver() async throws {
        try await withLoop { loop in
            let listener = try Listener(loop: loop, address: ConnectionPair.anyPort) { _ in }
            let dialer = Dialer(loop: loop, resolver: idlePool, policy: .unrestricted)
            #expect(await failure(dialer, "localhost", listener.localAddress.port) == nil)
            #expect(await failure(dialer, "does-not-exist.invalid", 1) == .unresolved)
            listener.close()
        }
    }
}
