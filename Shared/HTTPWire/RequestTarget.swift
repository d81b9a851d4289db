import Glibc

/// The target of a request (RFC 9112 §3.2): origin-form, or absolute-form naming the same authority as Host.
///
/// The path is percent-decoded once and its dot segments are resolved while parsing, so whoever routes or
/// authorises sees the one path there is. A plain path is not copied.
struct RequestTarget: ~Copyable {
    private(set) var offset = 0
    private(set) var length = 0
    private var pathOffset = 0
    private var pathLength = 0
    private var queryOffset = 0
    private var queryLength = -1
    private var authorityOffset = 0
    private var authorityLength = -1
    private var isHTTPS = false
    /// The decoded path when it differs from the received one; storage is kept for the next request.
    private var decoded: UnsafeMutablePointer<UInt8>?
    private var decodedCapacity = 0
    private var decodedLength = -1

    deinit { decoded?.deallocate() }

    mutating func reset() {
        offset = 0
        length = 0
        pathLength = 0
        queryLength = -1
        authorityLength = -1
        decodedLength = -1
    }

    /// Percent-decoded path with dot segments resolved; begins with `/` (or is `*`). Valid UTF-8.
    func path(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        if decodedLength >= 0 { return UnsafeRawBufferPointer(start: decoded, count: decodedLength) }
        if pathLength == 0 { return slash }
        return UnsafeRawBufferPointer(start: bytes + pathOffset, count: pathLength)
    }

    /// The query as received, without its `?`; nil when there is none.
    func query(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer? {
        queryLength < 0 ? nil : UnsafeRawBufferPointer(start: bytes + queryOffset, count: queryLength)
    }

    private var slash: UnsafeRawBufferPointer {
        let text: StaticString = "/"
        return UnsafeRawBufferPointer(start: text.utf8Start, count: 1)
    }

    mutating func parse(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ method: HTTPMethod,
        _ classes: UnsafePointer<UInt8>
    ) -> RequestFault? {
        offset = start
        length = end &- start
        var pathStart = start
        if base[start] != Byte.slash {
            if length == 1 && base[start] == 0x2a && method == .options {
                pathOffset = start
                pathLength = 1
                return nil
            }
            guard let authorityEnd = parseAuthority(base, start, end) else { return .malformedTarget }
            pathStart = authorityEnd
        }
        var index = pathStart
        var needsDecoding = false
        while index < end && classes[Int(base[index])] & ByteClass.path != 0 {
            let byte = base[index]
            if byte == Byte.percent {
                needsDecoding = true
            } else if byte == Byte.dot && base[index &- 1] == Byte.slash {
                needsDecoding = true
            }
            index &+= 1
        }
        pathOffset = pathStart
        pathLength = index &- pathStart
        if index < end {
            guard base[index] == Byte.questionMark else { return .malformedTarget }
            queryOffset = index &+ 1
            queryLength = end &- queryOffset
            if let fault = checkQuery(base, queryOffset, end, classes) { return fault }
        }
        return needsDecoding ? decodePath(base) : nil
    }

    /// `http://authority` or `https://authority` without user information; returns where the path begins.
    private mutating func parseAuthority(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int? {
        let available = end &- start
        var authorityStart = 0
        if available > 7 && equalsIgnoringCase(base + start, 7, "http://") {
            authorityStart = start &+ 7
            isHTTPS = false
        } else if available > 8 && equalsIgnoringCase(base + start, 8, "https://") {
            authorityStart = start &+ 8
            isHTTPS = true
        } else {
            return nil
        }
        var index = authorityStart
        while index < end && base[index] != Byte.slash && base[index] != Byte.questionMark { index &+= 1 }
        guard index > authorityStart else { return nil }
        authorityOffset = authorityStart
        authorityLength = index &- authorityStart
        return index
    }

    /// Whether an absolute-form target names the authority of the Host field; true for origin-form.
    func agrees(with host: Authority, _ base: UnsafePointer<UInt8>) -> Bool {
        guard authorityLength >= 0 else { return true }
        let bytes = UnsafeRawBufferPointer(start: base + authorityOffset, count: authorityLength)
        guard let authority = Authority(bytes) else { return false }
        let defaultPort: UInt16 = isHTTPS ? 443 : 80
        return authority.host.count == host.host.count
            && (authority.port ?? defaultPort) == (host.port ?? defaultPort)
            && zip(authority.host, host.host).allSatisfy { lowercased($0) == lowercased($1) }
    }

    /// False for an absolute-form target without a valid authority; for requests that have no Host.
    func hasUsableAuthority(_ base: UnsafePointer<UInt8>) -> Bool {
        guard authorityLength >= 0 else { return true }
        return Authority(UnsafeRawBufferPointer(start: base + authorityOffset, count: authorityLength)) != nil
    }

    private func checkQuery(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ classes: UnsafePointer<UInt8>
    ) -> RequestFault? {
        var index = start
        while index < end {
            if classes[Int(base[index])] & ByteClass.query == 0 { return .malformedTarget }
            if base[index] == Byte.percent {
                guard end &- index > 2, let byte = decodedByte(base + index) else {
                    return .malformedPercentEncoding
                }
                if byte == 0 { return .forbiddenPathByte }
                index &+= 2
            }
            index &+= 1
        }
        return nil
    }

    private mutating func decodePath(_ base: UnsafePointer<UInt8>) -> RequestFault? {
        if decodedCapacity < pathLength {
            decoded?.deallocate()
            decodedCapacity = max(256, pathLength)
            decoded = .allocate(capacity: decodedCapacity)
        }
        guard let output = decoded else { return .malformedTarget }
        var read = pathOffset, written = 0
        let end = pathOffset &+ pathLength
        while read < end {
            var byte = base[read]
            if byte == Byte.percent {
                guard end &- read > 2, let value = decodedByte(base + read) else {
                    return .malformedPercentEncoding
                }
                // Controls have no business in a path and would travel into logs.
                if value < 0x20 || value == 0x7f { return .forbiddenPathByte }
                byte = value
                read &+= 2
            }
            output[written] = byte
            written &+= 1
            read &+= 1
        }
        guard let resolved = resolveDotSegments(output, written) else { return .pathAboveRoot }
        let bytes = UnsafeRawBufferPointer(start: output, count: resolved)
        guard String(validating: bytes, as: UTF8.self) != nil else { return .malformedPercentEncoding }
        decodedLength = resolved
        return nil
    }

    private func decodedByte(_ escape: UnsafePointer<UInt8>) -> UInt8? {
        let high = hexadecimalValue(escape[1]), low = hexadecimalValue(escape[2])
        return high | low > 15 ? nil : high &<< 4 | low
    }

    /// RFC 3986 §5.2.4 in place, except that a path above the root is refused: nil.
    private func resolveDotSegments(_ path: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int? {
        var read = 0, written = 0
        while read < count {
            // At the slash before a segment.
            var end = read &+ 1
            while end < count && path[end] != Byte.slash { end &+= 1 }
            let segment = end &- read &- 1
            let isDot = segment == 1 && path[read &+ 1] == Byte.dot
            let isDoubleDot = segment == 2 && path[read &+ 1] == Byte.dot && path[read &+ 2] == Byte.dot
            if isDoubleDot {
                if written == 0 { return nil }
                written &-= 1
                while path[written] != Byte.slash { written &-= 1 }
            }
            if isDot || isDoubleDot {
                // A dot segment at the end leaves its slash: "/a/." is "/a/".
                if end == count {
                    path[written] = Byte.slash
                    written &+= 1
                }
            } else {
                memmove(path + written, path + read, end &- read)
                written &+= end &- read
            }
            read = end
        }
        return written
    }
}

extension RequestHead {
    /// The target as received.
    @inline(__always)
    package func rawTarget(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + target.offset, count: target.length)
    }

    /// The path to route by: percent-decoded once, dot segments resolved, valid UTF-8. No copy when the
    /// received path is already that. Valid until the bytes move or the head is reset.
    // Inlined, as the next one, so that a head that is a class's property is not copied for it.
    @inline(__always)
    package func path(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer { target.path(in: bytes) }

    /// The query as received without `?`, nil when there is none; see ``QueryItems``.
    package func query(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer? { target.query(in: bytes) }
}
