import Glibc

/// What a byte may be part of (RFC 9110 §5, RFC 9112 §3, RFC 3986 §3), one bit each.
enum ByteClass {
    /// `tchar`: methods, field names, codings.
    static let token: UInt8 = 1
    /// `field-vchar`, SP and HTAB: field values and reason phrases.
    static let value: UInt8 = 2
    /// `pchar` and `/`: the path of a target.
    static let path: UInt8 = 4
    /// What user agents leave unescaped in a query (WHATWG URL query set); RFC 3986 allows a little less.
    static let query: UInt8 = 8
    /// `unreserved`, `sub-delims` without the comma, and `%`: a registered host name.
    static let host: UInt8 = 16
    static let hexDigit: UInt8 = 32
    /// `qdtext`: inside quotes, neither quote nor backslash.
    static let quoted: UInt8 = 64
}

/// 256 classes; read it into a local once per call, since reaching a global costs a once-check.
nonisolated(unsafe) let byteClasses: UnsafePointer<UInt8> = {
    let table = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    for code in 0..<256 {
        let byte = UInt8(code)
        let isDigit = byte >= 0x30 && byte <= 0x39
        let isAlpha = (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a && byte < 0x80
        let isUnreserved = isDigit || isAlpha || "-._~".utf8.contains(byte)
        let isVisible = byte > 0x20 && byte < 0x7f
        var bits: UInt8 = 0
        if isDigit || isAlpha || "!#$%&'*+-.^_`|~".utf8.contains(byte) { bits |= ByteClass.token }
        if byte == 0x09 || byte == 0x20 || isVisible || byte >= 0x80 { bits |= ByteClass.value }
        if isUnreserved || "!$&'()*+,;=:@/%".utf8.contains(byte) { bits |= ByteClass.path }
        if isVisible && !"\"#<>".utf8.contains(byte) { bits |= ByteClass.query }
        if isUnreserved || "!$&'()*+;=%".utf8.contains(byte) { bits |= ByteClass.host }
        if isDigit || (isAlpha && (byte | 0x20) <= 0x66) { bits |= ByteClass.hexDigit }
        if bits & ByteClass.value != 0 && byte != 0x22 && byte != 0x5c { bits |= ByteClass.quoted }
        table[code] = bits
    }
    return UnsafePointer(table)
}()

enum Byte {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0a
    static let carriageReturn: UInt8 = 0x0d
    static let space: UInt8 = 0x20
    static let percent: UInt8 = 0x25
    static let comma: UInt8 = 0x2c
    static let dot: UInt8 = 0x2e
    static let slash: UInt8 = 0x2f
    static let colon: UInt8 = 0x3a
    static let semicolon: UInt8 = 0x3b
    static let questionMark: UInt8 = 0x3f
}

/// The offset of the next line feed in `[from, to)`, or -1.
@inline(__always)
func lineFeedOffset(_ base: UnsafePointer<UInt8>, from: Int, to: Int) -> Int {
    guard from < to, let found = memchr(base + from, Int32(Byte.lineFeed), to &- from) else { return -1 }
    return UnsafeRawPointer(found) - UnsafeRawPointer(base)
}

/// The first offset in `[from, to)` whose byte may not stand in a field value, or `to`.
@inline(__always)
func endOfValueBytes(
    _ base: UnsafePointer<UInt8>, from: Int, to: Int, _ classes: UnsafePointer<UInt8>
) -> Int {
    var index = from
    let raw = UnsafeRawPointer(base)
    // Eight at a time: no byte below 0x20 and none equal to 0x7f; a tab falls through to the slow step.
    while index &+ 8 <= to {
        let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        let control = (word &- 0x2020_2020_2020_2020) & ~word
        let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f
        if (control | ((delete &- 0x0101_0101_0101_0101) & ~delete)) & 0x8080_8080_8080_8080 != 0 { break }
        index &+= 8
    }
    while index < to && classes[Int(base[index])] & ByteClass.value != 0 { index &+= 1 }
    return index
}

/// ASCII case-insensitive equality with a lower-case literal made of letters, digits and `-`.
/// Right for bytes already known to be tokens or field values (no control characters).
@inline(__always)
func equalsIgnoringCase(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ literal: StaticString) -> Bool {
    guard count == literal.utf8CodeUnitCount else { return false }
    let expected = literal.utf8Start
    var index = 0
    while index < count {
        let byte = bytes[index]
        let lower = (byte >= 0x41 && byte <= 0x5a) ? byte | 0x20 : byte
        if lower != expected[index] { return false }
        index &+= 1
    }
    return true
}

@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 { (byte >= 0x41 && byte <= 0x5a) ? byte | 0x20 : byte }

/// 0…15, or 255 when the byte is not a hexadecimal digit.
@inline(__always)
func hexadecimalValue(_ byte: UInt8) -> UInt8 {
    if byte >= 0x30 && byte <= 0x39 { return byte &- 0x30 }
    let lower = byte | 0x20
    return lower >= 0x61 && lower <= 0x66 ? lower &- 87 : 255
}

/// The value of `1*DIGIT`, nil when empty, not digits, or larger than `Int.max`.
@inline(__always)
func decimalValue(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    guard count > 0 else { return nil }
    var value = 0
    var index = 0
    while index < count {
        let digit = bytes[index] &- 0x30
        guard digit <= 9 else { return nil }
        // Checked before the multiply: Int.max is 9_223_372_036_854_775_807.
        if value > 922_337_203_685_477_580 || (value == 922_337_203_685_477_580 && digit > 7) { return nil }
        value = value &* 10 &+ Int(digit)
        index &+= 1
    }
    return value
}
