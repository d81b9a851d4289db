import CEventLoops
import EventLoops

/// Host names to addresses for one loop: the system's resolver on a blocking pool, a short cache, and one
/// lookup at a time for a name however many wait for it. Loop thread.
final class NameResolver {
    private static let cachedNames = 1024
    private static let addressesPerName = 8
    private static let positiveNanoseconds: Int64 = 30_000_000_000
    private static let negativeNanoseconds: Int64 = 2_000_000_000

    private final class Waiter {
        var continuation: UnsafeContinuation<[IPAddress]?, Never>?
        var timer: Timer?

        func resume(_ addresses: [IPAddress]?) {
            timer?.cancel()
            timer = nil
            continuation?.resume(returning: addresses)
            continuation = nil
        }
    }
    private struct Entry {
        let addresses: [IPAddress]
        let expires: Int64
    }

    private let loop: EventLoop
    private let pool: BlockingPool
    private var cache: [HostName: Entry] = [:]
    private var lookups: [HostName: [Waiter]] = [:]
    /// Names remembered now.
    var cachedCount: Int { cache.count }
    private let lookUp: @Sendable (String) -> [IPAddress]

    /// `lookUp` blocks; an empty answer is a name without an address.
    init(
        loop: EventLoop, pool: BlockingPool,
        lookUp: @escaping @Sendable (String) -> [IPAddress] = NameResolver.systemLookUp
    ) {
        self.loop = loop
        self.pool = pool
        self.lookUp = lookUp
    }

    /// Addresses of `name`, at least one; `.timedOut` at `deadline` (the lookup goes on for those who come
    /// later).
    func addresses(of name: HostName, deadline: Int64) async throws(TransportError) -> [IPAddress] {
        if let entry = cache[name], entry.expires > loop.now {
            if entry.addresses.isEmpty { throw .unresolved }
            return entry.addresses
        }
        let waiter = Waiter()
        let isFirst = lookups[name] == nil
        lookups[name, default: []].append(waiter)
        if isFirst { start(name) }
        let answer: [IPAddress]? = await withUnsafeContinuation { continuation in
            waiter.continuation = continuation
            waiter.timer = loop.schedule(afterNanoseconds: deadline - loop.now) { waiter.resume(nil) }
        }
        guard let answer else { throw .timedOut }
        if answer.isEmpty { throw .unresolved }
        return answer
    }

    private func start(_ name: HostName) {
        loop.spawn { [self] in
            // Not at once: the first waiter is not waiting yet.
            await loop.yieldTurn()
            let lookUp = lookUp
            do {
                let found = try await pool.run { lookUp(name.text) }
                remember(name, found)
                finish(name, found)
            } catch {
                finish(name, [])  // the pool is full: unresolved now, and not remembered
            }
        }
    }

    private func finish(_ name: HostName, _ addresses: [IPAddress]) {
        for waiter in lookups.removeValue(forKey: name) ?? [] { waiter.resume(addresses) }
    }

    private func remember(_ name: HostName, _ addresses: [IPAddress]) {
        if cache.count >= Self.cachedNames {
            let now = loop.now
            cache = cache.filter { $0.value.expires > now }
            if cache.count >= Self.cachedNames { cache.removeAll() }
        }
        let lifetime = addresses.isEmpty ? Self.negativeNanoseconds : Self.positiveNanoseconds
        cache[name] = Entry(addresses: addresses, expires: loop.now + lifetime)
    }

    @Sendable static func systemLookUp(_ name: String) -> [IPAddress] {
        withUnsafeTemporaryAllocation(of: loop_address.self, capacity: addressesPerName) { addresses in
            let count = loop_resolve(name, addresses.baseAddress!, Int32(addressesPerName))
            return (0..<max(0, Int(count))).map { SocketAddress(addresses[$0]).address }
        }
    }
}
