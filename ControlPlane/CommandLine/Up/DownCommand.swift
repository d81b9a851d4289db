import EventLoops
import Glibc

/// `eclusa down` and `eclusa reset`.
struct DownCommand {
    let invocation: Invocation
    let context: CommandContext

    static let patienceNanoseconds: Int64 = 60_000_000_000

    func down() async throws(CommandFailure) {
        let path = UpCommand.stateDirectory(invocation)
        guard access(path, F_OK) == 0, let runner = RunLock.holder(in: try StateDirectory(path)) else {
            Console.error("Eclusa is not running here.")
            return
        }
        let state = try StateDirectory(path)
        kill(runner, SIGTERM)
        let deadline = context.loop.now + Self.patienceNanoseconds
        while RunLock.holder(in: state) != nil {
            if context.loop.now > deadline {
                throw .software("process \(runner) has not stopped within 60 s; see \(state.file("logs"))")
            }
            await context.loop.sleep(nanoseconds: 50_000_000)
        }
        Console.error("Stopped; the data stays in \(state.path).")
    }

    func reset() async throws(CommandFailure) {
        let path = StateDirectory.absolute(UpCommand.stateDirectory(invocation))
        guard access(path, F_OK) == 0 else {
            Console.error("There is no data at \(path).")
            return
        }
        if invocation.options["yes"] == nil {
            let answer = isatty(0) == 1 ? Console.ask("Delete all data in \(path)? Type 'yes': ") : nil
            guard answer == "yes" else {
                throw .usage("nothing was deleted; 'eclusa reset --yes' deletes all data in \(path)")
            }
        }
        try await down()
        let state = try StateDirectory(path)
        let cluster = try? PrivateCluster(state: state)
        for folder in [cluster?.dataDirectory, cluster?.socketDirectory, state.path].compactMap(\.self) {
            try StateDirectory.delete(folder)
        }
        Console.error("Deleted \(path).")
    }
}
