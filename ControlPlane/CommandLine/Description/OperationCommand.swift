import HTTPWire
import JSONText

/// A command made from one operation of the API: path parameters are its arguments, the rest its options.
struct OperationCommand: Sendable {
    /// What a command does beyond its operation.
    struct Adjustment: Sendable {
        /// Body members that need not be given.
        var defaults: [String: JSONValue] = [:]
        /// Secrets the terminal is asked for when they are not given.
        var asks: [String] = []
        var options: [Command.Option] = []
        var prepare: (@Sendable (inout JSONObject, Invocation, NameResolver) async throws -> Void)?
        var after: (@Sendable (JSONValue, Invocation, AdminClient, String) async throws -> Void)?
    }

    let operation: APIOperation
    var adjustment = Adjustment()

    /// The command, and for a list also the noun alone.
    func commands() -> [Command] {
        let words = [operation.noun] + operation.verb.split(separator: ".").map(String.init)
        var found = [command(words)]
        if operation.verb == "list" || (operation.verb == "get" && operation.pathParameters.isEmpty) {
            found.append(command([operation.noun]))
        }
        return found
    }

    private func command(_ words: [String]) -> Command {
        Command(
            words: words, summary: operation.summary,
            arguments: operation.pathParameters.filter { $0.name != "tenant" }.map {
                Command.Argument(
                    name: $0.name, help: "\($0.summary.dropLast()), by name or ID")
            }, options: options, note: valueOptions.isEmpty ? nil : Self.valueNote
        ) { invocation, context in try await run(invocation, context) }
    }

    private var options: [Command.Option] {
        var options = adjustment.options
        for input in operation.inputs where !isPaging(input) {
            if options.contains(where: { $0.name == input.option }) { continue }
            let isOpen = input.isRequired && adjustment.defaults[input.name] == nil
            options.append(
                Command.Option(
                    name: input.option, value: input.placeholder,
                    help: Self.help(input) + (isOpen ? " (required)" : "")))
        }
        if operation.takesBody {
            options.append(
                Command.Option(
                    name: "file", value: "FILE",
                    help: "the body as JSON, with IDs; - for standard input; options win"))
        }
        if operation.isList {
            options += [
                Command.Option(name: "all", help: "every page, not only the first"),
                Command.Option(name: "limit", value: "N", help: "how many of the first page, default 200"),
            ]
        }
        if operation.path.contains("{tenant}") { options.append(Self.tenantOption) }
        return options
    }

    /// The options whose value may be a file's.
    private var valueOptions: [APIInput] {
        operation.inputs.filter { $0.place == .body && !$0.isSecret && $0.placeholder != nil }
    }

    static let valueNote = """
        The value of a member of the body may be a file's: @FILE, or @- for standard input; @@ begins a text
        with an @. What is read so stays out of the list of processes and of the shell's history.
        """

    static let tenantOption = Command.Option(
        name: "tenant", value: "NAME", help: "the tenant's name or ID; needed when there are several")

    /// Asked for by options of the command's own.
    private func isPaging(_ input: APIInput) -> Bool {
        operation.isList && input.place == .query && ["limit", "cursor"].contains(input.name)
    }

    private static func help(_ input: APIInput) -> String {
        // The first sentence; the rest is in the API's documentation.
        var text =
            input.summary.firstRange(of: ". ").map { String(input.summary[..<$0.lowerBound]) }
            ?? input.summary
        if text.last == "." { text.removeLast() }
        if case .word(let words) = input.kind, words.count > 4 {
            text += ": " + words.joined(separator: ", ")
        }
        return input.isSecret ? "a file (or -) with: \(text)" : text
    }

    // MARK: Run

    func run(_ invocation: Invocation, _ context: CommandContext) async throws {
        let admin = try context.admin()
        let names = NameResolver(
            admin: admin, tenantWish: invocation.options["tenant"],
            inTenant: operation.path.contains("{tenant}"))
        let path = try await path(invocation, names)
        var query: [(String, String)] = []
        var fields = HeaderFields()
        for input in operation.inputs where input.place != .body && !isPaging(input) {
            guard let text = invocation.options[input.option] else { continue }
            let value = try await InputValue.read(text, input, names)
            let plain = value.string ?? value.array?.map { $0.string ?? $0.text }.joined(separator: ",")
            if input.place == .query {
                query.append((input.name, plain ?? value.text))
            } else {
                fields.append(input.name.lowercased(), plain ?? value.text)
            }
        }
        switch operation.answer {
        case .list(let members): try await list(invocation, admin, path, query, members)
        case .rows: try await admin.download(path, query) { Console.write($0, to: 1) }
        default:
            // No `? … : nil`: a JSON value may be nil itself, and would be sent as `null`.
            var body: JSONValue?
            if operation.takesBody { body = try await self.body(invocation, names) }
            let answer = try await admin.send(operation.method, path, query, fields, body)
            try await adjustment.after?(answer, invocation, admin, path)
            show(answer, invocation)
        }
    }

    private func path(_ invocation: Invocation, _ names: NameResolver) async throws -> String {
        var path = String(operation.path.dropFirst(APIDescription.base.count))
        var arguments = invocation.arguments[...]
        for parameter in operation.pathParameters {
            let id: String
            if parameter.name == "tenant" {
                id = try await names.tenant()
            } else {
                let wish = arguments.popFirst() ?? ""
                let resolved = APIDescription.embedded.list(before: parameter.name, in: operation.path)
                id = try await names.id(
                    wish, prefix: parameter.prefix, noun: parameter.name, list: resolved, known: path)
            }
            path = path.replacing("{\(parameter.name)}", with: AdminClient.percentEncoded(id))
        }
        return path
    }

    private func body(_ invocation: Invocation, _ names: NameResolver) async throws -> JSONValue {
        try checkStandardInput(invocation)
        var body = JSONObject()
        if let file = invocation.options["file"] { body = try InputValue.object(file: file) }
        for (name, value) in adjustment.defaults where body[name] == nil { body[name] = value }
        for input in operation.inputs where input.place == .body {
            guard let text = invocation.options[input.option] else { continue }
            if input.isSecret {
                let secret = try InputFile.text(text, maximumBytes: InputFile.largestSecretBytes)
                body[input.name] = .string(secret)
            } else {
                body[input.name] = try await InputValue.read(text, input, names)
            }
        }
        try await adjustment.prepare?(&body, invocation, names)
        for input in operation.inputs where input.place == .body && body[input.name] == nil {
            body[input.name] = try await missing(input, body, names)
        }
        return .object(body)
    }

    /// There is one standard input: two options that read it would share it out by chance.
    private func checkStandardInput(_ invocation: Invocation) throws(CommandFailure) {
        let values = operation.inputs.filter { $0.place == .body }.filter {
            invocation.options[$0.option] == ($0.isSecret ? "-" : "@-")
        }
        let readers = values.map(\.option) + (invocation.options["file"] == "-" ? ["file"] : [])
        guard readers.count > 1 else { return }
        let names = readers.map { "--\($0)" }.joined(separator: " and ")
        throw .usage("\(names) cannot both read standard input; give one of them a file")
    }

    /// What stands for a member nobody gave: what can only be one thing, what the terminal says, or nothing.
    private func missing(
        _ input: APIInput, _ body: JSONObject, _ names: NameResolver
    ) async throws -> JSONValue? {
        if input.isSecret, input.isRequired || adjustment.asks.contains(input.name) {
            let prompt = input.name.prefix(1).uppercased() + input.name.dropFirst().replacing("_", with: " ")
            if let typed = Console.ask("\(prompt): ", echo: false), !typed.isEmpty { return .string(typed) }
            throw CommandFailure.usage("no \(input.name); pass --\(input.option) FILE")
        }
        guard input.isRequired else { return nil }
        if input.name == "slug", let name = body["name"]?.string { return .string(Slug.of(name)) }
        if case .id(let prefix) = input.kind {
            return .string(try await names.only(prefix: prefix, option: input.option))
        }
        throw CommandFailure.usage("missing --\(input.option) \(input.placeholder ?? ""): \(input.summary)")
    }

    private func list(
        _ invocation: Invocation, _ admin: AdminClient, _ path: String, _ query: [(String, String)],
        _ members: [String]
    ) async throws {
        var things: [JSONValue]
        if invocation.options["all"] != nil {
            things = try await admin.list(path, query)
        } else {
            let limit = try invocation.integer("limit", in: 1...200) ?? 200
            let page = try await admin.get(path, query + [("limit", "\(limit)")])
            things = page["data"]?.array ?? []
            if page["next_cursor"]?.string != nil {
                Console.error("These are the first \(things.count); --all shows the rest too.")
            }
        }
        let columns = Columns.of(operation.noun, members)
        invocation.show(things, columns.map { (heading: $0.replacing("_", with: " "), path: $0) })
        things.removeAll()
    }

    /// The answer field by field; a secret that is shown once stands alone at the end.
    private func show(_ answer: JSONValue, _ invocation: Invocation) {
        if case .nothing = operation.answer { return Console.error("Done.") }
        if invocation.wantsJSON { return Console.out(answer.text) }
        let secret = ["secret", "bundle"].first { answer[$0]?.string != nil }
        var fields = JSONObject()
        for member in answer.object?.members ?? [] where member.name != secret {
            // An answer that wraps the thing with its secret shows the thing.
            if secret != nil, let inner = member.value.object {
                for field in inner.members { fields[field.name] = field.value }
            } else {
                fields[member.name] = member.value
            }
        }
        invocation.show(.object(fields))
        if let secret, let text = answer[secret]?.string {
            Console.out("\n\(text)")
            Console.error("Keep this text now: it is not shown again.")
        }
    }
}

/// Which members of a thing are worth a column.
enum Columns {
    private static let chosen: [String: [String]] = [
        "keys": ["name", "id", "standing", "prefix", "last_used_at", "created_at"],
        "nodes": [
            "name", "id", "status", "connected", "running_version", "outbox_events", "last_seen_at",
        ],
        "limits": ["name", "kind", "metric", "amount_now", "period", "subject", "mode", "id"],
        "routes": ["name", "id", "strategy", "targets", "retries", "enabled"],
        "providers": ["name", "id", "kind", "base_url", "credential_hint", "enabled"],
        "audit-events": ["occurred_at", "actor", "action", "target_kind", "target_id", "address"],
    ]
    /// Of the things inside one thing.
    private static let inner: [String: [String]] = [
        "limits": [
            "name", "metric", "period", "mode", "part", "amount", "used", "reserved", "remaining", "asks",
            "fits",
        ],
        "targets": [
            "position", "use", "provider_name", "upstream_model", "left_out", "estimated_cost",
        ],
    ]
    private static let first = ["name", "slug", "email", "occurred_at", "id"]
    private static let dull = ["tenant", "hash", "details", "updated_at", "sha256"]

    /// What a list shows of a thing under a column.
    static func text(_ column: String, of thing: JSONValue) -> String {
        let value = thing[column]
        if column == "retries", let attempts = value?["attempts"] {
            return "\(Invocation.cell(attempts)) attempts"
        }
        let text = Invocation.cell(value)
        // A limit that names nobody binds its whole tenant.
        return column == "subject" && text == "-" && value?.object != nil ? "tenant" : text
    }

    /// Those of things that stand inside another one: the chosen ones when they are what an explained call
    /// has, or all that are not empty everywhere.
    static func of(_ list: String, within things: [JSONValue]) -> [String] {
        let members = things.first?.object?.names ?? []
        if let chosen = inner[list], chosen.allSatisfy(members.contains) { return chosen }
        return members.filter { name in things.contains { Invocation.cell($0[name]) != "-" } }
    }

    static func of(_ noun: String, _ members: [String]) -> [String] {
        let bare = noun.replacing("shared-", with: "").replacing("platform-", with: "")
        if let chosen = chosen[bare] {
            let known = chosen.filter(members.contains)
            if known.count > 1 { return known }
        }
        let leading = first.filter(members.contains)
        let rest = members.filter { !leading.contains($0) && !dull.contains($0) }
        return leading + rest.prefix(max(0, 6 - leading.count))
    }
}

enum Slug {
    /// Lowercase letters and digits, runs of anything else as one hyphen.
    static func of(_ name: String) -> String {
        let words = name.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
        return String(words.joined(separator: "-").prefix(63))
    }
}
