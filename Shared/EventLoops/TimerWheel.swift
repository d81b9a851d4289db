/// A hashed timer wheel as a pure machine: it knows no clock and makes no call, time is an argument.
///
/// 8192 slots of 2^22 ns (4.19 ms). A timer never fires early; it fires at most one slot late, plus the
/// wait until `advance` is called. Moving a deadline later is one store: the timer stays where it is and is
/// linked again when its slot comes up. Not thread-safe: one wheel per loop.
package final class TimerWheel {
    static let slotBits: Int64 = 22
    static let slotCount = 8192

    private let slots: UnsafeMutablePointer<Unmanaged<Timer>?>
    private let occupied: UnsafeMutablePointer<UInt64>
    /// Which words of `occupied` are not zero.
    private var occupiedWords: UInt128 = 0
    private var current: Int64
    /// Timers linked, including those whose deadline was cleared and that wait to be dropped.
    package private(set) var count = 0

    package init(now: Int64) {
        slots = .allocate(capacity: Self.slotCount)
        slots.initialize(repeating: nil, count: Self.slotCount)
        occupied = .allocate(capacity: Self.slotCount / 64)
        occupied.initialize(repeating: 0, count: Self.slotCount / 64)
        current = now >> Self.slotBits
    }

    deinit {
        removeAll()
        slots.deallocate()
        occupied.deallocate()
    }

    /// Lets `timer` fire once, at `deadline` (nanoseconds on the clock given to `advance`); replaces an
    /// earlier one.
    package func arm(_ timer: Timer, deadline: Int64) {
        timer.deadline = deadline
        let slot = slot(for: deadline)
        if timer.slot == 0 {
            link(timer, slot)
        } else if slot < timer.slot {
            unlink(timer)
            link(timer, slot)
        }
    }

    /// Takes `timer` out; it does not fire and nothing of it is kept.
    package func disarm(_ timer: Timer) {
        timer.deadline = 0
        if timer.slot != 0 { unlink(timer) }
    }

    /// Fires every timer whose deadline is at or before `now`, in the order of their slots. A firing timer
    /// may arm and disarm any timer.
    package func advance(to now: Int64) {
        let target = now >> Self.slotBits
        if target - current > Int64(Self.slotCount) { current = target - Int64(Self.slotCount) }
        while current < target {
            current += 1
            let index = Int(current) & (Self.slotCount - 1)
            if occupied[index >> 6] & (1 << UInt64(index & 63)) == 0 { continue }
            // Whatever is linked while this runs lands in a later slot, so the list ends.
            while let head = slots[index] {
                let timer = head.takeUnretainedValue()
                expire(timer, now)
            }
        }
    }

    /// Nanoseconds from `now` until `advance` may have something to do; nil when the wheel is empty.
    package func nanosecondsUntilNext(from now: Int64) -> Int64? {
        guard count > 0 else { return nil }
        let start = Int(current + 1) & (Self.slotCount - 1)
        var word = start >> 6
        var bits = occupied[word] & (~0 << UInt64(start & 63))
        if bits == 0 {
            // The next word with something in it, around the wheel and back to this one.
            let later = occupiedWords & ((UInt128.max << UInt128(word)) << 1)
            word = (later == 0 ? occupiedWords : later).trailingZeroBitCount
            bits = occupied[word]
        }
        let index = word << 6 + bits.trailingZeroBitCount
        let distance = (index - start) & (Self.slotCount - 1)
        return max(0, (current + 1 + Int64(distance)) << Self.slotBits - now)
    }

    /// Drops every timer without firing it.
    package func removeAll() {
        for index in 0..<Self.slotCount {
            while let head = slots[index] {
                disarm(head.takeUnretainedValue())
            }
        }
    }

    private func expire(_ timer: Timer, _ now: Int64) {
        let deadline = timer.deadline
        unlink(timer)
        if deadline == 0 { return }
        if deadline > now {
            link(timer, slot(for: deadline))
        } else {
            timer.deadline = 0
            timer.fire()
        }
    }

    /// The first slot that begins at or after `deadline`, within the wheel's reach and never the current one.
    private func slot(for deadline: Int64) -> Int64 {
        let exact = (deadline &+ (1 << Self.slotBits - 1)) >> Self.slotBits
        return min(max(exact, current + 1), current + Int64(Self.slotCount) - 1)
    }

    private func link(_ timer: Timer, _ slot: Int64) {
        let index = Int(slot) & (Self.slotCount - 1)
        timer.slot = slot
        timer.wheel = self
        timer.previous = nil
        timer.next = slots[index]?.takeUnretainedValue()
        timer.next?.previous = timer
        slots[index] = Unmanaged.passUnretained(timer)
        occupied[index >> 6] |= 1 << UInt64(index & 63)
        occupiedWords |= 1 << UInt128(index >> 6)
        count += 1
        if timer.body != nil { _ = Unmanaged.passRetained(timer) }
    }

    fileprivate func unlink(_ timer: Timer) {
        let index = Int(timer.slot) & (Self.slotCount - 1)
        if let previous = timer.previous {
            previous.next = timer.next
        } else {
            slots[index] = timer.next.map { Unmanaged.passUnretained($0) }
            if timer.next == nil {
                occupied[index >> 6] &= ~(1 << UInt64(index & 63))
                if occupied[index >> 6] == 0 { occupiedWords &= ~(1 << UInt128(index >> 6)) }
            }
        }
        timer.next?.previous = timer.previous
        timer.slot = 0
        timer.previous = nil
        timer.next = nil
        timer.wheel = nil
        count -= 1
        if timer.body != nil { Unmanaged.passUnretained(timer).release() }
    }
}

/// Who is told that a timer it owns has fired.
package protocol TimerOwner: AnyObject {
    /// On the loop's thread; the timer is no longer armed.
    func timerFired(_ timer: Timer)
}

/// One deadline on a wheel, intrusive: arming allocates nothing. Loop thread only.
///
/// With an owner it belongs to that object and must not outlive it. With a body the wheel keeps it until it
/// fires or is cancelled.
package final class Timer {
    fileprivate(set) package var deadline: Int64 = 0
    fileprivate var slot: Int64 = 0
    fileprivate unowned(unsafe) var previous: Timer?
    fileprivate unowned(unsafe) var next: Timer?
    fileprivate unowned(unsafe) var wheel: TimerWheel?
    private unowned(unsafe) var owner: (any TimerOwner)?
    fileprivate let body: (() -> Void)?

    package init(owner: any TimerOwner) {
        self.owner = owner
        body = nil
    }
    /// One whose owner says so itself with `belong(to:)`, for an owner that holds it as a constant.
    package init() {
        owner = nil
        body = nil
    }
    package init(_ body: @escaping () -> Void) {
        owner = nil
        self.body = body
    }
    deinit { if slot != 0, let wheel { wheel.unlink(self) } }

    /// The owner, which must outlive every arming.
    package func belong(to owner: any TimerOwner) { self.owner = owner }

    /// True from arming until it fires or is cancelled.
    package var isArmed: Bool { deadline != 0 }

    /// It does not fire any more. Harmless when it already has.
    package func cancel() {
        if let wheel { wheel.disarm(self) } else { deadline = 0 }
    }

    /// It does not fire, but stays linked until its slot comes up: one store. For deadlines that come back.
    package func clear() { deadline = 0 }

    fileprivate func fire() {
        if let owner { owner.timerFired(self) } else { body?() }
    }
}
