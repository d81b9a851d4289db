import Cryptography
import Domain
import JSONText
import Operations

/// Lists come in pages, by keyset: a cursor names the last thing seen, so pages never skip or repeat.
enum Paging {
    static let limit = Field.defaulted(
        "limit", .integer(1...PageRequest.maximumLimit), to: PageRequest.defaultLimit,
        "How many to answer at most.")
    static let cursor = Field<PageCursor?>.optional("cursor", .cursor, "`next_cursor` of the page before.")
    static let fields: [any AnyField] = [limit, cursor]

    static let createdFrom = Field<Timestamp?>.optional(
        "created_from", .time, "Only what was made at this time or later, to the millisecond.")
    static let createdBefore = Field<Timestamp?>.optional(
        "created_before", .time, "Only what was made before this time, to the millisecond.")
    static let ofTime: [any AnyField] = [createdFrom, createdBefore]

    static let namePrefix = Field<String?>.optional(
        "name_prefix", .anyText(1...200), "Only what has a name that begins so, in any case of its letters.")

    /// The envelope every list comes in.
    static func envelope<Value: Sendable>(
        of element: Representation<Value>
    ) -> Representation<ListPage<Value>> {
        Representation(
            "\(element.name)List",
            [
                .init(
                    "data", .list(element.schema, maximumCount: PageRequest.maximumLimit), "In order."
                ) { .array($0.items.map(element.json)) },
                .init("next_cursor", .nullable(.text(1...200)), "Of the next page; null on the last.") {
                    .optional($0.next?.text)
                },
            ])
    }
}

extension Reader where Value == PageCursor {
    /// A cursor as it was handed out.
    static var cursor: Reader {
        Reader(.text(1...200)) { json throws(InvalidInput) in
            guard let cursor = PageCursor(text: json.string ?? "") else {
                throw InvalidInput(.invalidFormat, "must be a next_cursor of this list")
            }
            return cursor
        }
    }
}
