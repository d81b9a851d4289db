import HTTPWire
import JSONText

/// A tenant as a file: out, and in again.
enum DeclarationCommands {
    private static let largestFileBytes = 1 << 20
    private static let platformOption = Command.Option(
        name: "platform", help: "what the platform shares with all tenants, instead of a tenant's")

    static let all = [
        Command(
            words: ["export"], summary: "Print a tenant's workspaces, routes and so on as one document",
            options: [
                .init(name: "keys", help: "with the keys, never their texts"), platformOption,
                OperationCommand.tenantOption,
            ], run: export),
        Command(
            words: ["apply"],
            summary: "Make a tenant as a document says: shows what would change, asks, does it",
            options: [
                .init(
                    name: "file", value: "PATH", help: "the document, or - for standard input",
                    isRequired: true),
                .init(name: "yes", help: "do not ask"),
                .init(name: "dry-run", help: "show what would change and do nothing"), platformOption,
                OperationCommand.tenantOption,
            ],
            note: """
                Exit codes: 0 when it was done, or in a dry run could be, whether or not anything differs;
                1 when the control plane refuses the document, or you do not say yes. With --dry-run --json,
                "steps" says what differs.
                """, run: apply),
    ]

    static func export(_ invocation: Invocation, _ context: CommandContext) async throws {
        let admin = try context.admin()
        let place = try await place(invocation, context, admin)
        let query = invocation.options["keys"] == nil ? [] : [("keys", "true")]
        Console.out(indented(try await admin.get("\(place)/declaration", query)))
    }

    /// The path before the document's: of a tenant, or of the platform.
    private static func place(
        _ invocation: Invocation, _ context: CommandContext, _ admin: AdminClient
    ) async throws -> String {
        guard invocation.options["platform"] != nil else {
            return "/tenants/\(try await context.tenant(invocation, admin))"
        }
        guard invocation.options["tenant"] == nil, invocation.options["keys"] == nil else {
            throw CommandFailure.usage("--platform goes with neither --tenant nor --keys")
        }
        return ""
    }

    static func apply(_ invocation: Invocation, _ context: CommandContext) async throws {
        let document = try withSecrets(try read(invocation.options["file"] ?? "-"))
        let admin = try context.admin()
        let path = "\(try await place(invocation, context, admin))/apply"
        let isDryRun = invocation.options["dry-run"] != nil
        if isDryRun || invocation.options["yes"] == nil {
            let plan = try await admin.send("POST", path, [("dry_run", "true")], [:], document)
            if isDryRun || changes(plan) == 0 { return show(plan, "would change", invocation) }
            // Beside the output, which is what was done.
            Console.error("\(table(of: plan))\nApply \(changes(plan)) changes? [y/N]")
            guard ["y", "yes"].contains(readLine()?.lowercased() ?? "") else {
                throw CommandFailure.refused("nothing was applied")
            }
        }
        show(try await admin.post(path, document), "changed", invocation)
    }

    private static func changes(_ plan: JSONValue) -> Int {
        (plan["steps"]?.array ?? []).count { ["create", "update"].contains($0["action"]?.string) }
    }

    private static func show(_ steps: JSONValue, _ verb: String, _ invocation: Invocation) {
        if invocation.wantsJSON { return Console.out(steps.text) }
        let table = table(of: steps)
        if !table.isEmpty { Console.out(table) }
        Console.error(summary(of: steps, verb))
    }

    /// How many things differ, are left out, and are as the document says.
    static func summary(of plan: JSONValue, _ verb: String) -> String {
        let actions = (plan["steps"]?.array ?? []).map { $0["action"]?.string }
        let skipped = actions.count { $0 == "skip" }
        return "\(changes(plan)) \(verb), " + (skipped > 0 ? "\(skipped) skipped, " : "")
            + "\(actions.count { $0 == "unchanged" }) unchanged"
    }

    /// A row for each thing that is not as the document says; empty: there is none.
    static func table(of plan: JSONValue) -> String {
        let steps = (plan["steps"]?.array ?? []).filter { $0["action"]?.string != "unchanged" }
        if steps.isEmpty { return "" }
        var table = Table(columns: ["action", "noun", "name", ""].map { Table.Column(heading: $0) })
        table.rows = steps.map { step in
            let changes = (step["changes"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
            return ["action", "noun", "name"].map { Invocation.cell(step[$0]) } + [
                step["reason"]?.string ?? changes
            ]
        }
        return table.text
    }

    // MARK: The file

    private static func read(_ path: String) throws(CommandFailure) -> JSONValue {
        let bytes = try InputFile.read(path, maximumBytes: largestFileBytes)
        do throws(JSONError) {
            return try JSONValue.parse(
                bytes, limits: JSONLimits(maximumBytes: largestFileBytes, maximumValues: 200_000))
        } catch {
            throw .usage("\(path) is not JSON: \(error)")
        }
    }

    /// With the values of environment variables in place of `@env/NAME`: secrets stay out of the file.
    static func withSecrets(
        _ value: JSONValue, _ environment: (String) -> String? = { Stack.environment($0) }
    ) throws(CommandFailure) -> JSONValue {
        switch value {
        case .string(let text) where text.hasPrefix("@env/"):
            let name = String(text.dropFirst(5))
            guard let secret = environment(name) else {
                throw .usage("the document wants the environment variable \(name), which is not set")
            }
            return .string(secret)
        case .array(let elements):
            var changed: [JSONValue] = []
            for element in elements { changed.append(try withSecrets(element, environment)) }
            return .array(changed)
        case .object(let object):
            var changed = JSONObject()
            for member in object.members { changed[member.name] = try withSecrets(member.value, environment) }
            return .object(changed)
        default: return value
        }
    }

    /// JSON with a line for each thing and each of its longer members, to be read and compared.
    static func indented(_ value: JSONValue, _ indent: String = "") -> String {
        let inner = indent + "  "
        switch value {
        case .array(let elements) where elements.contains { $0.object != nil }:
            let lines = elements.map { "\(inner)\(indented($0, inner))" }
            return "[\n\(lines.joined(separator: ",\n"))\n\(indent)]"
        case .object(let object) where !object.isEmpty:
            let lines = object.members.map { member in
                "\(inner)\(JSONValue.string(member.name).text): \(indented(member.value, inner))"
            }
            return "{\n\(lines.joined(separator: ",\n"))\n\(indent)}"
        default: return value.text
        }
    }
}
