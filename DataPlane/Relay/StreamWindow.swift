import EventLoops
import HTTPWire

/// The part of a stream between provider and client: what is looked at and not yet sent. A block of the
/// loop's pool while there is something in it, larger only for an event that is. Loop thread.
struct StreamWindow: ~Copyable {
    /// In front of the bytes: room for the size line of a chunk.
    private static let front = ChunkEncoder.maximumSizeLine
    /// Behind them: its line end.
    private static let back = 2

    private let blocks: BlockPool
    private var storage: UnsafeMutableRawPointer?
    private var capacity = 0
    private(set) var count = 0
    /// What the line end of a chunk covers for as long as it is being sent.
    private var covered: UInt16 = 0

    init(_ blocks: BlockPool) { self.blocks = blocks }

    deinit {
        if let storage {
            if capacity == BlockPool.blockSize { blocks.give(storage) } else { storage.deallocate() }
        }
    }

    var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: storage.map { $0 + Self.front }, count: count)
    }

    /// Adds bytes at the end. How much may gather is the stream machine's business.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        let wanted = Self.front + count + bytes.count + Self.back
        if wanted > capacity { grow(to: wanted) }
        guard let storage else { return }
        (storage + Self.front + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Keeps the first bytes; an empty window holds no memory.
    mutating func keep(_ count: Int) {
        self.count = count
        if count == 0 { release() }
    }

    /// The first bytes as one chunk, framed in place; they and what follows are whole again after `unframe`.
    mutating func frame(_ count: Int) -> UnsafeRawBufferPointer {
        guard let storage else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        var line: (UInt64, UInt64, UInt64) = (0, 0, 0)
        return withUnsafeMutableBytes(of: &line) { line in
            let length = line.baseAddress.map { ChunkEncoder.writeSizeLine(count, to: $0) } ?? 0
            let start = storage + (Self.front - length)
            start.copyMemory(from: UnsafeRawPointer(line.baseAddress.unsafelyUnwrapped), byteCount: length)
            let end = storage + Self.front + count
            covered = end.loadUnaligned(as: UInt16.self)
            end.storeBytes(of: UInt16(littleEndian: 0x0a0d), as: UInt16.self)
            return UnsafeRawBufferPointer(start: start, count: length + count + Self.back)
        }
    }

    mutating func unframe(_ count: Int) {
        guard let storage else { return }
        (storage + Self.front + count).storeBytes(of: covered, as: UInt16.self)
    }

    private mutating func grow(to wanted: Int) {
        let isBlock = wanted <= BlockPool.blockSize
        let size = isBlock ? BlockPool.blockSize : max(wanted, 2 * capacity)
        let larger = isBlock ? blocks.take() : .allocate(byteCount: size, alignment: 16)
        if let storage { larger.copyMemory(from: storage, byteCount: Self.front + count) }
        release()
        storage = larger
        capacity = size
    }

    private mutating func release() {
        guard let storage else { return }
        if capacity == BlockPool.blockSize { blocks.give(storage) } else { storage.deallocate() }
        self.storage = nil
        capacity = 0
    }
}
