import Glibc

extension Bench {
    static let callsBesideSwaps = 1_000

    /// A gateway that has very many keys: how soon it answers when it starts from its cache, and what calls
    /// feel of a new snapshot. The keys are taken away again.
    func measureKeys(_ eclusa: inout Installation, _ anchor: Anchor, _ engine: LoadEngine) throws {
        try eclusa.restartGateway(adding: [])
        let installation = eclusa
        try eclusa.awake {
            try installation.fill(keys: keys)
            try Swaps.wait(for: "\"keys\":\(keys + 1)}", installation)
        }
        try measureBoot(&eclusa)
        try measureSwaps(eclusa, anchor, engine)
        try eclusa.awake {
            _ = try installation.sql("delete from keys where public_id ~ '^0[0-9]{15}$'")
            try Swaps.wait(for: "\"keys\":1}", installation)
        }
    }

    private func measureBoot(_ eclusa: inout Installation) throws {
        var boots: [(ready: Double, answer: Double)] = []
        for _ in 0..<max(rounds, 3) { boots.append(try eclusa.boot()) }
        func middle(_ path: KeyPath<(ready: Double, answer: Double), Double>) -> String {
            decimal(boots.map { $0[keyPath: path] }.sorted()[boots.count / 2], 0)
        }
        output(row("start from the cache, ms", ["ready", "first answer", "goal"]))
        output(row("\(keys) keys, median of \(boots.count)", [middle(\.ready), middle(\.answer), "300"]))
        output("")
    }

    /// nginx is called beside the gateway, on the same core and at the same moments: what both feel is the
    /// machine's other work, that of the gateway's other threads included; what nginx does not feel held the
    /// gateway's loop up.
    private func measureSwaps(_ eclusa: Installation, _ anchor: Anchor, _ engine: LoadEngine) throws {
        let request = Self.request(path: "", key: eclusa.key, isStream: false)
        let systems = [
            PacedSystem(request: request, port: eclusa.gatewayPort),
            PacedSystem(request: request, port: anchor.port),
        ]
        var seen: [[TimedCall]] = []
        var swaps: [Swap] = []
        let (few, all) = (2 * rounds, rounds)
        try eclusa.awake {
            try eclusa.pinDatabase(toCore: 1)
            try Swaps.wait(for: "following the control plane", eclusa)
            let since = wallMicroseconds()
            let changes = try Swaps.begin(one: few, all: all, eclusa)
            // The load sleeps between its calls; when one is due, nobody else on its core goes first.
            let isPreferred = try engine.prefer(true)
            defer { _ = try? engine.prefer(false) }
            seen = try engine.sideBySide(
                systems, connections: Self.connections, perSecond: Self.callsBesideSwaps
            ) { !changes.isRunning }
            swaps = try Swaps.read(eclusa, since: since)
            if !isPreferred { output("(the load could not be preferred: its own waits are in the figures)") }
        }
        guard swaps.count == few + all else {
            throw BenchFailure(text: "\(swaps.count) swaps were seen instead of \(few + all)")
        }
        let name = "\(keys) keys, \(Self.callsBesideSwaps) calls/s each"
        output(row(name, ["eclusa", "no swap", "nginx", "no swap"]))
        print("one key changed", Array(swaps[..<few]), seen)
        print("every key changed", Array(swaps[few...]), seen)
        output("goal: with a swap no call takes 1,000 µs more than without one")
        output("")
    }

    private func print(_ name: String, _ swaps: [Swap], _ seen: [[TimedCall]]) {
        let windows = seen.flatMap { calls in
            [
                swaps.map { $0.window(of: calls, from: -Swap.half) },
                swaps.map { $0.window(of: calls, from: Swap.half) },
            ]
        }
        let largest = windows.map { windows in windows.map { $0.last ?? 0 }.sorted() }
        let together = windows.map { windows in windows.flatMap(\.self).sorted() }
        func line(_ what: String, _ values: [Int64]) {
            output(row("  " + what, values.map { "\($0 / 1_000)" }))
        }
        output(row("\(name), \(swaps.count) times", []))
        line("largest µs, median", largest.map { $0[$0.count / 2] })
        line("largest µs of all", largest.map { $0.last ?? 0 })
        line("p99.9 µs", together.map { $0[$0.count * 999 / 1_000] })
        line("p50 µs", together.map { $0[$0.count / 2] })
        output(
            row("  of so many beyond 1 ms", together.map { calls in "\(calls.count { $0 > 1_000_000 })" }))
    }
}

/// A moment at which a gateway began to run another snapshot. Monotonic nanoseconds.
struct Swap {
    /// Windows reach so far to both sides of their middle: from before the node hears of the change to after
    /// it has let go of the old snapshot.
    static let half: Int64 = 1_500_000_000
    let moment: Int64

    /// What calls took that were due within three seconds, smallest first.
    func window(of calls: [TimedCall], from start: Int64) -> [Int64] {
        let begin = moment + start
        return calls.filter { $0.due >= begin && $0.due < begin + 2 * Self.half }.map(\.nanoseconds).sorted()
    }
}

/// Changes of keys in the database, one after the other, and what becomes of them at the gateway.
enum Swaps {
    /// Starts a process that changes one key so many times, then every key so many times, and ends.
    static func begin(one: Int, all: Int, _ eclusa: Installation) throws -> Child {
        let script = """
            change() { psql -X -q -v ON_ERROR_STOP=1 "$URL" \\
                -c "update keys set expires_at = now() + interval '1 year' where public_id $1"; }
            sleep 3
            for n in $(seq \(one)); do change "= lpad('$n', 16, '0')" || exit 1; sleep 6; done
            for n in $(seq \(all)); do change "~ '^0[0-9]{15}\\$'" || exit 1; sleep 9; done

            """
        let path = "\(eclusa.folder)/changes.sh"
        try write(script, to: path)
        return try Child.start(
            ["sh", path], log: "\(eclusa.folder)/changes.log",
            environment: ["URL=\(eclusa.databaseURL)"])
    }

    /// The snapshots the gateway began to run since then, by its log.
    static func read(_ eclusa: Installation, since: Int64) throws -> [Swap] {
        let (wall, monotonic) = (wallMicroseconds(), monotonicNow())
        let day: Int64 = 86_400_000_000
        return said(by: eclusa).split(separator: "\n").compactMap { line in
            guard line.contains("running a new snapshot"), let stamp = line.range(of: "T"),
                let time = timeOfDay(line[stamp.upperBound...])
            else { return nil }
            // How long ago, over midnight too.
            let age = ((wall - time) % day + day) % day
            return wall - age < since ? nil : Swap(moment: monotonic - age * 1_000)
        }
    }

    /// Waits until the gateway has said so since its last start.
    static func wait(for words: String, _ eclusa: Installation) throws {
        for _ in 0..<1200 {
            if said(by: eclusa).contains(words) { return }
            pause(milliseconds: 100)
        }
        throw BenchFailure(text: "the gateway did not say \(words) in two minutes: \(said(by: eclusa))")
    }

    private static func said(by eclusa: Installation) -> String {
        ProcessMeter.read(eclusa.gatewayLog) ?? ""
    }

    /// Microseconds since midnight of "hh:mm:ss.ffffff".
    private static func timeOfDay(_ text: Substring) -> Int64? {
        let fields = text.prefix(15).split { $0 == ":" || $0 == "." }.compactMap { Int64($0) }
        guard fields.count == 4 else { return nil }
        return ((fields[0] * 60 + fields[1]) * 60 + fields[2]) * 1_000_000 + fields[3]
    }
}
