import CZstd

/// Compression of shards: one zstd frame that states its content size (RFC 8878).
package enum Zstandard {
    /// One frame; `level` 1…19, slower and smaller. Unit: bytes in, bytes out.
    package static func compress(_ content: [UInt8], level: Int32 = 3) throws(CodecError) -> [UInt8] {
        let capacity = ZSTD_compressBound(content.count)
        var failure: CodecError?
        let frame = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            let result = ZSTD_compress(buffer.baseAddress, capacity, content, content.count, level)
            if ZSTD_isError(result) != 0 {
                failure = .compression(String(cString: ZSTD_getErrorName(result)))
            } else {
                count = result
            }
        }
        if let failure { throw failure }
        return frame
    }

    /// The content of one whole frame. The stated size is checked against `limit` before anything is
    /// allocated, and the content must have exactly that size: a bomb costs nothing.
    package static func decompress(_ frame: [UInt8], limit: Int) throws(CodecError) -> [UInt8] {
        // Unknown size and error are the two highest values.
        let stated = ZSTD_getFrameContentSize(frame, frame.count)
        guard stated <= UInt64(limit) else {
            throw stated >= UInt64.max - 1
                ? .compression("no frame with a stated size") : .tooLarge("content above \(limit) bytes")
        }
        guard ZSTD_findFrameCompressedSize(frame, frame.count) == frame.count else {
            throw .compression("not exactly one frame")
        }
        let size = Int(stated)
        var failure: CodecError?
        let content = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let result = ZSTD_decompress(buffer.baseAddress, size, frame, frame.count)
            if ZSTD_isError(result) != 0 {
                failure = .compression(String(cString: ZSTD_getErrorName(result)))
            } else if result != size {
                failure = .compression("content is shorter than stated")
            } else {
                count = size
            }
        }
        if let failure { throw failure }
        return content
    }
}
