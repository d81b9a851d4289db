import EventLoops
import Glibc
import JSONText
import Synchronization
import Telemetry
import Testing

@testable import Lifecycle

/// What happened, in order, from any thread.
private final class Journal: Sendable {
    private let entries = Mutex<[String]>([])
    func add(_ entry: String) { entries.withLock { $0.append(entry) } }
    var all: [String] { entries.withLock { $0 } }
}

@Suite("Lifecycle")
struct LifecycleTests {
    private static let second: Int64 = 1_000_000_000

    /// Runs a lifecycle on a thread of its own, as `main` would, and gives its exit code.
    private func run(
        _ lifecycle: Lifecycle, _ start: @escaping @Sendable (Parts) async throws -> Void
    ) async -> ExitCode {
        let code = Completion<ExitCode>()
        let thread = spawnThread(name: "main") { code.fulfil(lifecycle.run(start)) }
        let result = await code.value()
        thread.join()
        return result
    }

    private func part(_ name: String, _ parts: Parts, _ journal: Journal) async throws {
        try await parts.start(name) {
            journal.add("start \(name)")
            return name
        } stop: { part, _ in
            journal.add("stop \(part)")
        }
    }

    @Test("a stop signal stops the parts in reverse and ends with 0", arguments: [SIGTERM, SIGINT, SIGHUP])
    func signalStops(_ number: Int32) async throws {
        let journal = Journal()
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: Self.second)
        let code = await run(lifecycle) { parts in
            for name in ["database", "loops", "listener"] { try await part(name, parts, journal) }
            lifecycle.signals.send(number)
        }
        #expect(code == .success)
        #expect(
            journal.all == [
                "start database", "start loops", "start listener", "stop listener", "stop loops",
                "stop database",
            ])
    }

    @Test("SIGHUP does what a program wants it to, as often as it comes, and ends nothing then")
    func hangUp() async throws {
        let journal = Journal()
        let again = Completion<Bool>()
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: Self.second)
        let code = await run(lifecycle) { parts in
            try await part("listener", parts, journal)
            lifecycle.onHangUp {
                journal.add("read again")
                if journal.all.count == 3 { again.fulfil(true) } else { lifecycle.signals.send(SIGHUP) }
            }
            lifecycle.signals.send(SIGHUP)
            _ = await again.value()
            lifecycle.signals.send(SIGTERM)
        }
        #expect(code == .success)
        #expect(journal.all == ["start listener", "read again", "read again", "stop listener"])
    }

    @Test("a part that cannot start stops the earlier ones, and its error names the exit code")
    func failedStart() async throws {
        let table: [(any Error & Sendable, ExitCode)] = [
            (StartFailure(.unavailable, "no database"), .unavailable),
            (SystemError(operation: "bind", errno: EADDRINUSE), .cannotCreate),
            (SystemError(operation: "bind", errno: EACCES), .cannotCreate),
            (SystemError(operation: "epoll_create1", errno: EMFILE), .internalError),
            (CancellationError(), .internalError),
        ]
        for (error, expected) in table {
            let journal = Journal()
            let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: Self.second)
            let code = await run(lifecycle) { parts in
                try await part("first", parts, journal)
                try await parts.start("second") { throw error }
            }
            #expect(code == expected)
            #expect(journal.all == ["start first", "stop first"])
        }
    }

    @Test("a failed start is logged with its part and its code")
    func failureIsLogged() async throws {
        let lines = Mutex<[String]>([])
        let output = LogOutput(level: .info) { line in
            lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
            return true
        }
        let lifecycle = try Lifecycle(log: Log(output: output), drainNanoseconds: Self.second)
        let code = await run(lifecycle) { parts in
            try await parts.start("database") {
                throw StartFailure(.unavailable, "no answer from the database")
            }
        }
        #expect(code == .unavailable)
        let failure = try JSONValue.parse(try #require(lines.withLock { $0.first }))
        #expect(failure["message"]?.string == "cannot start")
        #expect(failure["part"]?.string == "database")
        #expect(failure["error"]?.string == "no answer from the database")
        #expect(failure["exit_code"]?.exactInt64 == 69)
    }

    @Test("a signal during the start lets the part at hand finish, starts no other, and stops what runs")
    func signalDuringStart() async throws {
        let journal = Journal()
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: Self.second)
        let code = await run(lifecycle) { parts in
            try await part("first", parts, journal)
            try await parts.start("second") {
                lifecycle.signals.send(SIGTERM)
                while !lifecycle.isStopping { await lifecycle.loop.sleep(nanoseconds: 1_000_000) }
            }
            try await part("third", parts, journal)
        }
        #expect(code == .success)
        #expect(journal.all == ["start first", "stop first"])
    }

    @Test("a part that does not stop is left behind when the time is over, and the others still stop")
    func stuckPart() async throws {
        let journal = Journal()
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: 20_000_000)
        let code = await run(lifecycle) { parts in
            try await part("first", parts, journal)
            try await parts.start("stuck") {
            } stop: { _, nanoseconds in
                journal.add("stop stuck")
                #expect(nanoseconds > 0)
                await Wakeup().wait()
            }
            lifecycle.requestStop("test", code: .success)
        }
        #expect(code == .success)
        #expect(journal.all == ["start first", "stop stuck", "stop first"])
    }

    @Test("the second signal ends the process at once, with 128 and its number")
    func secondSignal() async throws {
        let ended = Completion<Int32>()
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: 60 * Self.second) { ended.fulfil($0) }
        let code = await run(lifecycle) { parts in
            try await parts.start("slow") {
            } stop: { _, _ in
                lifecycle.signals.send(SIGINT)
                #expect(await ended.value() == 128 + SIGINT)
            }
            lifecycle.signals.send(SIGTERM)
        }
        #expect(code == .success)
    }

    @Test("a part can ask for the end itself, and the first reason decides the code")
    func requestedStop() async throws {
        let lifecycle = try Lifecycle(log: .silent, drainNanoseconds: Self.second)
        let code = await run(lifecycle) { parts in
            try await parts.start("disk") {}
            lifecycle.requestStop("the disk is gone", code: .cannotCreate)
            lifecycle.requestStop("something else", code: .success)
        }
        #expect(code == .cannotCreate)
    }

    @Test("exit codes are those of sysexits")
    func exitCodes() {
        #expect(ExitCode.allCases.map(\.rawValue) == [0, 64, 69, 70, 73, 78])
        #expect(StartFailure(.usage, "text").description == "text")
        #expect(StopSignals.name(SIGUSR1) == "signal \(SIGUSR1)")
    }

    @Test("the limit of open files can be raised to the hard limit, and stays there")
    func openFiles() {
        let limit = raiseOpenFileLimit()
        #expect(limit > 0)
        #expect(raiseOpenFileLimit() == limit)
    }

    @Test(
        "a prepared process survives SIGPIPE, blocks stop signals, keeps files private, writes no core"
    )
    func preparedProcess() async {
        // In a process of its own: all of this is process-wide.
        await #expect(processExitsWith: .exitCode(42)) {
            prepareProcess()
            raise(SIGPIPE)
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
            let blocks = [SIGTERM, SIGINT, SIGHUP].allSatisfy { sigismember(&mask, $0) == 1 }
            exit(blocks && umask(0) == 0o077 && limit.rlim_cur <= 1 ? 42 : 1)
        }
    }
}
