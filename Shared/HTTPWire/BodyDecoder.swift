/// Follows the content of one message through the bytes that come, whatever its framing (RFC 9112 §6.3).
package struct BodyDecoder: Sendable {
    private enum State {
        case length(Int)
        case chunked
        case untilClose
        case ended
    }
    private var state: State
    private var chunks: ChunkDecoder

    /// A message without content.
    package init() { self.init(.length(0)) }

    package init(_ framing: BodyFraming, limits: WireLimits = .request) {
        chunks = ChunkDecoder(limits: limits)
        state =
            switch framing {
            case .length(let length): .length(length)
            case .chunked: .chunked
            case .untilClose: .untilClose
            }
    }

    /// The end of the content was seen.
    @inline(__always)
    package var isComplete: Bool {
        switch state {
        case .length(let length): length == 0
        case .chunked: chunks.isComplete
        case .untilClose: false
        case .ended: true
        }
    }

    /// Bytes still to come when the framing tells, else nil.
    package var remainingLength: Int? {
        switch state {
        case .length(let length): length
        case .ended: 0
        case .chunked, .untilClose: nil
        }
    }

    /// The next piece of content at the front of `bytes`, behind framing to be dropped. Repeat with what lies
    /// behind until a step takes nothing: then it is complete or needs more.
    package mutating func decode(_ bytes: UnsafeRawBufferPointer) throws(ChunkFault) -> ChunkStep {
        switch state {
        case .length(let length):
            let count = min(length, bytes.count)
            state = .length(length &- count)
            return ChunkStep(content: count)
        case .chunked: return try chunks.decode(bytes)
        case .untilClose: return ChunkStep(content: bytes.count)
        case .ended: return ChunkStep()
        }
    }

    /// How many bytes at the front belong to this message, framing included, for passing it on as it is.
    /// `content` sees each piece of content among them.
    @inline(__always)
    package mutating func scan(
        _ bytes: UnsafeRawBufferPointer, content: (UnsafeRawBufferPointer) -> Void = { _ in }
    ) throws(ChunkFault) -> Int {
        var total = 0
        while total < bytes.count && !isComplete {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[total...])
            let step = try decode(rest)
            if step.content > 0 {
                content(UnsafeRawBufferPointer(rebasing: rest[step.framing..<(step.framing &+ step.content)]))
            }
            total &+= step.framing &+ step.content
        }
        return total
    }

    /// The sender has ended the connection; false when that cuts the content off.
    package mutating func endOfStream() -> Bool {
        if case .untilClose = state { state = .ended }
        return isComplete
    }
}
