/// Edits a checked document by byte ranges and leaves every other byte exactly as it was sent.
///
/// Collect edits in any order, then read the result as pieces or as bytes. Reusable with `begin`; the
/// document's memory must stay put until the result was read. One value is edited at most once.
package struct JSONSplicer {
    private enum Change: Equatable {
        case replace
        case remove(previousEnd: Int?, nextStart: Int?)
        case insert
    }

    private struct Edit {
        /// The document's bytes it concerns; empty for an insertion.
        var range: Range<Int>
        var change: Change
        /// What comes instead. Unit: offsets in `inserted`.
        var text: Range<Int>

        /// An insertion behind a bracket comes before the member that begins there.
        func comes(before other: Edit) -> Bool {
            let (start, otherStart) = (range.lowerBound, other.range.lowerBound)
            return start < otherStart || (start == otherStart && change == .insert && other.change != .insert)
        }
    }

    private var document: UnsafeRawBufferPointer
    private var edits: [Edit] = []
    private var inserted: [UInt8] = []

    package init(_ document: UnsafeRawBufferPointer) { self.document = document }

    /// Forgets all edits and starts on another document, keeping the memory.
    package mutating func begin(_ document: UnsafeRawBufferPointer) {
        self.document = document
        edits.removeAll(keepingCapacity: true)
        inserted.removeAll(keepingCapacity: true)
    }

    package var isUnchanged: Bool { edits.isEmpty }

    /// Puts `json` in the place of a value.
    package mutating func replace(_ value: JSONFragment, with json: some Collection<UInt8>) {
        edits.append(Edit(range: value.range, change: .replace, text: hold(json)))
    }

    /// Puts a string in the place of a value.
    package mutating func replace(_ value: JSONFragment, withString text: String) {
        var writer = JSONWriter()
        writer.string(text)
        replace(value, with: writer.bytes)
    }

    /// Takes a member out, with the comma that belongs to it.
    package mutating func remove(_ member: JSONMember) {
        var next = member.range.upperBound
        while next < document.count, Self.isBetweenMembers(document[next]) { next += 1 }
        let isLast = next >= document.count || document[next] == 0x7D
        edits.append(
            Edit(
                range: member.range,
                change: .remove(previousEnd: member.previousEnd, nextStart: isLast ? nil : next), text: 0..<0)
        )
    }

    /// Puts a member first into an object. `name` is not checked against the members already there.
    package mutating func insert(_ name: String, _ json: some Collection<UInt8>, into object: JSONFragment) {
        insert(name, json, afterBracketAt: object.range.lowerBound)
    }

    /// Puts a member first into the object that is the whole document.
    package mutating func insert(_ name: String, _ json: some Collection<UInt8>) {
        insert(name, json, afterBracketAt: endOfWhitespace(from: 0))
    }

    private mutating func insert(_ name: String, _ json: some Collection<UInt8>, afterBracketAt bracket: Int)
    {
        var writer = JSONWriter()
        writer.name(name)
        let text = hold(writer.bytes + Array(json) + [0x2C])
        edits.append(Edit(range: bracket + 1..<bracket + 1, change: .insert, text: text))
    }

    // MARK: Reading the result

    /// The result in order, as pieces that borrow the document's and the splicer's memory. Pieces are never
    /// empty.
    package mutating func forEachPiece<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        sort()
        try inserted.span.withUnsafeBytes { held throws(Failure) in try forEachPiece(held, body) }
    }

    private func forEachPiece<Failure: Error>(
        _ held: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var position = 0
        var index = 0
        while index < edits.count {
            let edit = edits[index]
            var cut = edit.range
            var last = index
            if case .remove = edit.change { (cut, last) = removal(from: index) }
            // An edit inside a value that was replaced or removed has nothing left to change.
            guard cut.lowerBound >= position else {
                index += 1
                continue
            }
            try Self.give(document, position..<cut.lowerBound, body)
            // An insertion's text ends in a comma, which goes only if a member follows.
            let omitsComma = edit.change == .insert && !needsComma(afterInsertion: index)
            try Self.give(held, edit.text.lowerBound..<edit.text.upperBound - (omitsComma ? 1 : 0), body)
            position = cut.upperBound
            index = last + 1
        }
        try Self.give(document, position..<document.count, body)
    }

    /// The result's length. Unit: bytes.
    package mutating func byteCount() -> Int {
        var count = 0
        forEachPiece { count += $0.count }
        return count
    }

    /// The result, appended to `output`.
    package mutating func append(to output: inout [UInt8]) {
        forEachPiece { output.append(contentsOf: $0) }
    }

    /// The result in one array.
    package mutating func result() -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(document.count + inserted.count)
        append(to: &output)
        return output
    }

    // MARK: Inside

    private static func give<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        if !range.isEmpty { try body(UnsafeRawBufferPointer(rebasing: bytes[range])) }
    }

    private static func isBetweenMembers(_ byte: UInt8) -> Bool {
        byte == 0x2C || byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    private func endOfWhitespace(from start: Int) -> Int {
        var index = start
        while index < document.count, document[index] != 0x2C, Self.isBetweenMembers(document[index]) {
            index += 1
        }
        return index
    }

    private mutating func hold(_ json: some Collection<UInt8>) -> Range<Int> {
        let start = inserted.count
        inserted.append(contentsOf: json)
        return start..<inserted.count
    }

    /// By place; insertions stay in the order they were asked for. A handful of edits: insertion sort, no
    /// heap.
    private mutating func sort() {
        for index in edits.indices.dropFirst() {
            var place = index
            while place > 0, edits[place].comes(before: edits[place - 1]) {
                edits.swapAt(place - 1, place)
                place -= 1
            }
        }
    }

    /// The bytes that go with a run of removed neighbours, and the run's last edit.
    ///
    /// If a member follows the run, everything up to it goes; else the comma before the run goes with it.
    private func removal(from index: Int) -> (Range<Int>, Int) {
        var last = index
        while let following = nextMember(after: last), last + 1 < edits.count,
            edits[last + 1].range.lowerBound == following, case .remove = edits[last + 1].change
        {
            last += 1
        }
        let first = edits[index]
        if let next = nextMember(after: last) { return (first.range.lowerBound..<next, last) }
        guard case .remove(let previousEnd?, _) = first.change else {
            return (first.range.lowerBound..<edits[last].range.upperBound, last)
        }
        return (previousEnd..<edits[last].range.upperBound, last)
    }

    private func nextMember(after index: Int) -> Int? {
        if case .remove(_, let nextStart) = edits[index].change { nextStart } else { nil }
    }

    /// Whether something survives in the object behind an insertion at its start.
    private func needsComma(afterInsertion index: Int) -> Bool {
        let next = index + 1
        if next < edits.count, case .insert = edits[next].change, edits[next].range == edits[index].range {
            return true
        }
        let first = endOfWhitespace(from: edits[index].range.lowerBound)
        if first < document.count, document[first] == 0x7D { return false }
        guard next < edits.count, edits[next].range.lowerBound == first, case .remove = edits[next].change
        else {
            return true
        }
        return nextMember(after: removal(from: next).1) != nil
    }
}
