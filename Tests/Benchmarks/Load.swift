/// What one run of load saw.
struct LoadResult {
    var answers = 0
    var events = 0
    var failures = 0
    /// The last status that was not the expected one; 0: there was none, connections broke.
    var unexpectedStatus = 0
    /// Answers of the background's requests, by status.
    var background: [Int: Int] = [:]
    var seconds = 0.0
    /// Microseconds from the scheduled time of each call to the end of its answer, in open-loop runs.
    var latencies: [Int] = []

    func percentile(_ share: Double) -> Int {
        guard !latencies.isEmpty else { return 0 }
        let sorted = latencies.sorted()
        return sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}

enum LoadFailure: Error { case malformed }

/// Just enough HTTP to count: the head, then content-length bytes or chunks to the last one; events by blank
/// lines.
struct AnswerCounter {
    private(set) var isWhole = false
    private(set) var status = 0
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
        guard head.count > 12 else { throw LoadFailure.malformed }
        status = Int(String(decoding: head.dropFirst(9).prefix(3), as: UTF8.self)) ?? 0
        left = Self.contentLength(head) ?? -1
    }

    /// The value of `content-length`; nil when the head has none.
    static func contentLength(_ head: UnsafeRawBufferPointer) -> Int? {
        let name: StaticString = "\ncontent-length: "
        let length = name.utf8CodeUnitCount
        var index = 0
        while index + length < head.count {
            if head[index] == 0x0a, matches(head, index, name) {
                var value = 0
                var digit = index + length
                while digit < head.count, head[digit] >= 0x30, head[digit] <= 0x39, value < 1 << 40 {
                    value = value * 10 + Int(head[digit] - 0x30)
                    digit += 1
                }
                return value
            }
            index += 1
        }
        return nil
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
