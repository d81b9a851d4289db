import Testing

@testable import HTTPWire

@Suite("routes")
struct RouteMatcherTests {
    static let matcher: RouteMatcher<String>? = try? RouteMatcher([
        (pattern: "GET /", endpoint: "root"),
        (pattern: "GET /api/v1/tenants", endpoint: "list"),
        (pattern: "POST /api/v1/tenants", endpoint: "create"),
        (pattern: "GET /api/v1/tenants/me", endpoint: "me"),
        (pattern: "GET /api/v1/tenants/{tenant}", endpoint: "get"),
        (pattern: "GET /api/v1/tenants/{tenant}/keys/{key}", endpoint: "key"),
        (pattern: "POST /api/v1/tenants/{tenant}/keys/{key}/revoke", endpoint: "revoke"),
        (pattern: "GET /api/v1/tenants/me/keys/all", endpoint: "mine"),
        (pattern: "GET /v1/models/{model...}", endpoint: "model"),
        (pattern: "POST /v1beta/models/{model}:generateContent", endpoint: "generate"),
        (pattern: "POST /v1beta/models/{model}", endpoint: "plain"),
        (pattern: "POST /v1/models/{model...}:countTokens", endpoint: "count"),
    ])

    static func describe(_ match: RouteMatcher<String>.Match, _ names: [String]) -> String {
        switch match {
        case .found(let endpoint, let parameters):
            ([endpoint] + names.compactMap { parameters[$0] }).joined(separator: " ")
        case .notFound: "404"
        case .methodNotAllowed(let methods): "405 \(methods.map(\.description).joined(separator: ","))"
        }
    }

    @Test(
        "a method and a path find their endpoint",
        arguments: [
            (HTTPMethod.get, "/", "root"), (.get, "/api/v1/tenants", "list"),
            (.post, "/api/v1/tenants", "create"),
            (.head, "/api/v1/tenants", "list"), (.get, "/api/v1/tenants/me", "me"),
            (.get, "/api/v1/tenants/t1", "get t1"), (.get, "/api/v1/tenants/t1/keys/k1", "key t1 k1"),
            (.get, "/api/v1/tenants/me/keys/k1", "key me k1"), (.get, "/api/v1/tenants/me/keys/all", "mine"),
            (.post, "/api/v1/tenants/t/keys/k/revoke", "revoke t k"),
            (.get, "/v1/models/meta/llama-3", "model meta/llama-3"), (.get, "/v1/models/a", "model a"),
            (.post, "/v1beta/models/gemini:generateContent", "generate gemini"),
            (.post, "/v1beta/models/gemini:other", "plain gemini:other"),
            (.post, "/v1beta/models/:generateContent", "plain :generateContent"),
            (.post, "/v1/models/a/b:countTokens", "count a/b"),
            (.delete, "/api/v1/tenants", "405 GET,HEAD,POST"), (.delete, "/", "405 GET,HEAD"),
            (.get, "/api/v1/tenants/t/keys/k/revoke", "405 POST"), (.get, "", "404"), (.get, "x", "404"),
            (.get, "/api/v1/tenants/", "404"), (.get, "/api/v1//tenants", "404"), (.get, "//", "404"),
            (.get, "/api/v1/tenants/t/keys/", "404"), (.get, "/v1/models/", "404"),
            (.get, "/v1/models", "404"),
            (.get, "/API/v1/tenants", "404"), (.get, "/\("a/".repeated(100))", "404"),
        ] as [(HTTPMethod, String, String)])
    func matches(_ method: HTTPMethod, _ path: String, _ expected: String) throws {
        let matcher = try #require(Self.matcher)
        let names = ["tenant", "key", "model"]
        #expect(Self.describe(matcher.match(method, path), names) == expected)
        #expect(withExactCopy(bytes(path)) { Self.describe(matcher.match(method, $0), names) } == expected)
    }

    @Test(
        "a pattern that cannot be meant is refused",
        arguments: [
            "GET", "GET x", "BREW /x", "GET /{", "GET /{}", "GET /a{b}", "GET /}", "GET /{a...}/b",
            "GET /{...}",
        ])
    func malformed(_ pattern: String) {
        #expect(
            throws: RoutePatternError.malformed(
                pattern.hasPrefix("GET /") || pattern == "GET x"
                    ? String(pattern.dropFirst(4)) : pattern)
        ) {
            _ = try RouteMatcher([(pattern: pattern, endpoint: 1)])
        }
    }

    @Test("the same pattern twice is refused")
    func duplicate() {
        #expect(throws: RoutePatternError.duplicate("GET /a/{b}")) {
            _ = try RouteMatcher([(pattern: "GET /a/{b}", endpoint: 1), (pattern: "GET /a/{b}", endpoint: 2)])
        }
    }

    @Test("parameters are found by name only")
    func parameters() throws {
        let matcher = try #require(Self.matcher)
        guard case .found(_, let parameters) = matcher.match(.get, "/api/v1/tenants/t1") else {
            Issue.record("not found")
            return
        }
        #expect(!parameters.isEmpty)
        #expect(parameters["tenant"] == "t1")
        #expect(parameters["key"] == nil)
    }
}
