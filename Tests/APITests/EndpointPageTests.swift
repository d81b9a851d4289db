import API
import Glibc
import HTTPWire
import JSONText
import Testing

extension OpenAPITests {
    private static let begin = "<!-- operations -->\n"
    private static let end = "<!-- end of operations -->"

    /// `make documents` writes the table anew.
    @Test("docs/api/endpoints.md lists every operation of the admin API with its permission")
    func endpoints() throws {
        let path =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            + "/docs/api/endpoints.md"
        let page = try Self.text(of: path)
        let first = try #require(page.firstRange(of: Self.begin), "the page has lost its mark")
        let last = try #require(page.firstRange(of: Self.end), "the page has lost its mark")
        let expected = page[..<first.upperBound] + Self.operations() + page[last.lowerBound...]
        if getenv("ECLUSA_RECORD") != nil {
            let file = try #require(fopen(path, "w"))
            fputs(String(expected), file)
            fclose(file)
        }
        let isCurrent = try Self.text(of: path) == String(expected)
        #expect(isCurrent, "docs/api/endpoints.md is behind; run with ECLUSA_RECORD=1")
    }

    private static func operations() -> String {
        let document = RouteTable.description
        var rows = ["| method and path | operation | needs | what |", "|---|---|---|---|"]
        for route in RouteTable.all {
            let operation = document["paths"]?[route.path]?[route.method.description.lowercased()]
            let permission = operation?["x-permission"]?.string.map { "`\($0)`" } ?? ""
            let place = "`\(route.method) \(route.path)`"
            rows.append("| \(place) | `\(route.operationID)` | \(permission) | \(route.summary) |")
        }
        return rows.joined(separator: "\n") + "\n"
    }

    private static func text(of path: String) throws -> String {
        let file = try #require(fopen(path, "r"), "\(path) is missing")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
