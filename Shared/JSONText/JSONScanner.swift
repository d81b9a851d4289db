/// One strict pass over RFC 8259 text: grammar, UTF-8, escapes, surrogate pairs and depth. No heap, no
/// recursion.
///
/// Functions return false on the first fault and leave its reason and place in `reason` and `position`.
struct JSONScanner {
    let base: UnsafePointer<UInt8>
    /// First offset past the readable bytes.
    let end: Int
    var position: Int
    private(set) var reason = JSONError.Reason.unexpectedByte
    /// Whether the string skipped last holds an escape, and so reads differently from its bytes.
    private(set) var stringHasEscapes = false

    init(_ document: UnsafeRawBufferPointer, from start: Int, to end: Int) {
        // A document of no bytes may have no address; `end` being 0 keeps the stand-in from being read.
        let stranger = UnsafeRawPointer(bitPattern: 1).unsafelyUnwrapped
        base = (document.baseAddress ?? stranger).assumingMemoryBound(to: UInt8.self)
        self.end = end
        position = start
    }

    var error: JSONError { JSONError(reason, offset: position) }

    /// The byte at `position`, or 0 at the end: 0 is never legal outside strings.
    @inline(__always) var current: UInt8 { position < end ? base[position] : 0 }

    @inline(__always) mutating func skipWhitespace() {
        while position < end {
            let byte = base[position]
            if byte > 0x20 || !(byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09) { return }
            position &+= 1
        }
    }

    @inline(never) mutating func fail(_ reason: JSONError.Reason, at offset: Int? = nil) -> Bool {
        position = offset ?? position
        // Whatever was expected, at the end the fault is the end.
        self.reason = reason == .unexpectedByte && position >= end ? .unexpectedEnd : reason
        return false
    }

    // MARK: Strings

    /// From an opening quote to past the closing one.
    mutating func skipString() -> Bool {
        var index = position &+ 1
        stringHasEscapes = false
        while true {
            index = endOfPlainRun(from: index)
            guard index < end else { return fail(.unexpectedEnd, at: end) }
            let byte = base[index]
            if byte == 0x22 {
                position = index &+ 1
                return true
            }
            if byte == 0x5C {
                stringHasEscapes = true
                guard let next = endOfEscape(at: index) else { return false }
                index = next
            } else if byte < 0x20 {
                return fail(.controlCharacter, at: index)
            } else {
                repeat {
                    let length = lengthOfUTF8Sequence(at: index)
                    if length == 0 { return fail(.invalidUTF8, at: index) }
                    index &+= length
                } while index < end && base[index] >= 0x80
            }
        }
    }

    /// The next offset holding a quote, a backslash, a control character or a byte outside ASCII; 8 bytes a
    /// step, and 32 once the string has shown not to be a short one.
    @inline(__always) private func endOfPlainRun(from start: Int) -> Int {
        var index = start
        let raw = UnsafeRawPointer(base)
        while index &+ 8 <= end {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let ones: UInt64 = 0x0101_0101_0101_0101
            let highBits: UInt64 = 0x8080_8080_8080_8080
            let quotes = word ^ (ones &* 0x22)
            let backslashes = word ^ (ones &* 0x5C)
            // (x - 1) & ~x has its high bit where a byte of x is zero. A borrow can only add marks above a
            // true one.
            let marks =
                ((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes)
                | ((word &- ones &* 0x20) & ~word) | word
            let found = marks & highBits
            if found != 0 { return index &+ (found.trailingZeroBitCount &>> 3) }
            index &+= 8
            if index &- start == 16 { index = endOfLongRun(from: index) }
        }
        while index < end {
            let byte = base[index]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 || byte >= 0x80 { return index }
            index &+= 1
        }
        return index
    }

    /// An offset at most 31 bytes before the end of the plain run.
    @inline(__always) private func endOfLongRun(from start: Int) -> Int {
        typealias Words = SIMD2<UInt64>
        let ones = Words(repeating: 0x0101_0101_0101_0101)
        let (quotes, backslashes, spaces) = (ones &* 0x22, ones &* 0x5C, ones &* 0x20)
        let raw = UnsafeRawPointer(base)
        // Among ASCII bytes alone a difference has its high bit where it went below zero, and nowhere else.
        func marks(_ words: Words) -> Words {
            ((words ^ quotes) &- ones) | ((words ^ backslashes) &- ones) | (words &- spaces) | words
        }
        var index = start
        while index &+ 32 <= end {
            let both =
                marks(raw.loadUnaligned(fromByteOffset: index, as: Words.self))
                | marks(raw.loadUnaligned(fromByteOffset: index &+ 16, as: Words.self))
            if (both[0] | both[1]) & 0x8080_8080_8080_8080 != 0 { break }
            index &+= 32
        }
        return index
    }

    /// Length of the well-formed UTF-8 sequence outside ASCII at `index` (RFC 3629 §4), or 0.
    @inline(__always) private func lengthOfUTF8Sequence(at index: Int) -> Int {
        let lead = base[index]
        let length: Int
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF: length = 3
        case 0xF0...0xF4: length = 4
        default: return 0
        }
        guard end &- index >= length else { return 0 }
        let second = base[index &+ 1]
        guard second & 0xC0 == 0x80 else { return 0 }
        // Overlong forms, surrogates and values past U+10FFFF show in the second byte.
        switch lead {
        case 0xE0 where second < 0xA0, 0xED where second > 0x9F, 0xF0 where second < 0x90,
            0xF4 where second > 0x8F:
            return 0
        default: break
        }
        if length > 2 && base[index &+ 2] & 0xC0 != 0x80 { return 0 }
        if length > 3 && base[index &+ 3] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// The offset past the escape at `index`, with both halves of a surrogate pair taken together; nil on a
    /// fault.
    private mutating func endOfEscape(at index: Int) -> Int? {
        guard end &- index >= 2 else { return failing(.unexpectedEnd, at: end) }
        switch base[index &+ 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return index &+ 2
        case 0x75: break
        default: return failing(.invalidEscape, at: index)
        }
        guard let unit = utf16Unit(at: index) else { return failing(.invalidEscape, at: index) }
        guard unit & 0xF800 == 0xD800 else { return index &+ 6 }
        guard unit & 0xFC00 == 0xD800, end &- index >= 12, base[index &+ 6] == 0x5C, base[index &+ 7] == 0x75,
            let low = utf16Unit(at: index &+ 6), low & 0xFC00 == 0xDC00
        else { return failing(.loneSurrogate, at: index) }
        return index &+ 12
    }

    private mutating func failing(_ reason: JSONError.Reason, at offset: Int) -> Int? {
        _ = fail(reason, at: offset)
        return nil
    }

    /// The four hexadecimal digits of the `\u` escape that starts at `index`.
    func utf16Unit(at index: Int) -> UInt16? {
        guard end &- index >= 6 else { return nil }
        var unit: UInt16 = 0
        for offset in 2..<6 {
            let digit = base[index &+ offset]
            switch digit {
            case 0x30...0x39: unit = unit &<< 4 | UInt16(digit &- 0x30)
            case 0x41...0x46: unit = unit &<< 4 | UInt16(digit &- 0x37)
            case 0x61...0x66: unit = unit &<< 4 | UInt16(digit &- 0x57)
            default: return nil
            }
        }
        return unit
    }

    // MARK: Numbers and words

    mutating func skipNumber() -> Bool {
        let start = position
        if current == 0x2D { position &+= 1 }
        if current == 0x30 {
            position &+= 1
        } else if !skipDigits() {
            // Not even a first digit: a lone minus is a bad number, anything else was never one.
            if start == position { return fail(.unexpectedByte) }
            return fail(position < end ? .invalidNumber : .unexpectedEnd)
        }
        if current == 0x2E {
            position &+= 1
            if !skipDigits() { return fail(position < end ? .invalidNumber : .unexpectedEnd) }
        }
        if current | 0x20 == 0x65 {
            position &+= 1
            if current == 0x2B || current == 0x2D { position &+= 1 }
            if !skipDigits() { return fail(position < end ? .invalidNumber : .unexpectedEnd) }
        }
        // "01" and "1.2.3" stop here; what follows is refused by the grammar around the number.
        return true
    }

    @inline(__always) private mutating func skipDigits() -> Bool {
        let start = position
        while position < end && base[position] &- 0x30 <= 9 { position &+= 1 }
        return position > start
    }

    @inline(__always) mutating func skipWord(_ word: StaticString) -> Bool {
        let expected = word.utf8Start
        for offset in 0..<word.utf8CodeUnitCount {
            guard position < end, base[position] == expected[offset] else { return fail(.unexpectedByte) }
            position &+= 1
        }
        return true
    }

    /// A string, number or word at `position`.
    @inline(__always) mutating func skipScalar() -> Bool {
        switch current {
        case 0x22: skipString()
        case 0x74: skipWord("true")
        case 0x66: skipWord("false")
        case 0x6E: skipWord("null")
        default: skipNumber()
        }
    }

    // MARK: Values

    /// A whole value at `position`. `depth` containers are open around it already.
    mutating func skipValue(depth outerDepth: Int) -> Bool {
        guard current == 0x7B || current == 0x5B else { return skipScalar() }
        // One bit a container, 1 for an object: 128 levels in two words instead of a call stack.
        var stackLow: UInt64 = 0
        var stackHigh: UInt64 = 0
        var depth = 0
        let allowance = min(jsonMaximumDepth &- outerDepth, jsonMaximumDepth)
        while true {
            var closes = false
            let byte = current
            if byte == 0x7B || byte == 0x5B {
                guard depth < allowance else { return fail(.tooDeep) }
                let isObject = byte == 0x7B
                stackHigh = stackHigh &<< 1 | stackLow &>> 63
                stackLow = stackLow &<< 1 | (isObject ? 1 : 0)
                depth &+= 1
                position &+= 1
                skipWhitespace()
                if current == (isObject ? 0x7D : 0x5D) {
                    closes = true
                } else {
                    if isObject && !skipNameAndColon() { return false }
                    continue
                }
            } else if !skipScalar() {
                return false
            }
            // After a value, or at a closing bracket: close containers until a comma asks for another value.
            while true {
                if !closes {
                    if depth == 0 { return true }
                    skipWhitespace()
                    let isObject = stackLow & 1 == 1
                    let next = current
                    if next == 0x2C {
                        position &+= 1
                        skipWhitespace()
                        if isObject && !skipNameAndColon() { return false }
                        break
                    }
                    guard next == (isObject ? 0x7D : 0x5D) else { return fail(.unexpectedByte) }
                }
                closes = false
                position &+= 1
                depth &-= 1
                stackLow = stackLow &>> 1 | stackHigh &<< 63
                stackHigh &>>= 1
            }
        }
    }

    /// A member's name, the colon, and the white space after it.
    @inline(__always) mutating func skipNameAndColon() -> Bool {
        guard current == 0x22 else { return fail(.unexpectedByte) }
        guard skipString() else { return false }
        skipWhitespace()
        guard current == 0x3A else { return fail(.unexpectedByte) }
        position &+= 1
        skipWhitespace()
        return true
    }

    /// Nothing but white space is left.
    mutating func skipToEnd() -> Bool {
        skipWhitespace()
        return position == end ? true : fail(.trailingBytes)
    }
}

/// Checks a whole document: strict RFC 8259, UTF-8, depth ≤ 128. No heap; about 2 GB/s. Names may repeat.
package func validateJSON(_ document: UnsafeRawBufferPointer) throws(JSONError) {
    var scanner = JSONScanner(document, from: 0, to: document.count)
    scanner.skipWhitespace()
    guard scanner.skipValue(depth: 0), scanner.skipToEnd() else { throw scanner.error }
}
