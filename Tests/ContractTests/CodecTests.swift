import Contract
import Domain
import TestSupport
import Testing

/// Reads every field of some bytes and says what it met; must never trap.
func walk(_ bytes: [UInt8]) -> (tags: [UInt32], error: CodecError?) {
    bytes.withUnsafeBytes { raw in
        var reader = FieldReader(raw)
        var tags: [UInt32] = []
        do throws(CodecError) {
            while let field = try reader.next() { tags.append(field.tag) }
            return (tags, nil)
        } catch { return (tags, error) }
    }
}

func firstField<Value>(
    of bytes: [UInt8], _ body: (Field) throws(CodecError) -> Value
) -> Result<Value, CodecError> {
    bytes.withUnsafeBytes { raw in
        var reader = FieldReader(raw)
        do throws(CodecError) {
            guard let field = try reader.next() else { return .failure(.truncated) }
            return .success(try body(field))
        } catch { return .failure(error) }
    }
}

@Suite("the field codec")
struct CodecTests {
    @Test("numbers read back, and zero is not written", arguments: SeededGenerator.seeds)
    func numbers(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<2000 {
            let shift = UInt64.random(in: 0..<64, using: &generator)
            let value = generator.next() >> shift
            let signed = Int64(bitPattern: generator.next()) >> Int64(shift)
            var writer = FieldWriter()
            writer.number(7, value)
            writer.signed(8, signed)
            writer.fixed(9, value)
            var read: [UInt32: UInt64] = [:]
            try writer.bytes.withUnsafeBytes { raw in
                var reader = FieldReader(raw)
                while let field = try reader.next() {
                    switch field.tag {
                    case 7: read[7] = try field.number()
                    case 8: read[8] = UInt64(bitPattern: try field.signed(as: Int64.self))
                    default: read[9] = try field.fixed()
                    }
                }
            }
            #expect(read[7] == (value == 0 ? nil : value))
            #expect(read[8] == (signed == 0 ? nil : UInt64(bitPattern: signed)))
            #expect(read[9] == value)
        }
    }

    @Test("the ends of every range read back")
    func extremes() throws {
        for value in [Int64.min, -1, 1, Int64.max] {
            var writer = FieldWriter()
            writer.signed(1, value)
            let read = firstField(of: writer.bytes) { field throws(CodecError) in
                try field.signed(as: Int64.self)
            }
            #expect(try read.get() == value)
        }
        for time in [Timestamp.distantPast, .epoch, .distantFuture] {
            var writer = FieldWriter()
            writer.time(1, time)
            #expect(
                try firstField(of: writer.bytes) { field throws(CodecError) in try field.time() }.get()
                    == time)
        }
    }

    @Test("a value of another kind, size or range is refused, whatever is asked for")
    func mismatches() {
        var number = FieldWriter(), fixed = FieldWriter(), bytes = FieldWriter(), time = FieldWriter()
        var empty = FieldWriter()
        empty.bytes(1, [])
        number.number(1, 300 as UInt16)
        fixed.fixed(1, 5)
        bytes.bytes(1, [0xFF, 0xFE])
        time.fixed(1, UInt64(bitPattern: Int64.max))
        func fails<Value>(_ writer: FieldWriter, _ body: (Field) throws(CodecError) -> Value) -> Bool {
            if case .failure = firstField(of: writer.bytes, body) { true } else { false }
        }
        #expect(fails(number) { field throws(CodecError) in try field.fixed() })
        #expect(fails(number) { field throws(CodecError) in try field.bytes(upTo: 9) })
        #expect(fails(number) { field throws(CodecError) in try field.flag() })
        #expect(fails(number) { field throws(CodecError) in try field.number(upTo: UInt8.max) })
        #expect(fails(number) { field throws(CodecError) in try field.number(upTo: UInt32(299)) })
        #expect(fails(number) { field throws(CodecError) in try field.signed(as: Int8.self) })
        #expect(fails(number) { field throws(CodecError) in try field.record() })
        #expect(fails(fixed) { field throws(CodecError) in try field.number() })
        #expect(fails(bytes) { field throws(CodecError) in try field.number() })
        #expect(fails(bytes) { field throws(CodecError) in try field.text(upTo: 10) })
        #expect(fails(bytes) { field throws(CodecError) in try field.bytes(upTo: 1) })
        #expect(fails(bytes) { field throws(CodecError) in try field.bytes(exactly: 3) })
        #expect(fails(bytes) { field throws(CodecError) in try field.id(KeyID.self) })
        #expect(fails(bytes) { field throws(CodecError) in try field.publicID() })
        #expect(fails(bytes) { field throws(CodecError) in try field.digest() })
        #expect(fails(empty) { field throws(CodecError) in try field.text(upTo: 10) })
        #expect(throws: CodecError.self) { try BatchAnswer(encoded: [0x04, 0x00]) }
        #expect(fails(time) { field throws(CodecError) in try field.time() })
    }

    @Test(
        "malformed bytes are refused",
        arguments: [
            [0x04], [0x04, 0x80], [0x06], [0x06, 0x05, 1, 2, 3, 4], [0x06, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
            [0x05, 1, 2, 3, 4, 5, 6, 7], [0x07], [0x07, 0x00],
            [0x04, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02],
            [0x04, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            [0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x00],
            [0x06, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]])
    func malformed(_ bytes: [UInt8]) {
        #expect(walk(bytes).error != nil)
    }

    @Test("fields nobody knows are skipped, whatever their kind")
    func unknownFields() throws {
        var writer = FieldWriter()
        writer.number(900, 1 as UInt64)
        writer.fixed(901, 2)
        writer.bytes(902, [1, 2, 3])
        writer.record(903) { $0.text(1, "new in a later release") }
        let later = writer.bytes
        let entry = TenantEntry(id: TenantID(high: 1, low: 2), isSuspended: true, region: "eu")
        #expect(try TenantEntry(encoded: later + entry.encoded + later) == entry)
    }

    @Test("random bytes never trap", arguments: SeededGenerator.seeds)
    func noise(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<40, using: &generator)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            let (tags, error) = walk(bytes)
            #expect(tags.count <= count && (error != nil || tags.count <= count / 2))
        }
    }

    @Test("errors say what they mean")
    func descriptions() {
        let errors: [CodecError] = [
            .truncated, .malformed("x"), .tooLarge("x"), .missing("TenantEntry", 1), .compression("x"),
        ]
        #expect(Set(errors.map(\.description)).count == errors.count)
        #expect(throws: CodecError.missing("TenantEntry", 1)) { try TenantEntry(encoded: []) }
    }

    @Test("compressed content reads back", arguments: [0, 1, 1000, 300_000])
    func compression(_ count: Int) throws {
        var generator = SeededGenerator(seed: 3)
        let content = (0..<count).map { _ in UInt8.random(in: 0...3, using: &generator) }
        let frame = try Zstandard.compress(content)
        #expect(try Zstandard.decompress(frame, limit: count) == content)
        if count > 0 {
            #expect(throws: CodecError.self) { try Zstandard.decompress(frame, limit: count - 1) }
        }
        #expect(throws: CodecError.self) { try Zstandard.decompress(frame + [0], limit: count) }
        #expect(throws: CodecError.self) { try Zstandard.decompress(frame + frame, limit: 2 * count + 10) }
    }

    @Test("a bomb is refused before it is unpacked")
    func bomb() throws {
        let frame = try Zstandard.compress([UInt8](repeating: 0, count: 64 << 20))
        #expect(frame.count < 10_000)
        #expect(throws: CodecError.tooLarge("content above 33554432 bytes")) {
            try Zstandard.decompress(frame, limit: Shard.maximumContentBytes)
        }
    }

    @Test("a damaged frame gives an error or other bytes of the stated size, never a trap")
    func damagedFrames() throws {
        let content = (0..<500).map { UInt8(truncatingIfNeeded: $0 * $0) }
        let frame = try Zstandard.compress(content)
        for length in 0..<frame.count {
            #expect(throws: CodecError.self) {
                try Zstandard.decompress(Array(frame[..<length]), limit: 1000)
            }
        }
        for position in frame.indices {
            for bit in 0..<8 {
                var damaged = frame
                damaged[position] ^= 1 << UInt8(bit)
                let read = try? Zstandard.decompress(damaged, limit: 1000)
                #expect((read?.count ?? 0) <= 1000)
            }
        }
    }
}
