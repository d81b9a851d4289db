/// A statement in the form libpq takes: one buffer with all values. Its text is put together when it has to
/// be prepared, which is once.
struct EncodedStatement {
    let sql: SQL
    let key: StatementCache.Key
    private let values: [UInt8]
    /// Offset and length of each value; nil for a null.
    private let places: [(offset: Int, length: Int)?]

    /// The protocol counts parameters in 16 bits.
    static let maximumParameters = 65_535

    init(_ sql: SQL) throws(PostgresError) {
        var wire = WireBytes()
        var key = StatementCache.Key()
        var places: [(offset: Int, length: Int)?] = []
        for part in sql.parts {
            switch part {
            case .text(let literal): key.append(literal)
            case .bind(let parameter):
                key.append(typeID: parameter.oid)
                let offset = wire.count
                parameter.encode(into: &wire)
                places.append(parameter.isNull ? nil : (offset, wire.count - offset))
            }
        }
        guard places.count <= Self.maximumParameters else {
            throw PostgresError(.misuse, privateDetail: "\(places.count) parameters in one statement")
        }
        // One byte more, so that an empty value has an address: libpq reads a null pointer as SQL null.
        wire.append(0 as UInt8)
        values = wire.bytes
        self.sql = sql
        self.key = key
        self.places = places
    }

    /// What it binds.
    var types: [UInt32] { sql.parameters.map(\.oid) }

    typealias Values = UnsafePointer<UnsafePointer<CChar>?>?

    /// Calls `body` with the arrays of `PQsendQueryPrepared`: count, values, lengths, formats (all binary).
    func withValues<Result>(
        _ body: (Int32, Values, UnsafePointer<Int32>?, UnsafePointer<Int32>?) -> Result
    ) -> Result {
        let lengths = places.map { Int32(clamping: $0?.length ?? 0) }
        let formats = [Int32](repeating: 1, count: places.count)
        return values.withUnsafeBufferPointer { bytes in
            let pointers: [UnsafePointer<CChar>?] = places.map { place in
                guard let place, let base = bytes.baseAddress else { return nil }
                return UnsafeRawPointer(base + place.offset).assumingMemoryBound(to: CChar.self)
            }
            return pointers.withUnsafeBufferPointer { pointers in
                lengths.withUnsafeBufferPointer { lengths in
                    formats.withUnsafeBufferPointer { formats in
                        body(
                            Int32(places.count), pointers.baseAddress, lengths.baseAddress,
                            formats.baseAddress)
                    }
                }
            }
        }
    }
}
