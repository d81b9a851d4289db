import Glibc

extension Bench {
    /// Very many calls and a tenth as many streams that are left in the middle: memory and descriptors must
    /// not grow. Ten looks, and the slope of the line through them.
    func endure(calls: Int, _ eclusa: Installation, _ engine: LoadEngine) throws {
        let call = Self.request(path: "", key: eclusa.key, isStream: false)
        let stream = Self.request(path: "", key: eclusa.key, isStream: true)
        // What pools and tables take once is no growth.
        try make(calls / 10, call, eclusa, engine)
        try engine.cancelStreams(stream, to: eclusa.gatewayPort, count: min(1000, calls / 10))
        output(row("calls made", ["RSS MiB", "descriptors", "left streams"]))
        var looks: [(calls: Double, bytes: Double)] = []
        var descriptors: [Int] = []
        for step in 1...10 {
            try make(calls / 10, call, eclusa, engine)
            try engine.cancelStreams(stream, to: eclusa.gatewayPort, count: calls / 100)
            pause(milliseconds: 500)
            let resident = Double(eclusa.gateway.residentBytes())
            descriptors.append(eclusa.gateway.descriptorCount())
            looks.append((Double(step * calls / 10), resident))
            output(
                row(
                    "\(step * calls / 10)",
                    [decimal(resident / 1_048_576, 2), "\(descriptors[step - 1])", "\(step * calls / 100)"]))
        }
        let slope = Self.slope(looks) * 1_000_000 / 1_048_576
        let grown = (descriptors.last ?? 0) - (descriptors.first ?? 0)
        output("")
        output(
            "{\"rss_mib_per_million_calls\": \(decimal(slope, 3)), \"descriptors_grown\": \(grown), "
                + "\"calls\": \(calls), \"left_streams\": \(calls / 10)}")
    }

    private func make(
        _ calls: Int, _ request: [UInt8], _ eclusa: Installation, _ engine: LoadEngine
    ) throws {
        var made = 0
        while made < calls {
            let result = try engine.closedLoop(
                request, to: eclusa.gatewayPort, connections: Self.connections, seconds: 1)
            guard result.failures == 0, result.answers > 0 else {
                throw BenchFailure(text: "\(result.failures) failed, \(result.answers) answered")
            }
            made += result.answers
        }
    }

    /// Of the line of least squares.
    private static func slope(_ points: [(calls: Double, bytes: Double)]) -> Double {
        let count = Double(points.count)
        let x = points.map(\.calls).reduce(0, +) / count
        let y = points.map(\.bytes).reduce(0, +) / count
        let covariance = points.map { ($0.calls - x) * ($0.bytes - y) }.reduce(0, +)
        return covariance / max(points.map { ($0.calls - x) * ($0.calls - x) }.reduce(0, +), 1)
    }
}
