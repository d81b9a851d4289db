import JSONText
import TestSupport
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

    @Test("what would change is a table, and how many things that are")
    func plan() {
        func step(_ action: String, _ name: String, _ changes: [JSONValue], _ reason: JSONValue) -> JSONValue
        {
            [
                "action": .string(action), "noun": "routes", "name": .string(name),
                "changes": .array(changes), "reason": reason,
            ]
        }
        let plan: JSONValue = [
            "steps": [
                step("create", "chat", [], .null), step("update", "fast", ["retries", "targets"], .null),
                step("unchanged", "slow", [], .null), step("skip", "odd", [], "is no member"),
            ]
        ]
        #expect(
            DeclarationCommands.table(of: plan) == """
                ACTION  NOUN    NAME
                create  routes  chat
                update  routes  fast  retries, targets
                skip    routes  odd   is no member
                """)
        #expect(
            DeclarationCommands.summary(of: plan, "would change") == "2 would change, 1 skipped, 1 unchanged")
        #expect(DeclarationCommands.table(of: ["steps": [step("unchanged", "slow", [], .null)]]).isEmpty)
    }

    @Test("a dry run asks the control plane what would happen and nothing more; shells complete it")
    func dryRun() async throws {
        let folder = TemporaryDirectory()
        folder.replace("acme.json", Array(#"{"groups": [{"name": "Everybody"}]}"#.utf8))
        let asked = try await OperationCommandTests().run([
            "apply", "--file", "\(folder.path)/acme.json", "--dry-run",
        ])
        let applied = asked.filter { $0.call.hasSuffix("/apply") }
        #expect(applied.map(\.query) == ["dry_run=true"])
        #expect(applied.first?.body == #"{"groups":[{"name":"Everybody"}]}"#)
        let found = CompletionCommands.candidates(["apply", "--d"], in: CommandLineTool.commands)
        #expect(found == ["--dry-run"])
    }

    @Test("-f is --file, which apply cannot do without")
    func file() throws {
        let invocation = try Invocation(["apply", "-f", "x.json", "--dry-run"], in: CommandLineTool.commands)
        #expect(invocation.options["file"] == "x.json" && invocation.options["dry-run"] != nil)
        #expect(throws: CommandFailure.self) { try Invocation(["apply"], in: CommandLineTool.commands) }
    }
}
