import Cryptography
import Domain
import Testing

@testable import Operations

@Suite("Parts of alerts")
struct AlertTests {
    @Test("a message is signed as the Standard Webhooks specification says, by each secret")
    func signature() throws {
        let secret = try #require(WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
        let signature = secret.signature(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330,
            body: Array("{\"test\": 2432232314}".utf8))
        #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
        let made = WebhookSecret()
        #expect(made.text.count == WebhookSecret.length && WebhookSecret(made.text) != nil)
        for wrong in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA"] {
            #expect(WebhookSecret(wrong) == nil, "\(wrong)")
        }
        let url = try #require(BaseURL("https://example.com/hook"))
        let post = WebhookPost(
            to: url, id: "a", body: [], at: Timestamp(microseconds: 5_000_000), signedBy: [secret, made])
        let fields = Dictionary(uniqueKeysWithValues: post.fields.map { ($0.name, $0.value) })
        #expect(fields["webhook-id"] == "a" && fields["webhook-timestamp"] == "5")
        #expect(fields["webhook-signature"]?.split(separator: " ").count == 2)
    }

    @Test("a forecast goes on at the mean pace so far, once a twentieth of the window is over")
    func forecast() {
        let start = Timestamp(microseconds: 0), end = start.advanced(bySeconds: 1000)
        func used(_ seconds: Int64, _ used: Int64, end: Timestamp? = end) -> Double? {
            BudgetForecast(used: used, from: start, to: end, at: start.advanced(bySeconds: seconds))?.used
        }
        #expect(used(500, 70) == 140)
        #expect(used(50, 5) == 100)
        #expect(used(49, 5) == nil)
        #expect(used(500, 70, end: nil) == nil)
        // Clocks differ a little: what is over is not forecast to less than it was.
        #expect(used(1001, 70) == 70)
    }

    @Test("waits double from five seconds to ten minutes")
    func waits() {
        #expect([1, 2, 3, 7, 8, 100].map(AlertSending.wait) == [5, 10, 20, 320, 600, 600])
    }

    @Test("times of day", arguments: [("00:00", 0), ("23:59", 1439), ("07:30", 450)])
    func minutes(_ text: String, _ minute: Int) {
        #expect(AlertChannel.QuietHours.minute(text) == minute)
        #expect(AlertChannel.QuietHours.text(minute) == text)
    }

    @Test(
        "what is no time of day is none",
        arguments: ["", "7:30", "24:00", "12:60", "12:5x", "12:30:00", "-1:00", "+1:00", "1200"])
    func noMinutes(_ text: String) {
        #expect(AlertChannel.QuietHours.minute(text) == nil)
    }

    @Test("every kind has a sentence of its own in both languages")
    func sentences() {
        var seen: Set<String> = []
        for language in Language.allCases {
            for kind in AlertRule.Kind.allCases {
                let sentence = AlertTexts(language: language).sentence(
                    kind, about: "X", value: 7, threshold: 5)
                #expect(sentence.contains("7"))
                #expect(seen.insert(sentence).inserted, "\(sentence)")
            }
        }
    }
}
