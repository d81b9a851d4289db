/// Names of the statements one connection has prepared; bounded, least recently used out.
///
/// Pure: it only keeps the books. The connection prepares and deallocates.
struct StatementCache {
    /// What tells statements apart without their text being put together: where each literal lies in the
    /// program, and between them the types of what is bound. Literals end in a zero byte, so that no two of
    /// them begin at one place; a text that lies in two places is prepared twice.
    struct Key: Hashable {
        private var parts: [UInt] = []

        /// Not an address: those of programs are lower.
        private static let typeMark: UInt = 1 << 63

        mutating func append(_ literal: StaticString) { parts.append(UInt(bitPattern: literal.utf8Start)) }
        mutating func append(typeID: UInt32) { parts.append(UInt(typeID) | Self.typeMark) }
    }
    enum Lookup: Equatable {
        case prepared(String)
        /// Prepare it under this name, after deallocating the other one if the cache was full.
        case missing(name: String, evicted: String?)
    }
    private struct Entry {
        let name: String
        var lastUse: UInt64
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    private var clock: UInt64 = 0
    private var nextName: UInt64 = 0

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
    }

    var count: Int { entries.count }

    mutating func lookUp(_ key: Key) -> Lookup {
        clock += 1
        if let index = entries.index(forKey: key) {
            entries.values[index].lastUse = clock
            return .prepared(entries.values[index].name)
        }
        nextName += 1
        return .missing(name: "s\(nextName)", evicted: evictIfFull())
    }

    /// The server has it now.
    mutating func insert(_ key: Key, name: String) {
        entries[key] = Entry(name: name, lastUse: clock)
    }

    /// Forgets a statement the server no longer accepts (its tables changed); gives the name to deallocate.
    mutating func remove(_ key: Key) -> String? {
        entries.removeValue(forKey: key)?.name
    }

    /// Linear, but only when the cache is full: a program has fewer statements than that.
    private mutating func evictIfFull() -> String? {
        guard entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        else { return nil }
        entries.removeValue(forKey: oldest.key)
        return oldest.value.name
    }
}
