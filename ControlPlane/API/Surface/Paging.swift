import Cryptography
import Domain
import JSONText
import Operations

/// Lists come in pages, by keyset: a cursor names the last thing seen, so pages never skip or repeat.
enum Paging {
    static let limit = Field.defaulted(
        "limit", .integer(1...PageRequest.maximumLimit), to: PageRequest.defaultLimit,
        "How many to answer at most.")
    /// The cursor of one list, which is refused by the others.
    static func cursor(of list: String) -> Field<PageCursor?> {
        .optional("cursor", .cursor(of: list), "`next_cursor` of the page before.")
    }

    /// Reads the cursor of whichever list was asked.
    static let cursor = cursor(of: "")

    static func fields(of list: String) -> [any AnyField] { [limit, cursor(of: list)] }

    static let createdFrom = Field<Timestamp?>.optional(
        "created_from", .time, "Only what was made at this time or later, to the millisecond.")
    static let createdBefore = Field<Timestamp?>.optional(
        "created_before", .time, "Only what was made before this time, to the millisecond.")
    static let ofTime: [any AnyField] = [createdFrom, createdBefore]

    static let namePrefix = Field<String?>.optional(
        "name_prefix", .anyText(1...200), "Only what has a name that begins so, in any case of its letters.")

    /// The envelope every list comes in.
    static func envelope<Value: Sendable>(
        of element: Representation<Value>, list: String
    ) -> Representation<ListPage<Value>> {
        Representation(
            "\(element.name)List",
            [
                .init(
                    "data", .list(element.schema, maximumCount: PageRequest.maximumLimit), "In order."
                ) { .array($0.items.map(element.json)) },
                .init("next_cursor", .nullable(.text(1...200)), "Of the next page; null on the last.") {
                    .optional($0.next?.text(of: list))
                },
            ])
    }
}

extension Reader where Value == PageCursor {
    /// A cursor as this list handed it out.
    static func cursor(of list: String) -> Reader {
        Reader(.text(1...200)) { json throws(InvalidInput) in
            guard let cursor = PageCursor(text: json.string ?? "", of: list) else {
                throw InvalidInput(.invalidFormat, "must be a next_cursor of this list")
            }
            return cursor
        }
    }
}
