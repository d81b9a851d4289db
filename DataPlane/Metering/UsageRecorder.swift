package import Contract
package import Domain
package import EventLoops
package import LocalStore

/// Makes usage events durable, for the calls of one loop. Loop thread.
package final class UsageRecorder {
    private let outbox: Outbox
    private let port: OutboxPort
    private let calls: OpenCalls
    /// Where refused calls are noted; shared by the loops of a node.
    package let refusals: RefusalLog?
    /// Where what was said is left; shared by the loops of a node. nil: nowhere.
    package let contents: ContentLog?

    package init(
        outbox: Outbox, loop: EventLoop, refusals: RefusalLog? = nil, contents: ContentLog? = nil
    ) {
        self.outbox = outbox
        self.refusals = refusals
        self.contents = contents
        port = outbox.port(for: loop)
        calls = OpenCalls(loop: loop, port: port)
    }

    /// Whether metered calls must be refused (503 `outbox_full`): ask before dialling.
    package var isFull: Bool { outbox.isFull }

    /// Notes a call that is about to be dialled. If the process is killed while it runs, the next one makes
    /// this event of it and charges its grants; not if that happens in its first moments.
    ///
    /// - Parameter event: asked only for a call that lasts.
    package func begin(
        _ id: UsageEventID, charges: [GrantCharge] = [], _ event: @escaping () -> UsageEvent
    ) -> CallNote {
        calls.begin(id, charges: charges, event)
    }

    /// Writes the event, and what it spent of grants, and returns when it survives a kill of this process:
    /// call it before the answer's last byte.
    ///
    /// False: it is not on disk. It is kept in memory and tried again, but the answer must not look complete.
    package func record(
        _ event: UsageEvent, charges: [GrantCharge] = [], of call: CallNote? = nil
    ) async -> Bool {
        let ending = call.flatMap { calls.end($0) }
        return await port.append(
            cost: event.cost.nanos, charges: charges, ending: ending, isPatient: event.isStream
        ) {
            event.append(toBatch: &$0)
        }
    }
}
