import API
import Glibc
import HTTPWire
import JSONText
import TestSupport
import Testing

@Suite("The description of the API")
struct OpenAPITests {
    /// `ECLUSA_RECORD=1 swift test --filter OpenAPITests` writes the page anew.
    @Test("docs/openapi/openapi.json is the route table as it is")
    func committed() throws {
        let path =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            + "/docs/openapi/openapi.json"
        let expected = Self.pretty(RouteTable.description) + "\n"
        if getenv("ECLUSA_RECORD") != nil {
            let file = try #require(fopen(path, "w"))
            fputs(expected, file)
            fclose(file)
        }
        let file = try #require(fopen(path, "r"), "docs/openapi/openapi.json is missing")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        let isCurrent = String(decoding: bytes[..<count], as: UTF8.self) == expected
        #expect(isCurrent, "docs/openapi/openapi.json is behind; run with ECLUSA_RECORD=1")
    }

    @Test("it is served as it is committed, without signing in")
    func served() async throws {
        try await withAdminServer { server in
            let reply = try await server.send(.get, "/api/openapi.json")
            #expect(reply.status == 200)
            #expect(reply.json == RouteTable.description)
        }
    }

    @Test("it covers every route, with its parameters, body and answers")
    func covers() throws {
        let document = RouteTable.description
        #expect(document["openapi"]?.string == "3.1.0")
        for route in RouteTable.all {
            let operation = document["paths"]?[route.path]?[route.method.description.lowercased()]
            let found = try #require(operation, "\(route.method) \(route.path)")
            #expect(found["operationId"]?.string == route.operationID)
            #expect(found["summary"]?.string?.isEmpty == false)
            #expect(found["responses"]?[String(route.answer.status)] != nil)
            #expect(found["responses"]?["default"] != nil)
            #expect((found["requestBody"] != nil) == (route.body != nil))
            let named = found["parameters"]?.array?.compactMap { $0["name"]?.string } ?? []
            #expect(route.pathParameters.allSatisfy { named.contains($0.name) })
            #expect((route.query?.fields ?? []).allSatisfy { named.contains($0.name) })
        }
    }

    @Test("every reference leads somewhere, and every component is referred to")
    func references() {
        let document = RouteTable.description
        var referred: Set<String> = []
        Self.walk(document) { value in
            if let reference = value["$ref"]?.string {
                referred.insert(reference)
                let parts = reference.split(separator: "/").dropFirst()
                #expect(parts.reduce(Optional(document)) { $0?[String($1)] } != nil, "\(reference)")
            }
        }
        for name in document["components"]?["schemas"]?.object?.names ?? [] {
            #expect(referred.contains("#/components/schemas/\(name)"), "\(name) is not used")
        }
    }

    @Test("what goes in and never comes out is marked, and nothing else is")
    func writeOnly() {
        var marked: Set<String> = []
        Self.walk(RouteTable.description) { value in
            for member in value["properties"]?.object?.members ?? []
            where member.value["writeOnly"]?.boolean == true {
                marked.insert(member.name)
            }
            for member in value["properties"]?.object?.members ?? [] {
                // An optional one is a choice between the text and null.
                if member.value["anyOf"]?[0]?["writeOnly"]?.boolean == true { marked.insert(member.name) }
            }
        }
        #expect(marked == ["password", "current_password", "new_password", "credential", "refresh_token"])
    }

    static func walk(_ value: JSONValue, _ visit: (JSONValue) -> Void) {
        visit(value)
        for element in value.array ?? [] { walk(element, visit) }
        for member in value.object?.members ?? [] { walk(member.value, visit) }
    }

    /// Two blanks an indentation; short things on one line, so that differences read well.
    static func pretty(_ value: JSONValue, _ indentation: String = "") -> String {
        let inner = indentation + "  "
        let flat = value.text
        if flat.utf8.count + indentation.utf8.count <= 100 { return flat }
        switch value {
        case .array(let elements):
            return "[\n" + elements.map { inner + pretty($0, inner) }.joined(separator: ",\n")
                + "\n\(indentation)]"
        case .object(let object):
            let members = object.members.map {
                "\(inner)\(JSONValue.string($0.name).text): \(pretty($0.value, inner))"
            }
            return "{\n" + members.joined(separator: ",\n") + "\n\(indentation)}"
        default: return flat
        }
    }
}
