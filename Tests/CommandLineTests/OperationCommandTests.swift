import EventLoops
import Glibc
import HTTPCalling
import HTTPServing
import HTTPWire
import JSONText
import Synchronization
import TestSupport
import Testing
import Transport

@testable import CommandLineTool

/// Commands made from the API's description, against a small real server that notes what it is asked.
@Suite("commands of the API")
struct OperationCommandTests {
    static let tenant = "tenant_01h455vb4pex5vsknk084sn02q"
    static let provider = "prov_01h455vb4pex5vsknk084sn02q"
    static let workspace = "ws_01h455vb4pex5vsknk084sn02q"

    struct Asked: Equatable {
        let call: String
        let query: String
        let body: String
    }

    final class Server: Sendable {
        let asked = Mutex<[Asked]>([])
    }

    /// Runs one command line against a server that has one tenant, one workspace and a page of keys.
    @discardableResult
    func run(_ words: [String]) async throws -> [Asked] {
        let server = Server()
        try await withLoop { loop in
            let http = HTTPServer(loop: loop) { exchange in
                let call = "\(exchange.method) \(exchange.path)"
                let query = exchange.query.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
                let bytes = (try? await exchange.readBody(limit: 8 << 20)).map { Array($0) } ?? []
                server.asked.withLock {
                    $0.append(Asked(call: call, query: query, body: String(decoding: bytes, as: UTF8.self)))
                }
                let (status, answer) = Self.answer(call)
                try? await exchange.respond(
                    status: status, fields: ["content-type": "application/json"], body: answer.bytes)
            }
            let address = try http.listen(on: try #require(SocketAddress("127.0.0.1:0")))
            let pool = BlockingPool(threads: 1, queueLimit: 4, name: "resolver")
            let client = HTTPClient(
                loop: loop, dialer: Dialer(loop: loop, resolver: pool, policy: .unrestricted))
            var context = CommandContext(loop: loop, http: client, stopRequests: StopRequests())
            context.session = Session(url: "http://\(address)", accessToken: "t", refreshToken: "r")
            let invocation = try Invocation(words, in: CommandLineTool.commands)
            try await invocation.command.run(invocation, context)
            pool.shutdown()
            await http.drain(withinNanoseconds: 1_000_000_000)
        }
        return server.asked.withLock { $0 }
    }

    static func answer(_ call: String) -> (Int, JSONValue) {
        let under = "/api/v1/tenants/\(tenant)"
        func page(_ things: JSONValue...) -> JSONValue { ["data": .array(things), "next_cursor": nil] }
        switch call {
        case "GET /api/v1/tenants":
            return (200, page(["id": .string(tenant), "slug": "acme", "name": "Acme"]))
        case "GET \(under)/workspaces": return (200, page(["id": .string(workspace), "slug": "main"]))
        case "GET \(under)/keys":
            return (200, page(["id": "key_01h455vb4pex5vsknk084sn02q", "name": "app"]))
        case "GET \(under)/models":
            return (200, page(["id": "model_01h455vb4pex5vsknk084sn02q", "name": "gpt"]))
        case "POST \(under)/keys":
            return (201, ["key": ["id": "key_x", "name": "n"], "secret": "ek_secret"])
        default: return (200, ["id": "model_01h455vb4pex5vsknk084sn02q"])
        }
    }

    @Test("names become IDs, what can only be one thing is filled in, and flags become members")
    func creating() async throws {
        let asked = try await run([
            "keys", "create", "--name", "app", "--endpoints", "chat", "--expires-at", "null",
        ])
        #expect(asked.last?.call == "POST /api/v1/tenants/\(Self.tenant)/keys")
        let body = try JSONValue.parse(asked.last?.body ?? "")
        #expect(body["name"] == "app" && body["workspace"]?.string == Self.workspace)
        #expect(body["endpoints"] == ["chat"] && body["expires_at"] == .null)
    }

    @Test("an argument is a thing's name, an ID is taken as it is, a tenant is chosen by name")
    func paths() async throws {
        let revoke = "POST /api/v1/tenants/\(Self.tenant)/keys/key_01h455vb4pex5vsknk084sn02q/revoke"
        let byName = try await run(["keys", "revoke", "app"])
        #expect(byName.map(\.call).suffix(2) == ["GET /api/v1/tenants/\(Self.tenant)/keys", revoke])
        let byID = try await run([
            "keys", "revoke", "key_01h455vb4pex5vsknk084sn02q", "--tenant", Self.tenant,
        ])
        #expect(byID.map(\.call) == [revoke])
        #expect(byID.last?.body == "", "an operation without a body gets none")
        await #expect {
            try await run(["keys", "revoke", "apq"])
        } throws: {
            ($0 as? CommandFailure)?.text.contains("did you mean 'app'?") == true
        }
        await #expect {
            try await run(["keys", "get", "app", "--tenant", "nobody"])
        } throws: {
            ($0 as? CommandFailure)?.exitCode == 1
        }
    }

    @Test("what takes no body is sent none")
    func noBody() async throws {
        let key = "key_01h455vb4pex5vsknk084sn02q"
        for verb in ["get", "revoke"] {
            let asked = try await run(["keys", verb, key, "--tenant", Self.tenant])
            #expect(asked.last?.body == "", "\(verb)")
        }
        let deleted = try await run(["contents", "delete", "use_01h455vb4pex5vsknk084sn02q"])
        #expect(deleted.last?.body == "" && deleted.last?.call.hasPrefix("DELETE ") == true)
    }

    @Test("a list is one page, or with --all every page, and its filters are options")
    func listing() async throws {
        let asked = try await run(["keys", "--workspace", "main", "--limit", "7"])
        #expect(asked.last?.query == "workspace=\(Self.workspace)&limit=7")
        let all = try await run(["keys", "list", "--all", "--json"])
        #expect(all.last?.query == "limit=200")
    }

    @Test("a filter that is true or false takes either, and a flag none")
    func booleans() async throws {
        let asked = try await run(["providers", "list", "--enabled", "false"])
        #expect(asked.last?.query == "enabled=false&limit=200")
        let rehearsed = try await run(["keys", "create", "--name", "app", "--dry-run"])
        #expect(rehearsed.last?.query == "dry_run=true")
        await #expect(throws: CommandFailure.self) {
            try await run(["providers", "list", "--enabled", "maybe"])
        }
    }

    @Test("members of an object are given as pairs, with names in place of IDs")
    func pairs() async throws {
        let asked = try await run([
            "limits", "create", "--name", "m", "--metric", "cost", "--amount", "5", "--period", "month",
            "--subject", "workspace=main",
        ])
        let body = try JSONValue.parse(asked.last?.body ?? "")
        #expect(body["subject"] == ["workspace": .string(Self.workspace)])
    }

    @Test("a route leads to a model by name, in a flag of its own or inside JSON")
    func routes() async throws {
        for words in [
            ["--model", "gpt"], ["--targets", #"[{"model": "gpt"}]"#],
        ] {
            let asked = try await run(["routes", "create", "--name", "chat"] + words)
            let body = try JSONValue.parse(asked.last?.body ?? "")
            #expect(body["targets"] == [["model": "model_01h455vb4pex5vsknk084sn02q"]], "\(words)")
        }
    }

    @Test("a model may be made with its price")
    func models() async throws {
        let asked = try await run([
            "models", "create", "--name", "m", "--provider", Self.provider, "--input",
            "0.15", "--output", "0.6",
        ])
        #expect(asked.last?.call.hasSuffix("/models/model_01h455vb4pex5vsknk084sn02q/prices") == true)
        #expect(asked.last?.body == #"{"input":"0.15","output":"0.6"}"#)
        let rehearsed = try await run([
            "models", "create", "--name", "m", "--provider", Self.provider, "--input", "1", "--output", "2",
            "--dry-run",
        ])
        let written = rehearsed.filter { $0.call.hasPrefix("POST") }
        #expect(written.map(\.query) == ["dry_run=true"], "the model is not there to be priced")
    }

    @Test("a body comes from a file, and options win over it; secrets come from files alone")
    func files() async throws {
        let folder = TemporaryDirectory()
        folder.replace("body.json", Array(#"{"name": "a", "kind": "ollama", "enabled": false}"#.utf8))
        folder.replace("credential", Array("sk-123\n".utf8))
        let asked = try await run([
            "providers", "create", "--file", folder.path + "/body.json", "--name", "b",
            "--credential-file", folder.path + "/credential", "--headers", "x-a=1,x-b=2",
        ])
        let body = try JSONValue.parse(asked.last?.body ?? "")
        #expect(body["name"] == "b" && body["kind"] == "ollama" && body["enabled"] == false)
        #expect(body["credential"] == "sk-123" && body["headers"] == ["x-a": "1", "x-b": "2"])
    }

    @Test("a value of the body may be a file's: @FILE, also JSON; @@ is an @, and a file's `null` a text")
    func valuesFromFiles() async throws {
        let folder = TemporaryDirectory()
        folder.replace("prices.json", Array(#"{"gpt": {"litellm_provider": "openai"}}"#.utf8) + [0x0A])
        folder.replace("null", Array("null\n".utf8))
        folder.replace("targets", Array(#"[{"model": "gpt"}]"#.utf8))
        func imported(_ document: String) async throws -> JSONValue? {
            let words = ["models", "import", "--provider", Self.provider, "--document", document]
            let asked = try await run(words)
            return try JSONValue.parse(asked.last?.body ?? "")["document"]
        }
        let prices = #"{"gpt": {"litellm_provider": "openai"}}"#
        #expect(try await imported("@\(folder.path)/prices.json") == .string(prices))
        #expect(try await imported("@\(folder.path)/null") == "null")
        #expect(try await imported("null") == .null)
        #expect(try await imported("@@x") == "@x")
        let routes = try await run([
            "routes", "create", "--name", "r", "--targets", "@\(folder.path)/targets",
        ])
        let body = try JSONValue.parse(routes.last?.body ?? "")
        #expect(body["targets"] == [["model": "model_01h455vb4pex5vsknk084sn02q"]])
        let filtered = try await run(["models", "list", "--name-prefix", "@x"])
        #expect(filtered.last?.query.contains("name_prefix=@x") == true, "\(filtered)")
    }

    @Test("a whole price file of more than a megabyte goes out as one value")
    func largeValue() async throws {
        let folder = TemporaryDirectory()
        let document = PriceFile.generated(vendors: 7, models: 430)
        #expect(document.utf8.count > 1_300_000)
        folder.replace("prices.json", Array(document.utf8))
        let asked = try await run([
            "models", "import", "--provider", Self.provider, "--document", "@\(folder.path)/prices.json",
        ])
        let sent = try JSONValue.parse(
            asked.last?.body ?? "", limits: JSONLimits(maximumBytes: 8 << 20, maximumValues: 10))
        #expect(sent["document"]?.string == document.trimmingNewlines())
    }

    @Test("a file that is missing, too large or no text is named, and standard input is read once")
    func unreadable() async throws {
        let folder = TemporaryDirectory()
        folder.replace("large", [UInt8](repeating: 0x61, count: InputFile.largestBytes + 1))
        folder.replace("bytes", [0xFF, 0xFE])
        folder.replace("credential", [UInt8](repeating: 0x61, count: InputFile.largestSecretBytes + 1))
        let cases: [([String], String)] = [
            (["--name", "@\(folder.path)/absent"], "cannot read \(folder.path)/absent: No such file"),
            (["--name", "@\(folder.path)"], "cannot read \(folder.path): Is a directory"),
            (["--name", "@\(folder.path)/large"], "larger than 8388608 bytes"),
            (["--name", "@\(folder.path)/bytes"], "is not UTF-8"),
            (["--name", "@"], "'@' needs a file"),
            (["--credential-file", "\(folder.path)/credential"], "larger than 65536 bytes"),
            (["--file", "-", "--name", "@-"], "--name and --file cannot both read standard input"),
            (["--credential-file", "-", "--name", "@-"], "cannot both read standard input"),
        ]
        for (words, expected) in cases {
            await #expect("\(words)") {
                try await run(["providers", "create"] + words)
            } throws: {
                ($0 as? CommandFailure)?.text.contains(expected) == true
            }
        }
    }

    @Test("the help of a command with a body says so; of one without it does not")
    func helpOfValues() {
        func help(_ words: String...) -> String {
            CommandLineTool.commands.first { $0.words == words }?.help ?? ""
        }
        #expect(help("models", "import").contains("@FILE, or @- for standard input"))
        #expect(!help("models", "list").contains("@FILE") && !help("keys", "revoke").contains("@FILE"))
    }

    @Test(
        "a wrong option says what would be right",
        arguments: [
            (["keys", "create"], "missing --name"),
            (["keys", "create", "--name", "a", "--endpoints", "chet"], "did you mean 'chat'?"),
            (["keys", "--limit", "1000"], "from 1 to 200"),
            (["providers", "create", "--name", "a", "--enabled", "maybe"], "must be true or false"),
            (["providers", "create", "--name", "a", "--headers", "x"], "name=value"),
            (["models", "create", "--name", "m", "--provider", Self.provider, "--input", "1"], "needs both"),
            (["routes", "create", "--name", "r", "--targets", "[1"], "not valid JSON"),
        ] as [([String], String)])
    func wrong(_ words: [String], _ expected: String) async {
        await #expect {
            try await run(words)
        } throws: {
            ($0 as? CommandFailure)?.text.contains(expected) == true
        }
    }

    @Test("every operation of the API is a command with a summary, and every option has its help")
    func everything() {
        let commands = CommandLineTool.commands
        #expect(APIDescription.embedded.operations.count > 50)
        for operation in APIDescription.embedded.operations where !operation.id.hasPrefix("sessions.") {
            let words = [operation.noun] + operation.verb.split(separator: ".").map(String.init)
            let command = commands.first { $0.words == words }
            #expect(command != nil, "\(operation.id)")
            #expect(command?.summary.isEmpty == false, "\(operation.id)")
            let names = command?.options.map(\.name) ?? []
            #expect(Set(names).count == names.count, "\(operation.id) has an option twice")
            for option in command?.options ?? [] { #expect(!option.help.isEmpty, "\(operation.id)") }
        }
        for list in APIDescription.embedded.operations where list.isList {
            guard case .list(let members) = list.answer else { continue }
            #expect((1...8).contains(Columns.of(list.noun, members).count), "\(list.id)")
        }
    }

    @Test("no secret can be written on a command line")
    func secrets() {
        for command in CommandLineTool.commands {
            for option in command.options
            where option.name.contains("password") || option.name.contains("credential") {
                // The ID of a credential is no secret.
                if command.words.last == "test" { continue }
                #expect(option.name.hasSuffix("-file"), "\(command.words) --\(option.name)")
            }
        }
    }
}

@Suite("completion")
struct CompletionTests {
    func candidates(_ words: String...) -> [String] {
        CompletionCommands.candidates(words, in: CommandLineTool.commands)
    }

    @Test("nouns, verbs, options and words of a choice are offered")
    func offered() {
        #expect(candidates("ke") == ["keys"])
        #expect(candidates("keys", "").contains("revoke"))
        #expect(candidates("keys", "create", "--na") == ["--name"])
        #expect(!candidates("keys", "create", "--name", "x", "--").contains("--name"))
        #expect(candidates("completion", "") == ["bash", "zsh", "fish"])
        #expect(candidates("providers", "create", "--enabled", "t") == ["true"])
        #expect(candidates("xyzzy", "").isEmpty)
    }

    @Test("after an @ come files; bash takes the @ for a word of its own")
    func files() {
        let folder = TemporaryDirectory()
        for name in ["prices.json", "prices.txt", ".hidden"] { folder.replace(name, [1]) }
        let document = ["models", "import", "--document"]
        let found = ["\(folder.path)/prices.json", "\(folder.path)/prices.txt"]
        func completed(_ words: [String]) -> [String] {
            CompletionCommands.candidates(document + words, in: CommandLineTool.commands)
        }
        #expect(completed(["@\(folder.path)/pri"]) == found.map { "@" + $0 })
        #expect(completed(["@", "\(folder.path)/"]) == found)
        #expect(completed(["@\(folder.path)"]) == ["@\(folder.path)/"])
        #expect(completed(["@\(folder.path)/x"]).isEmpty)
    }

    @Test("sourced in bash, the script completes by asking the program")
    func bash() throws {
        let folder = TemporaryDirectory()
        folder.replace("completion", Array(try CompletionCommands.script(for: "bash").utf8))
        // A program that answers like `eclusa __complete`.
        folder.replace(
            "eclusa",
            Array("#!/bin/bash\n[ \"$1\" = __complete ] && shift && printf '%s\\n' \"ok:$*\"\n".utf8))
        folder.setMode(0o755, "eclusa")
        folder.replace(
            "try",
            Array(
                """
                PATH=\(folder.path):$PATH; source \(folder.path)/completion || exit 1
                complete -p eclusa | grep -q _eclusa || exit 2
                COMP_WORDS=(eclusa keys cr); COMP_CWORD=2; _eclusa
                [ "${COMPREPLY[0]}" = "ok:keys cr" ] || { echo "${COMPREPLY[@]}"; exit 3; }
                """.utf8))
        let recipe = ChildProcess.Recipe(
            name: "bash", executable: "/bin/bash", arguments: [folder.path + "/try"],
            environment: ["PATH": "/usr/bin:/bin"], logPath: folder.path + "/log")
        try ChildProcess.run(recipe)
    }

    @Test("there is a script for each shell, and a usage failure for others")
    func shells() throws {
        for shell in CompletionCommands.shells {
            #expect(try CompletionCommands.script(for: shell).contains("eclusa __complete"))
        }
        #expect(throws: CommandFailure.self) { try CompletionCommands.script(for: "csh") }
    }

    @Test("a profile's session has a file of its own; names that would leave the folder are refused")
    func profiles() {
        #expect(Session.path(profile: "prod").hasSuffix("/eclusa/profiles/prod.json"))
        #expect(Session.isProfile("prod-2") && !Session.isProfile("../x") && !Session.isProfile(""))
    }
}
