/// Names of the statements one connection has prepared, by text and parameter types; bounded, least
/// recently used out.
///
/// Pure: it only keeps the books. The connection prepares and deallocates.
struct StatementCache {
    struct Key: Hashable {
        let text: String
        let types: [UInt32]
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
