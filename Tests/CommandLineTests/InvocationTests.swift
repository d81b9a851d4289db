import Testing

@testable import CommandLineTool

/// How a command line is read, and what is said of a wrong one.
@Suite("command lines")
struct InvocationTests {
    static let table = [
        Command(words: ["keys"], summary: "List") { _, _ in },
        Command(
            words: ["keys", "create"], summary: "Make",
            options: [
                .init(name: "name", value: "NAME", help: "its name", isRequired: true),
                .init(name: "loops", value: "N", help: "a number"), .init(name: "yes", help: "a switch"),
            ]
        ) { _, _ in },
        Command(
            words: ["keys", "revoke"], summary: "Revoke",
            arguments: [.init(name: "key", help: "the key's name")]
        ) { _, _ in },
    ]

    func read(_ words: String...) throws(CommandFailure) -> Invocation {
        try Invocation(words, in: Self.table)
    }

    @Test("the longest command wins, and options come in any order and both spellings")
    func reading() throws {
        let first = try read("keys", "create", "--name", "a b", "--json", "--yes")
        #expect(first.command.words == ["keys", "create"])
        #expect(first.options == ["name": "a b", "json": "true", "yes": "true"])
        #expect(first.wantsJSON)
        #expect(try read("keys", "create", "--name=x=y").options["name"] == "x=y")
        #expect(try read("keys", "revoke", "demo").arguments == ["demo"])
    }

    @Test(
        "a wrong command line says what is wrong and what would be right",
        arguments: [
            (["kyes"], "did you mean 'keys'?"),
            (["xyzzy"], "unknown command 'xyzzy'"),
            (["--wat"], "unknown option --wat"),
            (["keys", "crate"], "did you mean 'keys create'?"),
            (["keys", "--josn"], "did you mean --json?"),
            (["keys", "create"], "missing --name NAME: its name"),
            (["keys", "create", "--name"], "--name needs a value"),
            (["keys", "create", "--name", "--yes"], "--name needs a value"),
            (["keys", "create", "--name", "a", "--name", "b"], "--name is given twice"),
            (["keys", "create", "--name", "a", "--yes=1"], "--yes takes no value"),
            (["keys", "revoke"], "missing <key>: the key's name"),
            (["keys", "revoke", "a", "b"], "unexpected 'b'"),
        ] as [([String], String)])
    func wrong(_ words: [String], _ expected: String) {
        #expect {
            try Invocation(words, in: Self.table)
        } throws: { error in
            guard let failure = error as? CommandFailure else { return false }
            return failure.exitCode == 64 && failure.text.contains(expected)
        }
    }

    @Test("a number outside its range names the range")
    func numbers() throws {
        let invocation = try read("keys", "create", "--name", "a", "--loops", "12")
        #expect(try invocation.integer("loops", in: 1...64) == 12)
        #expect(try invocation.integer("absent", in: 1...64) == nil)
        #expect {
            try invocation.integer("loops", in: 1...8)
        } throws: {
            ($0 as? CommandFailure)?.text == "--loops must be a whole number from 1 to 8, not '12'"
        }
    }

    @Test("help asks for nothing that is required, and shows every option")
    func help() throws {
        let invocation = try read("keys", "create", "--help")
        for word in ["--name NAME", "(required)", "--json", "Usage: eclusa keys create --name NAME"] {
            #expect(invocation.command.help.contains(word), "\(word)")
        }
    }

    @Test("every command has a summary, and none stands twice")
    func commands() {
        let all = CommandLineTool.commands
        #expect(Set(all.map { $0.words.joined(separator: " ") }).count == all.count)
        for command in all { #expect(!command.summary.isEmpty) }
        for word in ["up", "down", "reset", "login", "tenants", "keys", "nodes", "usage"] {
            #expect(all.contains { $0.words == [word] }, "\(word)")
        }
    }

    @Test("the nearest name is found across a slip, and nothing across a gulf")
    func nearest() {
        #expect(Nearest.name(to: "nods", among: ["nodes", "keys"]) == "nodes")
        #expect(Nearest.name(to: "completely", among: ["nodes", "keys"]) == nil)
        #expect(Nearest.distance(Array("kitten".utf8), Array("sitting".utf8)) == 3)
    }

    @Test("each kind of failure has an exit code of its own")
    func exitCodes() {
        let failures: [CommandFailure] = [
            .refused(""), .usage(""), .unavailable(""), .software(""), .cannotCreate(""), .signedOut(""),
            .configuration(""),
        ]
        #expect(Set(failures.map(\.exitCode)).count == failures.count)
    }

    @Test("the program answers help and version, and refuses what it does not know")
    func program() {
        #expect(CommandLineTool.run([]) == 0)
        #expect(CommandLineTool.run(["--version"]) == 0)
        #expect(CommandLineTool.run(["keys", "--help"]) == 0)
        #expect(CommandLineTool.run(["kyes"]) == 64)
    }
}
