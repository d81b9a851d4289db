/// Builds `text/event-stream` bytes that the strictest client reads: UTF-8, no byte order mark, `data: `
/// with one space, LF line ends, a blank line after every event. Storage is reused.
package struct EventStreamWriter: ~Copyable {
    private var output = GrowableBytes()

    package init() {}

    /// What was written since the last ``removeAll()``; valid until the next call.
    package var bytes: UnsafeRawBufferPointer { output.view }

    package mutating func removeAll() { output.removeAll(keeping: 64 * 1024) }

    /// Adds one event; line breaks in `data` become further `data` lines.
    package mutating func event(name: StaticString? = nil, data: UnsafeRawBufferPointer) {
        if let name {
            output.append("event: ")
            output.append(name)
            output.append(Byte.lineFeed)
        }
        append(data)
    }

    /// Same with a name from elsewhere; one with line breaks or NUL is left out.
    package mutating func event(name: UnsafeRawBufferPointer, data: UnsafeRawBufferPointer) {
        let isClean = name.allSatisfy { $0 != Byte.lineFeed && $0 != Byte.carriageReturn && $0 != 0 }
        if isClean && !name.isEmpty {
            output.append("event: ")
            output.append(name)
            output.append(Byte.lineFeed)
        }
        append(data)
    }

    /// Adds a comment, which clients ignore: it keeps idle connections open.
    package mutating func keepAlive() { output.append(":\n\n") }

    private mutating func append(_ data: UnsafeRawBufferPointer) {
        var rest = data
        while true {
            let end = rest.firstIndex { $0 == Byte.lineFeed || $0 == Byte.carriageReturn } ?? rest.count
            output.append("data: ")
            output.append(UnsafeRawBufferPointer(rebasing: rest[..<end]))
            output.append(Byte.lineFeed)
            guard end < rest.count else { break }
            let isPair =
                rest[end] == Byte.carriageReturn && end + 1 < rest.count && rest[end + 1] == Byte.lineFeed
            rest = UnsafeRawBufferPointer(rebasing: rest[(end + (isPair ? 2 : 1))...])
        }
        output.append(Byte.lineFeed)
    }
}
