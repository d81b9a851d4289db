import Testing

@testable import Feed

@Suite("stream machine")
struct StreamMachineTests {
    private static func machine() -> StreamMachine { StreamMachine(random: { $0.upperBound }) }

    @Test("breaks wait up to 2, 5, then 10 seconds, and a stream that opened begins anew")
    func backOff() {
        var machine = Self.machine()
        #expect(machine.handle(.start) == [.connect])
        for ceiling in [2, 5, 10, 10] as [Int64] {
            #expect(
                machine.handle(.ended(retryAfterNanoseconds: nil)) == [
                    .wait(nanoseconds: ceiling * 1_000_000_000)
                ])
            #expect(!machine.isOpen)
            #expect(machine.handle(.waited) == [.connect])
        }
        #expect(machine.handle(.opened) == [])
        #expect(machine.isOpen)
        #expect(machine.handle(.ended(retryAfterNanoseconds: nil)) == [.wait(nanoseconds: 2_000_000_000)])
    }

    @Test("the wait that was asked for is the least")
    func retryAfter() {
        var machine = StreamMachine(random: { $0.lowerBound })
        _ = machine.handle(.start)
        #expect(
            machine.handle(.ended(retryAfterNanoseconds: 7_000_000_000)) == [
                .wait(nanoseconds: 7_000_000_000)
            ])
    }

    @Test("stopping closes, and nothing follows")
    func stop() {
        var machine = Self.machine()
        _ = machine.handle(.start)
        #expect(machine.handle(.stop) == [.close])
        for event in [.start, .opened, .ended(retryAfterNanoseconds: nil), .waited, .stop]
            as [StreamMachine.Event]
        {
            #expect(machine.handle(event) == [])
        }
    }

    @Test("events out of turn do nothing")
    func outOfTurn() {
        var machine = Self.machine()
        #expect(machine.handle(.waited) == [])
        #expect(machine.handle(.opened) == [])
        _ = machine.handle(.start)
        #expect(machine.handle(.start) == [])
        #expect(machine.handle(.waited) == [])
    }
}
