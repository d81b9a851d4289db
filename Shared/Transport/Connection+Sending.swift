import CEventLoops
package import EventLoops
import Glibc

extension Connection {
    /// Hands to the kernel what it takes of both spans without waiting, and says how many bytes that was: all
    /// of them nearly always, so that callers need not begin to wait. Nothing over TLS.
    package func sendAtOnce(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer = .init(start: nil, count: 0)
    ) throws(TransportError) -> Int {
        if fate != .open { throw fate.error }
        guard tls == nil, isWritable else { return 0 }
        let count = loop_send(descriptor, first.baseAddress, first.count, second.baseAddress, second.count)
        if count < 0 {
            try sendFailed(errno: Int32(-count))
            return 0
        }
        if count < first.count &+ second.count { isWritable = false }
        return count
    }

    /// Hands all of both spans to the kernel, waiting while the peer does not read: this is the
    /// back-pressure. The memory must stay as it is until it returns. On an error any part may have been
    /// sent.
    package func send(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer = .init(start: nil, count: 0)
    ) async throws(TransportError) {
        if let tls { return try await sendSecure(tls, first, second) }
        var head = first
        var tail = second
        while true {
            if head.count &+ tail.count == 0 { return }
            if !isWritable { await waitWritable() }
            if fate != .open { throw fate.error }
            let count = loop_send(descriptor, head.baseAddress, head.count, tail.baseAddress, tail.count)
            if count < 0 {
                try sendFailed(errno: Int32(-count))
                continue
            }
            if count == head.count &+ tail.count { return }
            // Fewer than offered: the kernel's buffer is full, and room in it is a new edge.
            isWritable = false
            let fromHead = min(count, head.count)
            head = UnsafeRawBufferPointer(rebasing: head[fromHead...])
            tail = UnsafeRawBufferPointer(rebasing: tail[(count &- fromHead)...])
        }
    }

    /// For a long message whose receiver may answer before it has all of it: hands to the kernel what it
    /// takes of the bytes, or receives, whichever is possible first, and waits until one is. How many bytes
    /// were sent; 0 when something was received. Throws `.endOfStream` when the peer has ended its sending
    /// side.
    package func sendOrReceive(_ bytes: UnsafeRawBufferPointer) async throws(TransportError) -> Int {
        while true {
            if fate != .open { throw fate.error }
            let hasRoom = end &- start < maximumBuffered
            if hasRoom, try receiveAtOnce() { return 0 }
            if let tls {
                let sent = try await sendSome(tls, bytes)
                if sent > 0 { return sent }
            } else if isWritable {
                let count = loop_send(descriptor, bytes.baseAddress, bytes.count, nil, 0)
                if count < 0 {
                    try sendFailed(errno: Int32(-count))
                } else {
                    if count < bytes.count { isWritable = false }
                    if count > 0 { return count }
                }
            }
            if isWritable { continue }
            // With no room what arrives is no news.
            if hasRoom { await waitWritableOrReadable() } else { await waitWritable() }
        }
    }

    func sendFailed(errno: Int32) throws(TransportError) {
        switch errno {
        case EAGAIN: isWritable = false
        case EINTR: break
        default: throw .reset
        }
    }

    /// Tells the peer that nothing more is sent; receiving goes on.
    package func shutdownWrite() {
        guard fate == .open else { return }
        if let tls {
            tls.sayGoodbye()
            flush(tls)
        }
        _ = loop_shutdown_write(descriptor)
    }

    /// Closes so that the peer can read what was sent last, also when it is still sending: shuts down the
    /// writing side, drops what arrives until the peer ends, `maximumBytes` came or the time is over, then
    /// closes (RFC 9112 §9.6). For the answer to a request that is not read to its end.
    package func lingerThenClose(maximumBytes: Int = 256 * 1024, nanoseconds: Int64 = 2_000_000_000) async {
        shutdownWrite()
        setDeadline(afterNanoseconds: nanoseconds)
        var left = maximumBytes - buffered.count
        consume(buffered.count)
        while left > 0, let more = try? await fill(), more {
            left -= buffered.count
            consume(buffered.count)
        }
        close()
    }

    /// Sizes of the kernel's buffers in bytes (the kernel doubles them); 0 leaves one as it is.
    package func setKernelBuffers(send: Int = 0, receive: Int = 0) throws(SystemError) {
        _ = try SystemError.check(
            loop_set_socket_buffers(descriptor, Int32(send), Int32(receive)), "setsockopt")
    }
}

func closeDescriptor(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
