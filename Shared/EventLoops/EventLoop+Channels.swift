import CEventLoops
import Glibc

extension EventLoop {
    /// Watches `descriptor` for `channel`, which is not kept alive. Loop thread.
    package func register(
        _ channel: any Channel, descriptor: Int32, for events: Readiness
    ) throws(SystemError) -> Registration {
        let registration = channels.insert(channel, descriptor: descriptor)
        let result = loop_epoll_add(epoll, descriptor, events.rawValue, registration.tag)
        if result < 0 {
            _ = channels.remove(registration)
            throw SystemError(operation: "epoll_ctl", errno: -result)
        }
        return registration
    }

    /// Changes what a descriptor is watched for; level-triggered registrations need it, `.stream` never does.
    package func modify(_ registration: Registration, for events: Readiness) {
        guard let descriptor = channels.descriptor(registration) else { return }
        _ = loop_epoll_modify(epoll, descriptor, events.rawValue, registration.tag)
    }

    /// Stops watching and leaves the descriptor open, for descriptors somebody else owns (libpq). Call it
    /// *before* the owner closes the descriptor: its number may be somebody else's a moment later.
    package func unregister(_ registration: Registration) {
        guard let descriptor = channels.remove(registration) else { return }
        _ = loop_epoll_remove(epoll, descriptor)
    }

    /// Stops watching and closes the descriptor.
    package func close(_ registration: Registration) {
        guard let descriptor = channels.remove(registration) else { return }
        // Closing takes it out of the epoll set too: descriptors here are never duplicated.
        _ = Glibc.close(descriptor)
    }

    /// Channels registered now.
    package var channelCount: Int { channels.count }
}
