/// Remembers the names of one object and refuses the second of two equal ones, escapes resolved.
///
/// 32 names without heap in 300 bytes: the fewer, the less is copied with the walk that holds it. A filter of
/// 64 marks spares most comparisons. Beyond 32 a set takes over, so hostile objects stay linear.
struct SeenNames {
    private static let inlineCapacity = 32
    /// Longer names go to the set. Unit: bytes.
    private static let inlineLength = 1 << 24

    /// One bit for each mark of an earlier name.
    private var filter: UInt64 = 0
    /// Where earlier names stand: the start times 2²⁴, plus the length.
    private var places = InlineArray<32, UInt64>(repeating: 0)
    private var count = 0
    /// Some earlier name has escapes, so its length and its bytes tell little.
    private var hasEscapes = false
    private var overflow: Set<[UInt8]>?

    /// False when an equal name was inserted before. All names must come from one document.
    mutating func insert(_ name: JSONStringText) -> Bool {
        if overflow != nil { return overflow?.insert(name.withUTF8 { [UInt8]($0) }).inserted ?? false }
        if name.hasEscapes || hasEscapes {
            hasEscapes = true
            for index in 0..<count where earlier(index, in: name.document).withUTF8({ name.equals($0) }) {
                return false
            }
            return remember(name)
        }
        let bytes = name.raw
        let mark = Self.mark(bytes)
        if filter & mark != 0 {
            for index in 0..<count where Int(truncatingIfNeeded: places[index] & 0xFF_FFFF) == bytes.count {
                let start = Int(truncatingIfNeeded: places[index] &>> 24)
                let other = UnsafeRawBufferPointer(rebasing: name.document[start..<start &+ bytes.count])
                if sameBytes(bytes, other) { return false }
            }
        }
        filter |= mark
        return remember(name)
    }

    /// Always true: what `insert` returns for a new name.
    private mutating func remember(_ name: JSONStringText) -> Bool {
        guard count < Self.inlineCapacity, name.range.count < Self.inlineLength else {
            var all = Set<[UInt8]>(minimumCapacity: 2 * Self.inlineCapacity)
            for index in 0..<count { all.insert(earlier(index, in: name.document).withUTF8 { [UInt8]($0) }) }
            all.insert(name.withUTF8 { [UInt8]($0) })
            overflow = all
            return true
        }
        let start = UInt64(truncatingIfNeeded: name.range.lowerBound)
        places[count] = start &<< 24 | UInt64(truncatingIfNeeded: name.range.count)
        count &+= 1
        return true
    }

    private func earlier(_ index: Int, in document: UnsafeRawBufferPointer) -> JSONStringText {
        let start = Int(truncatingIfNeeded: places[index] &>> 24)
        let length = Int(truncatingIfNeeded: places[index] & 0xFF_FFFF)
        // Resolving a name without escapes gives the same name: the flag need not be kept.
        return JSONStringText(document: document, range: start..<start + length, hasEscapes: true)
    }

    /// One bit of 64, from the length and three bytes. Only narrows the search: what shares a bit is compared
    /// byte by byte, so forged marks gain nothing.
    @inline(__always) private static func mark(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        var word = UInt64(truncatingIfNeeded: count)
        if count > 0 {
            word |=
                UInt64(bytes[0]) &<< 16 | UInt64(bytes[count &- 1]) &<< 32 | UInt64(bytes[count / 2]) &<< 48
        }
        return 1 &<< ((word &* 0x9E37_79B9_7F4A_7C15) &>> 58)
    }
}

/// Whether two runs hold the same bytes; eight a step.
@inline(__always)
func sameBytes(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    var index = 0
    while index &+ 8 <= left.count {
        let one = left.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        if one != right.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
        index &+= 8
    }
    while index < left.count {
        if left[index] != right[index] { return false }
        index &+= 1
    }
    return true
}
