import EventLoops
import Feed
import Lifecycle
import Settings
import Telemetry

/// `eclusa-gateway`: settings, then the parts in order, then calls until a signal.
enum GatewayProgram {
    static let version = "0.1.0"

    /// Runs the program to its end; answers the exit code. Main thread, before any other exists.
    static func run() -> Int32 {
        if CommandLine.arguments.dropFirst().first == SnapshotCheck.word {
            SnapshotCheck.limit()
            return SnapshotCheck.run(readingFrom: 0)
        }
        prepareProcess()
        let values = GatewaySettings.schema.valuesOrExit()
        let log = Log(level: values[GatewaySettings.logLevel])
        let lifecycle: Lifecycle
        do throws(SystemError) {
            lifecycle = try Lifecycle(
                log: log,
                drainNanoseconds: values[GatewaySettings.drain].wholeNanoseconds
                    + values[GatewaySettings.drainDelay].wholeNanoseconds)
        } catch {
            log.error("cannot make an event loop", ["error": LogValue(error)])
            return ExitCode.internalError.rawValue
        }
        let code = lifecycle.run { parts in
            try await GatewayParts(values: values, lifecycle: lifecycle, log: log).start(parts)
        }
        return code.rawValue
    }
}
