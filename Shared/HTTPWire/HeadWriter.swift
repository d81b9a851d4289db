/// Builds request and response heads in one reused buffer; the only way a head leaves this process.
///
/// A name that is not a token, or a value holding CR, LF, NUL or another control character, spoils the whole
/// head: ``finish()`` then gives nil and nothing of it can be sent (no response splitting). No allocation
/// once the buffer has grown to the size of the heads at hand.
package struct HeadWriter: ~Copyable {
    /// A head beyond this is spoiled; nothing we speak to takes more.
    package static let maximumBytes = 128 * 1024

    private var storage: UnsafeMutablePointer<UInt8>
    private var capacity: Int
    private var count = 0
    private var isSpoiled = false

    package init(capacity: Int = 1024) {
        self.capacity = max(capacity, 256)
        storage = .allocate(capacity: self.capacity)
    }

    deinit { storage.deallocate() }

    // MARK: First lines

    /// Starts over with `HTTP/1.1 200 OK`.
    package mutating func beginResponse(status: Int) {
        start()
        guard status >= 100, status <= 599 else { return spoil() }
        if status == 200 { return put("HTTP/1.1 200 OK\r\n") }
        put("HTTP/1.1 ")
        putDecimal(status)
        put(" ")
        put(HTTPStatus.reason(status))
        endLine()
    }

    /// Starts over with `POST /target HTTP/1.1`; the target must be printable ASCII without spaces.
    package mutating func beginRequest(_ method: HTTPMethod, target: UnsafeRawBufferPointer) {
        start()
        put(method.text)
        put(" ")
        let isClean = target.allSatisfy { $0 > 0x20 && $0 < 0x7f }
        guard isClean, !target.isEmpty else { return spoil() }
        put(target)
        put(" HTTP/1.1\r\n")
    }

    package mutating func beginRequest(_ method: HTTPMethod, target: String) {
        var target = target
        target.withUTF8 { beginRequest(method, target: UnsafeRawBufferPointer($0)) }
    }

    // MARK: Fields

    package mutating func field(_ name: StaticString, _ value: StaticString) {
        field(name, UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
    }

    package mutating func field(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
        put(name)
        put(": ")
        putValue(value)
        endLine()
    }

    package mutating func field(_ name: StaticString, _ value: String) {
        var value = value
        value.withUTF8 { field(name, UnsafeRawBufferPointer($0)) }
    }

    package mutating func field(_ name: StaticString, number: Int) {
        put(name)
        put(": ")
        putDecimal(number)
        endLine()
    }

    /// A value in two parts, such as a scheme and a credential.
    package mutating func field(
        _ name: StaticString, _ prefix: StaticString, _ value: UnsafeRawBufferPointer
    ) {
        put(name)
        put(": ")
        put(prefix)
        putValue(value)
        endLine()
    }

    /// A field whose name is not known when compiling.
    package mutating func field(name: String, _ value: String) {
        var name = name, value = value
        name.withUTF8 { putName(UnsafeRawBufferPointer($0)) }
        put(": ")
        value.withUTF8 { putValue(UnsafeRawBufferPointer($0)) }
        endLine()
    }

    package mutating func fields(_ fields: HeaderFields) {
        for field in fields.all { self.field(name: field.name, field.value) }
    }

    /// A field of a parsed head as it was received; the parser has checked its bytes.
    @inline(__always)
    package mutating func copy(_ slot: FieldSlot, in bytes: UnsafeRawPointer) {
        put(slot.name(in: bytes))
        put(": ")
        put(slot.value(in: bytes))
        endLine()
    }

    /// Fields that were checked and joined once.
    package mutating func append(_ prepared: borrowing PreparedFields) {
        prepared.withBytes { put($0) }
    }

    // MARK: The result

    /// Ends the head and gives its bytes, valid until the next begin; nil when anything in it was refused.
    package mutating func finish() -> UnsafeRawBufferPointer? {
        endLine()
        return isSpoiled ? nil : UnsafeRawBufferPointer(start: storage, count: count)
    }

    // MARK: Bytes

    private mutating func start() {
        count = 0
        isSpoiled = false
    }

    private mutating func spoil() { isSpoiled = true }

    @inline(__always)
    private mutating func put(_ text: StaticString) {
        put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    @inline(__always)
    private mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, reserve(bytes.count) else { return }
        UnsafeMutableRawPointer(storage + count).copyMemory(from: source, byteCount: bytes.count)
        count &+= bytes.count
    }

    private mutating func endLine() {
        guard reserve(2) else { return }
        storage[count] = Byte.carriageReturn
        storage[count &+ 1] = Byte.lineFeed
        count &+= 2
    }

    private mutating func putValue(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        guard endOfValueBytes(start, from: 0, to: bytes.count, byteClasses) == bytes.count else {
            return spoil()
        }
        put(bytes)
    }

    private mutating func putName(_ bytes: UnsafeRawBufferPointer) {
        let classes = byteClasses
        guard !bytes.isEmpty, bytes.allSatisfy({ classes[Int($0)] & ByteClass.token != 0 }) else {
            return spoil()
        }
        put(bytes)
    }

    private mutating func putDecimal(_ value: Int) {
        guard value >= 0, reserve(20) else { return spoil() }
        var digits = 1
        var power = 10
        while digits < 19 && value >= power {
            digits &+= 1
            power = power &* 10
        }
        var rest = value
        var index = count &+ digits
        repeat {
            index &-= 1
            storage[index] = UInt8(truncatingIfNeeded: 0x30 &+ rest % 10)
            rest /= 10
        } while rest > 0
        count &+= digits
    }

    @inline(__always)
    private mutating func reserve(_ bytes: Int) -> Bool {
        if capacity &- count >= bytes { return true }
        return grow(bytes)
    }

    @inline(never)
    private mutating func grow(_ bytes: Int) -> Bool {
        guard bytes <= Self.maximumBytes, count + bytes <= Self.maximumBytes else {
            spoil()
            return false
        }
        let larger = min(max(capacity * 2, count + bytes), Self.maximumBytes)
        let moved = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        moved.update(from: storage, count: count)
        storage.deallocate()
        storage = moved
        capacity = larger
        return true
    }
}

/// Field lines checked once and copied often, such as a provider's credential and fixed headers.
package struct PreparedFields: Sendable {
    private let lines: [UInt8]

    /// nil when a name or a value may not stand in a head.
    package init?(_ fields: HeaderFields) {
        var writer = HeadWriter(capacity: 512)
        writer.beginResponse(status: 200)
        guard let empty = writer.finish()?.count else { return nil }
        writer.beginResponse(status: 200)
        writer.fields(fields)
        guard let head = writer.finish() else { return nil }
        // Without the status line and the blank line: "HTTP/1.1 200 OK\r\n" and "\r\n".
        lines = Array(head[(empty - 2)..<(head.count - 2)])
    }

    package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { lines.withUnsafeBytes(body) }
}
