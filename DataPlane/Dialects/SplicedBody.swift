/// A body as the pieces to send, in order: at most seven, none copied. Borrows what the pieces borrow.
package struct SplicedBody {
    package private(set) var count = 0
    /// All pieces together. Unit: bytes.
    package private(set) var byteCount = 0
    private var pieces = InlineArray<7, UnsafeRawBufferPointer>(repeating: .init(start: nil, count: 0))

    package init() {}

    package mutating func add(_ piece: UnsafeRawBufferPointer) {
        pieces[count] = piece
        count += 1
        byteCount += piece.count
    }

    mutating func add(_ piece: Slice<UnsafeRawBufferPointer>) { add(UnsafeRawBufferPointer(rebasing: piece)) }

    package subscript(index: Int) -> UnsafeRawBufferPointer { pieces[index] }
}
