import EventLoops
import Lifecycle
import Settings
import Telemetry

/// `eclusa-control`: settings, then the parts in order, then whatever they serve until a signal.
enum ControlProgram {
    static let version = "0.1.0"

    /// Runs the program to its end; answers the exit code. Main thread, before any other exists.
    static func run() -> Int32 {
        prepareProcess()
        let values = ControlSettings.schema.valuesOrExit()
        let log = Log(level: values[ControlSettings.logLevel])
        let lifecycle: Lifecycle
        do throws(SystemError) {
            lifecycle = try Lifecycle(
                log: log,
                drainNanoseconds: values[ControlSettings.drain].wholeNanoseconds
                    + values[ControlSettings.drainDelay].wholeNanoseconds)
        } catch {
            log.error("cannot make an event loop", ["error": LogValue(error)])
            return ExitCode.internalError.rawValue
        }
        let code = lifecycle.run { parts in
            let control = ControlParts(values: values, loop: lifecycle.loop, log: log)
            if values[ControlSettings.migrateOnly] {
                try await control.migrate()
                lifecycle.requestStop("the schema is this release's", code: .success)
            } else {
                try await control.start(parts)
            }
        }
        return code.rawValue
    }
}
