import CEventLoops
import Glibc

/// One system of several that are called at the same time.
struct PacedSystem {
    let request: [UInt8]
    let port: UInt16
}

/// How long one call of a system took, from the moment it was due. Monotonic nanoseconds.
struct TimedCall {
    let due: Int64
    let nanoseconds: Int64
}

extension LoadEngine {
    /// Calls every system `perSecond` times a second, by turns, whether or not earlier calls have been
    /// answered, for as long as `isOver` says no; answers each system's calls in the order they ended.
    ///
    /// Between two calls it sleeps, so that others may have its core meanwhile.
    func sideBySide(
        _ systems: [PacedSystem], connections: Int, perSecond: Int, until isOver: () -> Bool
    ) throws -> [[TimedCall]] {
        try begin([], systems[0].port, 0)
        living = systems.count * connections
        lanes = try systems.map { system in
            Lane(idle: try (0..<connections).map { _ in try connect(system.port) })
        }
        for (index, lane) in lanes.enumerated() { for client in lane.idle { client.lane = index } }
        repeats = false
        let began = monotonicNow()
        let gap = 1_000_000_000 / Int64(perSecond)
        var turns: Int64 = 0
        var isEnding = false
        while !isEnding || outstanding > 0, living == systems.count * connections {
            let due = began + turns * gap / Int64(systems.count)
            if isEnding || due > monotonicNow() {
                sleep(until: isEnding ? monotonicNow() + gap : due)
            } else {
                let index = Int(turns) % systems.count
                // By turns: servers close a connection that nobody uses.
                if let client = lanes[index].idle.first {
                    lanes[index].idle.removeFirst()
                    client.due = due
                    send(client, systems[index].request)
                    turns += 1
                }
                // About ten times a second.
                if turns % Int64(perSecond * systems.count / 10) == 0, isOver() { isEnding = true }
            }
            turn(spins: true)
        }
        let times = lanes.map(\.times)
        let ended = end(began)
        lanes = []
        guard ended.failures == 0 else {
            throw BenchFailure(
                text: "\(ended.failures) calls failed beside changes, status \(ended.unexpectedStatus)")
        }
        return times
    }

    /// Until there is something to do, or the time has come.
    private func sleep(until moment: Int64) {
        let left = max(0, moment - monotonicNow())
        var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
        // Finer than poll's milliseconds; the descriptor is one of the process's first.
        var waiting = fd_set()
        waiting.__fds_bits.0 = 1 << Int(epoll)
        pselect(epoll + 1, &waiting, nil, nil, &time, nil)
    }
}

extension LoadEngine {
    /// The status of the answer to one request; nil when nobody answers. Waits for it, five seconds at most.
    static func status(of path: String, on port: UInt16, key: String) -> Int? {
        var address = loop_address()
        (address.bytes.0, address.bytes.3, address.port) = (127, 1, port)
        var pending: Int32 = 0
        let descriptor = loop_connect(&address, &pending)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        func waits(for events: Int32) -> Bool {
            var waiting = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            return poll(&waiting, 1, 5_000) == 1
        }
        guard waits(for: POLLOUT), loop_socket_error(descriptor) == 0 else { return nil }
        let request = Array(
            "GET \(path) HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer \(key)\r\n\r\n".utf8)
        let sent = request.withUnsafeBytes { loop_send(descriptor, $0.baseAddress, $0.count, nil, 0) }
        guard sent == request.count, waits(for: POLLIN) else { return nil }
        var answer = [UInt8](repeating: 0, count: 4_096)
        let count = loop_receive(descriptor, &answer, answer.count)
        guard count > 12 else { return nil }
        return Int(String(decoding: answer[9..<12], as: UTF8.self))
    }
}

extension LoadEngine {
    /// Has this process go before every other on its core, or not any more; false where that is not allowed.
    func prefer(_ isWanted: Bool) throws -> Bool {
        let policy = isWanted ? ["-R", "-f", "-p", "1"] : ["-o", "-p", "0"]
        return try Child.run(["chrt"] + policy + ["\(getpid())"], log: "/dev/null") == 0
    }
}
