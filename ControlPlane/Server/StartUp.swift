import API
import Cryptography
import Domain
import EventLoops
import Glibc
import HTTPWire
import Lifecycle
import Operations
import PostgresDriver
import Settings
import Store
import Transport

/// The steps of a start that can fail because of what the operator gave, each failure with its fix and its
/// exit code.
enum StartUp {
    /// What this machine calls itself.
    static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    static func databaseURL(_ values: SettingsValues) throws(StartFailure) -> PostgresURL {
        // Never quotes the text: it holds a password.
        do throws(PostgresError) {
            return try PostgresURL(values[ControlSettings.databaseURL])
        } catch {
            throw StartFailure(
                .configuration,
                "--database-url is not a Postgres URL; give one such as postgres://user@host:5432/eclusa")
        }
    }

    static func masterKey(_ values: SettingsValues) throws(StartFailure) -> MasterKey {
        let current = try masterKey(values[ControlSettings.masterKey], "--master-key-file")
        guard let previous = values[ControlSettings.previousMasterKey] else { return current }
        return current.accepting(try masterKey(previous, "--previous-master-key-file"))
    }

    private static func masterKey(_ secret: Secret, _ setting: String) throws(StartFailure) -> MasterKey {
        let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
        do throws(MasterKey.Refusal) {
            return try MasterKey(text: text)
        } catch {
            throw StartFailure(
                .configuration,
                "\(setting): \(error); generate one with `openssl rand -base64 32` and keep it safe")
        }
    }

    static func egressPolicy(_ values: SettingsValues) throws(StartFailure) -> EgressPolicy {
        do throws(InvalidEgressEntry) {
            return try EgressPolicy.publicInternetOnly.allowing(
                values[ControlSettings.allowEgress], http: true)
        } catch {
            throw StartFailure(.configuration, "--allow-egress: \(error)")
        }
    }

    /// Reads the list of breached passwords, if one is given.
    static func passwordPolicy(_ values: SettingsValues) throws(StartFailure) -> PasswordPolicy {
        let minimum = values[ControlSettings.passwordMinimum]
        guard let path = values[ControlSettings.passwordBreachList] else {
            return PasswordPolicy(minimumBytes: minimum)
        }
        guard let text = contents(of: path) else {
            throw StartFailure(
                .configuration,
                "--password-breach-list: cannot read \(path): errno \(errno); correct the path or the "
                    + "file's permissions")
        }
        return PasswordPolicy(minimumBytes: minimum, breached: BreachList(text: text))
    }

    private static func contents(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        guard fseek(file, 0, SEEK_END) == 0 else { return nil }
        let count = ftell(file)
        guard count >= 0, fseek(file, 0, SEEK_SET) == 0 else { return nil }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            initialized = fread(buffer.baseAddress, 1, count, file)
        }
    }

    /// Where nodes are told to go: they speak TLS and nothing else.
    static func checkNodeURL(_ values: SettingsValues) throws(StartFailure) {
        let text = values[ControlSettings.nodePublicURL]
        guard let address = WebAddress(text), address.isSecure else {
            throw StartFailure(
                .configuration,
                "--node-public-url is \(text.debugDescription); give an https URL such as "
                    + "https://control.example.com:7071")
        }
    }

    /// Connects as the owner of the schema, brings it up to date, and closes the pool.
    static func migrate(_ url: PostgresURL, _ owner: PostgresPool) async throws {
        do {
            try await Migrator.run(owner)
            await owner.close()
        } catch {
            await owner.close()
            throw failure(error, url)
        }
    }

    static func platformKeys(
        _ pool: PostgresPool, _ masterKey: MasterKey, _ clock: WallClock, _ url: PostgresURL
    ) async throws -> PlatformKeys {
        do {
            return try await PlatformKeys.load(pool, masterKey: masterKey, clock: clock)
        } catch let error as PlatformKeys.Failure {
            throw StartFailure(
                .configuration, "\(error); give the key this installation was made with in --master-key-file")
        } catch {
            throw failure(error, url)
        }
    }

    static func failure(_ error: any Error, _ url: PostgresURL) -> StartFailure {
        switch error {
        case let error as PostgresError where error.kind == .unavailable || error.kind == .timedOut:
            StartFailure(
                .unavailable,
                "cannot reach the database (\(url)): \(oneLine(error.privateDetail)); start it, or "
                    + "correct --database-url")
        case let error as PostgresError where signInStates.contains(error.sqlState):
            StartFailure(
                .unavailable,
                "the database (\(url)) refuses: \(oneLine(error.privateDetail)); correct the user, "
                    + "password or database name in --database-url")
        case let error as PostgresError:
            StartFailure(.internalError, "the database (\(url)) failed: \(error); \(error.privateDetail)")
        case let error as Migrator.Failure:
            StartFailure(.unavailable, "cannot bring the database (\(url)) up to date: \(error)")
        default: StartFailure(.internalError, "\(error)")
        }
    }

    /// libpq writes for terminals, in several lines.
    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    /// Invalid authorisation, invalid password, no such database, no privilege.
    private static let signInStates = ["28000", "28P01", "3D000", "42501"]

    /// What browsers get: the page about the API and the console, from the folders that were given.
    static func webFiles(_ values: SettingsValues) throws(StartFailure) -> WebFiles {
        var files = WebFiles()
        var documentation = Documentation.absent
        if let folder = values[ControlSettings.apiDocsFolder] {
            guard let read = Documentation(folder: folder) else {
                throw StartFailure(
                    .configuration,
                    "--api-docs-folder \(folder) has not swagger-ui-bundle.js and swagger-ui.css; run "
                        + "`make install` and give its .api-docs folder, or leave the setting out")
            }
            documentation = read
        }
        documentation.add(to: &files)
        guard let folder = values[ControlSettings.consoleFolder] else { return files }
        let isWhole = Console.add(
            to: &files, folder: folder, chartScript: values[ControlSettings.consoleChartScript],
            codeScript: values[ControlSettings.consoleCodeScript],
            gatewayURL: values[ControlSettings.gatewayURL],
            grafana: values[ControlSettings.grafanaURL].flatMap { BaseURL($0) })
        guard isWhole else {
            throw StartFailure(
                .configuration,
                "--console-folder \(folder) has no index.html, or files that cannot be read; give the "
                    + "folder ControlPlane/Console of the sources, or leave the setting out")
        }
        return files
    }

    static func failure(bootstrap error: OperationError) -> StartFailure {
        let problems = error.problems.map { problem in
            let setting =
                problem.pointer == "/password"
                ? "--bootstrap-admin-password-file" : "--bootstrap-admin-email"
            return "\(setting) \(problem.message)"
        }
        guard !problems.isEmpty else {
            return StartFailure(.internalError, "cannot make the first administrator: \(error.privateDetail)")
        }
        return StartFailure(.configuration, problems.joined(separator: "; "))
    }

    /// A listener that could not be opened: which address, which setting.
    static func failure(
        _ error: SystemError, listening address: SocketAddress, setting: String
    ) -> StartFailure {
        StartFailure(
            .cannotCreate,
            "cannot listen on \(address): \(error); end the program that has the port, or set \(setting)")
    }
}
