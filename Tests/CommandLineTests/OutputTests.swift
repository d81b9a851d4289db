import JSONText
import Testing

@testable import CommandLineTool

/// What commands print.
@Suite("output")
struct OutputTests {
    @Test("a table pads to its widest cells and sets numbers right")
    func table() {
        var table = Table(columns: [.init(heading: "name"), .init(heading: "calls", isNumber: true)])
        table.rows = [["a", "1"], ["longer", "1234567"]]
        #expect(
            table.text == """
                NAME      CALLS
                a             1
                longer  1234567
                """)
    }

    @Test("the usage table ends with the totals")
    func usage() throws {
        let report: JSONValue = [
            "data": [
                [
                    "key": "key_1", "calls": 2, "input_tokens": 10, "output_tokens": 4,
                    "cost": "0.01",
                ],
                ["key": "key_2", "calls": 1, "input_tokens": 1, "output_tokens": 1, "cost": "0.005"],
            ],
            "total": ["calls": 3, "input_tokens": 11, "output_tokens": 5, "cost": "0.015"],
        ]
        let table = UsageCommands.table(report, by: "key", names: ["key_1": "demo"])
        #expect(table.rows.map(\.[0]) == ["demo", "key_2", "total"])
        #expect(table.rows.last == ["total", "3", "11", "5", "0.015"])
    }

    @Test("a cell shows text as it is, nothing as a dash, the rest as JSON")
    func cells() {
        #expect(Invocation.cell("x") == "x")
        #expect(Invocation.cell(nil) == "-")
        #expect(Invocation.cell(.null) == "-")
        #expect(Invocation.cell(7) == "7")
        #expect(Invocation.cell(["a"]) == "[\"a\"]")
    }

    @Test("a slug is made of the letters and digits of a name")
    func slugs() {
        #expect(Slug.of("Acme & Söhne, Ltd. 2") == "acme-s-hne-ltd-2")
    }

    @Test("the welcome shows the password the first time only, and a curl with the key")
    func welcome() {
        let first = Self.welcome(true, "eclusa", password: "secret-word")
        #expect(first.contains("secret-word") && first.contains("Bearer ek_x"))
        let again = Self.welcome(true, "eclusa", password: nil)
        #expect(!again.contains("shown this once"))
        #expect(again.contains("http://127.0.0.1:23080/v1/chat/completions"))
    }

    static func welcome(_ isSessionFound: Bool, _ program: String, password: String? = "p-w") -> String {
        Welcome(
            ports: Ports(offset: 15_000), key: "ek_x", password: password,
            passwordFile: "/srv/state/secrets/admin.password", program: program, programFolder: "/opt/bin",
            isSessionFound: isSessionFound
        ).text
    }

    @Test(
        "what `eclusa up` says to type has the true port, password file and program",
        arguments: [
            (true, "./eclusa", ["  ./eclusa usage", "  /opt/bin/eclusa login"]),
            (false, "./eclusa", ["  /opt/bin/eclusa login", "  ./eclusa usage"]),
            (false, "eclusa", ["  eclusa login", "  eclusa usage"]),
        ] as [(Bool, String, [String])])
    func whatToType(_ isSessionFound: Bool, _ program: String, _ commands: [String]) {
        let text = Self.welcome(isSessionFound, program)
        let lines = text.split(separator: "\n").map(String.init)
        let said = lines.filter { $0.contains(" login ") || $0.hasSuffix(" usage") }
        #expect(said.count == 2 && zip(said, commands).allSatisfy { $0.hasPrefix($1) }, "\(said)")
        let login = said.first { $0.contains(" login ") } ?? ""
        #expect(
            login.hasSuffix(
                " login --url http://127.0.0.1:22070 --email admin@eclusa.localhost "
                    + "--password-file /srv/state/secrets/admin.password"))
        #expect(text.contains("kept in /srv/state/secrets/admin.password)"))
        #expect(!text.contains(".eclusa/") && !text.contains(".build/"))
    }

    @Test("a problem's text names each wrong field")
    func problems() {
        let problem: JSONValue = [
            "title": "Invalid", "detail": "The body is invalid.",
            "errors": [["pointer": "/name", "message": "must not be empty"]],
        ]
        #expect(AdminClient.problem(problem) == "The body is invalid.\n  /name: must not be empty")
        #expect(AdminClient.problem(["title": "Gone"]) == "Gone")
        #expect(AdminClient.problem(nil) == nil)
    }

    @Test("query values are percent-encoded")
    func encoding() {
        #expect(
            AdminClient.percentEncoded("2026-01-01T00:00:00+01:00 é")
                == "2026-01-01T00%3A00%3A00%2B01%3A00%20%C3%A9")
    }

    @Test("made passwords have four groups of letters that are not mistaken for others")
    func passwords() {
        let password = Secrets.password()
        #expect(password.split(separator: "-").map(\.count) == [5, 5, 5, 5])
        #expect(!password.contains { "il1o0".contains($0) })
        #expect(password != Secrets.password())
    }
}
