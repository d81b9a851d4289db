/// Something with a descriptor that a loop watches. The loop does **not** keep it alive: a channel
/// unregisters (or closes) its descriptor before it goes away, at the latest in its `deinit`.
package protocol Channel: AnyObject {
    /// Called on the loop's thread, at most once per turn of the loop, never after `unregister` or `close`.
    func onEvents(_ ready: Readiness)
}

/// The right to change one registration of a channel on a loop. A value that is out of date does nothing,
/// so it is harmless to close twice.
package struct Registration: Equatable, Sendable {
    let index: UInt32
    let generation: UInt32

    /// No registration.
    package static let none = Registration(index: .max, generation: 0)

    init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
    init(tag: UInt64) {
        self.init(index: UInt32(truncatingIfNeeded: tag), generation: UInt32(truncatingIfNeeded: tag >> 32))
    }
    var tag: UInt64 { UInt64(generation) << 32 | UInt64(index) }
}

/// Registered channels by index. A slot's generation changes when it is given up, so an event that was
/// already in the batch for a channel closed a moment ago finds nobody: no object has to be kept for it.
struct ChannelTable: ~Copyable {
    struct Slot {
        unowned(unsafe) var channel: (any Channel)?
        var descriptor: Int32 = -1
        var generation: UInt32 = 1
        var nextFree: UInt32 = .max
    }
    private var slots: UnsafeMutablePointer<Slot>
    private var capacity: Int
    private var used = 0
    private var firstFree: UInt32 = .max
    private(set) var count = 0

    init(capacity: Int = 256) {
        self.capacity = capacity
        slots = .allocate(capacity: capacity)
    }
    deinit { slots.deallocate() }

    mutating func insert(_ channel: any Channel, descriptor: Int32) -> Registration {
        let index: UInt32
        if firstFree != .max {
            index = firstFree
            firstFree = slots[Int(index)].nextFree
        } else {
            if used == capacity { grow() }
            index = UInt32(used)
            (slots + used).initialize(to: Slot())
            used += 1
        }
        let slot = slots + Int(index)
        slot.pointee.channel = channel
        slot.pointee.descriptor = descriptor
        count += 1
        return Registration(index: index, generation: slot.pointee.generation)
    }

    /// The descriptor that was registered, nil when the registration is out of date.
    mutating func remove(_ registration: Registration) -> Int32? {
        guard let slot = slot(registration) else { return nil }
        let descriptor = slot.pointee.descriptor
        slot.pointee.channel = nil
        slot.pointee.descriptor = -1
        slot.pointee.generation &+= 1
        slot.pointee.nextFree = firstFree
        firstFree = registration.index
        count -= 1
        return descriptor
    }

    @inline(__always)
    func channel(_ registration: Registration) -> (any Channel)? { slot(registration)?.pointee.channel }

    func descriptor(_ registration: Registration) -> Int32? { slot(registration)?.pointee.descriptor }

    @inline(__always)
    private func slot(_ registration: Registration) -> UnsafeMutablePointer<Slot>? {
        guard Int(registration.index) < used else { return nil }
        let slot = slots + Int(registration.index)
        return slot.pointee.generation == registration.generation ? slot : nil
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: capacity * 2)
        larger.moveInitialize(from: slots, count: used)
        slots.deallocate()
        slots = larger
        capacity *= 2
    }
}
