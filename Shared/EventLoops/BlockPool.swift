/// The sizes of blocks that a loop keeps.
package enum BlockSize: UInt8 {
    case small, usual, large

    package var bytes: Int {
        switch self {
        case .small: 4 * 1024
        case .usual: 16 * 1024
        case .large: 64 * 1024
        }
    }

    /// Blocks a pool keeps at most (16 MiB and less); more are given back to the system.
    var maximumKept: Int { self == .large ? 64 : 1024 }

    /// The smallest that holds as many bytes; nil: none does.
    package init?(holding count: Int) {
        if count <= Self.small.bytes {
            self = .small
        } else if count <= Self.usual.bytes {
            self = .usual
        } else if count <= Self.large.bytes {
            self = .large
        } else {
            return nil
        }
    }

    package var smaller: BlockSize { BlockSize(rawValue: rawValue &- 1) ?? .small }
    package var larger: BlockSize { BlockSize(rawValue: rawValue &+ 1) ?? .large }
}

/// Memory blocks of one size, kept for reuse by one loop. Taking and giving back allocates nothing while
/// the pool holds blocks. Loop thread only.
package final class BlockPool {
    /// Bytes in a usual block.
    package static let blockSize = BlockSize.usual.bytes

    private let size: BlockSize
    private var free: UnsafeMutableRawPointer?
    /// Blocks at rest in the pool.
    package private(set) var kept = 0
    /// Blocks taken and not given back.
    package private(set) var lent = 0

    init(_ size: BlockSize) { self.size = size }

    deinit {
        while let block = free {
            free = block.load(as: UnsafeMutableRawPointer?.self)
            block.deallocate()
        }
    }

    /// A block with unknown content.
    package func take() -> UnsafeMutableRawPointer {
        lent += 1
        guard let block = free else { return .allocate(byteCount: size.bytes, alignment: 64) }
        free = block.load(as: UnsafeMutableRawPointer?.self)
        kept -= 1
        return block
    }

    /// Gives back a block from `take`.
    package func give(_ block: UnsafeMutableRawPointer) {
        lent -= 1
        guard kept < size.maximumKept else { return block.deallocate() }
        block.storeBytes(of: free, as: UnsafeMutableRawPointer?.self)
        free = block
        kept += 1
    }
}
