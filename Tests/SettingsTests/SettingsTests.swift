import Cryptography
import Glibc
import Testing

@testable import Settings

enum Mode: String, CaseIterable { case fast, safe }

@Suite("Settings")
struct SettingsTests {
    static let listen = Setting.value(
        "listen-address", as: "HOST:PORT", default: "127.0.0.1:8080", help: "Where applications connect.",
        expects: "a host and a port, as in 127.0.0.1:8080"
    ) { text in text.split(separator: ":").count == 2 ? text : nil }
    static let loops = Setting.integer("loops", default: 2, in: 1...64, help: "Threads that serve.")
    static let body = Setting.byteCount(
        "body-limit", default: 1 << 20, in: 1_024...1 << 30, help: "Largest body.")
    static let drain = Setting.duration(
        "drain-time", default: .seconds(30), in: .zero...(.seconds(600)), help: "Time to finish calls.")
    static let verbose = Setting.boolean("verbose", default: false, help: "Logs more.")
    static let mode = Setting<Mode>.choice("mode", default: .safe, help: "How to write.")
    static let region = Setting.optionalText("region", help: "Where this node runs.")
    static let hosts = Setting.list("allowed-hosts", as: "HOST", help: "Hosts that may be dialled.")
    static let database = Setting.text("database-url", as: "URL", default: nil, help: "The database.")
        .readingAlso(environment: "DATABASE_URL")
    static let key = Setting.optionalSecret("master-key", minimumBytes: 8, help: "Seals what is stored.")

    static let schema = SettingsSchema(
        program: "eclusa-test", summary: "Tests settings.", version: "1.2.3",
        groups: [
            SettingGroup("Listening", [listen, loops, body, drain]),
            SettingGroup("Rest", [verbose, mode, region, hosts, database, key]),
        ],
        rules: [
            { values in
                values[verbose] && values[mode] == .fast
                    ? SettingProblem("--verbose", what: "slows --mode fast", fix: "give one of them") : nil
            }
        ], operands: (1, "COMMAND"), foreignEnvironment: ["ECLUSA_SIBLING"])

    private func values(
        _ arguments: [String], _ environment: [String: String] = [:]
    ) throws(SettingsError) -> SettingsValues {
        let environment = environment.merging(["DATABASE_URL": "postgres://"]) { own, _ in own }
        guard case .run(let values) = try Self.schema.parse(arguments: arguments, environment: environment)
        else {
            throw SettingsError(problems: [])
        }
        return values
    }

    private func problems(_ arguments: [String], _ environment: [String: String] = [:]) -> [String] {
        do throws(SettingsError) {
            _ = try values(arguments, environment)
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test("without anything given every setting has its default")
    func defaults() throws {
        let values = try values([])
        #expect(values[Self.listen] == "127.0.0.1:8080")
        #expect(values[Self.loops] == 2)
        #expect(values[Self.body] == 1_048_576)
        #expect(values[Self.drain] == .seconds(30))
        #expect(values[Self.verbose] == false)
        #expect(values[Self.mode] == .safe)
        #expect(values[Self.region] == nil)
        #expect(values[Self.hosts] == [])
        #expect(values[Self.key] == nil)
        #expect(values.source(of: Self.loops) == .default)
        #expect(values[Self.database] == "postgres://")
        #expect(values.source(of: Self.database) == .environment)
    }

    @Test("flags are read in every spelling, and operands around them")
    func flags() throws {
        let values = try values([
            "--listen-address", "0.0.0.0:1", "up", "--loops=4", "--body-limit", "64KiB", "--drain-time=5m",
            "--verbose", "--region", "eu", "--allowed-hosts", "a,b", "--allowed-hosts=c",
        ])
        #expect(values[Self.listen] == "0.0.0.0:1")
        #expect(values[Self.loops] == 4)
        #expect(values[Self.body] == 65_536)
        #expect(values[Self.drain] == .seconds(300))
        #expect(values[Self.verbose])
        #expect(values[Self.region] == "eu")
        #expect(values[Self.hosts] == ["a", "b", "c"])
        #expect(values.operands == ["up"])
        #expect(values.source(of: Self.loops) == .argument)
        #expect(try self.values(["--no-verbose", "--", "--x"]).operands == ["--x"])
        #expect(try self.values(["-"]).operands == ["-"])
        #expect(try self.values(["--verbose=false"])[Self.verbose] == false)
    }

    @Test("a flag beats its variable, and an empty variable is not set")
    func precedence() throws {
        let environment = [
            "ECLUSA_LOOPS": "8", "ECLUSA_MODE": "fast", "ECLUSA_REGION": "", "ECLUSA_SIBLING": "x",
        ]
        let values = try values(["--loops", "3"], environment)
        #expect(values[Self.loops] == 3)
        #expect(values[Self.mode] == .fast)
        #expect(values[Self.region] == nil)
        #expect(values.source(of: Self.mode) == .environment)
    }

    /// Arguments, variables, and what must be said.
    static let mistakes: [([String], [String: String], [String])] = [
        (["--loops", "ten"], [:], ["--loops is \"ten\"; give a whole number from 1 to 64"]),
        (["--loops", "65"], [:], ["--loops is 65; give a whole number from 1 to 64"]),
        (["--loops"], [:], ["--loops has no value; write --loops N"]),
        (["--loops", "--verbose"], [:], ["--loops has no value; write --loops N"]),
        (["--loops", "1", "--loops", "2"], [:], ["--loops is given twice; give it once"]),
        (["--lops", "3"], [:], ["--lops is not a setting; did you mean --loops?"]),
        (["--vrebose"], [:], ["--vrebose is not a setting; did you mean --verbose?"]),
        (["--versoin"], [:], ["--versoin is not a setting; did you mean --version?"]),
        (["--something-else"], [:], ["--something-else is not a setting; see --help"]),
        (["-x"], [:], ["-x is not a setting; see --help"]),
        (["up", "down"], [:], ["\"down\" is not expected here; give only COMMAND"]),
        (["--mode", "slow"], [:], ["--mode is \"slow\"; give fast or safe"]),
        (["--verbose=yes"], [:], ["--verbose is \"yes\"; give true or false"]),
        (["--no-verbose=true"], [:], ["--no-verbose takes no value; write --no-verbose alone"]),
        (["--body-limit", "1MB"], [:], ["--body-limit is \"1MB\"; give 1KiB to 1GiB, as in 64KiB"]),
        (
            ["--body-limit", "9999999999GiB"], [:],
            ["--body-limit is \"9999999999GiB\"; give 1KiB to 1GiB, as in 64KiB"]
        ),
        (
            ["--drain-time", "5"], [:],
            ["--drain-time is \"5\"; give 0s to 10m, as in 250ms, 30s, 5m, 24h or 7d"]
        ),
        (
            ["--allowed-hosts", "a,,b"], [:],
            ["--allowed-hosts has an empty entry; separate entries by single commas"]
        ),
        (
            ["--listen-address", "here"], [:],
            ["--listen-address is \"here\"; give a host and a port, as in 127.0.0.1:8080"]
        ),
        (
            ["--master-key", "hunter2hunter2"], [:],
            [
                "--master-key would show the secret to every user of this machine; "
                    + "use --master-key-file PATH or the variable ECLUSA_MASTER_KEY"
            ]
        ),
        (
            [], ["ECLUSA_LOPS": "1"],
            ["ECLUSA_LOPS is not a variable of eclusa-test; did you mean ECLUSA_LOOPS?"]
        ),
        (
            [], ["ECLUSA_XYZZYPLUGH": "1"],
            ["ECLUSA_XYZZYPLUGH is not a variable of eclusa-test; unset it, or see --help"]
        ),
        ([], ["ECLUSA_LOOPS": "0"], ["ECLUSA_LOOPS is 0; give a whole number from 1 to 64"]),
        (
            [], ["ECLUSA_DATABASE_URL": "other"],
            ["ECLUSA_DATABASE_URL or DATABASE_URL contradict each other; set one of them"]
        ),
        (
            [], ["DATABASE_URL": ""],
            ["--database-url is required; give --database-url, ECLUSA_DATABASE_URL or DATABASE_URL"]
        ),
        (
            [], ["ECLUSA_MASTER_KEY": "short"],
            [
                "ECLUSA_MASTER_KEY is shorter than 8 bytes; generate one, as with `openssl rand -base64 32`"
            ]
        ),
        (
            [], ["ECLUSA_MASTER_KEY": "ChangeMe"],
            [
                "ECLUSA_MASTER_KEY is a well-known value; generate one, as with `openssl rand -base64 32`"
            ]
        ),
        (["--verbose", "--mode", "fast"], [:], ["--verbose slows --mode fast; give one of them"]),
        (["--database-url="], [:], ["--database-url is empty; give a URL"]),
    ]

    @Test("every mistake is named with its fix", arguments: mistakes)
    func mistake(_ arguments: [String], _ environment: [String: String], _ expected: [String]) {
        #expect(problems(arguments, environment) == expected)
    }

    @Test("all problems are listed at once, and decide the exit code")
    func everythingAtOnce() {
        #expect(
            problems(["--loops", "x", "--mode", "y", "--zz"], ["ECLUSA_LOPS": "1", "DATABASE_URL": ""]).count
                == 5)
        #expect { try values(["--loops", "x"]) } throws: { ($0 as? SettingsError)?.exitCode == 64 }
        #expect { try values([], ["ECLUSA_LOOPS": "x"]) } throws: { ($0 as? SettingsError)?.exitCode == 78 }
        let error = SettingsError(problems: [SettingProblem("--a", what: "is odd", fix: "make it even")])
        #expect(
            error.description
                == "1 problem with the settings\n  --a is odd; make it even\n  --help lists every setting")
        #expect(SettingsError(problems: error.problems + error.problems).description.hasPrefix("2 problems"))
    }

    @Test("a long or hostile value is quoted on one line and cut")
    func quoting() {
        let text = problems(["--loops", "a\nb\u{1B}" + String(repeating: "c", count: 500)]).first ?? ""
        #expect(!text.contains("\n") && !text.contains("\u{1B}"))
        #expect(text.utf8.count < 200)
    }

    @Test("help and version win over everything that follows")
    func help() throws {
        for flag in ["--help", "-h"] {
            guard
                case .show(let text) = try Self.schema.parse(
                    arguments: [flag, "--zz"], environment: ["ECLUSA_Z": ""])
            else {
                Issue.record("\(flag) shows nothing")
                continue
            }
            #expect(text == Self.schema.helpText)
        }
        let outcome = try Self.schema.parse(arguments: ["--version"], environment: [:])
        guard case .show("eclusa-test 1.2.3") = outcome else {
            Issue.record("--version shows \(outcome)")
            return
        }
    }

    @Test("the help names every setting with its default, within 100 columns")
    func helpText() {
        let text = Self.schema.helpText
        for part in [
            "Usage: eclusa-test [settings] COMMAND", "--listen-address HOST:PORT", "(default 127.0.0.1:8080)",
            "--[no-]verbose", "--mode fast|safe", "--master-key-file PATH", "--database-url URL",
            "(required)",
            "--allowed-hosts HOST,…", "(default 1MiB)", "(default 30s)",
        ] { #expect(text.contains(part), "\(part)") }
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    }

    @Test("the reference has a row for every setting")
    func reference() {
        let text = Self.schema.markdown
        #expect(text.contains("| `--loops N` | `ECLUSA_LOOPS` | `2` | Threads that serve. |"))
        #expect(
            text.contains(
                "| `--database-url URL` | `ECLUSA_DATABASE_URL`, `DATABASE_URL` | required | The database. |")
        )
        #expect(text.contains("| `--mode fast\\|safe` |"))
        #expect(text.contains("| `--region TEXT` | `ECLUSA_REGION` | none |"))
        #expect(
            text.split(separator: "\n").filter { $0.hasPrefix("| `--") }.count == Self.schema.settings.count)
    }

    @Test("the dump for the log shows values, their sources, and of a secret only that it is set")
    func redaction() throws {
        let values = try values(["--loops", "3"], ["ECLUSA_MASTER_KEY": "hunter2hunter2"])
        let dump = values.redacted.map { "\($0.name)=\($0.text) \($0.source.rawValue)" }
        #expect(dump.contains("loops=3 argument"))
        #expect(dump.contains("master-key=(set) environment"))
        #expect(dump.contains("region=(not set) default"))
        #expect(!dump.joined().contains("hunter2"))
        #expect(try self.values([]).redacted.contains { $0.name == "master-key" && $0.text == "(not set)" })
        #expect(Self.schema.environmentNames.contains("ECLUSA_MASTER_KEY_FILE"))
    }

    @Test("this process's environment can be read")
    func processEnvironment() {
        setenv("ECLUSA_TEST_ONLY", "a=b", 1)
        #expect(SettingsSchema.processEnvironment()["ECLUSA_TEST_ONLY"] == "a=b")
        unsetenv("ECLUSA_TEST_ONLY")
    }
}

@Suite("Settings of a process")
struct ProcessSettingsTests {
    // The child's arguments are those of the test runner, which no schema knows.
    @Test("a process with wrong arguments says so on standard error and exits with 64")
    func usageError() async throws {
        let result = await #expect(processExitsWith: .exitCode(64), observing: [\.standardErrorContent]) {
            _ = SettingsTests.schema.valuesOrExit()
        }
        let text = String(decoding: try #require(result).standardErrorContent, as: UTF8.self)
        #expect(text.contains("eclusa-test: ") && text.contains(" with the settings\n"))
    }
}
