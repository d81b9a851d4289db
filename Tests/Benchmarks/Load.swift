import EventLoops
import Glibc
import Transport

/// What one run of load saw.
struct LoadResult {
    var answers = 0
    var events = 0
    var failures = 0
    var seconds = 0.0
    /// Microseconds from the scheduled time of each call to the end of its answer, in open-loop runs.
    var latencies: [Int] = []

    func percentile(_ share: Double) -> Int {
        guard !latencies.isEmpty else { return 0 }
        let sorted = latencies.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}

/// Keep-alive connections that send the same request and count what comes back.
final class Load {
    let loop: EventLoop
    let port: UInt16
    let request: [UInt8]
    private let dialer: Dialer
    private var result = LoadResult()
    private var deadline: Int64 = 0
    private var active = 0
    private let finished = Wakeup()

    init(loop: EventLoop, dialer: Dialer, port: UInt16, request: [UInt8]) {
        self.loop = loop
        self.dialer = dialer
        self.port = port
        self.request = request
    }

    /// As fast as the answers come, on `connections` connections.
    func closedLoop(connections: Int, seconds: Int) async -> LoadResult {
        await run(connections: connections, seconds: seconds) { load, connection in
            while load.loop.now < load.deadline {
                try await load.exchange(connection)
            }
        }
    }

    /// `perSecond` calls a second, whether or not earlier ones have been answered: latency counts from the
    /// moment a call was due, so a stall is not hidden by the calls it delayed. A thread that sleeps
    /// precisely sets the pace.
    func openLoop(connections: Int, perSecond: Int, seconds: Int) async -> LoadResult {
        let gap = Int64(1_000_000_000 / perSecond)
        let total = perSecond * seconds
        let pace = Pace(loop: loop)
        let pacer = spawnThread(name: "pace") {
            let began = monotonicNanoseconds()
            for index in 0..<total {
                let due = began + Int64(index) * gap
                var wait = timespec(tv_sec: Int(due / 1_000_000_000), tv_nsec: Int(due % 1_000_000_000))
                while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wait, nil) == EINTR {}
                pace.due(at: due)
            }
            pace.end()
        }
        let result = await run(connections: connections, seconds: seconds) { load, connection in
            while let due = await pace.next() {
                try await load.exchange(connection)
                load.result.latencies.append(Int((monotonicNanoseconds() - due) / 1000))
            }
        }
        pacer.join()
        return result
    }

    private func run(
        connections: Int, seconds: Int, _ body: @escaping (Load, Connection) async throws -> Void
    ) async -> LoadResult {
        result = LoadResult()
        active = connections
        deadline = monotonicNanoseconds() + Int64(seconds) * 1_000_000_000
        let began = monotonicNanoseconds()
        for _ in 0..<connections {
            loop.spawn { [self] in
                do {
                    let connection = try await dialer.connect(
                        host: "127.0.0.1", port: port, tls: nil, serverName: nil,
                        timeoutNanoseconds: 5_000_000_000)
                    defer { connection.close() }
                    connection.maximumBuffered = 1 << 20
                    try await body(self, connection)
                } catch {
                    result.failures += 1
                }
                active -= 1
                if active == 0 { finished.signal() }
            }
        }
        await finished.wait()
        result.seconds = Double(monotonicNanoseconds() - began) / 1e9
        return result
    }

    /// One request and its whole answer.
    private func exchange(_ connection: Connection) async throws {
        connection.setDeadline(afterNanoseconds: 30_000_000_000)
        try await Self.send(request, on: connection)
        var answer = AnswerCounter()
        while true {
            guard try await connection.fill() else { throw LoadFailure.cut }
            let taken = try answer.take(connection.buffered)
            connection.consume(taken)
            if answer.isWhole { break }
        }
        result.events += answer.events
        result.answers += 1
    }

    private static func send(_ bytes: [UInt8], on connection: Connection) async throws {
        let pointer = bytes.withUnsafeBytes { $0 }  // kept alive by the caller's array for the whole run
        try await connection.send(pointer)
    }
}

enum LoadFailure: Error { case cut, malformed, status(Int) }

/// Just enough HTTP to count: the head, then content-length bytes or chunks to the last one; events by blank
/// lines.
struct AnswerCounter {
    private(set) var isWhole = false
    private(set) var events = 0
    private var headDone = false
    private var left = -1
    private var tail: UInt64 = 0

    /// Takes what it can of `bytes`; answers how many.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        var offset = 0
        if !headDone {
            guard let end = Self.headEnd(bytes) else { return 0 }
            try readHead(UnsafeRawBufferPointer(rebasing: bytes[..<end]))
            headDone = true
            offset = end
        }
        if left >= 0 {
            let taken = min(left, bytes.count - offset)
            left -= taken
            isWhole = left == 0
            return offset + taken
        }
        // Chunked: an event's two line feeds, then the last chunk's "0 CR LF CR LF".
        for index in offset..<bytes.count {
            tail = tail << 8 | UInt64(bytes[index])
            if tail & 0xffff == 0x0a0a { events += 1 }
            if tail & 0xff_ffff_ffff == 0x30_0d0a_0d0a { isWhole = true }
        }
        return bytes.count
    }

    /// Looks at bytes alone: the load shares its core with the stand-in and must cost little.
    private mutating func readHead(_ head: UnsafeRawBufferPointer) throws {
        guard head.count > 12, head[9] == 0x32, head[10] == 0x30, head[11] == 0x30 else {
            throw LoadFailure.status(Int(String(decoding: head.dropFirst(9).prefix(3), as: UTF8.self)) ?? 0)
        }
        let name: StaticString = "\ncontent-length: "
        let length = name.utf8CodeUnitCount
        var index = 0
        while index + length < head.count {
            if head[index] == 0x0a, Self.matches(head, index, name) {
                left = 0
                var digit = index + length
                while digit < head.count, head[digit] >= 0x30, head[digit] <= 0x39, left < 1 << 40 {
                    left = left * 10 + Int(head[digit] - 0x30)
                    digit += 1
                }
                return
            }
            index += 1
        }
    }

    private static func matches(_ head: UnsafeRawBufferPointer, _ start: Int, _ name: StaticString) -> Bool {
        for offset in 0..<name.utf8CodeUnitCount {
            let expected = name.utf8Start[offset]
            let byte = head[start + offset]
            let lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
            if lower != expected { return false }
        }
        return true
    }

    static func headEnd(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for index in 3..<bytes.count
        where bytes[index] == 10 && bytes[index - 1] == 13 && bytes[index - 2] == 10 && bytes[index - 3] == 13
        {
            return index + 1
        }
        return nil
    }
}

/// Hands due times from the pacing thread to whichever connection is idle.
final class Pace: @unchecked Sendable {
    private let loop: EventLoop
    // Touched on the loop's thread alone; the pacing thread only calls `execute`.
    private var dues: [Int64] = []
    private var first = 0
    private let semaphore: LoopSemaphore

    init(loop: EventLoop) {
        self.loop = loop
        semaphore = LoopSemaphore(permits: 0)
    }

    func due(at time: Int64) {
        _ = loop.execute {
            self.dues.append(time)
            self.semaphore.release()
        }
    }

    func end() {
        _ = loop.execute {
            for _ in 0..<4096 { self.semaphore.release() }
        }
    }

    /// The next due time, or nil when the run is over.
    func next() async -> Int64? {
        await semaphore.acquire()
        guard first < dues.count else { return nil }
        first += 1
        return dues[first - 1]
    }
}
