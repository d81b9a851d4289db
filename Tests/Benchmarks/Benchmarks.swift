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
          --control N    the control plane instead, with N keys and a tenth as many users (at least 1000)
          --help         this text

        Core 0 carries the proxy that is measured, core 1 the load and the provider. Trust CPU µs a call, then
        the ratio of calls/s. Needs two cores, nginx and a release build (make bench sees to the last two).
        """

    static func main() {
        var seconds = 6
        var rounds = 3
        var controlKeys: Int?
        var streams: Int?
        var words = CommandLine.arguments.dropFirst()
        while let word = words.popFirst() {
            switch (word, word == "--help" ? nil : words.popFirst().flatMap { Int($0) }) {
            case ("--help", _):
                output(help)
                exit(0)
            case ("--seconds", let number?) where (1...600).contains(number): seconds = number
            case ("--rounds", let number?) where (1...99).contains(number): rounds = number
            case ("--streams", let number?) where (1...10_000).contains(number): streams = number
            case ("--control", let number?) where (1000...10_000_000).contains(number): controlKeys = number
            default:
                output("eclusa-bench: cannot read '\(word)'; see --help")
                exit(64)
            }
        }
        signal(SIGPIPE, SIG_IGN)
        do {
            if let controlKeys {
                try ControlBench(seconds: seconds, keys: controlKeys).run()
            } else {
                try Bench(seconds: seconds, rounds: rounds, onlyStreams: streams).run()
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

func output(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}
