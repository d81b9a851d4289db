import Contract
import Testing

@testable import Metering

@Suite("upload machine")
struct UploadMachineTests {
    private static func machine() -> UploadMachine { UploadMachine(random: { $0.upperBound }) }

    @Test("sends in order, two at most, and the next when one is acknowledged")
    func window() {
        var machine = Self.machine()
        #expect(
            machine.handle(.outbox(epoch: 7, sealed: 3..<7)) == [
                .send(epoch: 7, sequence: 3), .send(epoch: 7, sequence: 4),
            ])
        #expect(
            machine.handle(.answered(epoch: 7, sequence: 3, .acknowledged(sequence: 3))) == [
                .acknowledge(epoch: 7, through: 3), .send(epoch: 7, sequence: 5),
            ])
        // What the outbox says after the deletion starts nothing twice.
        #expect(machine.handle(.outbox(epoch: 7, sealed: 4..<7)) == [])
        #expect(
            machine.handle(.answered(epoch: 7, sequence: 5, .acknowledged(sequence: 5))) == [
                .acknowledge(epoch: 7, through: 5), .send(epoch: 7, sequence: 6),
            ])
        #expect(machine.handle(.answered(epoch: 7, sequence: 4, .acknowledged(sequence: 4))) == [])
        #expect(
            machine.handle(.answered(epoch: 7, sequence: 6, .acknowledged(sequence: 6))) == [
                .acknowledge(epoch: 7, through: 6)
            ])
    }

    @Test("a failure waits ever longer up to ten seconds, then tries one batch alone")
    func backOff() {
        var machine = Self.machine()
        _ = machine.handle(.outbox(epoch: 1, sealed: 1..<9))
        #expect(machine.handle(.failed(epoch: 1, sequence: 2)) == [.wait(nanoseconds: 200_000_000)])
        #expect(machine.handle(.failed(epoch: 1, sequence: 1)) == [])
        var delays: [Int64] = []
        for _ in 0..<7 {
            #expect(machine.handle(.proceed) == [.send(epoch: 1, sequence: 1)])
            for case .wait(let delay) in machine.handle(.failed(epoch: 1, sequence: 1)) {
                delays.append(delay)
            }
        }
        #expect(delays == [800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000].map { $0 * 1_000_000 })
        _ = machine.handle(.proceed)
        let resumed = machine.handle(.answered(epoch: 1, sequence: 1, .acknowledged(sequence: 1)))
        #expect(resumed.dropFirst() == [.send(epoch: 1, sequence: 2), .send(epoch: 1, sequence: 3)])
    }

    @Test("a gap is closed from the batch that is needed")
    func gap() {
        var machine = Self.machine()
        _ = machine.handle(.outbox(epoch: 1, sealed: 1..<9))
        // 2 overtook 1: it goes again once 1 is answered.
        #expect(machine.handle(.answered(epoch: 1, sequence: 2, .gap(needed: 1))) == [])
        #expect(
            machine.handle(.answered(epoch: 1, sequence: 1, .acknowledged(sequence: 1))) == [
                .acknowledge(epoch: 1, through: 1), .send(epoch: 1, sequence: 2),
                .send(epoch: 1, sequence: 3),
            ])
        // The control plane forgot 2: nothing is on the way, so wait and begin there.
        _ = machine.handle(.answered(epoch: 1, sequence: 2, .acknowledged(sequence: 2)))
        _ = machine.handle(.failed(epoch: 1, sequence: 3))
        #expect(machine.handle(.answered(epoch: 1, sequence: 4, .gap(needed: 3))) == [])
        #expect(machine.handle(.proceed) == [.send(epoch: 1, sequence: 3)])
    }

    @Test(
        "a gap before what is left here means a restored control plane: number anew, send nothing meanwhile")
    func restored() {
        var machine = Self.machine()
        _ = machine.handle(.outbox(epoch: 1, sealed: 5..<9))
        #expect(machine.handle(.answered(epoch: 1, sequence: 5, .gap(needed: 2))) == [.renumber(epoch: 1)])
        #expect(machine.handle(.answered(epoch: 1, sequence: 6, .gap(needed: 2))) == [])
        #expect(machine.handle(.outbox(epoch: 1, sealed: 5..<10)) == [])
        #expect(
            machine.handle(.outbox(epoch: 2, sealed: 1..<6)) == [
                .send(epoch: 2, sequence: 1), .send(epoch: 2, sequence: 2),
            ])
    }

    @Test("a conflict stops the epoch once and for all")
    func conflict() {
        var machine = Self.machine()
        _ = machine.handle(.outbox(epoch: 1, sealed: 1..<9))
        #expect(
            machine.handle(.answered(epoch: 1, sequence: 1, .conflict(sequence: 1))) == [.retire(epoch: 1)])
        #expect(machine.handle(.answered(epoch: 1, sequence: 2, .conflict(sequence: 2))) == [])
        #expect(machine.handle(.proceed) == [])
        #expect(machine.handle(.outbox(epoch: 2, sealed: 1..<2)) == [.send(epoch: 2, sequence: 1)])
    }

    @Test("answers of another epoch, to nothing sent, or for another batch change nothing")
    func strangers() {
        var machine = Self.machine()
        _ = machine.handle(.outbox(epoch: 1, sealed: 1..<4))
        #expect(machine.handle(.answered(epoch: 9, sequence: 1, .conflict(sequence: 1))) == [])
        #expect(machine.handle(.answered(epoch: 1, sequence: 3, .conflict(sequence: 3))) == [])
        #expect(machine.handle(.failed(epoch: 9, sequence: 1)) == [])
        #expect(
            machine.handle(.answered(epoch: 1, sequence: 1, .acknowledged(sequence: 2))) == [
                .send(epoch: 1, sequence: 3)
            ])
    }

    /// The control plane's side, by the rule of `Contract`.
    private struct Receiver {
        var taken: [Int64: SHA256] = [:]
        var events: [Int64] = []
        typealias SHA256 = Int64
        mutating func take(_ sequence: Int64, content: Int64) -> BatchAnswer {
            let last = Int64(taken.count)
            if sequence <= last {
                return taken[sequence] == content
                    ? .acknowledged(sequence: sequence) : .conflict(sequence: sequence)
            }
            guard sequence == last + 1 else { return .gap(needed: last + 1) }
            taken[sequence] = content
            events.append(content)
            return .acknowledged(sequence: sequence)
        }
    }

    @Test(
        "whatever is lost, delayed or overtaken, every batch arrives exactly once and in order",
        arguments: 1...60)
    func simulation(_ seed: UInt64) {
        var dice = Dice(state: seed)
        var machine = UploadMachine(random: { _ in 0 })
        var receiver = Receiver()
        var pending: [UploadMachine.Event] = [.outbox(epoch: 1, sealed: 1..<31)]
        var deleted: UInt64 = 0
        var steps = 0
        while deleted < 30, steps < 20_000 {
            steps += 1
            // Any pending event may be the next: answers overtake each other.
            let event = pending.isEmpty ? .proceed : pending.remove(at: dice.next(below: pending.count))
            for action in machine.handle(event) {
                switch action {
                case .send(_, let sequence):
                    let isRequestLost = dice.next(below: 4) == 0, isAnswerLost = dice.next(below: 4) == 0
                    let answer =
                        isRequestLost ? nil : receiver.take(Int64(sequence), content: Int64(sequence))
                    if let answer, !isAnswerLost {
                        pending.append(.answered(epoch: 1, sequence: sequence, answer))
                    } else {
                        pending.append(.failed(epoch: 1, sequence: sequence))
                    }
                case .acknowledge(_, let through):
                    #expect(receiver.taken[Int64(through)] != nil, "seed \(seed)")
                    deleted = max(deleted, through)
                case .wait:
                    pending.append(.proceed)
                case .renumber, .retire:
                    Issue.record("seed \(seed): gave up")
                    return
                }
            }
        }
        #expect(receiver.events == Array(1...30), "seed \(seed), \(steps) steps")
        #expect(deleted == 30, "seed \(seed)")
    }
}

/// A small seeded generator (SplitMix64).
struct Dice {
    var state: UInt64
    mutating func next(below limit: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(limit))
    }
}
