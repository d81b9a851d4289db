import HTTPWire

/// How far the content of one request has been received, and how long that took.
struct BodyProgress {
    var decoder = BodyDecoder()
    /// The client waits for `100 Continue` that was not sent.
    var owesContinue = false
    /// Content and framing received while waiting, and the time that took.
    var receivedBytes = 0
    var waitedNanoseconds: Int64 = 0
    /// The part last handed out and not yet taken off the connection's buffer.
    var lentBytes = 0
    /// Content of this length lies whole behind the head in the connection's buffer.
    var inPlaceBytes: Int?

    init() {}

    init(_ framing: BodyFraming, expectsContinue: Bool, limits: WireLimits) {
        owesContinue = expectsContinue
        decoder = BodyDecoder(framing, limits: limits)
    }

    /// All of the content has been received.
    var isReceived: Bool { inPlaceBytes != nil || decoder.isComplete }

    /// How long the next bytes may be waited for: the grace, and a second for each `bytesPerSecond` that
    /// came.
    func patienceNanoseconds(grace: Int64, bytesPerSecond: Int) -> Int64 {
        let earned = Int64(min(receivedBytes / max(bytesPerSecond, 1), 86_400)) * 1_000_000_000
        return grace + earned - waitedNanoseconds
    }
}
