/// Memory blocks of one size, kept for reuse by one loop. Taking and giving back allocates nothing while
/// the pool holds blocks. Loop thread only.
package final class BlockPool {
    /// Bytes in a block of a loop's usual pool.
    package static let blockSize = 16 * 1024
    /// Bytes in a block of the pool for messages that do not fit into a usual one.
    package static let largeBlockSize = 64 * 1024

    /// Bytes in a block of this pool.
    private let blockBytes: Int
    /// Blocks kept at most; more are given back to the system.
    let maximumKept: Int
    private var free: UnsafeMutableRawPointer?
    /// Blocks at rest in the pool.
    package private(set) var kept = 0
    /// Blocks taken and not given back.
    package private(set) var lent = 0

    init(blockBytes: Int, maximumKept: Int) {
        self.blockBytes = blockBytes
        self.maximumKept = maximumKept
    }

    deinit {
        while let block = free {
            free = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    /// A block with unknown content.
    package func take() -> UnsafeMutableRawPointer {
        lent += 1
        guard let block = free else { return .allocate(byteCount: blockBytes, alignment: 64) }
        free = block.load(as: UnsafeMutableRawPointer?.self)
        kept -= 1
        return block
    }

    /// Gives back a block from `take`.
    package func give(_ block: UnsafeMutableRawPointer) {
        lent -= 1
        guard kept < maximumKept else { return block.deallocate() }
        block.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = block
        kept += 1
    }
}
