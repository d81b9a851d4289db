/// The CRC-32 of the bytes (ISO 3309, the one of zlib and gzip): finds typing errors, proves nothing.
package func crc32(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var remainder: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
        remainder = crc32Table[Int((remainder ^ UInt32(byte)) & 0xFF)] ^ remainder >> 8
    }
    return ~remainder
}

private let crc32Table: [UInt32] = (0..<256).map { index in
    var value = UInt32(index)
    for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ value >> 1 : value >> 1 }
    return value
}

/// The CRC-32 of bytes in memory, of `previous` bytes and these when its value is given.
package func crc32(of bytes: UnsafeRawBufferPointer, after previous: UInt32 = 0) -> UInt32 {
    var remainder = ~previous
    crc32Table.withUnsafeBufferPointer { table in
        for byte in bytes { remainder = table[Int((remainder ^ UInt32(byte)) & 0xFF)] ^ remainder >> 8 }
    }
    return ~remainder
}
