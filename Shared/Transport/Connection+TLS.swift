import COpenSSL
import EventLoops

extension Connection {
    /// The largest TLS record's content.
    private static let recordSize = 16 * 1024

    /// True when what is sent and received is protected.
    package var isSecure: Bool { tls != nil }

    /// Raw Ed25519 public key (32 bytes) of the peer's verified certificate: for a server the client
    /// certificate, when one was asked for and given. Nil without one, or when its key is of another kind.
    package var peerCertificateKey: [UInt8]? { tls?.peerCertificateKey }

    /// What ALPN (RFC 7301) agreed on; nil without TLS or agreement.
    package var negotiatedProtocol: String? { tls?.negotiatedProtocol }

    /// Whether the handshake continued an earlier session.
    package var isResumed: Bool { tls?.isResumed ?? false }

    /// "TLSv1.2" or "TLSv1.3".
    package var tlsVersion: String? { tls?.version }

    /// Turns an accepted connection into TLS; on an error it is of no use any more.
    func acceptTLS(_ context: TLSContext) async throws(TransportError) {
        try await handshake(try TLSSession(accepting: self, context: context))
    }

    /// Turns a dialled connection into TLS with the peer verified to be `serverName`; for protocols that
    /// begin in the clear (STARTTLS). Nothing may be buffered. On an error it is of no use any more.
    package func startTLS(_ context: TLSContext, serverName: String) async throws(TransportError) {
        try await handshake(try TLSSession(dialling: self, context: context, serverName: serverName))
    }

    private func handshake(_ session: TLSSession) async throws(TransportError) {
        tls = session
        while true {
            if fate != .open { throw fate.error }
            guard let obstacle = session.handshake() else { return }
            switch obstacle {
            case .wantsRead: await waitReadable()
            case .ended: throw .reset
            case .failed(let error): throw fate == .open ? error : fate.error
            }
        }
    }

    /// `fill` after the turn was taken.
    func fillSecure(_ session: TLSSession) async throws(TransportError) -> Bool {
        while true {
            if fate != .open { throw fate.error }
            if let failure = arrivalFailure { throw failure }
            if hasArrived {
                hasArrived = false
                return true
            }
            if session.isFailed { throw .reset }
            makeRoom()
            let room = min(capacity &- end, maximumBuffered &- (end &- start))
            var obstacle: TLSSession.Obstacle?
            let count = session.read(buffer.unsafelyUnwrapped + end, room, &obstacle)
            if count > 0 {
                end &+= count
                return true
            }
            // Always asked before waiting: whole records may be in the library while the socket is empty.
            switch obstacle {
            case .wantsRead?: await waitReadable()
            case .failed(let error)?: throw fate == .open ? error : fate.error
            case .ended?:
                peerHungUp = true
                return false
            case nil: break
            }
        }
    }

    /// Receives what is there without waiting, which only the library can tell.
    func receiveAtOnce(_ session: TLSSession) throws(TransportError) -> Bool {
        if session.isFailed { throw .reset }
        makeRoom()
        let room = min(capacity &- end, maximumBuffered &- (end &- start))
        var obstacle: TLSSession.Obstacle?
        let count = session.read(buffer.unsafelyUnwrapped + end, room, &obstacle)
        switch obstacle {
        case nil:
            end &+= count
            return true
        case .wantsRead?: return false
        case .failed(let error)?: throw fate == .open ? error : fate.error
        case .ended?:
            peerHungUp = true
            throw .endOfStream
        }
    }

    /// As many of the bytes as one record takes; 0 when there is no room for it.
    func sendSome(
        _ session: TLSSession, _ bytes: UnsafeRawBufferPointer
    ) async throws(TransportError) -> Int {
        flush(session)
        if session.isFailed { throw .reset }
        if session.hasOutgoing { return 0 }
        var obstacle: TLSSession.Obstacle?
        let count = session.write(UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.recordSize)), &obstacle)
        switch obstacle {
        case .wantsRead?:
            if !isReadable { await session.waitToReadWhileSending() }
            return 0
        case .ended?: throw .reset
        case .failed(let error)?: throw fate == .open ? error : fate.error
        case nil: return count
        }
    }

    /// As `takeArrival`: the records that are whole, one after the other, until the socket is empty.
    func takeSecureArrival(_ session: TLSSession, _ taker: any ArrivalTaker) -> Bool {
        // A sender that waits to read gets what it waits for from here too.
        session.resumeSenderWaitingToRead()
        for _ in 0..<Self.fillsPerTurn {
            guard !session.isFailed, end &- start < maximumBuffered else { return false }
            makeRoom()
            let room = min(capacity &- end, maximumBuffered &- (end &- start))
            var obstacle: TLSSession.Obstacle?
            let count = session.read(buffer.unsafelyUnwrapped + end, room, &obstacle)
            guard count > 0 else {
                switch obstacle {
                case .wantsRead?:
                    if start == end { releaseBuffer() }
                    return true
                case .failed(let error)?: arrivalFailure = error
                case .ended?, nil: break  // it shows itself again to the task
                }
                return false
            }
            end &+= count
            guard taker.takeArrival() else {
                hasArrived = true
                return false
            }
        }
        // Others go first: the task sees to that.
        return false
    }

    /// `send` in as few records as possible: a short head goes into the record of what follows it.
    func sendSecure(
        _ session: TLSSession, _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer
    ) async throws(TransportError) {
        if first.isEmpty || second.isEmpty || first.count >= Self.recordSize {
            try await write(session, first)
            return try await write(session, second)
        }
        let block = loop.blocks.take()
        defer { loop.blocks.give(block) }
        let joined = min(second.count, Self.recordSize &- first.count)
        block.copyMemory(from: first.baseAddress.unsafelyUnwrapped, byteCount: first.count)
        (block + first.count).copyMemory(from: second.baseAddress.unsafelyUnwrapped, byteCount: joined)
        try await write(session, UnsafeRawBufferPointer(start: block, count: first.count &+ joined))
        try await write(session, UnsafeRawBufferPointer(rebasing: second[joined...]))
    }

    private func write(_ session: TLSSession, _ bytes: UnsafeRawBufferPointer) async throws(TransportError) {
        var rest = bytes
        while true {
            // The record before this one first: a peer that does not read stops the sender here.
            while session.hasOutgoing {
                await waitWritable()
                if fate != .open { throw fate.error }
                flush(session)
                if session.isFailed { throw .reset }
            }
            if rest.isEmpty { return }
            if fate != .open { throw fate.error }
            if session.isFailed { throw .reset }
            var obstacle: TLSSession.Obstacle?
            let count = session.write(rest, &obstacle)
            switch obstacle {
            case .wantsRead?: if !isReadable { await session.waitToReadWhileSending() }
            case .ended?: throw .reset
            case .failed(let error)?: throw fate == .open ? error : fate.error
            case nil: rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}
