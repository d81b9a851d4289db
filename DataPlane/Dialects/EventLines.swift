import Glibc

/// Finds whole server-sent events in a buffer that grows at its end; remembers how far it looked, so no byte
/// is looked at twice however the stream was cut. Pure; source: WHATWG HTML, section 9.2 (server-sent
/// events).
///
/// Lines end with LF, CR LF or CR; a blank line ends an event; a byte order mark at the very start is not
/// part of the first line.
package struct EventLines {
    /// One event, in offsets of the buffer given to `next`.
    package struct Event {
        /// All its bytes, the blank line included.
        package let bytes: Range<Int>
        /// The value of its first `data` field; empty when it has none (a comment, a stray blank line).
        package let data: Range<Int>
        /// It has more than one `data` line: `data` alone is not its payload.
        package let isSplit: Bool
    }

    /// Where the event under work begins.
    private var eventStart = 0
    private var lineStart = 0
    /// Bytes before it hold no line end that was not dealt with.
    private var scanned = 0
    private var data = 0..<0
    private var dataLines = 0
    /// The last line ended with CR at the buffer's end: an LF that follows belongs to it.
    private var swallowLineFeed = false
    /// The last CR that was seen with its follower was half of a CR LF.
    private var pairsLineEnds = false
    private var isFirstLine = true

    package init() {}

    /// The next whole event of `bytes[..<count]`, or nil when it is not all there yet.
    package mutating func next(in bytes: UnsafeRawBufferPointer) -> Event? {
        while scanned < bytes.count {
            if swallowLineFeed { dropLineFeed(bytes[scanned]) }
            let end = Self.lineEnd(in: bytes, from: scanned)
            guard end < bytes.count else {
                scanned = end
                return nil
            }
            let line = lineStart..<end
            var after = end + 1
            if bytes[end] == 13 {
                if after < bytes.count {
                    if bytes[after] == 10 { after += 1 }
                    pairsLineEnds = after == end + 2
                } else if pairsLineEnds {
                    // The other half is on its way; an event must not be taken apart from it.
                    scanned = end
                    return nil
                } else {
                    swallowLineFeed = true
                }
            }
            lineStart = after
            scanned = after
            if line.isEmpty {
                let event = Event(bytes: eventStart..<after, data: data, isSplit: dataLines > 1)
                eventStart = after
                data = after..<after
                dataLines = 0
                return event
            }
            take(line, of: bytes)
        }
        return nil
    }

    /// The offset where the bytes not yet part of a returned event begin.
    package var unfinished: Int { eventStart }

    /// The first `count` bytes left the buffer and the rest moved to its front. Only bytes of returned events
    /// may go.
    package mutating func removeFirst(_ count: Int) {
        eventStart -= count
        lineStart -= count
        scanned -= count
        data = (data.lowerBound - count)..<(data.upperBound - count)
    }

    /// An LF that follows the CR which ended the last read belongs to that line, and to the event it ended.
    private mutating func dropLineFeed(_ byte: UInt8) {
        swallowLineFeed = false
        guard byte == 10 else { return }
        pairsLineEnds = true
        if eventStart == lineStart { eventStart += 1 }
        if data.isEmpty { data = (eventStart)..<(eventStart) }
        lineStart += 1
        scanned += 1
    }

    private mutating func take(_ line: Range<Int>, of bytes: UnsafeRawBufferPointer) {
        var line = line
        if isFirstLine {
            isFirstLine = false
            if line.count >= 3, bytes[line.lowerBound] == 0xEF, bytes[line.lowerBound + 1] == 0xBB,
                bytes[line.lowerBound + 2] == 0xBF
            {
                line = (line.lowerBound + 3)..<line.upperBound
                eventStart = line.lowerBound
            }
        }
        guard line.count >= 4,
            bytes.loadUnaligned(fromByteOffset: line.lowerBound, as: UInt32.self) == Self.dataWord
        else { return }
        var value = line.lowerBound + 4
        if value < line.upperBound {
            guard bytes[value] == UInt8(ascii: ":") else { return }
            value += 1
            if value < line.upperBound, bytes[value] == 32 { value += 1 }
        }
        dataLines += 1
        if dataLines == 1 { data = value..<line.upperBound }
    }

    /// `data` as four bytes in memory.
    private static let dataWord = UInt32(littleEndian: 0x6174_6164)

    /// The offset of the first CR or LF at or after `start`, else the count; some bytes at a time, so that a
    /// line that ends with CR costs its own length.
    private static func lineEnd(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = bytes.baseAddress else { return bytes.count }
        var from = start
        while from < bytes.count {
            let stop = min(bytes.count, from &+ 256)
            let lineFeed = memchr(base + from, 10, stop &- from).map { UnsafeRawPointer($0) - base }
            let end = lineFeed ?? stop
            if let carriageReturn = memchr(base + from, 13, end &- from) {
                return UnsafeRawPointer(carriageReturn) - base
            }
            if lineFeed != nil { return end }
            from = stop
        }
        return bytes.count
    }
}
