import API
import Domain
import HTTPWire
import TestSupport
import Testing

@Suite("The page about the API")
struct DocumentationTests {
    @Test("it is served with its files from this origin alone, under a policy without inline scripts")
    func served() async throws {
        let folder = TemporaryDirectory()
        folder.replace("swagger-ui-bundle.js", Array("var SwaggerUIBundle".utf8))
        folder.replace("swagger-ui.css", Array("body {}".utf8))
        let documentation = try #require(Documentation(folder: folder.path))
        var files = WebFiles()
        documentation.add(to: &files)
        try await withAdminServer(options: .init(webFiles: files)) { server in
            let page = try await server.send(.get, "/api/docs")
            #expect(page.status == 200)
            #expect(page.fields["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(page.fields["content-security-policy"])
            #expect(policy.contains("script-src 'self'") && !policy.contains("unsafe"))
            let files = page.text.matches(of: /(?:src|href)="([^"]+)"/).map { String($0.1) }
            #expect(files.filter { $0 != "data:," }.count == 3)
            for file in files where file != "data:," {
                #expect(file.hasPrefix("/api/docs/"))
                #expect(try await server.send(.get, file).status == 200, "\(file)")
            }
            #expect(!page.text.contains("<script>") && !page.text.contains("style="))
            let start = try await server.send(.get, "/api/docs/start.js")
            #expect(start.text.contains("\"/api/openapi.json\""))
        }
    }

    @Test("without the files it says how to get them")
    func absent() async throws {
        #expect(Documentation(folder: TemporaryDirectory().path) == nil)
        var files = WebFiles()
        Documentation.absent.add(to: &files)
        try await withAdminServer(options: .init(webFiles: files)) { server in
            let page = try await server.send(.get, "/api/docs")
            #expect(page.status == 200 && page.text.contains("make install"))
            #expect(try await server.send(.get, "/api/docs/swagger-ui.css").status == 404)
        }
    }

    @Test("browsers are told to stay on TLS when people reach the control plane over it, and only then")
    func transport() async throws {
        try await withAdminServer(options: .init(isSecure: true)) { server in
            let live = try await server.send(.get, "/health/live")
            #expect(live.fields["strict-transport-security"] == "max-age=31536000")
        }
        try await withAdminServer { server in
            let live = try await server.send(.get, "/health/live")
            #expect(live.fields["strict-transport-security"] == nil)
        }
    }
}
