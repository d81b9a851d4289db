/// Figures of one system in one round.
struct Figures {
    var callsPerSecond = 0.0
    var cpuPerCall = 0.0
    /// Of all of Postgres' processes.
    var databaseCPUPerCall = 0.0
    var cpuPerChunk = 0.0
    var chunksPerSecond = 0.0
    var p50 = 0
    var p99 = 0
    var residentMiB = 0.0
}

/// The middle of the rounds, figure by figure.
func median(_ rounds: [Figures]) -> Figures {
    func middle(_ path: KeyPath<Figures, Double>) -> Double {
        let sorted = rounds.map { $0[keyPath: path] }.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }
    var figures = Figures()
    figures.callsPerSecond = middle(\.callsPerSecond)
    figures.cpuPerCall = middle(\.cpuPerCall)
    figures.databaseCPUPerCall = middle(\.databaseCPUPerCall)
    figures.cpuPerChunk = middle(\.cpuPerChunk)
    figures.chunksPerSecond = middle(\.chunksPerSecond)
    figures.residentMiB = middle(\.residentMiB)
    figures.p50 = rounds.map(\.p50).sorted()[rounds.count / 2]
    figures.p99 = rounds.map(\.p99).sorted()[rounds.count / 2]
    return figures
}

/// `value` with `places` decimals, without Foundation.
func decimal(_ value: Double, _ places: Int) -> String {
    var scale = 1
    for _ in 0..<places { scale *= 10 }
    let whole = Int((value * Double(scale)).rounded())
    if places == 0 { return "\(whole)" }
    let fraction = "\(abs(whole % scale))"
    let sign = whole < 0 && whole / scale == 0 ? "-" : ""
    return "\(sign)\(whole / scale)." + String(repeating: "0", count: places - fraction.count) + fraction
}

func row(_ name: String, _ cells: [String]) -> String {
    let left = name + String(repeating: " ", count: max(1, 34 - name.count))
    return left + cells.map { String(repeating: " ", count: max(1, 14 - $0.count)) + $0 }.joined()
}
