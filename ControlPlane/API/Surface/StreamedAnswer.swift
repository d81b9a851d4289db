import Domain
import HTTPWire
import JSONText
import Operations

/// In which form the rows of an export come.
package enum RowFormat: String, Sendable, CaseIterable {
    case ndjson, csv

    package var mediaType: String {
        switch self {
        case .ndjson: "application/x-ndjson"
        case .csv: "text/csv; charset=utf-8; header=present"
        }
    }

    /// The query parameter that chooses one; the first is the default.
    static func field(_ formats: [RowFormat]) -> Field<RowFormat> {
        .defaulted(
            "format", .word(formats.map { ($0.rawValue, $0) }), to: formats[0],
            "How the rows are written: \(formats.map(\.rawValue).joined(separator: " or ")).")
    }
}

/// An answer of any length, made while it is sent: memory holds one part at a time, and a reader that stalls
/// stalls the making. Non-Sendable: it lives on its loop.
struct StreamedAnswer {
    /// What a browser calls the file, without its ending.
    let fileName: String
    /// The next bytes; nil at the end. A failure after the first part cuts the answer, so that nobody takes
    /// it for whole.
    let next: () async throws(OperationError) -> [UInt8]?

    init(fileName: String, next: @escaping () async throws(OperationError) -> [UInt8]?) {
        self.fileName = fileName
        self.next = next
    }
}

extension AdminRoute {
    /// Answers rows without an end known beforehand, in the format the query asks for. What can be refused is
    /// refused by the handler, before the answer begins.
    static func stream(
        _ path: String, _ access: Access, _ operationID: String, _ summary: String,
        query: [any AnyField] = [], formats: [RowFormat],
        _ handle: @escaping @Sendable (Call) async throws(OperationError) -> StreamedAnswer
    ) -> AdminRoute {
        AdminRoute(
            method: .get, path: path, access: access, operationID: operationID, summary: summary,
            query: BodyShape("query", [RowFormat.field(formats)] + query), body: nil,
            answer: AnswerShape(status: 200, content: .stream(mediaTypes: formats.map(\.mediaType)))
        ) { call throws(OperationError) in
            let streamed = try await handle(call)
            let format = try call.format
            var answer = Answer(status: 200, mediaType: format.mediaType, body: [])
            answer.fileName = "\(streamed.fileName).\(format.rawValue)"
            answer.parts = streamed.next
            return answer
        }
    }
}

extension Call {
    /// The format a streamed route was asked for.
    var format: RowFormat { get throws(OperationError) { try query[RowFormat.field(RowFormat.allCases)] } }
}

/// Writes values as rows: a JSON object a line, or cells under a line of names. Non-Sendable.
package final class RowEncoder<Value> {
    private let representation: Representation<Value>
    private let format: RowFormat
    private var isFirst = true

    package init(_ representation: Representation<Value>, as format: RowFormat) {
        self.representation = representation
        self.format = format
    }

    /// The rows; before the first of a CSV the line of names, also when there are no rows at all.
    package func encode(_ values: [Value]) -> [UInt8] {
        var bytes: [UInt8] = []
        if isFirst, format == .csv { Self.line(representation.members.map(\.schema.name), &bytes) }
        isFirst = false
        for value in values {
            let json = representation.json(value)
            switch format {
            case .ndjson:
                bytes += json.bytes
                bytes.append(0x0a)
            case .csv: Self.line((json.object?.members ?? []).map { Self.cell($0.value) }, &bytes)
            }
        }
        return bytes
    }

    /// Texts as they are, nothing for null, JSON for the rest.
    private static func cell(_ value: JSONValue) -> String {
        value.isNull ? "" : value.string ?? value.text
    }

    /// RFC 4180. A cell that a spreadsheet would take for a formula gets an apostrophe before it.
    private static func line(_ cells: [String], _ bytes: inout [UInt8]) {
        for (index, cell) in cells.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            let isFormula =
                cell.utf8.first.map { [0x3d, 0x2b, 0x2d, 0x40, 0x09, 0x0d].contains($0) } ?? false
            let text = isFormula && Double(cell) == nil ? "'\(cell)" : cell
            if text.utf8.contains(where: { $0 == 0x2c || $0 == 0x22 || $0 == 0x0a || $0 == 0x0d }) {
                bytes.append(0x22)
                for byte in text.utf8 {
                    if byte == 0x22 { bytes.append(0x22) }
                    bytes.append(byte)
                }
                bytes.append(0x22)
            } else {
                bytes += text.utf8
            }
        }
        bytes += [0x0d, 0x0a]
    }
}
