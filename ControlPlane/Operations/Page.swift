import Cryptography
package import Domain
import Store

/// Which part of a list is asked for.
package struct PageRequest: Sendable, Hashable {
    package static let maximumLimit = 200
    package static let defaultLimit = 50

    package let limit: Int
    package let after: PageCursor?
    let created: CreationRange
    let namePrefix: String?

    /// - `createdFrom`, `createdBefore`: only what was made then, where the list is ordered by that.
    /// - `namePrefix`: only what has a name that begins so, where the list can be asked for it.
    package init(
        limit: Int = PageRequest.defaultLimit, after: PageCursor? = nil, createdFrom: Timestamp? = nil,
        createdBefore: Timestamp? = nil, namePrefix: String? = nil
    ) {
        self.limit = min(max(limit, 1), Self.maximumLimit)
        self.after = after
        created = CreationRange(from: createdFrom, before: createdBefore)
        self.namePrefix = namePrefix
    }

    func of<Noun: Identified>(_ noun: Noun.Type) -> Page<Noun> {
        Page(after: after?.id(), limit: limit, created: created, namePrefix: namePrefix)
    }
}

/// One page of a list, and where the next begins.
package struct ListPage<Item: Sendable>: Sendable {
    package let items: [Item]
    /// nil on the last page.
    package let next: PageCursor?

    package init(items: [Item], next: PageCursor?) {
        self.items = items
        self.next = next
    }

    init<Element, Noun>(_ listing: Listing<Element, Noun>, _ item: (Element) -> Item) {
        self.init(items: listing.items.map(item), next: listing.next.map { PageCursor($0) })
    }

    init<Noun>(_ listing: Listing<Item, Noun>) { self.init(listing) { $0 } }
}

/// The place after the last thing of a page: the sixteen bytes of its ID, before them eight of its time where
/// the list is ordered so. Opaque to those who carry it.
package struct PageCursor: Sendable, Hashable {
    private let bytes: [UInt8]

    init<Noun>(_ id: ID<Noun>) { bytes = id.bytes }

    func id<Noun>() -> ID<Noun>? { ID(bytes: bytes) }

    /// The place after a thing of a list that is ordered by time first.
    init<Noun>(at time: Timestamp, _ id: ID<Noun>) {
        bytes = withUnsafeBytes(of: time.microseconds.bigEndian, Array.init) + id.bytes
    }

    /// The time and the thing of a cursor made with both; nil for others.
    func place<Noun>() -> (at: Timestamp, id: ID<Noun>)? {
        guard bytes.count == 24, let id = ID<Noun>(bytes: bytes[8...]) else { return nil }
        let time = bytes.prefix(8).reduce(into: UInt64(0)) { $0 = $0 << 8 | UInt64($1) }
        return (Timestamp(microseconds: Int64(bitPattern: time)), id)
    }

    /// The cursor a text is, when this list of this program could have made it.
    package init?(text: String, of list: String) {
        let tag = Self.tag(of: list)
        guard let bytes = Base64.decodeURL(text), bytes.suffix(tag.count) == tag[...],
            [16, 24].contains(bytes.count - tag.count)
        else { return nil }
        self.bytes = bytes.dropLast(tag.count)
    }

    /// With a mark of the list, so that no other one takes it for its own.
    package func text(of list: String) -> String { Base64.encodeURL(bytes + Self.tag(of: list)) }

    private static func tag(of list: String) -> [UInt8] { Array(sha256(list).bytes.prefix(4)) }
}
