import JSONText
import Testing

@testable import CommandLineTool

@Suite("export and apply")
struct DeclarationCommandTests {
    @Test("secrets come from the environment, and one that is missing is named")
    func secrets() throws {
        let document: JSONValue = ["providers": [["name": "openai", "credential": "@env/OPENAI_KEY"]]]
        let filled = try DeclarationCommands.withSecrets(document) { $0 == "OPENAI_KEY" ? "sk-1" : nil }
        #expect(filled == ["providers": [["name": "openai", "credential": "sk-1"]]])
        #expect(
            throws: CommandFailure.usage(
                "the document wants the environment variable OPENAI_KEY, which is not set")
        ) { try DeclarationCommands.withSecrets(document) { _ in nil } }
    }

    @Test("an export is JSON with a line for each member, and reads back as it was")
    func indentation() throws {
        let document: JSONValue = [
            "workspaces": [["slug": "default", "name": "A \"b\""]], "groups": [],
            "keys": [["tags": ["a", "b"]]],
        ]
        let text = DeclarationCommands.indented(document)
        #expect(try JSONValue.parse(Array(text.utf8)) == document)
        #expect(text.split(separator: "\n").contains("      \"slug\": \"default\","))
    }

    @Test("-f is --file, which apply cannot do without")
    func file() throws {
        let invocation = try Invocation(["apply", "-f", "x.json", "--plan"], in: CommandLineTool.commands)
        #expect(invocation.options["file"] == "x.json" && invocation.options["plan"] != nil)
        #expect(throws: CommandFailure.self) { try Invocation(["apply"], in: CommandLineTool.commands) }
    }
}
