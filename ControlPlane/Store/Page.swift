package import Domain
import PostgresDriver

/// Which part of a list: what follows an ID, newest first. IDs are ordered by time of creation, so the key
/// of the table is the order of the list.
package struct Page<Noun: Identified>: Sendable {
    package static var maximumLimit: Int { 200 }

    /// The last item of the page before; nil for the first page.
    package let after: ID<Noun>?
    package let limit: Int
    /// Only what was made in this time, to the millisecond: an ID begins with the time it was made at, so
    /// this is a range of the key that orders the list.
    package let created: CreationRange
    /// Only what has a name that begins so; for lists that `condition(onName:)` is a part of.
    package let namePrefix: String?

    /// `limit` is brought into 1…200.
    package init(
        after: ID<Noun>? = nil, limit: Int = 50, created: CreationRange = CreationRange(),
        namePrefix: String? = nil
    ) {
        self.after = after
        self.limit = min(max(limit, 1), Self.maximumLimit)
        self.created = created
        self.namePrefix = namePrefix
    }

    /// What the name asks for: a range, for the index of tables that have very many. Of others, rows of the
    /// key's range that do not fit are passed over.
    func condition(onName column: SQL) -> SQL {
        SQL.text("lower(\(fragment: column))", beginsWith: namePrefix)
    }

    /// As `condition(onName:)`, on a column that holds the name in lowercase. Under row-level security an
    /// index is asked with what cannot tell of other rows alone, and `lower` is not known to be so.
    func condition(onFoldedName column: SQL) -> SQL { SQL.text(column, beginsWith: namePrefix) }

    /// What the rows must be below: everything, on the first page.
    var bound: ID<Noun> {
        let end = created.before.map { Self.first(at: $0) } ?? ID(high: .max, low: .max)
        return after.map { min($0, end) } ?? end
    }

    /// The lowest ID that can be made at a moment.
    private static func first(at time: Timestamp) -> ID<Noun> {
        ID(high: UInt64(clamping: time.microseconds / 1000) << 16, low: 0)
    }

    /// One more than asked for tells whether there is another page.
    var fetchLimit: Int { limit + 1 }

    /// What was fetched, cut to the limit; `id` gives the key of an element.
    func listing<Element>(_ fetched: [Element], _ id: (Element) -> ID<Noun>) -> Listing<Element, Noun> {
        var fetched = fetched
        if let from = created.from {
            // The newest come first: what is older than the range ends the list.
            let floor = Self.first(at: from)
            fetched = Array(fetched.prefix { id($0) >= floor })
        }
        guard fetched.count > limit else { return Listing(items: fetched, next: nil) }
        let items = Array(fetched.prefix(limit))
        return Listing(items: items, next: items.last.map(id))
    }
}

extension SQL {
    /// `and …` for a text in lowercase that begins so, in any case of its letters; nothing for nil. A range,
    /// which an index on `folded collate "C"` finds.
    static func text(_ folded: SQL, beginsWith prefix: String?) -> SQL {
        guard let prefix, !prefix.isEmpty else { return "" }
        return """
            and \(fragment: folded) collate "C" >= lower(\(prefix))
            and \(fragment: folded) collate "C" < lower(\(prefix)) || chr(1114111)
            """
    }
}

/// One page of a list, and what to ask for next.
package struct Listing<Element, Noun: Identified> {
    package let items: [Element]
    /// `after` of the next page; nil: this was the last.
    package let next: ID<Noun>?
}

extension Listing: Sendable where Element: Sendable {}

/// A time in which things were made: from a moment on, and before another.
package struct CreationRange: Sendable, Hashable {
    package var from: Timestamp?
    package var before: Timestamp?

    package init(from: Timestamp? = nil, before: Timestamp? = nil) {
        self.from = from
        self.before = before
    }
}
