import EventLoops
import Glibc
import HTTPCalling
import Transport

extension CommandLineTool {
    /// Runs the command on a loop of its own; answers the exit code.
    static func onLoop(_ invocation: Invocation) throws(CommandFailure) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        let stopRequests = StopRequests()
        if invocation.command.words == ["up"] { watchSignals(stopRequests) }
        let loop: EventLoop
        do {
            loop = try EventLoop()
        } catch {
            throw .software("\(error)")
        }
        let exitCode = Outcome()
        _ = loop.execute {
            loop.spawn {
                exitCode.set(await perform(invocation, loop, stopRequests))
                loop.stop()
            }
        }
        loop.run()
        return exitCode.get()
    }

    private static func perform(
        _ invocation: Invocation, _ loop: EventLoop, _ stopRequests: StopRequests
    ) async -> Int32 {
        // The user of this command says where to connect, on the command line: nobody else's input chooses
        // it.
        let resolver = BlockingPool(threads: 1, queueLimit: 64, name: "resolver")
        defer { resolver.shutdown() }
        let dialer = Dialer(loop: loop, resolver: resolver, policy: .unrestricted)
        let http = HTTPClient(loop: loop, dialer: dialer)
        defer { http.closeIdle() }
        let context = CommandContext(
            loop: loop, http: http, stopRequests: stopRequests,
            profile: invocation.options["profile"] ?? Stack.environment("ECLUSA_PROFILE"))
        do {
            try await invocation.command.run(invocation, context)
            return 0
        } catch let failure as CommandFailure {
            return report(failure)
        } catch {
            return report(.software("\(error)"))
        }
    }

    /// Ctrl-C and SIGTERM become a wish that `eclusa up` answers by an orderly stop; a second one ends at
    /// once.
    private static func watchSignals(_ stopRequests: StopRequests) {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let waited = signals
        _ = spawnThread(name: "signals") {
            var signals = waited
            var number: Int32 = 0
            while sigwait(&signals, &number) == 0 {
                if stopRequests.isRequested { _exit(130) }
                stopRequests.request()
            }
        }
    }
}
