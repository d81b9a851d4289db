import API
import Domain
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
            #expect((route.parameters?.fields ?? []).allSatisfy { named.contains($0.name) })
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

    @Test("every example fits its schema")
    func examples() {
        var schemas: [(String, Schema)] = []
        for route in RouteTable.all {
            if let body = route.body { schemas.append((route.operationID, .object(body.schema))) }
            if case .json(let schema) = route.answer.content { schemas.append((route.operationID, schema)) }
        }
        for (operation, schema) in schemas {
            let problems = schema.problems(in: schema.example).filter {
                !$0.hasSuffix("a write-only value in an answer")
            }
            #expect(problems.isEmpty, "\(operation): \(problems)")
        }
    }

    @Test(
        "every operation says which errors it has, and every code of the admin API is one of some operation")
    func errors() throws {
        let document = RouteTable.description
        var codes: Set<String> = []
        for route in RouteTable.all {
            let operation = try #require(
                document["paths"]?[route.path]?[route.method.description.lowercased()])
            let own = operation["x-error-codes"]?.array?.compactMap(\.string) ?? []
            codes.formUnion(own)
            for code in own {
                let status = try #require(ErrorCode.named(code)).status
                #expect(operation["responses"]?[String(status)] != nil, "\(route.operationID): \(code)")
            }
        }
        // Those that are answered before there is an operation.
        let before: Set<String> = [
            "bad_request", "invalid_target", "method_not_allowed", "request_timeout", "target_too_long",
            "expectation_failed", "headers_too_large", "not_implemented", "http_version_not_supported",
        ]
        let admin = ErrorCode.all.filter { $0.surface == .admin || $0.surface == .both }.map(\.code)
        #expect(Set(admin).subtracting(codes).subtracting(before) == [])
    }

    @Test("terms of writes are described where they are honoured")
    func terms() throws {
        let document = RouteTable.description
        let tags = EntityTags(of: RouteTable.all)
        for route in RouteTable.all {
            let operation = try #require(
                document["paths"]?[route.path]?[route.method.description.lowercased()])
            let parameters = operation["parameters"]?.array ?? []
            let referred = parameters.compactMap { $0["$ref"]?.string?.split(separator: "/").last }
            #expect(referred.contains("IfMatch") == (tags.reader(of: route) != nil), "\(route.operationID)")
            #expect(
                referred.contains("IdempotencyKey") == (route.takesTerms && route.method == .post),
                "\(route.operationID)")
            #expect(
                parameters.contains { $0["name"]?.string == "dry_run" } == route.takesTerms,
                "\(route.operationID)")
            let headers = operation["responses"]?[String(route.answer.status)]?["headers"]
            #expect((headers?["etag"] != nil) == tags.carriesTag(route), "\(route.operationID)")
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
        #expect(
            marked == [
                "password", "current_password", "new_password", "credential", "refresh_token", "token",
                "code",
                "challenge", "client_secret", "flow", "state", "webhook_secret",
            ])
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
