import HTTPServing
import HTTPWire

extension Gateway {
    /// The caller's key: `Authorization: Bearer …`, else the header or the query item of another dialect.
    /// Wherever it stands, it counts on every endpoint.
    func bearer(_ exchange: Exchange) -> UnsafeRawBufferPointer? {
        guard let value = exchange.field(.authorization) else {
            return exchange.field(.xAPIKey) ?? exchange.field(.xGoogAPIKey) ?? exchange.field(.apiKey)
                ?? Self.queryKey(exchange)
        }
        guard value.count > 7, value[6] == 32 else { return nil }
        // The five letters and the one after them, whatever their case (RFC 9110 §11.1).
        let scheme: StaticString = "bearer"
        for index in 0..<6 where value[index] | 0x20 != scheme.utf8Start[index] { return nil }
        return UnsafeRawBufferPointer(rebasing: value[7...])
    }

    /// The value of `?key=`, as Gemini's callers without an SDK send it. Keys need no escapes.
    private static func queryKey(_ exchange: Exchange) -> UnsafeRawBufferPointer? {
        guard let query = exchange.head.query(in: exchange.headBytes) else { return nil }
        let item = query.split(separator: UInt8(ascii: "&")).first { $0.starts(with: "key=".utf8) }
        return item.map { UnsafeRawBufferPointer(rebasing: $0.dropFirst(4)) }
    }
}
