import API
import Contract
import Domain
import Glibc
import HTTPWire
import JSONText
import TestSupport
import Testing

@Suite("The console's files")
struct ConsoleTests {
    /// A console of a page, a style, a module in a folder, and a file of no known kind.
    private static func files(gatewayURL: String? = nil, hasCharts: Bool = true) throws -> WebFiles {
        let folder = TemporaryDirectory()
        try #require(Glibc.mkdir("\(folder.path)/pages", 0o755) == 0)
        folder.replace("index.html", Array("<!doctype html><title>Console</title>".utf8))
        folder.replace("style.css", Array(String(repeating: "body { color: red }\n", count: 100).utf8))
        folder.replace("pages/keys.js", Array("export const keys = 1;".utf8))
        folder.replace("notes.txt", Array("not for browsers".utf8))
        folder.replace("chart.min.js", Array("globalThis.Chart = 1".utf8))
        var files = WebFiles()
        let chart = hasCharts ? "\(folder.path)/chart.min.js" : "\(folder.path)/none.js"
        try #require(
            Console.add(
                to: &files, folder: folder.path, chartScript: chart, codeScript: "", gatewayURL: gatewayURL))
        return files
    }

    @Test("every file comes with its type, its tag and all the fields that keep a browser safe")
    func headers() async throws {
        let files = try Self.files(gatewayURL: "https://gateway.example.com")
        try await withAdminServer(options: .init(webFiles: files, isSecure: true)) { server in
            #expect(files.paths.count == 7)
            for path in files.paths {
                let reply = try await server.send(.get, path)
                #expect(reply.status == 200, "\(path)")
                let policy = try #require(reply.fields["content-security-policy"])
                for word in [
                    "default-src 'none'", "script-src 'self';", "style-src 'self';",
                    "frame-ancestors 'none'", "connect-src 'self' https://gateway.example.com;",
                ] { #expect(policy.contains(word), "\(path)") }
                #expect(!policy.contains("unsafe") && !policy.contains("*"))
                #expect(reply.fields["x-content-type-options"] == "nosniff")
                #expect(reply.fields["referrer-policy"] == "no-referrer")
                #expect(reply.fields["cross-origin-opener-policy"] == "same-origin")
                #expect(reply.fields["cross-origin-resource-policy"] == "same-origin")
                #expect(reply.fields["strict-transport-security"] != nil)
                #expect(reply.fields["cache-control"] == "no-cache")
                #expect(reply.fields["etag"] != nil && reply.fields["set-cookie"] == nil)
            }
            let module = try await server.send(.get, "/console/pages/keys.js")
            #expect(module.fields["content-type"] == "text/javascript; charset=utf-8")
            #expect(try await server.send(.get, "/console/notes.txt").status == 404)
        }
    }

    @Test("who has a file gets 304, and who takes zstd gets it smaller")
    func caching() async throws {
        let files = try Self.files()
        try await withAdminServer(options: .init(webFiles: files)) { server in
            let plain = try await server.send(.get, "/console/style.css")
            #expect(plain.fields["content-encoding"] == nil && plain.body.count == 2000)
            let packed = try await server.send(
                .get, "/console/style.css", fields: ["accept-encoding": "gzip, br, zstd"])
            #expect(packed.fields["content-encoding"] == "zstd")
            #expect(packed.fields["vary"] == "accept-encoding")
            #expect(try Zstandard.decompress(packed.body, limit: 1 << 20) == plain.body)
            let tag = try #require(plain.fields["etag"])
            for condition in [tag, "W/\(tag)", "\"other\", \(tag)"] {
                let again = try await server.send(
                    .get, "/console/style.css", fields: ["if-none-match": condition])
                #expect(again.status == 304 && again.body.isEmpty && again.fields["etag"] == tag)
                #expect(again.fields["content-security-policy"] != nil)
            }
            let other = try await server.send(
                .get, "/console/style.css", fields: ["if-none-match": "\"other\""])
            #expect(other.status == 200)
        }
    }

    @Test("the root and links of messages lead to the console; its own addresses show its page")
    func addresses() async throws {
        let files = try Self.files()
        try await withAdminServer(options: .init(webFiles: files)) { server in
            for (path, target) in [
                ("/", "/console/"), ("/console", "/console/"),
                ("/reset-password", "/console/reset-password"),
            ] {
                let reply = try await server.send(.get, path)
                #expect(reply.status == 302 && reply.fields["location"] == target)
            }
            for path in ["/console/", "/console/keys/key_1", "/console/accept-invitation"] {
                let reply = try await server.send(.get, path)
                #expect(reply.status == 200 && reply.text.contains("<title>Console</title>"), "\(path)")
            }
            for path in ["/console/missing.js", "/console/../etc/passwd", "/other"] {
                #expect(try await server.send(.get, path).status == 404, "\(path)")
            }
            #expect(try await server.send(.post, "/console/").status == 404)
        }
    }

    @Test("what the console is told: the gateway, and whether there are charts")
    func configuration() async throws {
        let files = try Self.files(hasCharts: false)
        try await withAdminServer(options: .init(webFiles: files)) { server in
            let reply = try await server.send(.get, "/console/configuration.json")
            #expect(
                reply.json == [
                    "gateway_url": .null, "charts": false, "qr_codes": false, "dashboards": false,
                ])
            #expect(try await server.send(.get, "/console/libraries/chart.js").status == 404)
        }
    }

    @Test("Grafana alone may be embedded, and only where there is one")
    func frames() async throws {
        let folder = TemporaryDirectory()
        folder.replace("index.html", Array("<!doctype html><title>Console</title>".utf8))
        var files = WebFiles()
        let grafana = try #require(BaseURL("https://grafana.example.com:8443/board"))
        try #require(
            Console.add(
                to: &files, folder: folder.path, chartScript: "", codeScript: "",
                gatewayURL: nil, grafana: grafana))
        try await withAdminServer(options: .init(webFiles: files)) { server in
            let page = try await server.send(.get, "/console/")
            let policy = try #require(page.fields["content-security-policy"])
            #expect(policy.contains(" frame-src https://grafana.example.com:8443; "))
            let told = try await server.send(.get, "/console/configuration.json")
            #expect(told.json["dashboards"] == true)
        }
    }

    @Test("a folder without a page is no console")
    func noConsole() {
        var files = WebFiles()
        let folder = TemporaryDirectory()
        for path in [folder.path, "\(folder.path)/none"] {
            #expect(
                !Console.add(to: &files, folder: path, chartScript: "", codeScript: "", gatewayURL: nil))
        }
    }
}
