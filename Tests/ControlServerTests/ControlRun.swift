import Cryptography
import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Lifecycle
import PostgresDriver
import Settings
import Synchronization
import Telemetry
import TestSupport
import Testing
import Transport

@testable import ControlServer

/// The control plane as its program runs it, in a thread of this process.
final class ControlRun: Sendable {
    static let masterKey = Base64.encode((0..<32).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) })
    static let resolver = BlockingPool(threads: 1, queueLimit: 16, name: "test-dns")

    private let lifecycle: Lifecycle
    private let thread: ThreadHandle
    private let ended = Completion<ExitCode>()
    private let lines: Lines

    private final class Lines: Sendable {
        let text = Mutex("")
        let ready = Completion<String?>()

        func add(_ line: String) {
            text.withLock { $0 += line }
            guard let json = try? JSONValue.parse(line), json["message"]?.string == "ready" else { return }
            ready.fulfil(json["admin"]?.string)
        }
    }

    /// The settings a start needs, on ports the system chooses, and then `arguments`.
    static func values(_ url: PostgresURL, _ arguments: [String] = []) throws -> SettingsValues {
        let defaults = [
            ["--database-url", url.description], ["--admin-listen-address", "127.0.0.1:0"],
            ["--node-listen-address", "127.0.0.1:0"], ["--drain-time", "2s"],
        ]
        let missing = defaults.filter { !arguments.contains($0[0]) }
        let outcome = try ControlSettings.schema.parse(
            arguments: missing.flatMap(\.self) + arguments, environment: ["ECLUSA_MASTER_KEY": masterKey])
        guard case .run(let values) = outcome else { throw StartFailure(.usage, "nothing to run") }
        return values
    }

    init(_ values: SettingsValues) throws {
        let lines = Lines()
        self.lines = lines
        let log = Log(
            output: LogOutput(level: .debug) { bytes in
                lines.add(String(decoding: bytes, as: UTF8.self))
                return true
            })
        let lifecycle = try Lifecycle(
            log: log, drainNanoseconds: values[ControlSettings.drain].wholeNanoseconds)
        self.lifecycle = lifecycle
        thread = spawnThread(name: "control") { [ended] in
            let code = lifecycle.run { parts in
                try await ControlParts(values: values, loop: lifecycle.loop, log: log).start(parts)
            }
            lines.ready.fulfil(nil)
            ended.fulfil(code)
        }
    }

    /// Everything logged so far.
    var log: String { lines.text.withLock { $0 } }

    /// The URL of the admin API once it serves; nil when the start failed. Once.
    func adminURL() async -> String? { await lines.ready.value().map { "http://\($0)" } }

    /// The exit code, when the program ends by itself. Once.
    func exitCode() async -> ExitCode {
        let code = await ended.value()
        thread.join()
        return code
    }

    /// Stops it as a signal would, and gives the exit code. Once.
    func stop() async -> ExitCode {
        lifecycle.requestStop("the test is over", code: .success)
        return await exitCode()
    }
}
