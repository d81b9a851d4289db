/// A first-in first-out ring of executor jobs for one thread; grows by doubling, never shrinks.
struct JobRing: ~Copyable {
    private var slots: UnsafeMutablePointer<UnownedJob>
    private var mask: Int
    private var head = 0
    private var tail = 0

    init(capacityPowerOfTwo: Int = 12) {
        mask = (1 << capacityPowerOfTwo) - 1
        slots = .allocate(capacity: mask + 1)
    }
    deinit { slots.deallocate() }

    @inline(__always) var isEmpty: Bool { head == tail }
    var count: Int { tail &- head }

    @inline(__always)
    mutating func push(_ job: UnownedJob) {
        if tail &- head > mask { grow() }
        (slots + (tail & mask)).initialize(to: job)
        tail &+= 1
    }

    /// The oldest job; the ring must not be empty.
    @inline(__always)
    mutating func pop() -> UnownedJob {
        let job = (slots + (head & mask)).move()
        head &+= 1
        return job
    }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<UnownedJob>.allocate(capacity: (mask + 1) * 2)
        let count = tail &- head
        for offset in 0..<count {
            (larger + offset).initialize(to: (slots + ((head &+ offset) & mask)).move())
        }
        slots.deallocate()
        slots = larger
        mask = mask * 2 + 1
        head = 0
        tail = count
    }
}
