/// One dispatched event of a `text/event-stream`; the views are valid until the parser is called again.
package struct ServerEvent {
    /// The last `event` field, empty when there was none.
    package let name: UnsafeRawBufferPointer
    /// The `data` fields joined by line feeds.
    package let data: UnsafeRawBufferPointer
}

/// Why an event stream cannot be read on.
package enum EventStreamFault: Error, Sendable { case eventTooLarge }

/// Parses `text/event-stream` (WHATWG HTML §9.2.6) from any cut of the bytes.
///
/// LF, CRLF and CR end lines, a byte order mark at the start is dropped, comments and unknown fields are
/// skipped, an event without data is not dispatched. An event that lies whole in one input is not copied.
package struct EventStreamParser: ~Copyable {
    /// Where a field's value lies: in the input at hand, or in a buffer of our own.
    private enum Held {
        case none
        case view(UnsafeRawBufferPointer)
        case copied
    }
    private let maximumEventBytes: Int
    private var line = GrowableBytes()
    private var nameStore = GrowableBytes()
    private var dataStore = GrowableBytes()
    private var name = Held.none
    private var data = Held.none
    private var eventBytes = 0
    private var isFirstLine = true
    private var skipsLineFeed = false
    private var isDispatched = false

    /// `maximumEventBytes` bounds the lines of one event, and any single line.
    package init(maximumEventBytes: Int = 1 << 20) { self.maximumEventBytes = maximumEventBytes }

    /// Whether nothing of an unfinished event has been seen; false at the end of a stream means that it was
    /// cut.
    package var isBetweenEvents: Bool { line.isEmpty && (eventBytes == 0 || isDispatched) }

    /// The next event, taking its bytes off the front of `input`; nil once `input` is used up.
    package mutating func next(
        _ input: inout UnsafeRawBufferPointer
    ) throws(EventStreamFault) -> ServerEvent? {
        if isDispatched { forgetEvent() }
        while true {
            if skipsLineFeed, let first = input.first {
                skipsLineFeed = false
                if first == Byte.lineFeed { input = UnsafeRawBufferPointer(rebasing: input[1...]) }
            }
            let end = endOfLine(input)
            if end == input.count {
                try keepForLater(input)
                input = UnsafeRawBufferPointer(rebasing: input[end...])
                return nil
            }
            let piece = UnsafeRawBufferPointer(rebasing: input[..<end])
            skipsLineFeed = input[end] == Byte.carriageReturn
            input = UnsafeRawBufferPointer(rebasing: input[(end + 1)...])
            if line.isEmpty {
                try take(piece)
            } else {
                line.append(piece)
                try take(line.view)
                // Its views are copied before anything else is stored there.
                line.removeAll()
            }
            if isDispatched { return ServerEvent(name: view(name, nameStore), data: view(data, dataStore)) }
        }
    }

    private func view(_ held: Held, _ store: borrowing GrowableBytes) -> UnsafeRawBufferPointer {
        switch held {
        case .none: UnsafeRawBufferPointer(start: nil, count: 0)
        case .view(let bytes): bytes
        case .copied: store.view
        }
    }

    private mutating func forgetEvent() {
        isDispatched = false
        eventBytes = 0
        name = .none
        data = .none
        nameStore.removeAll(keeping: 4096)
        dataStore.removeAll(keeping: 64 * 1024)
        line.removeAll(keeping: 64 * 1024)
    }

    /// The input ends inside a line: own what is still needed of it.
    private mutating func keepForLater(_ rest: UnsafeRawBufferPointer) throws(EventStreamFault) {
        if case .view(let bytes) = name {
            nameStore.removeAll()
            nameStore.append(bytes)
            name = .copied
        }
        if case .view(let bytes) = data {
            dataStore.removeAll()
            dataStore.append(bytes)
            data = .copied
        }
        guard line.count + rest.count <= maximumEventBytes else { throw .eventTooLarge }
        line.append(rest)
    }

    private mutating func take(_ whole: UnsafeRawBufferPointer) throws(EventStreamFault) {
        var text = whole
        if isFirstLine {
            isFirstLine = false
            if text.starts(with: [0xef, 0xbb, 0xbf]) { text = UnsafeRawBufferPointer(rebasing: text[3...]) }
        }
        guard whole.count <= maximumEventBytes else { throw .eventTooLarge }
        guard let first = text.first else {
            if case .none = data { return forgetEvent() }
            isDispatched = true
            return
        }
        if first == Byte.colon { return }
        eventBytes += text.count + 1
        guard eventBytes <= maximumEventBytes else { throw .eventTooLarge }
        let colon = text.firstIndex(of: Byte.colon) ?? text.count
        let field = UnsafeRawBufferPointer(rebasing: text[..<colon])
        var value = UnsafeRawBufferPointer(rebasing: text[min(colon + 1, text.count)...])
        if value.first == Byte.space { value = UnsafeRawBufferPointer(rebasing: value[1...]) }
        if same(field, "data") {
            addData(value)
        } else if same(field, "event") {
            name = .view(value)
        }
    }

    private mutating func addData(_ value: UnsafeRawBufferPointer) {
        switch data {
        case .none:
            data = .view(value)
            return
        case .view(let first):
            dataStore.removeAll()
            dataStore.append(first)
        case .copied: break
        }
        dataStore.append(Byte.lineFeed)
        dataStore.append(value)
        data = .copied
    }

    private func same(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        bytes.count == text.utf8CodeUnitCount
            && bytes.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The offset of the first CR or LF, or the count: eight bytes at a time.
    private func endOfLine(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        var index = 0
        while index &+ 8 <= bytes.count {
            let word = base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let feed = word ^ 0x0a0a_0a0a_0a0a_0a0a
            let carriage = word ^ 0x0d0d_0d0d_0d0d_0d0d
            let hits =
                ((feed &- 0x0101_0101_0101_0101) & ~feed) | ((carriage &- 0x0101_0101_0101_0101) & ~carriage)
            let marks = hits & 0x8080_8080_8080_8080
            // The lowest mark is exact; only marks above a true one can be false.
            if marks != 0 { return index &+ marks.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < bytes.count {
            let byte = base.load(fromByteOffset: index, as: UInt8.self)
            if byte == Byte.lineFeed || byte == Byte.carriageReturn { return index }
            index &+= 1
        }
        return index
    }
}
