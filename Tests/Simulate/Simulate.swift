import Glibc
import SimulatedPlanes
import Synchronization

/// `make simulate`: many seeds of both planes' simulation, on every core.
@main enum Simulate {
    static func main() async { exit(await SimulationRun.run(Array(CommandLine.arguments.dropFirst()))) }
}

/// What the words of the command line ask for. Outside the main type, whose closures would belong to the main
/// actor.
enum SimulationRun {
    static let help = """
        eclusa-simulate: both planes' state machines under a seeded clock, network, disk and store.

        Usage: make simulate SEEDS=N, or eclusa-simulate [options]

          --seeds N      how many seeds of each world (default 200)
          --first N      the first one (default: random, and printed)
          --help         this text

        Ends with 1 when an invariant was violated; --first with the seed it prints shows it again.
        """

    static func run(_ arguments: [String]) async -> Int32 {
        var seeds: UInt64 = 200
        var first = UInt64.random(in: 0...UInt64(UInt32.max))
        var words = arguments[...]
        while let word = words.popFirst() {
            if word == "--help" {
                print(help)
                return 0
            }
            switch (word, words.popFirst().flatMap { UInt64($0) }) {
            case ("--seeds", let number?) where (1...100_000_000).contains(number): seeds = number
            case ("--first", let number?) where number < .max / 2: first = number
            default:
                print("eclusa-simulate: cannot read '\(word)'; see --help")
                return 64
            }
        }
        var isSound = true
        for planes in SimulatedPlanes.allCases {
            let found = await run(planes, first..<first + seeds)
            isSound = isSound && found == 0
        }
        return isSound ? 0 : 1
    }

    /// Runs every seed; prints how many, how fast and what was violated.
    private static func run(_ planes: SimulatedPlanes, _ seeds: Range<UInt64>) async -> Int {
        let begun = ContinuousClock.now
        let progress = Progress(planes, seeds)
        let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<cores { group.addTask { while progress.runNext() {} } }
        }
        let seconds = (ContinuousClock.now - begun) / .seconds(1)
        let (done, violated) = progress.result
        print(
            "simulation of \(planes.rawValue): \(done) seeds from \(seeds.lowerBound), "
                + "\(Int(seconds.rounded(.up))) s, \(violated) violated")
        return violated
    }
}

/// The seeds of one world that are still to be run.
private final class Progress: Sendable {
    private struct State {
        var next: UInt64
        var done = 0
        var violated = 0
    }

    private let planes: SimulatedPlanes
    private let seeds: Range<UInt64>
    private let state: Mutex<State>

    init(_ planes: SimulatedPlanes, _ seeds: Range<UInt64>) {
        self.planes = planes
        self.seeds = seeds
        state = Mutex(State(next: seeds.lowerBound))
    }

    var result: (done: Int, violated: Int) { state.withLock { ($0.done, $0.violated) } }

    /// Runs one more seed; false when there is none left, or enough are broken to work on.
    func runNext() -> Bool {
        let seed = state.withLock { state -> UInt64? in
            guard state.next < seeds.upperBound, state.violated < 4 else { return nil }
            defer { state.next += 1 }
            return state.next
        }
        guard let seed else { return false }
        var found: [String]
        do { found = try planes.violations(seed: seed) } catch { found = ["\(error)"] }
        let done = state.withLock { state in
            state.done += 1
            if !found.isEmpty { state.violated += 1 }
            return state.done
        }
        for violation in found { print("\(planes.rawValue): seed \(seed): \(violation)") }
        if done.isMultiple(of: 1_000) {
            print("\(planes.rawValue): \(done) of \(seeds.count) seeds")
            fflush(nil)
        }
        return true
    }
}
