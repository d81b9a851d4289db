/// The text of a checked string: its bytes between the quotes, with escapes resolved on demand.
struct JSONStringText {
    let document: UnsafeRawBufferPointer
    /// Between the quotes.
    let range: Range<Int>
    let hasEscapes: Bool

    private var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: document[range]) }

    var string: String {
        if !hasEscapes { return String(decoding: raw, as: UTF8.self) }
        return String(unsafeUninitializedCapacity: range.count) {
            resolve(into: UnsafeMutableRawBufferPointer($0))
        }
    }

    /// Unescaped UTF-8, valid inside `body`; borrowed when nothing is escaped, else a copy (on the stack if
    /// short).
    func withUTF8<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        if !hasEscapes { return try body(raw) }
        return try withUnsafeTemporaryAllocation(
            of: UInt8.self, capacity: max(range.count, 1)
        ) { scratch throws(Failure) in
            let scratch = UnsafeMutableRawBufferPointer(scratch)
            let count = resolve(into: scratch)
            return try body(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
        }
    }

    func equals(_ text: UnsafeRawBufferPointer) -> Bool {
        // Resolving never makes a string longer.
        if range.count < text.count || (!hasEscapes && range.count != text.count) { return false }
        return withUTF8 { Self.areEqual($0, text) }
    }

    /// Eight bytes a step: names are short, and a call of the library costs more than most of them.
    @inline(__always)
    private static func areEqual(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
        let count = one.count
        guard count == other.count else { return false }
        guard count > 0, let first = one.baseAddress, let second = other.baseAddress else { return true }
        var index = 0
        while index &+ 8 <= count {
            if first.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                != second.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            {
                return false
            }
            index &+= 8
        }
        while index < count {
            if first.load(fromByteOffset: index, as: UInt8.self)
                != second.load(fromByteOffset: index, as: UInt8.self)
            {
                return false
            }
            index &+= 1
        }
        return true
    }

    /// Writes the unescaped bytes, never more than `range.count`, and returns how many.
    private func resolve(into output: UnsafeMutableRawBufferPointer) -> Int {
        let scanner = JSONScanner(document, from: range.lowerBound, to: range.upperBound)
        var index = range.lowerBound
        var written = 0
        while index < range.upperBound {
            let byte = document[index]
            guard byte == 0x5C else {
                output[written] = byte
                written &+= 1
                index &+= 1
                continue
            }
            let letter = document[index &+ 1]
            if letter == 0x75, let (scalar, length) = escapedScalar(at: index, scanner) {
                for unit in UTF8.encode(scalar).unsafelyUnwrapped {
                    output[written] = unit
                    written &+= 1
                }
                index &+= length
            } else {
                output[written] = Self.simpleEscape(letter)
                written &+= 1
                index &+= 2
            }
        }
        return written
    }

    private func escapedScalar(at index: Int, _ scanner: JSONScanner) -> (Unicode.Scalar, Int)? {
        guard let unit = scanner.utf16Unit(at: index) else { return nil }
        if let scalar = Unicode.Scalar(unit) { return (scalar, 6) }
        // The scanner has refused every surrogate without its other half.
        guard let low = scanner.utf16Unit(at: index + 6) else { return nil }
        let value = 0x1_0000 + (UInt32(unit & 0x3FF) << 10 | UInt32(low & 0x3FF))
        return Unicode.Scalar(value).map { ($0, 12) }
    }

    private static func simpleEscape(_ letter: UInt8) -> UInt8 {
        switch letter {
        case 0x62: 0x08
        case 0x66: 0x0C
        case 0x6E: 0x0A
        case 0x72: 0x0D
        case 0x74: 0x09
        default: letter
        }
    }
}
