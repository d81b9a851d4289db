import Testing

@testable import StandInProvider

@Suite("stand-in behaviours")
struct BehaviourTests {
    static let good: [(String, @Sendable (inout Behaviour) -> Void)] = [
        ("stand-in", { _ in }),
        ("stand-in-error-429", { $0.errorStatus = 429 }),
        ("stand-in-delay-250ms", { $0.delay = 250 }),
        (
            "stand-in-chunks-50-gap-20ms",
            {
                $0.chunks = 50; $0.gap = 20
            }
        ),
        ("stand-in-bytes-600", { $0.bytes = 600 }),
        ("stand-in-cut", { $0.isCut = true }), ("stand-in-reset", { $0.isReset = true }),
        ("stand-in-hang", { $0.isHanging = true }), ("stand-in-malformed", { $0.isMalformed = true }),
        ("stand-in-lying-length", { $0.isLyingAboutLength = true }),
        ("stand-in-usage-null", { $0.usage = .null }), ("stand-in-usage-none", { $0.usage = .none }),
        ("stand-in-usage-hostile", { $0.usage = .hostile }),
        ("stand-in-error-event", { $0.hasErrorEvent = true }),
        ("stand-in-no-done", { $0.isWithoutDone = true }), ("stand-in-untidy", { $0.isUntidy = true }),
    ]

    @Test("a name says what to do", arguments: good.indices)
    func names(_ index: Int) {
        let (name, change) = Self.good[index]
        var expected = Behaviour()
        change(&expected)
        #expect(Behaviour(model: name) == expected)
    }

    @Test(
        "other names are not models",
        arguments: [
            "", "gpt-4o", "stand-i", "stand-inx", "stand-in-", "stand-in-error", "stand-in-error-200",
            "stand-in-error-x", "stand-in-delay-250", "stand-in-delay-99999999ms", "stand-in-chunks-0",
            "stand-in-bytes--1", "stand-in-lying", "stand-in-usage", "stand-in-no", "stand-in-what",
        ])
    func unknown(_ name: String) {
        #expect(Behaviour(model: name) == nil)
    }
}
