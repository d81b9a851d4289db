import CEventLoops

/// What a descriptor is watched for, and what became of it (epoll's bits).
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    // Built from the bits, not from literals of options: those allocate, and this is read for every event.
    package static var readable: Readiness { Readiness(rawValue: LOOP_READ) }
    package static var writable: Readiness { Readiness(rawValue: LOOP_WRITE) }
    /// The peer has shut down its sending side (or all of it).
    package static var peerShutdown: Readiness { Readiness(rawValue: LOOP_PEER_SHUTDOWN) }
    /// Both directions are gone; reported without being asked for.
    package static var hangUp: Readiness { Readiness(rawValue: LOOP_HANG_UP) }
    /// An error is pending on the socket; reported without being asked for.
    package static var error: Readiness { Readiness(rawValue: LOOP_ERROR) }
    /// Report changes, not states. Without it the registration is level-triggered.
    package static var edgeTriggered: Readiness { Readiness(rawValue: LOOP_EDGE) }

    /// Registered once and never modified again: what a stream socket wants.
    package static var stream: Readiness {
        Readiness(rawValue: LOOP_READ | LOOP_WRITE | LOOP_PEER_SHUTDOWN | LOOP_EDGE)
    }

    /// The peer is gone, in one way or another.
    package var isGone: Bool { rawValue & (LOOP_PEER_SHUTDOWN | LOOP_HANG_UP | LOOP_ERROR) != 0 }
    /// A receive tells something: bytes, the end, or the error.
    package var canReceive: Bool {
        rawValue & (LOOP_READ | LOOP_PEER_SHUTDOWN | LOOP_HANG_UP | LOOP_ERROR) != 0
    }
    /// A send tells something: that there is room, or the error.
    package var canSend: Bool { rawValue & (LOOP_WRITE | LOOP_HANG_UP | LOOP_ERROR) != 0 }
}
