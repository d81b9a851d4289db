import Domain
import TestSupport
import Testing

@Suite("time")
struct TimestampTests {
    @Test(
        "RFC 3339 texts are read",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:01z", 1_000_000),
            ("1970-01-01 00:00:00.5Z", 500_000),
            ("2026-03-09T12:34:56.789012Z", 1_773_059_696_789_012), ("1969-12-31T23:59:59Z", -1_000_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000_000), ("1970-01-01T01:00:00+01:00", 0),
            ("1969-12-31T18:30:00-05:30", 0), ("1970-01-01T00:00:00.123456789Z", 123_456),
            ("1970-01-01t00:00:00.000001z", 1), ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ] as [(String, Int64)])
    func read(_ text: String, _ microseconds: Int64) {
        #expect(Timestamp(text)?.microseconds == microseconds)
    }

    @Test(
        "anything else is refused",
        arguments: [
            "", "2026", "2026-03-09", "2026-03-09T12:34:56", "2026-3-9T12:34:56Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T23:60:00Z", "2026-01-01T23:59:60Z",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+01", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Zx",
            "2026-01-01T00:00:00 Z",
            "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
            "-026-01-01T00:00:00Z",
            "2026-01-01X00:00:00Z", "2026/01/01T00:00:00Z", "2026-01-01T00.00.00Z", "２026-01-01T00:00:00Z",
        ])
    func refused(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test(
        "every moment reads back from its text, and texts sort as moments do",
        arguments: SeededGenerator.seeds)
    func roundTrip(_ seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let range = Timestamp.distantPast.microseconds...Timestamp.distantFuture.microseconds
        for _ in 0..<2000 {
            let time = Timestamp(microseconds: .random(in: range, using: &generator))
            #expect(Timestamp(time.description) == time)
            let whole = Timestamp(microseconds: time.microseconds / 1_000_000 * 1_000_000)
            #expect(Timestamp(whole.description) == whole)
            #expect(!whole.description.contains("."))
        }
    }

    @Test("days and dates convert both ways over four centuries and at the ends of the range")
    func dates() throws {
        let first = try #require(CivilDate(year: 1900, month: 1, day: 1)).daysSinceEpoch
        var expected = (year: 1900, month: 1, day: 1)
        for day in first..<first + 146_097 {
            let date = CivilDate(daysSinceEpoch: day)
            #expect((date.year, date.month, date.day) == (expected.year, expected.month, expected.day))
            #expect(date.daysSinceEpoch == day)
            if CivilDate(year: expected.year, month: expected.month, day: expected.day + 1) != nil {
                expected.day += 1
            } else if expected.month < 12 {
                expected = (expected.year, expected.month + 1, 1)
            } else {
                expected = (expected.year + 1, 1, 1)
            }
        }
        #expect(CivilDate(daysSinceEpoch: -719_162).description == "0001-01-01")
        #expect(CivilDate(daysSinceEpoch: 2_932_896).description == "9999-12-31")
        #expect(CivilDate(daysSinceEpoch: -1_000_000).daysSinceEpoch == -1_000_000)
    }

    @Test("a moment knows its minute, hour and day, also before 1970")
    func buckets() throws {
        let time = try #require(Timestamp("2026-03-09T12:34:56.789Z"))
        #expect(time.startOfMinute.description == "2026-03-09T12:34:00Z")
        #expect(time.startOfHour.description == "2026-03-09T12:00:00Z")
        #expect(time.startOfDay.description == "2026-03-09T00:00:00Z")
        #expect(time.date.start == time.startOfDay)
        let early = try #require(Timestamp("1969-12-31T23:00:00.000001Z"))
        #expect(early.startOfDay.description == "1969-12-31T00:00:00Z")
        #expect(early.startOfMinute == early.startOfHour)
        #expect(early.date < time.date)
    }

    @Test("arithmetic saturates instead of trapping")
    func saturation() {
        #expect(Timestamp(microseconds: .max) == .distantFuture)
        #expect(Timestamp(microseconds: .min) == .distantPast)
        #expect(Timestamp.epoch.advanced(bySeconds: .max) == .distantFuture)
        #expect(Timestamp.epoch.advanced(bySeconds: .min) == .distantPast)
        #expect(Timestamp.distantFuture.advanced(byMicroseconds: .max) == .distantFuture)
        #expect(Timestamp.distantPast.advanced(byMicroseconds: .min) == .distantPast)
        #expect(Timestamp.epoch.advanced(bySeconds: 2).microseconds(since: .epoch) == 2_000_000)
        #expect(Timestamp.distantPast.microseconds(since: .distantFuture) < 0)
    }

    @Test("a fixed clock stands still")
    func clock() {
        let clock = WallClock.fixed(Timestamp(microseconds: 5))
        #expect(clock.now() == Timestamp(microseconds: 5))
    }
}
