/// Remembers the names of one object and refuses the second of two equal ones, escapes resolved.
///
/// 32 names without heap and a linear search over their signatures; beyond that a set, so hostile objects
/// stay linear.
struct SeenNames {
    private static let inlineCapacity = 16
    /// Small, for a value that is often made and copied.
    private var places = InlineArray<16, Place>(repeating: Place(start: 0, count: 0, mark: 0))
    private var count = 0
    private var overflow: Set<[UInt8]>?

    /// Where a name begins, how long it is, and what tells most others from it.
    private struct Place {
        let start: UInt32
        let count, mark: UInt16
    }

    /// False when an equal name was inserted before. All names must come from one document.
    mutating func insert(_ name: JSONStringText) -> Bool {
        if overflow != nil { return overflow?.insert(name.withUTF8 { [UInt8]($0) }).inserted ?? false }
        // The upper bits of the product depend on all of the signature.
        let mark = UInt16(truncatingIfNeeded: (Self.signature(of: name) &* 0x9E37_79B9_7F4A_7C15) &>> 48)
        for index in 0..<count where places[index].mark == mark {
            if earlier(index, in: name.document).withUTF8({ name.equals($0) }) { return false }
        }
        let isFar = name.range.upperBound > Int(UInt32.max) || name.range.count > Int(UInt16.max)
        if count == Self.inlineCapacity || isFar {
            var all = Set<[UInt8]>(minimumCapacity: 2 * Self.inlineCapacity)
            for index in 0..<count { all.insert(earlier(index, in: name.document).withUTF8 { [UInt8]($0) }) }
            all.insert(name.withUTF8 { [UInt8]($0) })
            overflow = all
            return true
        }
        places[count] = Place(
            start: UInt32(truncatingIfNeeded: name.range.lowerBound),
            count: UInt16(truncatingIfNeeded: name.range.count), mark: mark)
        count &+= 1
        return true
    }

    private func earlier(_ index: Int, in document: UnsafeRawBufferPointer) -> JSONStringText {
        // Resolving a name without escapes gives the same name: the flag need not be kept.
        let start = Int(places[index].start)
        return JSONStringText(
            document: document, range: start..<(start &+ Int(places[index].count)), hasEscapes: true)
    }

    /// First and last four bytes and the length. Only narrows the search: names with equal
    /// marks are compared byte by byte, so forged ones gain nothing.
    @inline(__always) private static func signature(of name: JSONStringText) -> UInt64 {
        if name.hasEscapes { return name.withUTF8 { signature($0) } }
        return signature(UnsafeRawBufferPointer(rebasing: name.document[name.range]))
    }

    @inline(__always) private static func signature(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        let length = UInt64(truncatingIfNeeded: count) &<< 56
        guard count >= 4, let start = bytes.baseAddress else {
            var word = length
            for byte in bytes { word = (word &<< 8) ^ UInt64(byte) ^ length }
            return word
        }
        let first = UInt64(start.loadUnaligned(as: UInt32.self))
        let last = UInt64((start + (count &- 4)).loadUnaligned(as: UInt32.self))
        return (first | last &<< 32) ^ length
    }
}
