/// One step of ``ChunkDecoder/decode(_:)``: framing to drop, then content to use.
package struct ChunkStep: Sendable, Equatable {
    /// Framing bytes at the front.
    package var framing = 0
    /// Content bytes right behind them; 0 when more input is needed or the body has ended.
    package var content = 0
}

/// Decodes the chunked coding (RFC 9112 §7.1) strictly, from any cut of the bytes, without memory of its own.
///
/// CRLF alone, 1–16 hexadecimal digits, extensions of tokens and quoted strings without white space, trailers
/// checked and dropped, framing bounded against content. After a fault the decoder stays refused.
package struct ChunkDecoder: Sendable {
    private enum State: UInt8 {
        case size, extensionName, extensionNameMore, extensionValue, extensionToken, quoted, quotedPair
        case quotedEnd, sizeLineFeed, content, contentReturn, contentLineFeed
        case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed, complete, refused
    }
    private var state = State.size
    private var digits = 0
    private var lineBytes = 0
    private var trailerBytes = 0
    private var remaining: UInt64 = 0
    private var framingTotal = 0
    private var contentTotal = 0
    private let limits: WireLimits

    package init(limits: WireLimits = .request) { self.limits = limits }

    /// The last chunk and the trailer section have been seen.
    package var isComplete: Bool { state == .complete }
    /// Content bytes decoded so far.
    package var contentBytes: Int { contentTotal }

    /// Makes ready for another body.
    package mutating func reset() { self = ChunkDecoder(limits: limits) }

    /// Reads framing up to the next content, or up to the end of the body or of `bytes`.
    ///
    /// Call again with what lies behind `framing + content` until ``isComplete``; bytes after the body are
    /// not touched. A step of zero bytes means that more input is needed.
    package mutating func decode(_ bytes: UnsafeRawBufferPointer) throws(ChunkFault) -> ChunkStep {
        guard let start = bytes.baseAddress else { return ChunkStep() }
        let base = start.assumingMemoryBound(to: UInt8.self)
        let count = bytes.count
        let classes = byteClasses
        var index = try takePlainSizeLine(base, count)
        while index < count && state != .content {
            if state == .complete { break }
            // Counted byte by byte, so that a bound is met at the same byte however the calls are cut.
            framingTotal &+= 1
            if let fault = advance(base[index], classes) {
                state = .refused
                throw fault
            }
            index &+= 1
        }
        guard state == .content, index < count else { return ChunkStep(framing: index) }
        let available = count &- index
        let content = remaining > UInt64(available) ? available : Int(remaining)
        remaining &-= UInt64(content)
        contentTotal &+= content
        if remaining == 0 { state = .contentReturn }
        return ChunkStep(framing: index, content: content)
    }

    /// How many bytes at the front belong to this body, framing included, for passing it on as it is.
    /// Less than `bytes.count` only when the body ends inside.
    package mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(ChunkFault) -> Int {
        var total = 0
        while total < bytes.count && state != .complete {
            let step = try decode(UnsafeRawBufferPointer(rebasing: bytes[total...]))
            total &+= step.framing &+ step.content
        }
        return total
    }

    /// Between two chunks, nearly always: a line end, a few digits, a line end, and all of it there. Takes it
    /// at once, or nothing of it; gives the number of bytes.
    private mutating func takePlainSizeLine(
        _ base: UnsafePointer<UInt8>, _ count: Int
    ) throws(ChunkFault) -> Int {
        guard state == .contentReturn, count > 4, base[0] == Byte.carriageReturn, base[1] == Byte.lineFeed
        else { return 0 }
        var index = 2
        var size: UInt64 = 0
        while index < min(count, 10) {
            let digit = hexadecimalValue(base[index])
            if digit > 15 { break }
            size = size &<< 4 | UInt64(digit)
            index &+= 1
        }
        guard index > 2, index &+ 1 < count, base[index] == Byte.carriageReturn,
            base[index &+ 1] == Byte.lineFeed
        else { return 0 }
        lineBytes = index &- 2
        framingTotal &+= index &+ 2
        remaining = size
        if let fault = finishSizeLine() {
            state = .refused
            throw fault
        }
        return index &+ 2
    }

    @inline(__always)
    private mutating func advance(_ byte: UInt8, _ classes: UnsafePointer<UInt8>) -> ChunkFault? {
        switch state {
        case .size, .sizeLineFeed: return advanceSize(byte)
        case .contentReturn:
            state = .contentLineFeed
            return byte == Byte.carriageReturn ? nil : .malformed
        case .contentLineFeed:
            state = .size
            digits = 0
            lineBytes = 0
            return byte == Byte.lineFeed ? nil : .malformed
        case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed:
            return advanceTrailer(byte, classes)
        case .content, .complete, .refused: return .malformed
        default: return advanceExtension(byte, classes)
        }
    }

    private mutating func advanceSize(_ byte: UInt8) -> ChunkFault? {
        if state == .sizeLineFeed {
            guard byte == Byte.lineFeed else { return .malformed }
            return finishSizeLine()
        }
        let digit = hexadecimalValue(byte)
        if digit < 16 {
            guard digits < 16 else { return .sizeTooLarge }
            digits &+= 1
            lineBytes &+= 1
            // 16 digits fill 64 bits exactly; the bound on Int comes with the end of the line.
            remaining = remaining &<< 4 | UInt64(digit)
            return nil
        }
        guard digits > 0 else { return .malformed }
        return endOfElement(byte)
    }

    /// What may stand after a size or a complete extension: another extension or the end of the line.
    private mutating func endOfElement(_ byte: UInt8) -> ChunkFault? {
        if byte == Byte.carriageReturn {
            state = .sizeLineFeed
            return nil
        }
        guard byte == Byte.semicolon else { return .malformed }
        state = .extensionName
        lineBytes &+= 1
        return lineBytes > limits.chunkLineBytes ? .lineTooLong : nil
    }

    private mutating func finishSizeLine() -> ChunkFault? {
        guard remaining <= UInt64(Int.max) else { return .sizeTooLarge }
        let (allowed, overflow) = contentTotal.multipliedReportingOverflow(by: limits.chunkOverheadFactor)
        let charged = framingTotal &- limits.chunkOverheadSlackBytes
        if !overflow && charged > allowed { return .overhead }
        state = remaining == 0 ? .trailerStart : .content
        return nil
    }

    private mutating func advanceExtension(_ byte: UInt8, _ classes: UnsafePointer<UInt8>) -> ChunkFault? {
        let isToken = classes[Int(byte)] & ByteClass.token != 0
        switch state {
        case .extensionName:
            guard isToken else { return .malformed }
            state = .extensionNameMore
        case .extensionNameMore:
            if byte == 0x3d {
                state = .extensionValue
            } else if !isToken {
                return endOfElement(byte)
            }
        case .extensionValue:
            guard byte == 0x22 || isToken else { return .malformed }
            state = byte == 0x22 ? .quoted : .extensionToken
        case .extensionToken:
            if !isToken { return endOfElement(byte) }
        case .quoted:
            if byte == 0x22 {
                state = .quotedEnd
            } else if byte == 0x5c {
                state = .quotedPair
            } else if classes[Int(byte)] & ByteClass.quoted == 0 {
                return .malformed
            }
        case .quotedPair:
            guard classes[Int(byte)] & ByteClass.value != 0 else { return .malformed }
            state = .quoted
        default:
            return endOfElement(byte)
        }
        lineBytes &+= 1
        return lineBytes > limits.chunkLineBytes ? .lineTooLong : nil
    }

    private mutating func advanceTrailer(_ byte: UInt8, _ classes: UnsafePointer<UInt8>) -> ChunkFault? {
        trailerBytes &+= 1
        guard trailerBytes <= limits.trailerBytes else { return .trailersTooLarge }
        switch state {
        case .trailerStart:
            if byte == Byte.carriageReturn {
                state = .lastLineFeed
            } else if classes[Int(byte)] & ByteClass.token != 0 {
                state = .trailerName
            } else {
                return .malformedTrailer
            }
        case .trailerName:
            if byte == Byte.colon {
                state = .trailerValue
            } else if classes[Int(byte)] & ByteClass.token == 0 {
                return .malformedTrailer
            }
        case .trailerValue:
            if byte == Byte.carriageReturn {
                state = .trailerLineFeed
            } else if classes[Int(byte)] & ByteClass.value == 0 {
                return .malformedTrailer
            }
        case .trailerLineFeed:
            guard byte == Byte.lineFeed else { return .malformedTrailer }
            state = .trailerStart
        default:
            guard byte == Byte.lineFeed else { return .malformedTrailer }
            state = .complete
        }
        return nil
    }
}
