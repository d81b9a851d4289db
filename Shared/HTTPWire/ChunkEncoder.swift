/// Frames content as chunks (RFC 9112 §7.1) in a buffer that is reused from call to call.
package struct ChunkEncoder: ~Copyable {
    /// Most bytes a size line takes: 16 digits and CRLF.
    package static let maximumSizeLine = 18
    /// The last chunk without trailers.
    package static let terminator: StaticString = "0\r\n\r\n"

    private var storage: UnsafeMutableRawPointer?
    private var capacity = 0

    package init() {}

    deinit { storage?.deallocate() }

    /// One whole chunk around a copy of `content`, optionally with the last chunk behind it; valid until the
    /// next call. No content gives no chunk, since an empty one would end the body.
    package mutating func encode(
        _ content: UnsafeRawBufferPointer, isLast: Bool = false
    ) -> UnsafeRawBufferPointer {
        let needed = content.count + Self.maximumSizeLine + 2 + Self.terminator.utf8CodeUnitCount
        if capacity < needed || storage == nil {
            storage?.deallocate()
            capacity = max(1024, needed)
            storage = .allocate(byteCount: capacity, alignment: 1)
        }
        guard let output = storage else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        var count = 0
        if let start = content.baseAddress, content.count > 0 {
            count = Self.writeSizeLine(content.count, to: output)
            (output + count).copyMemory(from: start, byteCount: content.count)
            count += content.count
            output.storeBytes(of: Byte.carriageReturn, toByteOffset: count, as: UInt8.self)
            output.storeBytes(of: Byte.lineFeed, toByteOffset: count + 1, as: UInt8.self)
            count += 2
        }
        if isLast {
            let last = Self.terminator
            (output + count).copyMemory(from: last.utf8Start, byteCount: last.utf8CodeUnitCount)
            count += last.utf8CodeUnitCount
        }
        return UnsafeRawBufferPointer(start: output, count: count)
    }

    /// Writes `size` in hexadecimal and CRLF; returns the bytes written, at most ``maximumSizeLine``.
    package static func writeSizeLine(_ size: Int, to output: UnsafeMutableRawPointer) -> Int {
        let bits = UInt64(max(size, 0))
        let digits = max(1, (64 - bits.leadingZeroBitCount + 3) / 4)
        for index in 0..<digits {
            let nibble = UInt8(truncatingIfNeeded: bits >> UInt64(4 * (digits - 1 - index))) & 15
            let character = nibble < 10 ? 0x30 + nibble : 87 + nibble
            output.storeBytes(of: character, toByteOffset: index, as: UInt8.self)
        }
        output.storeBytes(of: Byte.carriageReturn, toByteOffset: digits, as: UInt8.self)
        output.storeBytes(of: Byte.lineFeed, toByteOffset: digits + 1, as: UInt8.self)
        return digits + 2
    }
}
