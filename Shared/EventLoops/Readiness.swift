import CEventLoops

/// What a descriptor is watched for, and what became of it (epoll's bits).
package struct Readiness: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: LOOP_READ)
    package static let writable = Readiness(rawValue: LOOP_WRITE)
    /// The peer has shut down its sending side (or all of it).
    package static let peerShutdown = Readiness(rawValue: LOOP_PEER_SHUTDOWN)
    /// Both directions are gone; reported without being asked for.
    package static let hangUp = Readiness(rawValue: LOOP_HANG_UP)
    /// An error is pending on the socket; reported without being asked for.
    package static let error = Readiness(rawValue: LOOP_ERROR)
    /// Report changes, not states. Without it the registration is level-triggered.
    package static let edgeTriggered = Readiness(rawValue: LOOP_EDGE)

    /// Registered once and never modified again: what a stream socket wants.
    package static let stream: Readiness = [.readable, .writable, .peerShutdown, .edgeTriggered]
}
