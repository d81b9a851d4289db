import HTTPWire

/// How far the content of one request has been received, and how long that took.
struct BodyProgress {
    enum Remaining {
        case length(Int)
        case chunked
    }
    var remaining = Remaining.length(0)
    var decoder = ChunkDecoder()
    /// The client waits for `100 Continue` that was not sent.
    var owesContinue = false
    /// Content and framing received while waiting, and the time that took.
    var receivedBytes = 0
    var waitedNanoseconds: Int64 = 0
    /// The part last handed out and not yet taken off the connection's buffer.
    var lentBytes = 0
    /// The whole content lies behind the head in the connection's buffer.
    var isInPlace = false

    init() {}

    init(_ framing: BodyFraming, expectsContinue: Bool, limits: WireLimits) {
        owesContinue = expectsContinue
        switch framing {
        case .length(let length): remaining = .length(length)
        // A request's content never ends with the connection (RFC 9112 §6.3).
        case .untilClose: remaining = .length(0)
        case .chunked:
            remaining = .chunked
            decoder = ChunkDecoder(limits: limits)
        }
    }

    var isComplete: Bool {
        switch remaining {
        case .length(let length): length == 0
        case .chunked: decoder.isComplete
        }
    }

    /// How long the next bytes may be waited for: the grace, and a second for each `bytesPerSecond` that came.
    func patienceNanoseconds(grace: Int64, bytesPerSecond: Int) -> Int64 {
        let earned = Int64(min(receivedBytes / max(bytesPerSecond, 1), 86_400)) * 1_000_000_000
        return grace + earned - waitedNanoseconds
    }
}
