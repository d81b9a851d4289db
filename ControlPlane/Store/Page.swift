package import Domain

/// Which part of a list: what follows an ID, newest first. IDs are ordered by time of creation, so the key
/// of the table is the order of the list.
package struct Page<Noun: Identified>: Sendable {
    package static var maximumLimit: Int { 200 }

    /// The last item of the page before; nil for the first page.
    package let after: ID<Noun>?
    package let limit: Int

    /// `limit` is brought into 1…200.
    package init(after: ID<Noun>? = nil, limit: Int = 50) {
        self.after = after
        self.limit = min(max(limit, 1), Self.maximumLimit)
    }

    /// What the rows must be below: everything, on the first page.
    var bound: ID<Noun> { after ?? ID(high: .max, low: .max) }

    /// One more than asked for tells whether there is another page.
    var fetchLimit: Int { limit + 1 }

    /// What was fetched, cut to the limit; `id` gives the key of an element.
    func listing<Element>(_ fetched: [Element], _ id: (Element) -> ID<Noun>) -> Listing<Element, Noun> {
        guard fetched.count > limit else { return Listing(items: fetched, next: nil) }
        let items = Array(fetched.prefix(limit))
        return Listing(items: items, next: items.last.map(id))
    }
}

/// One page of a list, and what to ask for next.
package struct Listing<Element, Noun: Identified> {
    package let items: [Element]
    /// `after` of the next page; nil: this was the last.
    package let next: ID<Noun>?
}

extension Listing: Sendable where Element: Sendable {}
