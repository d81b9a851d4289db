import Glibc

/// `make bench`: the gateway, everything on, against nginx `proxy_pass` with nothing on, alternating on this
/// machine.
@main enum Benchmarks {
    static let help = """
        eclusa-bench: the gateway against nginx on this machine, one core each, before the same provider.

        Usage: make bench ARGS="[options]"

          --seconds N    length of each run (default 6)
          --rounds N     rounds; the table has their medians (default 3)
          --streams N    only the streams, N at a time (1 to 10000; otherwise 200 after everything else)
          --only PARTS   other parts instead: job (beside nginx doing a gateway's work with Lua), large
                         (20 KB calls), refusals, open (streams with a chunk a second), tls (both sides),
                         latency (what is added, and by the outbox), loops (one and two), keys (start from
                         the cache, and swaps of snapshots under load), features (what each costs);
                         several with commas, or all
          --open N       streams open at a time in the part open (default 10000)
          --keys N       keys in the part keys (default 100000)
          --endure N     only N calls and a tenth as many streams left in the middle: memory, descriptors
          --litellm PATH only this LiteLLM proxy beside the gateway (make bench-litellm sees to it)
          --control N    the control plane instead, with N keys and a tenth as many users (at least 1000)
          --help         this text

        Core 0 carries the proxy that is measured, core 1 the load and the provider. Trust CPU µs a call, then
        the ratio of calls/s. With --control core 0 carries the control plane, core 1 the load and Postgres.
        Needs two cores, nginx and a release build (make bench sees to the last two).
        """

    static func main() {
        var options = BenchOptions()
        var words = CommandLine.arguments.dropFirst()
        while let word = words.popFirst() {
            if word == "--help" {
                output(help)
                exit(0)
            }
            guard options.take(word, words.popFirst() ?? "") else {
                output("eclusa-bench: cannot read '\(word)'; see --help")
                exit(64)
            }
        }
        signal(SIGPIPE, SIG_IGN)
        do {
            raiseOpenFiles()
            if let keys = options.controlKeys {
                try ControlBench(seconds: options.seconds, rounds: options.rounds, keys: keys).run()
            } else {
                try options.bench.run()
            }
        } catch let failure as BenchFailure {
            output("eclusa-bench: \(failure.text)")
            exit(70)
        } catch {
            output("eclusa-bench: \(error)")
            exit(70)
        }
    }
}

/// What the words of the command line ask for.
struct BenchOptions {
    var seconds = 6
    var rounds = 3
    var controlKeys: Int?
    private var streams: Int?
    private var parts: [BenchPart]?
    private var openStreams = 10_000
    private var keys = 100_000
    private var endurance: Int?
    private var liteLLM: String?

    var bench: Bench {
        Bench(
            seconds: seconds, rounds: rounds, onlyStreams: streams, parts: parts, openStreams: openStreams,
            keys: keys, endurance: endurance, liteLLM: liteLLM)
    }

    /// False when it makes no sense.
    mutating func take(_ word: String, _ value: String) -> Bool {
        switch (word, Int(value)) {
        case ("--seconds", let number?) where (1...600).contains(number): seconds = number
        case ("--rounds", let number?) where (1...99).contains(number): rounds = number
        case ("--streams", let number?) where (1...10_000).contains(number): streams = number
        case ("--open", let number?) where (1...20_000).contains(number): openStreams = number
        case ("--keys", let number?) where (1000...10_000_000).contains(number): keys = number
        case ("--endure", let number?) where (100...100_000_000).contains(number): endurance = number
        case ("--control", let number?) where (1000...10_000_000).contains(number): controlKeys = number
        case ("--litellm", nil) where !value.isEmpty: liteLLM = value
        case ("--only", nil):
            let words = value.split(separator: ",").map(String.init)
            let named = value == "all" ? BenchPart.allCases : words.compactMap { BenchPart(rawValue: $0) }
            guard !named.isEmpty, value == "all" || named.count == words.count else { return false }
            parts = named
        default: return false
        }
        return true
    }
}

func output(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}
