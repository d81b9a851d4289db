import Testing

@testable import Grants

@Suite("the pace of the exchange")
struct ExchangePaceTests {
    private static func pace() -> ExchangePace { ExchangePace { $0.upperBound } }

    @Test("every second while something is held; greetings first, then rarely, while nothing is")
    func ordinary() {
        var pace = Self.pace()
        for _ in 0..<ExchangePace.greetings {
            #expect(pace.delay(isEmpty: true, isUrgent: false) == 1_000_000_000)
            pace.noteAnswer(broughtNews: false)
        }
        #expect(pace.delay(isEmpty: true, isUrgent: false) == 10_000_000_000)
        #expect(pace.delay(isEmpty: false, isUrgent: false) == 1_000_000_000)
        pace.noteReturn()
        #expect(pace.delay(isEmpty: true, isUrgent: false) == 1_000_000_000)
    }

    @Test("at once when a call waits, less and less soon while answers bring nothing")
    func urgent() {
        var pace = Self.pace()
        #expect(pace.delay(isEmpty: false, isUrgent: true) == 0)
        var seen: [Int64] = []
        for _ in 0..<8 {
            pace.noteAnswer(broughtNews: false)
            seen.append(pace.delay(isEmpty: false, isUrgent: true) / 1_000_000)
        }
        #expect(seen == [5, 10, 20, 40, 80, 160, 250, 250])
        pace.noteAnswer(broughtNews: true)
        #expect(pace.delay(isEmpty: false, isUrgent: true) == 0)
    }

    @Test("with full jitter up to ten seconds when the control plane is away, whoever waits")
    func away() {
        var pace = Self.pace()
        var seen: [Int64] = []
        for _ in 0..<8 {
            pace.noteFailure()
            #expect(pace.isAway)
            seen.append(pace.delay(isEmpty: false, isUrgent: true) / 1_000_000)
        }
        #expect(seen == [200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000])
        pace.noteReturn()
        #expect(!pace.isAway)
        #expect(pace.delay(isEmpty: false, isUrgent: true) == 0)
    }
}
