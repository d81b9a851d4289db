/// A byte buffer that grows by doubling and keeps its storage when emptied.
///
/// Growth follows what was appended, never what somebody announced. Views are valid until the next change.
package struct GrowableBytes: ~Copyable {
    private var storage: UnsafeMutableRawPointer?
    package private(set) var capacity = 0
    package private(set) var count = 0

    package init() {}

    deinit { storage?.deallocate() }

    package var isEmpty: Bool { count == 0 }

    package var view: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: storage, count: count) }

    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        guard let storage else { return }
        (storage + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package mutating func append(_ byte: UInt8) {
        reserve(1)
        guard let storage else { return }
        storage.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Makes room for so many more bytes.
    package mutating func reserve(_ additional: Int) {
        let needed = count + additional
        guard needed > capacity else { return }
        let larger = max(needed, min(capacity * 2, capacity + (16 << 20)), 256)
        let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        if let storage {
            moved.copyMemory(from: storage, byteCount: count)
            storage.deallocate()
        }
        storage = moved
        capacity = larger
    }

    /// Forgets the bytes; storage above `keeping` bytes is given back.
    package mutating func removeAll(keeping: Int = .max) {
        count = 0
        guard capacity > keeping else { return }
        storage?.deallocate()
        storage = nil
        capacity = 0
    }
}
