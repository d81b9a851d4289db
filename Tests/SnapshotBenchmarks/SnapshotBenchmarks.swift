import EventLoops
import Glibc
import TestSupport

/// `make bench-snapshots`: publishing, booting and asking a snapshot of a million keys on this machine.
@main enum SnapshotBenchmarks {
    static func main() { exit(SnapshotBenchProgram.run(Array(CommandLine.arguments.dropFirst()))) }
}

/// What the words of the command line ask for. Outside the main type, whose closures would belong to the main
/// actor.
enum SnapshotBenchProgram {
    static let help = """
        eclusa-bench-snapshots: publish, boot and ask a large snapshot; Postgres is one of the program's own.

        Usage: make bench-snapshots ARGS="[options]"

          --keys N       keys (default 1000000)
          --tenants N    tenants they belong to (default 10000)
          --usage N      instead: reports and exports over N calls, and the rate batches are taken in at
          --boot DIR     (inner) boot a node from this data directory and print what it took
          --help         this text
        """

    static func run(_ arguments: [String]) -> Int32 {
        var keys = 1_000_000
        var tenants = 10_000
        var folder: String?
        var calls: Int?
        var words = arguments[...]
        while let word = words.popFirst() {
            let value = word == "--help" ? nil : words.popFirst()
            switch (word, value, value.flatMap { Int($0) }) {
            case ("--help", _, _):
                output(help)
                return 0
            case ("--keys", _, let number?) where (1...4_000_000).contains(number): keys = number
            case ("--tenants", _, let number?) where (1...100_000).contains(number): tenants = number
            case ("--usage", _, let number?) where (1_000...1_000_000_000).contains(number): calls = number
            case ("--boot", let path?, _): folder = path
            default:
                output("eclusa-bench-snapshots: cannot read '\(word)'; see --help")
                return 64
            }
        }
        signal(SIGPIPE, SIG_IGN)
        if let folder { return waiting { try await NodeBoot.run(in: folder) } }
        if let calls { return waiting { try await UsageBench(events: calls).run() } }
        let bench = PublisherBench(keys: keys, tenants: tenants)
        return waiting { try await bench.run() }
    }

    private static func waiting(_ body: @escaping @Sendable () async throws -> Void) -> Int32 {
        guard let loop = try? EventLoop() else { return 70 }
        _ = loop.execute {
            EventLoop.current?.spawn {
                do {
                    try await body()
                    exit(0)
                } catch {
                    output("eclusa-bench-snapshots: \(error)")
                    exit(70)
                }
            }
        }
        loop.run()
        return 70
    }
}

func output(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = bytes.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

/// A figure beside its goal, on one line.
func output(_ name: String, _ value: Int64, _ unit: String, goal: Int64) {
    let left = name + String(repeating: " ", count: max(1, 44 - name.count))
    let verdict = value <= goal ? "" : "   MISSED"
    output("\(left)\(value) \(unit)   (goal \(goal))\(verdict)")
}

func milliseconds(since start: Int64) -> Int64 { (monotonicNanoseconds() - start) / 1_000_000 }

struct NoSuchLine: Error {}

/// A line of a process' /proc status, in KiB.
func memory(_ name: String, of process: String) throws -> Int64 {
    guard let file = fopen("/proc/\(process)/status", "r") else { throw NoSuchLine() }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
        let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            .split { " \t\n".contains($0) }
        if words.first == Substring(name), words.count > 1, let number = Int64(words[1]) { return number }
    }
    throw NoSuchLine()
}
