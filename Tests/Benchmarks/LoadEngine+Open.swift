import CEventLoops
import Glibc

extension LoadEngine {
    /// Opens streams and leaves them open: events that came in the second half of the time.
    ///
    /// `half` is called when it begins. Streams that ended or broke meanwhile are the result's failures.
    func holdOpen(
        _ request: [UInt8], to port: UInt16, streams: Int, seconds: Int, half: () -> Void
    ) throws -> LoadResult {
        try begin(request, port, streams)
        let began = monotonicNow()
        while let client = idle.popLast() {
            send(client)
            // The proxy takes them in as they come; a burst of thousands would measure that.
            if outstanding % 50 == 0 { turn(spins: true) }
        }
        let length = Int64(seconds) * 1_000_000_000
        let start = monotonicNow()
        while monotonicNow() < start + length / 2 { turn(spins: true) }
        half()
        let before = eventsSeen()
        while monotonicNow() < start + length { turn(spins: true) }
        result.events = eventsSeen() - before
        result.failures = streams - living
        let open = outstanding
        outstanding = 0
        var ended = end(began)
        ended.answers = open
        return ended
    }

    private func eventsSeen() -> Int {
        slots.reduce(0) { sum, slot in
            if case .client(let client) = slot { sum + client.counter.events } else { sum }
        }
    }

    /// Begins streams and leaves after their first bytes, one after the other on many connections.
    func cancelStreams(_ request: [UInt8], to port: UInt16, count: Int) throws {
        var left = count
        while left > 0 {
            let batch = min(left, 100)
            try begin(request, port, batch)
            let began = monotonicNow()
            while let client = idle.popLast() { send(client) }
            while monotonicNow() < began + 40_000_000 { turn(spins: true) }
            // On a busy machine the first bytes take longer.
            while eventsSeen() == 0, living == batch, monotonicNow() < began + 5_000_000_000 {
                turn(spins: true)
            }
            guard eventsSeen() > 0, living == batch else {
                throw BenchFailure(text: "streams broke by themselves")
            }
            outstanding = 0
            _ = end(began)
            left -= batch
        }
    }
}

/// Lets this process, and those it starts, hold as many sockets as the system allows; how many that are.
@discardableResult
func raiseOpenFiles() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0 else { return 0 }
    limit.rlim_cur = limit.rlim_max
    setrlimit(resource, &limit)
    return Int(clamping: limit.rlim_max)
}
