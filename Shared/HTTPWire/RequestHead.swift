/// What a call to ``RequestHead/parse(_:)`` found.
package enum RequestVerdict: Sendable, Equatable {
    /// The head is not complete; call again with the same bytes and more behind them.
    case incomplete
    /// The head takes this many bytes; content, if any, begins there.
    case complete(Int)
    case refused(RequestFault)
}

/// Parses and holds one request head (RFC 9112 §2–6) as offsets into the received bytes.
///
/// Line by line and resumable: the verdict depends on the bytes alone, never on how they were cut, and each
/// byte is looked at once however slowly it comes. One value serves all requests of a connection.
package struct RequestHead: ~Copyable {
    package private(set) var fields = FieldTable()
    package private(set) var method = HTTPMethod.get
    /// 0 or 1.
    package private(set) var minorVersion = 1
    /// Bytes of the head with its blank line; 0 until complete.
    package private(set) var length = 0
    package private(set) var framing = BodyFraming.length(0)
    /// Whether the client will send another request on this connection.
    package private(set) var keepAlive = true
    /// The client waits for `100 Continue` before it sends its content.
    package private(set) var expectsContinue = false
    private(set) var target = RequestTarget()

    private let limits: WireLimits
    private enum Phase { case start, requestLine, fields }
    private var phase = Phase.start
    private var lineStart = 0
    private var scanned = 0

    package init(limits: WireLimits = .request) { self.limits = limits }

    /// Makes ready for the next request.
    package mutating func reset() {
        phase = .start
        lineStart = 0
        scanned = 0
        length = 0
        fields.removeAll()
        target.reset()
    }

    /// Looks at the bytes received so far, from the first one of this request on.
    package mutating func parse(_ bytes: UnsafeRawBufferPointer) -> RequestVerdict {
        guard let start = bytes.baseAddress else { return .incomplete }
        let base = start.assumingMemoryBound(to: UInt8.self)
        let count = bytes.count
        let classes = byteClasses
        let known = knownFields
        if phase == .start {
            if let verdict = begin(base, count, classes) { return verdict }
        }
        while true {
            let lineFeed = lineFeedOffset(base, from: scanned, to: count)
            // Without its line feed, a line is at least as long as what is here of it.
            let seen = lineFeed < 0 ? count : lineFeed
            if phase == .requestLine && seen &- lineStart > limits.startLineBytes &+ 1 {
                return .refused(.requestLineTooLong)
            }
            if seen >= limits.headBytes { return .refused(.headTooLarge) }
            guard lineFeed >= 0 else {
                scanned = count
                return .incomplete
            }
            let end = lineFeed &- 1
            guard end >= lineStart, base[end] == Byte.carriageReturn else { return .refused(.bareLineFeed) }
            if phase == .requestLine {
                if let fault = parseRequestLine(base, lineStart, end, classes) { return .refused(fault) }
                phase = .fields
            } else if end == lineStart {
                if let fault = finish(base) { return .refused(fault) }
                length = lineFeed &+ 1
                return .complete(length)
            } else if let fault = parseField(base, lineStart, end, classes, known) {
                return .refused(fault)
            }
            lineStart = lineFeed &+ 1
            scanned = lineStart
        }
    }

    /// Skips one empty line before the request (RFC 9112 §2.2) and refuses what cannot begin one.
    private mutating func begin(
        _ base: UnsafePointer<UInt8>, _ count: Int, _ classes: UnsafePointer<UInt8>
    ) -> RequestVerdict? {
        if lineStart == 0 && base[0] == Byte.carriageReturn {
            guard count > 1 else { return .incomplete }
            guard base[1] == Byte.lineFeed else { return .refused(.malformedRequestLine) }
            lineStart = 2
            scanned = 2
        }
        guard count > lineStart else { return .incomplete }
        guard classes[Int(base[lineStart])] & ByteClass.token != 0 else {
            return .refused(base[lineStart] == Byte.lineFeed ? .bareLineFeed : .malformedRequestLine)
        }
        phase = .requestLine
        return nil
    }

    private mutating func parseRequestLine(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) -> RequestFault? {
        var index = start
        while classes[Int(base[index])] & ByteClass.token != 0 { index &+= 1 }
        let methodEnd = index
        guard base[index] == Byte.space else { return .malformedRequestLine }
        index &+= 1
        let targetStart = index
        while base[index] > Byte.space && base[index] != 0x7f { index &+= 1 }
        let targetEnd = index
        // What follows must be exactly " HTTP/d.d".
        guard targetEnd > targetStart, end &- targetEnd == 9, base[targetEnd] == Byte.space else {
            return .malformedRequestLine
        }
        let version = UnsafeRawPointer(base + targetEnd + 1)
        let isHTTP = version.loadUnaligned(as: UInt32.self) == 0x5054_5448  // "HTTP", little-endian
        let major = base[targetEnd &+ 6], minor = base[targetEnd &+ 8]
        guard isHTTP, base[targetEnd &+ 5] == Byte.slash, base[targetEnd &+ 7] == Byte.dot,
            major &- 0x30 <= 9, minor &- 0x30 <= 9
        else { return .malformedRequestLine }
        guard major == 0x31, minor <= 0x31 else { return .unsupportedVersion }
        minorVersion = Int(minor &- 0x30)
        guard let method = HTTPMethod(base + start, methodEnd &- start) else { return .methodNotImplemented }
        self.method = method
        return target.parse(base, targetStart, targetEnd, method, classes)
    }

    @inline(__always)
    private mutating func parseField(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>,
        _ known: KnownFieldTable
    ) -> RequestFault? {
        switch fields.append(base, start, end, limit: limits.fieldCount, classes, known) {
        case .none: nil
        case .malformed: .malformedField
        case .tooMany: .tooManyFields
        }
    }

    /// Fields that say who calls.
    private static let credentials = FieldSet(
        .authorization, .proxyAuthorization, .apiKey, .xAPIKey, .xGoogAPIKey)

    /// What only the whole head can tell: host, framing, persistence.
    private mutating func finish(_ base: UnsafePointer<UInt8>) -> RequestFault? {
        let present = fields.present, repeated = fields.repeated
        if repeated.has(.host) { return .repeatedHost }
        if let host = fields.value(.host, in: base) {
            guard let authority = Authority(host) else { return .invalidHost }
            if !target.agrees(with: authority, base) { return .authorityMismatch }
        } else if minorVersion == 1 {
            return .missingHost
        } else if !target.hasUsableAuthority(base) {
            return .malformedTarget
        }
        // Of two, a proxy in front and this server might see different ones.
        if !repeated.isDisjoint(with: Self.credentials) { return .repeatedCredential }
        if repeated.has(.contentType) { return .repeatedContentType }
        framing = .length(0)
        if present.has(.transferEncoding) {
            if let fault = checkTransferEncoding(base, present, repeated) { return fault }
            framing = .chunked
        } else if let value = fields.value(.contentLength, in: base) {
            if repeated.has(.contentLength) { return .repeatedContentLength }
            guard let start = value.baseAddress?.assumingMemoryBound(to: UInt8.self),
                let length = decimalValue(start, value.count)
            else { return .invalidContentLength }
            framing = .length(length)
        }
        keepAlive = minorVersion == 1
        if present.has(.connection) {
            let options = ConnectionOptions(fields, in: base)
            keepAlive = options.close ? false : keepAlive || options.keepAlive
        }
        return checkExpectation(base)
    }

    private func checkTransferEncoding(
        _ base: UnsafePointer<UInt8>, _ present: FieldSet, _ repeated: FieldSet
    ) -> RequestFault? {
        if present.has(.contentLength) { return .lengthAndCoding }
        if repeated.has(.transferEncoding) { return .repeatedTransferEncoding }
        if minorVersion == 0 { return .codingInOldVersion }
        guard let value = fields.value(.transferEncoding, in: base) else { return .chunkedNotLast }
        if isChunked(value) { return nil }
        // Unless chunks are put on last, where the content ends cannot be known (RFC 9112 §6.3).
        return endsInChunked(value) ? .unknownTransferCoding : .chunkedNotLast
    }

    private mutating func checkExpectation(_ base: UnsafePointer<UInt8>) -> RequestFault? {
        expectsContinue = false
        // An HTTP/1.0 client cannot expect anything (RFC 9110 §10.1.1).
        guard minorVersion == 1, let value = fields.value(.expect, in: base) else { return nil }
        guard let start = value.baseAddress?.assumingMemoryBound(to: UInt8.self),
            !fields.repeated.has(.expect), equalsIgnoringCase(start, value.count, "100-continue")
        else { return .unknownExpectation }
        expectsContinue = !framing.isEmpty
        return nil
    }
}

/// Whether a `Transfer-Encoding` value is exactly `chunked`.
func isChunked(_ value: UnsafeRawBufferPointer) -> Bool {
    guard let start = value.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
    return equalsIgnoringCase(start, value.count, "chunked")
}

/// Whether other codings stand in front of `chunked`, which stands there once.
private func endsInChunked(_ value: UnsafeRawBufferPointer) -> Bool {
    var codings = ListElements(value)
    var isOther = false, isLast = false
    while let coding = codings.next() {
        if isLast { return false }
        isLast = isChunked(coding)
        if !isLast { isOther = true }
    }
    return isOther && isLast
}

/// The options of all `Connection` fields that matter to persistence.
struct ConnectionOptions {
    var close = false
    var keepAlive = false

    init(_ fields: borrowing FieldTable, in base: UnsafePointer<UInt8>) {
        for index in 0..<fields.count where fields[index].known == .connection {
            var options = ListElements(fields[index].value(in: UnsafeRawPointer(base)))
            while let option = options.next() {
                guard let start = option.baseAddress?.assumingMemoryBound(to: UInt8.self) else { continue }
                if equalsIgnoringCase(start, option.count, "close") { close = true }
                if equalsIgnoringCase(start, option.count, "keep-alive") { keepAlive = true }
            }
        }
    }
}
