import CEventLoops
import Glibc

/// The load and the provider that answers it, on one thread and one epoll: no tasks, no allocation a call.
///
/// Both sides of the proxy cost this core four system calls a call and little else, so the proxy's core is
/// the limit. The provider answers only while a run is under way.
final class LoadEngine {
    /// What one client connection is doing.
    final class Client {
        let descriptor: Int32
        var counter = AnswerCounter()
        /// Received and not understood yet: the beginning of a head that came in pieces.
        var carried: [UInt8] = []
        var due: Int64 = 0
        var isBusy = false
        /// The first event of its answer has been timed.
        var hasBegun = false
        /// Its requests are the background's, whose answers are only counted.
        var isBackground = false
        /// Which of several systems that are called side by side it calls.
        var lane: Int?
        init(_ descriptor: Int32) { self.descriptor = descriptor }
    }

    /// Of several systems that are called side by side: who may call it now, and what its calls took.
    struct Lane {
        var idle: [Client]
        var times: [TimedCall] = []
    }

    enum Slot {
        case free, listener
        case client(Client)
        case provider(ProviderSide)
    }

    /// The port at which the provider listens.
    private(set) var providerPort: UInt16
    private(set) var script = ProviderScript()
    let epoll = loop_epoll_create()
    var slots: [Slot] = []
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 64)
    private let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: 512)
    private var listener: Int32 = -1
    var idle: [Client] = []
    private var idleBackground: [Client] = []
    var lanes: [Lane] = []
    var result = LoadResult()
    /// Latencies of open-loop runs are those of a stream's first event.
    var timesFirstEvent = false
    /// Others work on its core too: it lets them while nothing comes.
    var sharesItsCore = false
    /// What an answer of the run itself must say.
    var expectedStatus = 200
    private var request: [UInt8] = []
    var outstanding = 0
    /// Clients of the run itself whose connection still stands.
    var living = 0
    private var deadline: Int64 = 0
    var repeats = false
    /// Events of streams that are due, by the time they are due in steps of `step` nanoseconds.
    private var wheel: [[ProviderSide]] = []
    private var wheelTime: Int64 = 0
    private(set) var scheduled = 0
    private static let step: Int64 = 100_000
    /// How long after its end a run waits for answers that are still due.
    private static let patience: Int64 = 10_000_000_000
    private var random: UInt32 = 0x9e37_79b9

    init(providerPort: UInt16) throws {
        self.providerPort = providerPort
        guard epoll >= 0 else { throw BenchFailure(text: "no epoll") }
        try listen(on: providerPort)
        setGap(milliseconds: 20)
    }

    /// Has the provider answer at this port, and no more at the one before.
    func listen(on port: UInt16) throws {
        if listener >= 0 { drop(listener) }
        providerPort = port
        var address = loop_address()
        (address.bytes.0, address.bytes.3, address.port) = (127, 1, port)
        listener = loop_listen(&address, 0, 4096)
        guard listener >= 0 else {
            let reason = String(cString: strerror(-listener))
            throw BenchFailure(text: "cannot listen on 127.0.0.1:\(port): \(reason)")
        }
        watch(listener, as: .listener)
    }

    /// How long the provider waits between two events of a stream.
    func setGap(milliseconds: Int64) {
        script.gapNanoseconds = milliseconds * 1_000_000
        // The longest gap is a quarter longer.
        wheel = .init(repeating: [], count: Int(script.gapNanoseconds * 3 / 2 / Self.step) + 1)
        scheduled = 0
    }

    deinit {
        buffer.deallocate()
        events.deallocate()
        close(epoll)
        close(listener)
    }

    // MARK: Runs

    /// As fast as the answers come, on `connections` connections.
    func closedLoop(
        _ request: [UInt8], to port: UInt16, connections: Int, seconds: Int
    ) throws -> LoadResult {
        try begin(request, port, connections)
        repeats = true
        let began = monotonicNow()
        deadline = began + Int64(seconds) * 1_000_000_000
        while let client = idle.popLast() { send(client) }
        while outstanding > 0, !isHopeless(after: deadline) { turn(spins: scheduled > 0) }
        return end(began)
    }

    /// `perSecond` calls a second, whether or not earlier ones have been answered: latency counts from the
    /// moment a call was due, so a stall is not hidden by the calls it delayed.
    ///
    /// `background` sends other requests beside these, on connections of their own, as many a second; the
    /// number given to it counts them.
    func openLoop(
        _ request: [UInt8], to port: UInt16, connections: Int, perSecond: Int, seconds: Int,
        background: (perSecond: Int, request: (Int) -> [UInt8])? = nil
    ) throws -> LoadResult {
        try begin(request, port, connections)
        if let background {
            idleBackground = try (0..<background.perSecond * 2).map { _ in try connect(port) }
            for client in idleBackground { client.isBackground = true }
        }
        var backgroundCount = 0
        repeats = false
        let began = monotonicNow()
        let gap = Int64(1_000_000_000 / perSecond)
        var due = began
        let last = began + Int64(seconds) * 1_000_000_000
        while due < last || outstanding > 0, !isHopeless(after: last) {
            while due < last, due <= monotonicNow(), let client = idle.popLast() {
                client.due = due
                send(client)
                due += gap
            }
            while let background, due < last, let client = idleBackground.last,
                (monotonicNow() - began) * Int64(background.perSecond) / 1_000_000_000 > backgroundCount
            {
                idleBackground.removeLast()
                backgroundCount += 1
                send(client, background.request(backgroundCount))
            }
            turn(spins: true)
        }
        return end(began)
    }

    /// Nothing more will come: every client failed, or those that wait have waited too long.
    private func isHopeless(after last: Int64) -> Bool {
        living == 0 || monotonicNow() > last + Self.patience
    }

    func begin(_ request: [UInt8], _ port: UInt16, _ connections: Int) throws {
        result = LoadResult()
        self.request = request
        outstanding = 0
        living = connections
        idle = try (0..<connections).map { _ in try connect(port) }
    }

    func end(_ began: Int64) -> LoadResult {
        result.seconds = Double(monotonicNow() - began) / 1e9
        // What was never answered has failed too.
        result.failures += outstanding
        for case .client(let client) in slots { drop(client.descriptor) }
        idle.removeAll()
        idleBackground.removeAll()
        return result
    }

    func connect(_ port: UInt16) throws -> Client {
        var address = loop_address()
        (address.bytes.0, address.bytes.3, address.port) = (127, 1, port)
        var pending: Int32 = 0
        let descriptor = loop_connect(&address, &pending)
        guard descriptor >= 0 else { throw BenchFailure(text: "cannot connect to port \(port)") }
        if pending != 0 {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            poll(&waiting, 1, 5_000)
        }
        guard loop_socket_error(descriptor) == 0 else {
            throw BenchFailure(text: "nothing answers on port \(port)")
        }
        let client = Client(descriptor)
        watch(descriptor, as: .client(client))
        return client
    }

    private func watch(_ descriptor: Int32, as slot: Slot) {
        while slots.count <= Int(descriptor) { slots.append(.free) }
        slots[Int(descriptor)] = slot
        _ = loop_epoll_add(epoll, descriptor, LOOP_READ, UInt64(descriptor))
    }

    func drop(_ descriptor: Int32) {
        slots[Int(descriptor)] = .free
        close(descriptor)
    }

    // MARK: One turn

    func turn(spins: Bool) {
        let count = loop_epoll_wait(epoll, events, 512, spins ? 0 : 100)
        if count == 0, sharesItsCore { sched_yield() }
        for index in 0..<max(0, Int(count)) {
            let descriptor = Int32(truncatingIfNeeded: loop_event_tag(events + index))
            switch slots[Int(descriptor)] {
            case .free: break
            case .listener: accept()
            case .client(let client): receive(client)
            case .provider(let side): receive(side)
            }
        }
        if scheduled > 0 { sendDueEvents() }
    }

    private func accept() {
        var peer = loop_address()
        while true {
            let descriptor = loop_accept(listener, &peer)
            if descriptor < 0 { return }
            watch(descriptor, as: .provider(ProviderSide(descriptor)))
        }
    }

    // MARK: The client's side

    func send(_ client: Client) { send(client, request) }

    func send(_ client: Client, _ request: [UInt8]) {
        client.isBusy = true
        outstanding += 1
        let sent = request.withUnsafeBytes { loop_send(client.descriptor, $0.baseAddress, $0.count, nil, 0) }
        if sent != request.count { fail(client) }
    }

    private func receive(_ client: Client) {
        let count = loop_receive(client.descriptor, buffer.baseAddress, buffer.count)
        guard count > 0 else {
            if count != -Int(EAGAIN) { fail(client) }
            return
        }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
        do {
            if !client.carried.isEmpty {
                client.carried.append(contentsOf: bytes)
                let whole = client.carried
                client.carried.removeAll()
                try whole.withUnsafeBytes { try take($0, client) }
            } else {
                try take(bytes, client)
            }
        } catch { return fail(client) }
        if timesFirstEvent, !client.hasBegun, client.counter.events > 0 {
            client.hasBegun = true
            result.latencies.append(Int((monotonicNow() - client.due) / 1000))
        }
        guard client.counter.isWhole else { return }
        let status = client.counter.status
        if client.isBackground {
            result.background[status, default: 0] += 1
        } else if status != expectedStatus {
            result.unexpectedStatus = status
            return fail(client)
        } else {
            result.answers += 1
            result.events += client.counter.events
        }
        client.counter = AnswerCounter()
        client.isBusy = false
        client.hasBegun = false
        outstanding -= 1
        if client.isBackground { return idleBackground.append(client) }
        if let lane = client.lane {
            lanes[lane].times.append(
                TimedCall(due: client.due, nanoseconds: monotonicNow() - client.due))
            return lanes[lane].idle.append(client)
        }
        if !repeats {
            if !timesFirstEvent { result.latencies.append(Int((monotonicNow() - client.due) / 1000)) }
            idle.append(client)
        } else if monotonicNow() < deadline {
            send(client)
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, _ client: Client) throws {
        let taken = try client.counter.take(bytes)
        guard taken < bytes.count else { return }
        if client.counter.isWhole { throw LoadFailure.malformed }
        client.carried.append(contentsOf: bytes[taken...])
    }

    private func fail(_ client: Client) {
        result.failures += 1
        if client.isBusy { outstanding -= 1 }
        if !client.isBackground { living -= 1 }
        drop(client.descriptor)
    }

    // MARK: The provider's side

    private func receive(_ side: ProviderSide) {
        let count = loop_receive(side.descriptor, buffer.baseAddress, buffer.count)
        guard count > 0 else {
            if count != -Int(EAGAIN) { drop(side.descriptor) }
            return
        }
        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
        switch side.take(bytes) {
        case .incomplete: break
        case .plain: sendWhole(script.plain, on: side)
        case .stream:
            side.nextEvent = 0
            sendEvent(on: side)
        }
    }

    private func sendEvent(on side: ProviderSide) {
        sendWhole(script.events[side.nextEvent], on: side)
        side.nextEvent += 1
        if side.nextEvent < script.events.count { schedule(side) }
    }

    /// What does not fit into the socket is for the kernel's buffers to be large enough: answers are small.
    private func sendWhole(_ bytes: [UInt8], on side: ProviderSide) {
        let sent = bytes.withUnsafeBytes { loop_send(side.descriptor, $0.baseAddress, $0.count, nil, 0) }
        if sent != bytes.count { drop(side.descriptor) }
    }

    /// 20 ms from now, a quarter more or less, so that streams do not walk in step.
    private func schedule(_ side: ProviderSide) {
        random ^= random << 13
        random ^= random >> 17
        random ^= random << 5
        let now = monotonicNow()
        if scheduled == 0 { wheelTime = now / Self.step }
        let gap = script.gapNanoseconds * 3 / 4 + Int64(random) % (script.gapNanoseconds / 2 + 1)
        wheel[Int((now + gap) / Self.step) % wheel.count].append(side)
        scheduled += 1
    }

    private func sendDueEvents() {
        let now = monotonicNow() / Self.step
        while wheelTime < now {
            wheelTime += 1
            let place = Int(wheelTime) % wheel.count
            if wheel[place].isEmpty { continue }
            let due = wheel[place]
            wheel[place].removeAll(keepingCapacity: true)
            scheduled -= due.count
            for side in due { if side.isAlive(in: slots) { sendEvent(on: side) } }
        }
    }
}

func monotonicNow() -> Int64 { loop_monotonic_nanoseconds() }

func wallMicroseconds() -> Int64 { loop_wall_microseconds() }
