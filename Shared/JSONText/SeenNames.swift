/// Remembers the names of one object and refuses the second of two equal ones, escapes resolved.
///
/// 32 names without heap and a linear search over their signatures; beyond that a set, so hostile objects
/// stay linear.
struct SeenNames {
    private static let inlineCapacity = 32
    private var signatures = InlineArray<32, UInt64>(repeating: 0)
    private var ranges = InlineArray<32, Range<Int>>(repeating: 0..<0)
    private var count = 0
    private var overflow: Set<[UInt8]>?

    /// False when an equal name was inserted before. All names must come from one document.
    mutating func insert(_ name: JSONStringText) -> Bool {
        if overflow != nil { return overflow?.insert(name.withUTF8 { [UInt8]($0) }).inserted ?? false }
        let signature = name.withUTF8 { Self.signature($0) }
        for index in 0..<count where signatures[index] == signature {
            if earlier(index, in: name.document).withUTF8({ name.equals($0) }) { return false }
        }
        if count == Self.inlineCapacity {
            var all = Set<[UInt8]>(minimumCapacity: 2 * Self.inlineCapacity)
            for index in 0..<count { all.insert(earlier(index, in: name.document).withUTF8 { [UInt8]($0) }) }
            all.insert(name.withUTF8 { [UInt8]($0) })
            overflow = all
            return true
        }
        signatures[count] = signature
        ranges[count] = name.range
        count &+= 1
        return true
    }

    private func earlier(_ index: Int, in document: UnsafeRawBufferPointer) -> JSONStringText {
        // Resolving a name without escapes gives the same name: the flag need not be kept.
        JSONStringText(document: document, range: ranges[index], hasEscapes: true)
    }

    /// Length and first seven bytes. Only narrows the search: equal signatures are compared byte by byte, so
    /// forged ones gain nothing.
    @inline(__always) private static func signature(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        var word: UInt64 = 0
        for index in 0..<min(count, 7) { word = word &<< 8 | UInt64(bytes[index]) }
        return word &<< 8 | UInt64(truncatingIfNeeded: count & 0xFF)
    }
}
