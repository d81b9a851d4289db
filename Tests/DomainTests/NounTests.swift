import Domain
import TestSupport
import Testing

@Suite("names and other rules of nouns")
struct NounTests {
    @Test(
        "slugs",
        arguments: [
            ("acme", nil), ("a", nil), ("team-7", nil), ("7up", nil),
            (String(repeating: "a", count: 63), nil),
            ("", .tooShort), (String(repeating: "a", count: 64), .tooLong), ("-a", .invalidFormat),
            ("a-", .invalidFormat), ("Acme", .invalidFormat), ("a_b", .invalidFormat),
            ("a b", .invalidFormat),
            ("a.b", .invalidFormat), ("é", .invalidFormat), ("a\u{0}", .invalidFormat),
            ("a\n", .invalidFormat),
        ] as [(String, ValidationError.Code?)])
    func slugs(_ text: String, _ code: ValidationError.Code?) {
        #expect(TextRule.slug.check(text, at: "/slug")?.code == code)
    }

    @Test(
        "display names",
        arguments: [
            ("Acme Ltda.", nil), ("São Paulo ☕️", nil), ("日本", nil), ("", .tooShort),
            (String(repeating: "a", count: 201), .tooLong), (" a", .invalidFormat), ("a ", .invalidFormat),
            ("a\u{7}b", .invalidFormat), ("a\u{202E}b", .invalidFormat), ("a\nb", .invalidFormat),
            ("\u{2028}", .invalidFormat), ("\u{E000}", .invalidFormat), ("   ", .invalidFormat),
        ] as [(String, ValidationError.Code?)])
    func displayNames(_ text: String, _ code: ValidationError.Code?) {
        #expect(TextRule.displayName.check(text, at: "/name")?.code == code)
    }

    @Test(
        "model names",
        arguments: [
            ("gpt-4o-mini", nil), ("meta/llama-3.1:8b", nil), ("org/model@2024+x", nil), ("a", nil),
            ("", .tooShort), (String(repeating: "a", count: 129), .tooLong), ("/a", .invalidFormat),
            ("a/", .invalidFormat), ("a//b", .invalidFormat), ("a..b", .invalidFormat),
            ("a b", .invalidFormat),
            ("a\"b", .invalidFormat), ("a\\b", .invalidFormat), ("ä", .invalidFormat),
            ("a?b", .invalidFormat),
        ] as [(String, ValidationError.Code?)])
    func modelNames(_ text: String, _ code: ValidationError.Code?) {
        #expect(TextRule.modelName.check(text, at: "/name")?.code == code)
    }

    @Test(
        "e-mail addresses",
        arguments: [
            ("ana@example.com", true), ("a.b+c@sub.example.co", true), ("a@b.c", true), ("a@b", false),
            ("@example.com", false), ("a@", false), ("a@@b.c", false), ("a b@example.com", false),
            ("a@-b.com", false), ("a@b..com", false), ("a@b.com\n", false), ("\"a\"@b.com", false),
            (String(repeating: "a", count: 65) + "@b.com", false), ("ana@exämple.com", false),
        ])
    func emails(_ text: String, _ isValid: Bool) {
        #expect((TextRule.email.check(text, at: "/email") == nil) == isValid)
    }

    @Test("problems carry their pointers, and move below another place")
    func pointers() {
        let problems = Tenant.problems(slug: "A", name: "")
        #expect(problems.map(\.pointer) == ["/slug", "/name"])
        #expect(problems.map(\.code) == [.invalidFormat, .tooShort])
        #expect(problems[0].below("/items/3").pointer == "/items/3/slug")
        #expect(Workspace.problems(slug: "web", name: "Web").isEmpty)
        #expect(User.problems(email: "x", name: "Ana").map(\.pointer) == ["/email"])
        #expect(Node.problems(name: "node-1", region: "São").map(\.pointer) == ["/region"])
    }

    @Test("signing up is closed until it is opened, and then for the domains alone that are named")
    func signUp() {
        var settings = SignUpSettings(isOpen: false, allowedDomains: [], updatedAt: .epoch)
        #expect(!settings.allows(email: "ana@example.com"))
        settings.isOpen = true
        #expect(settings.allows(email: "ana@example.com"))
        settings.allowedDomains = ["example.com"]
        #expect(settings.allows(email: "ana@EXAMPLE.com"))
        #expect(!settings.allows(email: "ana@sub.example.com"))
        #expect(!settings.allows(email: "ana@notexample.com"))
    }

    @Test(
        "base URLs are taken apart",
        arguments: [
            ("https://api.openai.com/v1", true, "api.openai.com", 443, "/v1", "https://api.openai.com/v1"),
            ("HTTP://127.0.0.1:9100/v1/", false, "127.0.0.1", 9100, "/v1", "http://127.0.0.1:9100/v1"),
            ("https://Example.COM", true, "example.com", 443, "", "https://example.com"),
            ("https://example.com:443//", true, "example.com", 443, "", "https://example.com"),
            ("http://[::1]:8080/a/b", false, "::1", 8080, "/a/b", "http://[::1]:8080/a/b"),
            ("https://[2001:DB8::1]", true, "2001:db8::1", 443, "", "https://[2001:db8::1]"),
            ("http://my_host", false, "my_host", 80, "", "http://my_host"),
        ] as [(String, Bool, String, UInt16, String, String)])
    func baseURLs(
        _ text: String, _ isSecure: Bool, _ host: String, _ port: UInt16, _ path: String, _ shown: String
    ) throws {
        let url = try #require(BaseURL(text))
        #expect((url.isSecure, url.host, url.port, url.path) == (isSecure, host, port, path))
        #expect(url.description == shown)
        #expect(BaseURL(shown) == url)
    }

    @Test(
        "base URLs with anything doubtful are refused",
        arguments: [
            "", "api.openai.com", "ftp://a.b", "https://", "https:///v1", "https://user@host",
            "https://a:b@host/",
            "https://host?x=1", "https://host/v1?x", "https://host/#f", "https://host:0",
            "https://host:65536",
            "https://host:", "https://host:1x", "https://host:123456", "https://[::1", "https://[]",
            "https://[1.2.3.4]",
            "https://[::1]x", "https://host/a b", "https://host/a/../b", "https://host/./b",
            "https://host/a//b",
            "https://host//a", "https://ho st", "https://hóst", "https://-host", "https://host/%2e%2e/",
            "https://host\\a",
            "https://host/\u{0}", "https://host\r\nX: y", "https://" + String(repeating: "a", count: 600),
            "https://[fe80::1%25eth0]",
        ])
    func refusedURLs(_ text: String) {
        #expect(BaseURL(text) == nil)
    }

    @Test(
        "extra headers may not frame, authenticate or smuggle",
        arguments: [
            ("X-Team", "a b", true), ("anthropic-version", "2023-06-01", true), ("x", "", true),
            ("Authorization", "x", false), ("HOST", "x", false), ("content-length", "1", false),
            ("", "x", false),
            ("a b", "x", false), ("a:", "x", false), ("x", "a\r\nb", false), ("x", " a", false),
            ("x", "a ", false),
            ("x", "é", false), ("x", "\u{0}", false), (String(repeating: "x", count: 65), "x", false),
            ("x", String(repeating: "x", count: 1025), false),
        ])
    func headers(_ name: String, _ value: String, _ isValid: Bool) {
        let problems = Provider.problems(
            name: "p", baseURL: "https://a.b", headers: [ExtraHeader(name: name, value: value)],
            timeouts: .standard)
        #expect(problems.isEmpty == isValid)
        #expect(problems.allSatisfy { $0.pointer.hasPrefix("/headers") })
    }

    @Test("a provider's other rules")
    func provider() {
        let tooMany = (0...Provider.maximumHeaders).map { ExtraHeader(name: "x-\($0)", value: "1") }
        let timeouts = ProviderTimeouts(connect: 0, firstByte: 1, betweenChunks: 7_200_001, total: -5)
        let problems = Provider.problems(name: "P", baseURL: "nope", headers: tooMany, timeouts: timeouts)
        #expect(
            problems.map(\.pointer) == [
                "/name", "/base_url", "/headers", "/timeouts/connect_ms", "/timeouts/between_chunks_ms",
                "/timeouts/total_ms",
            ])
        for kind in ProviderKind.allCases {
            if let url = kind.defaultBaseURL?.replacing("{region}", with: "eu-west-1")
                .replacing("{location}", with: "europe-west1")
            {
                #expect(BaseURL(url)?.description == url)
            }
        }
    }

    @Test("a model's rules")
    func model() {
        #expect(Model.problems(name: "m", displayName: "M", contextWindow: nil, maximumOutput: 1).isEmpty)
        let problems = Model.problems(
            name: " ", displayName: "", contextWindow: 0, maximumOutput: 100_000_001)
        #expect(problems.map(\.pointer) == ["/name", "/display_name", "/context_window", "/maximum_output"])
    }

    @Test("a route's rules")
    func route() {
        let model = ModelID(at: .epoch)
        #expect(Route.problems(name: "r", targets: [Target(model: model)]).isEmpty)
        #expect(Route.problems(name: "r", targets: []).map(\.pointer) == ["/targets"])
        let wrong = [
            Target(model: model, weight: 0), Target(model: model, weight: 1001, priority: 101),
            Target(model: ModelID(high: 1, low: 2), weight: 1000, priority: -1),
        ]
        #expect(
            Route.problems(name: "", targets: wrong).map(\.pointer) == [
                "/name", "/targets/0/weight", "/targets/1/weight", "/targets/1/priority", "/targets/1/model",
                "/targets/2/priority",
            ])
        let many = (0...Route.maximumTargets).map { Target(model: ModelID(high: 0, low: UInt64($0))) }
        #expect(Route.problems(name: "r", targets: many).map(\.code) == [.tooLong])
    }

    @Test("the price in force is the latest that has begun; of two that begin together the later one made")
    func prices() throws {
        let rates = try #require(PriceRates(input: 1, output: 1))
        func price(_ low: UInt64, _ from: Int64) -> Price {
            Price(
                id: PriceID(high: 0, low: low), model: ModelID(high: 0, low: 0), tenant: nil, rates: rates,
                effectiveFrom: Timestamp(microseconds: from), createdAt: .epoch)
        }
        let prices = [price(1, 100), price(2, 50), price(4, 100), price(3, 200)]
        func inForce(_ now: Int64) -> UInt64? {
            Price.inForce(prices, at: Timestamp(microseconds: now))?.id.low
        }
        #expect(
            [inForce(49), inForce(50), inForce(99), inForce(100), inForce(199), inForce(200)] == [
                nil, 2, 2, 4, 4, 3,
            ])
    }

    @Test("a node is connected while it was heard from within three heartbeats")
    func nodes() {
        var node = Node(
            id: NodeID(at: .epoch), name: "n", region: "r", identityKey: [], sealingKey: [],
            softwareVersion: "1",
            joinedAt: .epoch)
        let now = Timestamp.epoch.advanced(bySeconds: 100)
        #expect(!node.isConnected(at: now))
        node.lastSeenAt = now.advanced(bySeconds: -30)
        #expect(node.isConnected(at: now))
        node.lastSeenAt = now.advanced(bySeconds: -31)
        #expect(!node.isConnected(at: now))
        node.lastSeenAt = now
        node.status = .revoked
        #expect(!node.isConnected(at: now))
    }

    @Test("a join token is open until it is used or its time is over")
    func joinTokens() {
        let end = Timestamp.epoch.advanced(bySeconds: 900)
        var token = JoinToken(
            id: JoinTokenID(at: .epoch), nodeName: "n", region: "r", createdBy: nil, createdAt: .epoch,
            expires: end)
        #expect(token.standing(at: end.advanced(byMicroseconds: -1)) == .open)
        #expect(token.standing(at: end) == .expired)
        token.usedAt = .epoch
        #expect(token.standing(at: end) == .used)
    }
}
