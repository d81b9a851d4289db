/// What a call to ``ResponseHead/parse(_:)`` found.
package enum ResponseVerdict: Sendable, Equatable {
    /// The head is not complete; call again with the same bytes and more behind them.
    case incomplete
    /// The head takes this many bytes; content, if any, begins there.
    case complete(Int)
    case refused(ResponseFault)
}

/// Parses and holds one response head (RFC 9112 §4–6) from an upstream that may be hostile.
///
/// Same machine as ``RequestHead``: strict, resumable, the same verdict for every cut of the bytes.
package struct ResponseHead: ~Copyable {
    package private(set) var fields = FieldTable()
    /// 100…599.
    package private(set) var status = 0
    /// 0 or 1.
    package private(set) var minorVersion = 1
    /// Bytes of the head with its blank line; 0 until complete.
    package private(set) var length = 0
    /// Whether the upstream promises to take another request on this connection.
    package private(set) var keepAlive = true
    private var declared = BodyFraming.untilClose
    private var reasonOffset = 0
    private var reasonLength = 0

    private let limits: WireLimits
    private var inFields = false
    private var lineStart = 0
    private var scanned = 0

    package init(limits: WireLimits = .response) { self.limits = limits }

    /// Makes ready for the next response.
    package mutating func reset() {
        inFields = false
        lineStart = 0
        scanned = 0
        length = 0
        status = 0
        fields.removeAll()
    }

    /// Whether this is an interim response (1xx), after which the real one follows.
    @inline(__always) package var isInterim: Bool { status < 200 }

    /// How the content ends, given the method of the request it answers (RFC 9112 §6.3).
    @inline(__always)
    package func framing(answering method: HTTPMethod) -> BodyFraming {
        method == .head || HTTPStatus.forbidsContent(status) ? .length(0) : declared
    }

    /// The length a response to HEAD, or a 304, announces without sending it.
    package var announcedLength: Int? {
        if case .length(let length) = declared { length } else { nil }
    }

    /// The reason phrase as received, possibly empty.
    package func reason(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + reasonOffset, count: reasonLength)
    }

    /// Looks at the bytes received so far, from the first one of this response on.
    package mutating func parse(_ bytes: UnsafeRawBufferPointer) -> ResponseVerdict {
        guard let start = bytes.baseAddress else { return .incomplete }
        let base = start.assumingMemoryBound(to: UInt8.self)
        let count = bytes.count
        let classes = byteClasses
        let known = knownFields
        if !inFields && !beginsLikeHTTP(base, count) { return .refused(.malformedStatusLine) }
        while true {
            let lineFeed = lineFeedOffset(base, from: scanned, to: count)
            // Without its line feed, a line is at least as long as what is here of it.
            let seen = lineFeed < 0 ? count : lineFeed
            if !inFields && seen &- lineStart > limits.startLineBytes &+ 1 {
                return .refused(.statusLineTooLong)
            }
            if seen >= limits.headBytes { return .refused(.headTooLarge) }
            guard lineFeed >= 0 else {
                scanned = count
                return .incomplete
            }
            let end = lineFeed &- 1
            guard end >= lineStart, base[end] == Byte.carriageReturn else { return .refused(.bareLineFeed) }
            if !inFields {
                if let fault = parseStatusLine(base, end, classes) { return .refused(fault) }
                inFields = true
            } else if end == lineStart {
                if let fault = finish(base) { return .refused(fault) }
                length = lineFeed &+ 1
                return .complete(length)
            } else {
                switch fields.append(base, lineStart, end, limit: limits.fieldCount, classes, known) {
                case .none: break
                case .malformed: return .refused(.malformedField)
                case .tooMany: return .refused(.tooManyFields)
                }
            }
            lineStart = lineFeed &+ 1
            scanned = lineStart
        }
    }

    /// Refuses HTTP/0.9 and foreign protocols at their first wrong byte.
    private func beginsLikeHTTP(_ base: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        let expected: StaticString = "HTTP/"
        for index in 0..<min(count, 5) where base[index] != expected.utf8Start[index] { return false }
        return true
    }

    private mutating func parseStatusLine(
        _ base: UnsafePointer<UInt8>, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) -> ResponseFault? {
        // "HTTP/1.1 200 " and a reason that may be empty, its space not.
        guard end >= 13, base[6] == Byte.dot, base[5] &- 0x30 <= 9, base[7] &- 0x30 <= 9,
            base[8] == Byte.space, base[12] == Byte.space
        else { return .malformedStatusLine }
        guard base[5] == 0x31, base[7] <= 0x31 else { return .unsupportedVersion }
        minorVersion = Int(base[7] &- 0x30)
        var code = 0
        for index in 9..<12 {
            let digit = base[index] &- 0x30
            guard digit <= 9 else { return .malformedStatusLine }
            code = code &* 10 &+ Int(digit)
        }
        // 101 answers an upgrade, which is never asked for.
        guard code >= 100, code <= 599, code != 101 else { return .unexpectedStatus }
        status = code
        reasonOffset = 13
        reasonLength = end &- 13
        return endOfValueBytes(base, from: 13, to: end, classes) == end ? nil : .malformedStatusLine
    }

    /// What only the whole head can tell: framing and persistence.
    private mutating func finish(_ base: UnsafePointer<UInt8>) -> ResponseFault? {
        let present = fields.present, repeated = fields.repeated
        keepAlive = minorVersion == 1
        if present.has(.connection) {
            let options = ConnectionOptions(fields, in: base)
            keepAlive = options.close ? false : keepAlive || options.keepAlive
        }
        declared = .untilClose
        if present.has(.transferEncoding) {
            if present.has(.contentLength) { return .lengthAndCoding }
            if repeated.has(.transferEncoding) { return .repeatedTransferEncoding }
            if minorVersion == 0 { return .codingInOldVersion }
            guard let value = fields.value(.transferEncoding, in: base), isChunked(value) else {
                return .unknownTransferCoding
            }
            declared = .chunked
        } else if let value = fields.value(.contentLength, in: base) {
            if repeated.has(.contentLength) { return .repeatedContentLength }
            guard let start = value.baseAddress?.assumingMemoryBound(to: UInt8.self),
                let length = decimalValue(start, value.count)
            else { return .invalidContentLength }
            declared = .length(length)
        } else if HTTPStatus.forbidsContent(status) {
            declared = .length(0)
        }
        // A sender that frames what has no content may well send that content next.
        if isInterim, declared != .length(0) { return .framedInterimResponse }
        if status == 204, declared != .length(0) { keepAlive = false }
        return nil
    }
}
