/// Where one field lies in the bytes its head was parsed from.
package struct FieldSlot: Sendable {
    package var nameOffset: UInt32 = 0
    package var valueOffset: UInt32 = 0
    package var valueLength: UInt32 = 0
    package var nameLength: UInt16 = 0
    package var known: KnownField = .other

    @inline(__always)
    package func name(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(nameOffset), count: Int(nameLength))
    }
    @inline(__always)
    package func value(in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: bytes + Int(valueOffset), count: Int(valueLength))
    }
}

/// Why a field line was refused.
enum FieldFault { case malformed, tooMany }

/// The fields of one head as offsets into its bytes; storage is reused from message to message.
///
/// Offsets are relative to the first byte handed to the parser, so they survive a move of the buffer:
/// every accessor takes the base address the head lies at *now*.
package struct FieldTable: ~Copyable {
    /// Fields one head may have.
    package static let capacity = 100

    /// Fields there is room for at first: what most heads have.
    private static let usualRoom = 24

    private var slots: UnsafeMutablePointer<FieldSlot>
    private var room = FieldTable.usualRoom
    private let firstIndexes: UnsafeMutablePointer<UInt8>
    package private(set) var count = 0
    /// Known fields seen at least once.
    package private(set) var present = FieldSet(rawValue: 0)
    /// Known fields seen more than once.
    package private(set) var repeated = FieldSet(rawValue: 0)

    package init() {
        slots = .allocate(capacity: Self.usualRoom)
        slots.initialize(repeating: FieldSlot(), count: Self.usualRoom)
        firstIndexes = .allocate(capacity: 64)
        firstIndexes.initialize(repeating: 0, count: 64)
    }

    deinit {
        slots.deallocate()
        firstIndexes.deallocate()
    }

    package subscript(index: Int) -> FieldSlot {
        precondition(index >= 0 && index < count, "a field index comes from 0..<count")
        return slots[index]
    }

    /// The first slot of a known field.
    @inline(__always)
    package func slot(_ field: KnownField) -> FieldSlot? {
        present.has(field) ? slots[Int(firstIndexes[Int(field.rawValue)])] : nil
    }

    /// The first value of a known field, OWS trimmed; valid while `bytes` is.
    @inline(__always)
    package func value(_ field: KnownField, in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer? {
        slot(field)?.value(in: bytes)
    }

    /// The first value of any field; `name` is lower-case. Linear in the number of fields.
    package func value(_ name: StaticString, in bytes: UnsafeRawPointer) -> UnsafeRawBufferPointer? {
        for index in 0..<count where Int(slots[index].nameLength) == name.utf8CodeUnitCount {
            let candidate = slots[index].name(in: bytes)
            guard let start = candidate.baseAddress?.assumingMemoryBound(to: UInt8.self) else { continue }
            if equalsIgnoringCase(start, candidate.count, name) { return slots[index].value(in: bytes) }
        }
        return nil
    }

    /// Whether the `Connection` fields nominate this name as hop-by-hop (RFC 9110 §7.6.1).
    package func connectionNominates(_ name: UnsafeRawBufferPointer, in bytes: UnsafeRawPointer) -> Bool {
        guard present.has(.connection) else { return false }
        for index in 0..<count where slots[index].known == .connection {
            var options = ListElements(slots[index].value(in: bytes))
            while let option = options.next() {
                guard option.count == name.count else { continue }
                if zip(option, name).allSatisfy({ lowercased($0) == lowercased($1) }) { return true }
            }
        }
        return false
    }

    mutating func removeAll() {
        count = 0
        present = FieldSet(rawValue: 0)
        repeated = FieldSet(rawValue: 0)
    }

    @inline(never)
    private mutating func makeRoom() {
        let larger = UnsafeMutablePointer<FieldSlot>.allocate(capacity: Self.capacity)
        larger.initialize(repeating: FieldSlot(), count: Self.capacity)
        larger.update(from: slots, count: count)
        slots.deallocate()
        slots = larger
        room = Self.capacity
    }

    /// Parses the field line `[start, end)`; the byte at `end` is the CR of its CRLF.
    @inline(__always)
    mutating func append(
        _ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int, limit: Int,
        _ classes: UnsafePointer<UInt8>, _ known: KnownFieldTable
    ) -> FieldFault? {
        var index = start
        while classes[Int(base[index])] & ByteClass.token != 0 { index &+= 1 }
        let nameLength = index &- start
        // An empty name is an obsolete fold or a stray colon; a space before the colon ends the token too.
        guard nameLength > 0, nameLength <= 0xffff, base[index] == Byte.colon else { return .malformed }
        index &+= 1
        while base[index] == Byte.space || base[index] == Byte.tab { index &+= 1 }
        let valueStart = index
        guard endOfValueBytes(base, from: valueStart, to: end, classes) == end else { return .malformed }
        var valueEnd = end
        while valueEnd > valueStart && (base[valueEnd &- 1] == Byte.space || base[valueEnd &- 1] == Byte.tab)
        {
            valueEnd &-= 1
        }
        guard count < min(limit, Self.capacity) else { return .tooMany }
        if count == room { makeRoom() }
        let field = known.field(base + start, nameLength)
        slots[count] = FieldSlot(
            nameOffset: UInt32(truncatingIfNeeded: start),
            valueOffset: UInt32(truncatingIfNeeded: valueStart),
            valueLength: UInt32(truncatingIfNeeded: valueEnd &- valueStart),
            nameLength: UInt16(truncatingIfNeeded: nameLength), known: field)
        if field != .other {
            let bit = FieldSet(rawValue: 1 &<< UInt64(field.rawValue))
            if present.has(field) {
                repeated.formUnion(bit)
            } else {
                present.formUnion(bit)
                firstIndexes[Int(field.rawValue)] = UInt8(truncatingIfNeeded: count)
            }
        }
        count &+= 1
        return nil
    }
}

/// The elements of a comma-separated field value, trimmed; empty ones are skipped (RFC 9110 §5.6.1).
package struct ListElements {
    private var rest: UnsafeRawBufferPointer

    package init(_ value: UnsafeRawBufferPointer) { rest = value }

    package mutating func next() -> UnsafeRawBufferPointer? {
        while !rest.isEmpty {
            let end = rest.firstIndex(of: Byte.comma) ?? rest.count
            let element = trimmed(UnsafeRawBufferPointer(rebasing: rest[..<end]))
            rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 1, rest.count)...])
            if !element.isEmpty { return element }
        }
        return nil
    }

    private func trimmed(_ element: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        var start = 0, end = element.count
        while start < end && (element[start] == Byte.space || element[start] == Byte.tab) { start += 1 }
        while end > start && (element[end - 1] == Byte.space || element[end - 1] == Byte.tab) { end -= 1 }
        return UnsafeRawBufferPointer(rebasing: element[start..<end])
    }
}
