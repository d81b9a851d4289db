import Contract

/// Which batch to send when: in order, at most two on the way, with full-jitter back-off. No I/O and no
/// clock.
struct UploadMachine {
    static let maximumInFlight = 2
    static let firstDelayNanoseconds: Int64 = 200_000_000
    static let maximumDelayNanoseconds: Int64 = 10_000_000_000

    enum Event: Equatable {
        /// What the outbox holds now: after a seal, an acknowledgement, or a change of epoch.
        case outbox(epoch: UInt64, sealed: Range<UInt64>)
        case answered(epoch: UInt64, sequence: UInt64, BatchAnswer)
        /// No answer, or one that says nothing about the batch.
        case failed(epoch: UInt64, sequence: UInt64)
        /// The wait is over, or the control plane is known to be back.
        case proceed
    }

    enum Action: Equatable {
        case send(epoch: UInt64, sequence: UInt64)
        /// Delete what the control plane has.
        case acknowledge(epoch: UInt64, through: UInt64)
        case wait(nanoseconds: Int64)
        /// The control plane lacks batches that were deleted here after an acknowledgement: it was restored.
        case renumber(epoch: UInt64)
        /// It holds other content under this epoch: the outbox was rolled back or cloned.
        case retire(epoch: UInt64)
    }

    private var epoch: UInt64 = 0
    private var sealed: Range<UInt64> = 1..<1
    private var next: UInt64 = 1
    private var inFlight: Set<UInt64> = []
    private var failures = 0
    private var isWaiting = false
    /// The epoch is being given up: nothing is sent until the outbox shows another one.
    private var isStopped = false
    private var random: (ClosedRange<Int64>) -> Int64

    /// - Parameter random: a number of the range; full jitter takes it from the whole of it.
    init(random: @escaping (ClosedRange<Int64>) -> Int64 = { Int64.random(in: $0) }) { self.random = random }

    mutating func handle(_ event: Event) -> [Action] {
        switch event {
        case .outbox(let epoch, let sealed):
            if epoch != self.epoch {
                self = UploadMachine(random: random)
                self.epoch = epoch
                next = sealed.lowerBound
            }
            self.sealed = sealed
            next = max(next, sealed.lowerBound)
            return sends()
        case .answered(let epoch, let sequence, let answer):
            guard epoch == self.epoch, inFlight.remove(sequence) != nil else { return [] }
            return answered(sequence, answer)
        case .failed(let epoch, let sequence):
            guard epoch == self.epoch, inFlight.remove(sequence) != nil else { return [] }
            next = min(next, sequence)
            return backOff()
        case .proceed:
            isWaiting = false
            return sends()
        }
    }

    private mutating func answered(_ sequence: UInt64, _ answer: BatchAnswer) -> [Action] {
        switch answer {
        case .acknowledged(let taken):
            let taken = UInt64(clamping: taken)
            guard taken == sequence, sealed.contains(taken) else { return sends() }
            failures = 0
            isWaiting = false
            sealed = taken + 1..<sealed.upperBound
            next = max(next, taken + 1)
            return [.acknowledge(epoch: epoch, through: taken)] + sends()
        case .gap(let needed):
            let needed = UInt64(clamping: needed)
            if isStopped { return [] }
            if needed < sealed.lowerBound {
                // Deleted here because it was acknowledged once. Those that are left were refused, so they
                // are not there.
                isStopped = true
                return [.renumber(epoch: epoch)]
            }
            guard needed < sequence else { return [] }
            // One that is on the way will close the gap; this one goes again after it.
            next = min(next, inFlight.contains(needed) ? sequence : needed)
            return inFlight.isEmpty ? backOff() : []
        case .conflict:
            if isStopped { return [] }
            isStopped = true
            return [.retire(epoch: epoch)]
        }
    }

    private mutating func backOff() -> [Action] {
        failures += 1
        if isWaiting || isStopped { return [] }
        isWaiting = true
        let ceiling = min(Self.maximumDelayNanoseconds, Self.firstDelayNanoseconds << min(failures - 1, 6))
        return [.wait(nanoseconds: random(0...ceiling))]
    }

    private mutating func sends() -> [Action] {
        // After a failure one batch tries the way before more follow.
        let limit = failures > 0 ? 1 : Self.maximumInFlight
        var actions: [Action] = []
        while !isWaiting, !isStopped, inFlight.count < limit, next < sealed.upperBound {
            if !inFlight.contains(next) {
                inFlight.insert(next)
                actions.append(.send(epoch: epoch, sequence: next))
            }
            next += 1
        }
        return actions
    }
}
