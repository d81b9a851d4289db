import Cryptography
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Lifecycle
import PostgresDriver
import Settings
import TestSupport
import Testing
import Transport

@testable import ControlServer

@Suite("eclusa-control")
struct ControlServerTests {
    private static let bootstrap = ["--bootstrap-admin-email", "root@example.com"]
    private static let password = "a password of some length"

    @Test("from an empty database to a signed-in administrator, and again on the same database")
    func starts() async throws {
        try await withTestDatabase(.empty, timeLimitSeconds: 120) { database in
            let passwords = TemporaryDirectory()
            passwords.replace("password", Array("\(Self.password)\n".utf8))
            for round in 1...2 {
                let run = try ControlRun(
                    try ControlRun.values(
                        database.url,
                        Self.bootstrap + ["--bootstrap-admin-password-file", passwords.path + "/password"]))
                let url = try #require(await run.adminURL(), "\(run.log)")
                let client = Self.client(database.loop)
                #expect(try await client.request(.get, "\(url)/health/ready").status == 200)
                let body: JSONValue = ["email": "root@example.com", "password": .string(Self.password)]
                let signIn = try await client.request(
                    .post, "\(url)/api/v1/sessions", fields: ["content-type": "application/json"],
                    body: body.bytes)
                #expect(signIn.status == 201)
                client.closeIdle()
                #expect(await run.stop() == .success)
                #expect(run.log.contains("made the first administrator") == (round == 1))
                #expect(!run.log.contains(Self.password))
                #expect(!run.log.contains(ControlRun.masterKey))
            }
        }
    }

    @Test("more loops serve the same address")
    func loops() async throws {
        try await withTestDatabase(timeLimitSeconds: 120) { database in
            // Port 0 would give each loop a port of its own.
            let port = try await Self.freePort(database.loop)
            let run = try ControlRun(
                try ControlRun.values(
                    database.url, ["--loops", "3", "--admin-listen-address", "127.0.0.1:\(port)"]))
            let url = try #require(await run.adminURL(), "\(run.log)")
            for _ in 0..<20 {
                let client = Self.client(database.loop)
                #expect(try await client.request(.get, "\(url)/health/ready").status == 200)
                client.closeIdle()
            }
            #expect(await run.stop() == .success)
        }
    }

    @Test("a taken port is named with its setting", arguments: ["admin", "node"])
    func portTaken(_ which: String) async throws {
        try await withTestDatabase(timeLimitSeconds: 120) { database in
            let taken = try #require(SocketAddress("127.0.0.1:0"))
            let listener = try Listener(loop: database.loop, address: taken, reusePort: false, tls: nil) {
                _ in
            }
            let address = listener.localAddress.description
            let run = try ControlRun(
                try ControlRun.values(database.url, ["--\(which)-listen-address", address]))
            #expect(await run.adminURL() == nil)
            #expect(await run.exitCode() == .cannotCreate)
            #expect(run.log.contains(address) && run.log.contains("--\(which)-listen-address"))
            listener.close()
        }
    }

    @Test("another master key than the database's ends the start, and says which setting to correct")
    func wrongMasterKey() async throws {
        try await withTestDatabase(timeLimitSeconds: 120) { database in
            let first = try ControlRun(try ControlRun.values(database.url))
            _ = await first.adminURL()
            #expect(await first.stop() == .success)
            let folder = TemporaryDirectory()
            folder.replace("key", Array(Base64.encode(randomBytes(32)).utf8))
            let second = try ControlRun(
                try ControlRun.values(database.url, ["--master-key-file", folder.path + "/key"]))
            #expect(await second.exitCode() == .configuration)
            #expect(second.log.contains("--master-key-file"))
        }
    }

    @Test("a database that is not there ends the start; its password is not shown")
    func noDatabase() async throws {
        let url = try PostgresURL("postgres://eclusa:hunter2secret@127.0.0.1:1/eclusa")
        let values = try Self.values("postgres://eclusa:hunter2secret@127.0.0.1:1/eclusa")
        let run = try ControlRun(values)
        #expect(await run.exitCode() == .unavailable)
        #expect(run.log.contains("\(url)") && run.log.contains("--database-url"))
        #expect(!run.log.contains("hunter2secret"))
    }

    @Test(
        "what the operator gave wrong is said with its fix",
        arguments: [
            (["--database-url", "postgres://u:hunter2@[x"], "--database-url is not a Postgres URL"),
            (["--node-public-url", "http://plain.example.com"], "--node-public-url is"),
            (["--allow-egress", "not a host"], "--allow-egress"),
        ])
    func wrongSettings(_ arguments: [String], _ message: String) async throws {
        let run = try ControlRun(try Self.values("postgres://u@127.0.0.1:1/x", arguments))
        #expect(await run.exitCode() == .configuration)
        #expect(run.log.contains(message), "\(run.log)")
        #expect(!run.log.contains("hunter2"))
    }

    @Test("a master key that is a pattern is refused")
    func guessableMasterKey() async throws {
        let folder = TemporaryDirectory()
        folder.replace("key", Array(String(repeating: "ab", count: 32).utf8))
        let run = try ControlRun(
            try Self.values("postgres://u@127.0.0.1:1/x", ["--master-key-file", folder.path + "/key"]))
        #expect(await run.exitCode() == .configuration)
        #expect(run.log.contains("openssl rand -base64 32"))
    }

    @Test("a first administrator who cannot be made ends the start, by the name of the setting")
    func badBootstrap() async throws {
        try await withTestDatabase(timeLimitSeconds: 120) { database in
            let folder = TemporaryDirectory()
            folder.replace("password", Array("long enough password".utf8))
            let run = try ControlRun(
                try ControlRun.values(
                    database.url,
                    [
                        "--bootstrap-admin-email", "not an address", "--bootstrap-admin-password-file",
                        folder.path + "/password",
                    ]))
            #expect(await run.exitCode() == .configuration)
            #expect(run.log.contains("--bootstrap-admin-email"))
        }
    }

    // MARK: Settings

    @Test(
        "settings that contradict themselves or are missing are usage errors",
        arguments: [
            ["--bootstrap-admin-email", "a@example.com"], ["--loops", "0"], ["--log-level", "loud"],
            ["--admin-listen-address", "7070"], ["--master-key", "x"], ["--no-such-setting"],
        ])
    func usage(_ arguments: [String]) {
        #expect(throws: SettingsError.self) { try Self.values("postgres://u@h/x", arguments) }
    }

    @Test("the master key and the database are required")
    func required() {
        do throws(SettingsError) {
            _ = try ControlSettings.schema.parse(arguments: [], environment: [:])
            Issue.record("nothing is required")
        } catch {
            #expect(error.problems.map(\.setting).sorted() == ["--database-url", "--master-key-file"])
            #expect(error.exitCode == 78)
        }
    }

    /// `ECLUSA_RECORD=1 swift test --filter ControlServerTests` writes this program's part anew.
    @Test("docs/settings.md describes this program's settings as they are")
    func page() {
        #expect(
            SettingsPage.isCurrent(ControlSettings.schema.markdown, program: "eclusa-control"),
            "docs/settings.md is behind; run with ECLUSA_RECORD=1")
    }

    // MARK: Parts

    private static func values(_ url: String, _ arguments: [String] = []) throws -> SettingsValues {
        let address = arguments.contains("--database-url") ? [] : ["--database-url", url]
        let outcome = try ControlSettings.schema.parse(
            arguments: address + arguments,
            environment: ["ECLUSA_MASTER_KEY": ControlRun.masterKey])
        guard case .run(let values) = outcome else { throw StartFailure(.usage, "nothing to run") }
        return values
    }

    private static func client(_ loop: EventLoop) -> HTTPClient {
        HTTPClient(
            loop: loop, dialer: Dialer(loop: loop, resolver: ControlRun.resolver, policy: .unrestricted))
    }

    private static func freePort(_ loop: EventLoop) async throws -> UInt16 {
        let any = try #require(SocketAddress("127.0.0.1:0"))
        let listener = try Listener(loop: loop, address: any, reusePort: false, tls: nil) { _ in }
        let port = listener.localAddress.port
        listener.close()
        return port
    }
}
