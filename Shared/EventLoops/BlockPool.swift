/// Memory blocks of one size, kept for reuse by one loop. Taking and giving back allocates nothing while
/// the pool holds blocks. Loop thread only.
package final class BlockPool {
    /// Bytes in a block.
    package static let blockSize = 16 * 1024
    /// Blocks kept at most (16 MiB); more are given back to the system.
    static let maximumKept = 1024

    private var free: UnsafeMutableRawPointer?
    /// Blocks at rest in the pool.
    package private(set) var kept = 0
    /// Blocks taken and not given back.
    package private(set) var lent = 0

    init() {}
    deinit {
        while let block = free {
            free = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    /// A block of `blockSize` bytes with unknown content.
    package func take() -> UnsafeMutableRawPointer {
        lent += 1
        guard let block = free else { return .allocate(byteCount: Self.blockSize, alignment: 64) }
        free = block.load(as: UnsafeMutableRawPointer?.self)
        kept -= 1
        return block
    }

    /// Gives back a block from `take`.
    package func give(_ block: UnsafeMutableRawPointer) {
        lent -= 1
        guard kept < Self.maximumKept else { return block.deallocate() }
        block.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = block
        kept += 1
    }
}
