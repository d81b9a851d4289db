import CEventLoops
import EventLoops
import Glibc

/// Deals with bytes in the turn in which they arrive, in place of a task that waits for them: waking one
/// costs more than looking at a small piece of a stream.
package protocol ArrivalTaker: AnyObject {
    /// Bytes were received; what is not consumed stays buffered. True: all is dealt with, let the task wait
    /// on. On the loop's thread; must not wait for anything, nor end or receive from the connection.
    func takeArrival() -> Bool
}

extension Connection {
    /// Receives in one turn before other connections go first; a fast peer cannot hold the loop.
    static let fillsPerTurn = 32
    /// Room worth a system call: with less, what is buffered moves to the front first.
    private static let worthReceiving = 4 * 1024

    /// Bytes received and not consumed. Valid until the next `fill`, `consume` or `close`.
    package var buffered: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: buffer.map { UnsafeRawPointer($0 + start) }, count: end &- start)
    }

    /// Waits for at least one more byte; false at the end of the stream. Throws `.tooLarge` when
    /// `maximumBuffered` bytes are waiting to be consumed.
    package func fill() async throws(TransportError) -> Bool {
        if end &- start >= maximumBuffered { throw .tooLarge }
        if hasHadItsTurn() { await yieldTurn() }
        if let tls { return try await fillSecure(tls) }
        while true {
            if !isReadable { await waitReadable() }
            if fate != .open { throw fate.error }
            if let failure = arrivalFailure { throw failure }
            if hasArrived {
                hasArrived = false
                return true
            }
            makeRoom()
            let wanted = min(capacity &- end, maximumBuffered &- (end &- start))
            let count = loop_receive(descriptor, buffer.unsafelyUnwrapped + end, wanted)
            if count > 0 {
                end &+= count
                // Fewer than asked for: the socket is empty, and the next byte is a new edge. Once the peer
                // has hung up there is no further edge.
                if count < wanted && !peerHungUp { isReadable = false }
                return true
            }
            if count == 0 {
                peerHungUp = true
                return false
            }
            try receiveFailed(errno: Int32(-count))
        }
    }

    /// As `fill()`, but what arrives while it waits is offered to `taker` first, for as long as that deals
    /// with it. Then nothing may be buffered any more when it returns true.
    package func fill(offering taker: any ArrivalTaker) async throws(TransportError) -> Bool {
        arrivals = taker
        defer { arrivals = nil }
        return try await fill()
    }

    /// Receives for the waiting task and lets the taker have it; false when the task must look itself.
    func takeArrival() -> Bool {
        guard let arrivals, !peerHungUp, fate == .open, end &- start < maximumBuffered else { return false }
        if let tls { return takeSecureArrival(tls, arrivals) }
        makeRoom()
        let wanted = min(capacity &- end, maximumBuffered &- (end &- start))
        let count = loop_receive(descriptor, buffer.unsafelyUnwrapped + end, wanted)
        guard count > 0 else {
            // The end of the stream shows itself again to the task, an error would not.
            switch Int32(-count) {
            case 0, EINTR: break
            case EAGAIN:
                isReadable = false
                return true
            default: arrivalFailure = .reset
            }
            return false
        }
        end &+= count
        // With more to come other connections go first: the task sees to that.
        if count == wanted {
            hasArrived = true
            return false
        }
        isReadable = false
        guard arrivals.takeArrival() else {
            hasArrived = true
            return false
        }
        if start == end { releaseBuffer() }
        return true
    }

    /// Receives until `count` bytes are buffered. Throws `.endOfStream` when the peer ends before,
    /// `.tooLarge` when `count` is more than `maximumBuffered`.
    package func fill(until count: Int) async throws(TransportError) {
        while end &- start < count {
            if try await !fill() { throw .endOfStream }
        }
    }

    /// Drops the first `count` received bytes; there must be as many.
    package func consume(_ count: Int) {
        precondition(count >= 0 && count <= end &- start, "consumes more than was received")
        start &+= count
        if start == end {
            adaptBlockSize()
            start = 0
            end = 0
        }
    }

    /// Gives the buffer back to the loop if nothing is in it; `fill` does so too before it waits.
    package func releaseBufferIfEmpty() {
        if start == end { releaseBuffer() }
    }

    private func hasHadItsTurn() -> Bool {
        if fillTurn != loop.turn {
            fillTurn = loop.turn
            fillsThisTurn = 0
            return false
        }
        fillsThisTurn &+= 1
        return fillsThisTurn >= Self.fillsPerTurn
    }

    private func yieldTurn() async {
        await loop.yieldTurn()
        fillTurn = loop.turn
        fillsThisTurn = 0
    }

    /// Receives what is there without waiting; false when nothing is.
    func receiveAtOnce() throws(TransportError) -> Bool {
        if let tls { return try receiveAtOnce(tls) }
        while isReadable {
            makeRoom()
            let wanted = min(capacity &- end, maximumBuffered &- (end &- start))
            let count = loop_receive(descriptor, buffer.unsafelyUnwrapped + end, wanted)
            if count > 0 {
                end &+= count
                if count < wanted && !peerHungUp { isReadable = false }
                return true
            }
            if count == 0 {
                peerHungUp = true
                throw .endOfStream
            }
            try receiveFailed(errno: Int32(-count))
        }
        return false
    }

    func receiveFailed(errno: Int32) throws(TransportError) {
        switch errno {
        case EAGAIN: isReadable = false
        case EINTR: break
        default: throw .reset
        }
    }

    /// At least one byte of room after `end`, more if that is cheap.
    func makeRoom() {
        if end == 0, capacity < blockSize.bytes { releaseBuffer() }
        if buffer == nil {
            buffer = loop.blocks(of: blockSize).take()
            capacity = blockSize.bytes
            return
        }
        if capacity &- end >= Self.worthReceiving { return }
        if start > 0 {
            let count = end &- start
            memmove(buffer.unsafelyUnwrapped, buffer.unsafelyUnwrapped + start, count)
            start = 0
            end = count
        }
        if end == capacity { grow(to: min(capacity * 2, maximumBuffered)) }
    }

    /// A filled block says that the next message may need a larger one, one that was filled to less than a
    /// smaller one that a smaller one does.
    private func adaptBlockSize() {
        if end == capacity {
            blockSize = blockSize.larger
        } else if end <= blockSize.smaller.bytes {
            blockSize = blockSize.smaller
        }
    }

    private func grow(to wanted: Int) {
        let block = BlockSize(holding: wanted)
        blockSize = block ?? .large
        let size = block?.bytes ?? wanted
        let larger =
            block.map { loop.blocks(of: $0).take() } ?? .allocate(byteCount: size, alignment: 64)
        let count = end &- start
        if let buffer { larger.copyMemory(from: buffer + start, byteCount: count) }
        releaseBuffer()
        buffer = larger
        capacity = size
        start = 0
        end = count
    }

    func releaseBuffer() {
        guard let old = buffer else { return }
        buffer = nil
        if let block = BlockSize(holding: capacity), block.bytes == capacity {
            loop.blocks(of: block).give(old)
        } else {
            old.deallocate()
        }
        capacity = 0
    }
}
