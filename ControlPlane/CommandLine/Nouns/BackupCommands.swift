import Backup
import Cryptography
import Domain
import EventLoops
import Glibc
import PostgresDriver

/// Backups of the control plane's database, made and restored beside it: no control plane need run.
enum BackupCommands {
    private static let place = [
        Command.Option(
            name: "database-url", value: "URL",
            help: "the database; default ECLUSA_DATABASE_URL, DATABASE_URL, or that of `eclusa up` here"),
        UpCommands.stateOption,
    ]
    private static let keys = [
        Command.Option(
            name: "key-file", value: "FILE",
            help: "a file with the backup key (`openssl rand -base64 32`); default ECLUSA_BACKUP_KEY"),
        Command.Option(
            name: "passphrase-file", value: "FILE", help: "a file with a passphrase, in place of a key"),
    ]

    static let all = [
        Command(
            words: ["backup"], summary: "Write an encrypted backup of the database and the master key",
            options: [
                .init(
                    name: "output", value: "FILE", help: "the file to make; default eclusa-TIME.backup here"),
                .init(
                    name: "master-key-file", value: "FILE",
                    help: "the master key to put in; default ECLUSA_MASTER_KEY, or that of `eclusa up` here"),
                .init(name: "without-master-key", help: "leave the master key out, and keep it yourself"),
                .init(
                    name: "keep-days", value: "N",
                    help: "then delete older eclusa-TIME.backup files beside it, but the last of so many days"
                ),
                .init(
                    name: "keep-weeks", value: "N", help: "with --keep-days, the last of so many weeks too"),
            ] + keys + place, run: backup),
        Command(
            words: ["backup", "verify"], summary: "Check that a backup is whole and opens with its key",
            arguments: [.init(name: "file", help: "the backup")],
            options: [
                .init(
                    name: "by-restoring",
                    help: "also restore it into a scratch database of the server, and drop that")
            ] + keys + place, run: verify),
        Command(
            words: ["restore"], summary: "Fill an empty database from a backup",
            arguments: [.init(name: "file", help: "the backup")],
            options: [
                .init(name: "replace", help: "replace what is in the database"),
                .init(name: "yes", help: "do not ask"),
                .init(
                    name: "write-master-key", value: "FILE",
                    help: "write the backup's master key into a new file"),
            ] + keys + place, run: restore),
    ]

    static func backup(_ invocation: Invocation, _ context: CommandContext) async throws {
        let url = try databaseURL(invocation)
        let masterKey =
            invocation.options["without-master-key"] == nil ? try masterKey(invocation) : nil
        let now = Timestamp(microseconds: wallClockMicroseconds())
        let output = StateDirectory.absolute(invocation.options["output"] ?? BackupFolder.name(at: now))
        let key = try key(invocation)
        let retention = try retention(invocation)
        let (written, deleted) = try await working(
            invocation, context, url, key, "writing \(output)"
        ) { backup in
            let written = try await backup.make(
                at: output, program: CommandLineTool.release, masterKey: masterKey)
            return (written, try prune(beside: output, retention))
        }
        if invocation.wantsJSON {
            Console.out(
                JSONLine.of([
                    ("file", output), ("bytes", "\(written.bytes)"), ("sha256", written.sha256.hexadecimal),
                ]))
        } else {
            Console.out("\(output)  \(written.bytes) bytes  sha256 \(written.sha256.hexadecimal)")
        }
        for name in deleted { Console.error("Deleted \(name).") }
        if masterKey == nil {
            Console.error("The master key is not in it: keep that file too, or nothing sealed opens again.")
        }
    }

    static func verify(_ invocation: Invocation, _ context: CommandContext) async throws {
        let path = StateDirectory.absolute(invocation.arguments[0])
        let key = try key(invocation)
        let isRestoring = invocation.options["by-restoring"] != nil
        // A check of the file alone needs no database.
        let url = isRestoring ? try databaseURL(invocation) : try parsed("postgres:///")
        let (header, contents, counts) = try await working(
            invocation, context, url, key, "reading \(path)"
        ) { backup in
            let (header, contents) = try await backup.check(path)
            return (header, contents, isRestoring ? try await backup.checkByRestoring(path) : nil)
        }
        var lines = [
            ("created", "\(header.createdAt)"), ("release", header.program), ("schema", header.migration),
            ("master key", contents.masterKey == nil ? "not in it" : "in it"),
        ]
        if let counts {
            lines += [
                ("tenants", "\(counts.tenants)"), ("users", "\(counts.users)"), ("keys", "\(counts.keys)"),
                ("audit events", "\(counts.auditEvents)"),
            ]
        }
        if invocation.wantsJSON {
            Console.out(JSONLine.of(lines.map { ($0.0.replacing(" ", with: "_"), $0.1) }))
        } else {
            for (name, value) in lines {
                let padding = String(repeating: " ", count: 14 - name.count)
                Console.out("\(name)\(padding)\(value)")
            }
            Console.out(isRestoring ? "Whole, and restored without a fault." : "Whole.")
        }
    }

    static func restore(_ invocation: Invocation, _ context: CommandContext) async throws {
        let path = StateDirectory.absolute(invocation.arguments[0])
        let url = try databaseURL(invocation)
        let key = try key(invocation)
        let replace = invocation.options["replace"] != nil
        let keyPath = invocation.options["write-master-key"].map(StateDirectory.absolute)
        if let keyPath, access(keyPath, F_OK) == 0 {
            throw CommandFailure.cannotCreate("\(keyPath) is there already; choose another name")
        }
        if replace, invocation.options["yes"] == nil {
            let answer = isatty(0) == 1 ? Console.ask("Replace everything in \(url)? Type 'yes': ") : nil
            guard answer == "yes" else {
                throw CommandFailure.usage("nothing was changed; --yes replaces everything in \(url)")
            }
        }
        let restored = try await working(invocation, context, url, key, "restoring \(path)") { backup in
            try await backup.restore(path, replace: replace)
        }
        if let keyPath {
            guard let masterKey = restored.contents.masterKey else {
                throw CommandFailure.refused("restored; but the backup has no master key to write")
            }
            try StateDirectory.write(masterKey.withBytes { Array($0) } + [10], to: keyPath)
        }
        let counts = restored.counts
        Console.out(
            """
            Restored the backup of \(restored.header.createdAt): \(counts.tenants) tenants, \(counts.users) \
            users, \(counts.keys) keys.
            Snapshots go on in epoch \(restored.epoch): nodes take them when the control plane starts.
            Everybody signs in anew. Revoke again what was revoked after the backup.
            """)
    }

    // MARK: Parts

    /// What stays in a new backup's folder; nil: all of it.
    private static func retention(_ invocation: Invocation) throws(CommandFailure) -> BackupRetention? {
        func count(_ name: String) throws(CommandFailure) -> Int? {
            guard let text = invocation.options[name] else { return nil }
            guard let count = Int(text), (0...10_000).contains(count) else {
                throw .usage("--\(name) is a number from 0 to 10000, not \(text)")
            }
            return count
        }
        let (days, weeks) = (try count("keep-days"), try count("keep-weeks"))
        guard let days else {
            if weeks == nil { return nil }
            throw .usage("--keep-weeks goes with --keep-days")
        }
        return BackupRetention(days: days, weeks: weeks ?? 0)
    }

    /// Deletes what goes; its names.
    private static func prune(
        beside output: String, _ retention: BackupRetention?
    ) throws(BackupFailure) -> [String] {
        guard let retention, let end = output.lastIndex(of: "/") else { return [] }
        let folder = BackupFolder(path: String(output[..<end]))
        let expired = retention.expired(try folder.list())
        for entry in expired { try folder.remove(entry.name) }
        return expired.map(\.name)
    }

    private static func working<Value>(
        _ invocation: Invocation, _ context: CommandContext, _ url: PostgresURL, _ key: BackupKey,
        _ name: String, _ body: (Backup) async throws -> Value
    ) async throws -> Value {
        let workers = BlockingPool(threads: 1, queueLimit: 4, name: "backup")
        defer { workers.shutdown() }
        let step = Progress(loop: context.loop).begin(name)
        let meter = ByteMeter(name: name)
        let backup = Backup(
            loop: context.loop, workers: workers, url: url, key: key,
            clock: WallClock { Timestamp(microseconds: wallClockMicroseconds()) },
            progress: { meter.show($0) })
        do {
            let value = try await body(backup)
            meter.clear()
            step.end()
            return value
        } catch {
            meter.clear()
            throw failure(error, url)
        }
    }

    static func failure(_ error: any Error, _ url: PostgresURL) -> CommandFailure {
        switch error {
        case let error as CommandFailure: error
        case let error as BackupFailure:
            switch error {
            case .malformedKey, .needsKey, .needsPassphrase, .wrongKey: .configuration("\(error)")
            case .io: .cannotCreate("\(error)")
            case .noProgram: .unavailable("\(error)")
            default: .refused("\(error)")
            }
        case let error as PostgresError where error.kind == .unavailable || error.kind == .timedOut:
            .unavailable("cannot reach the database (\(url)): \(error.privateDetail)")
        case let error as PostgresError:
            .refused("the database (\(url)) refuses: \(error): \(error.privateDetail)")
        default: .software("\(error)")
        }
    }

    static func key(_ invocation: Invocation) throws(CommandFailure) -> BackupKey {
        let files = ["key-file", "passphrase-file"].compactMap { invocation.options[$0] }
        guard files.count <= 1 else { throw .usage("give --key-file or --passphrase-file, not both") }
        if let file = invocation.options["passphrase-file"] {
            return .passphrase(Secret(utf8: try text(of: file)))
        }
        let text: String
        if let file = files.first {
            text = try self.text(of: file)
        } else if let variable = Stack.environment("ECLUSA_BACKUP_KEY") {
            text = variable.hasPrefix("file:") ? try self.text(of: String(variable.dropFirst(5))) : variable
        } else if isatty(0) == 1, let typed = Console.ask("Passphrase of the backup: ", echo: false),
            !typed.isEmpty
        {
            return .passphrase(Secret(utf8: typed))
        } else {
            throw .usage("no key; pass --key-file FILE or --passphrase-file FILE, or set ECLUSA_BACKUP_KEY")
        }
        do throws(BackupFailure) { return try BackupKey(text: Secret(utf8: text)) } catch {
            throw .configuration("\(error)")
        }
    }

    private static func masterKey(_ invocation: Invocation) throws(CommandFailure) -> Secret {
        if let file = invocation.options["master-key-file"] { return Secret(utf8: try text(of: file)) }
        if let variable = Stack.environment("ECLUSA_MASTER_KEY") {
            return Secret(
                utf8: variable.hasPrefix("file:")
                    ? try text(of: String(variable.dropFirst(5))) : variable)
        }
        let path = "\(StateDirectory.absolute(UpCommand.stateDirectory(invocation)))/secrets/master.key"
        if access(path, R_OK) == 0 { return Secret(utf8: try text(of: path)) }
        throw .usage("no master key; pass --master-key-file FILE, or --without-master-key")
    }

    private static func databaseURL(_ invocation: Invocation) throws(CommandFailure) -> PostgresURL {
        let given =
            invocation.options["database-url"] ?? Stack.environment("ECLUSA_DATABASE_URL")
            ?? Stack.environment("DATABASE_URL")
        if let given { return try parsed(given) }
        let path = StateDirectory.absolute(UpCommand.stateDirectory(invocation))
        guard access("\(path)/cluster", F_OK) == 0 else {
            throw .usage("no database; pass --database-url URL or set ECLUSA_DATABASE_URL")
        }
        return try parsed(try PrivateCluster(state: try StateDirectory(path)).databaseURL)
    }

    private static func parsed(_ text: String) throws(CommandFailure) -> PostgresURL {
        // Never quotes the text: it may hold a password.
        do throws(PostgresError) { return try PostgresURL(text) } catch {
            throw .usage("--database-url is no Postgres URL, such as postgres://user@host:5432/eclusa")
        }
    }

    private static func text(of file: String) throws(CommandFailure) -> String {
        String(decoding: try StateDirectory.read(file, maximumBytes: 65_536), as: UTF8.self)
            .trimmingNewlines()
    }
}
