import Contract
import Domain
import Testing

@Suite("contents of calls on their way")
struct CallContentTests {
    private static func content(_ text: String) -> CallContent {
        CallContent(
            call: UsageEventID(high: 1, low: 9), tenant: TenantID(high: 1, low: 2), startedAt: Sample.time,
            request: .init(text: text, byteCount: UInt64(text.utf8.count)), answer: nil)
    }

    @Test("a side that was not kept is none; one that said nothing is an empty one")
    func sides() throws {
        let empty = try CallContent(encoded: Self.content("").encoded)
        #expect(empty.request == .init(text: "", byteCount: 0) && empty.answer == nil)
        #expect(try CallContent(encoded: Sample.callContent.encoded) == Sample.callContent)
    }

    @Test("more than a batch may hold is refused: of a text, and of calls")
    func bounds() throws {
        let long = Self.content(String(repeating: "x", count: CallContent.maximumTextBytes + 1))
        #expect(throws: CodecError.self) { try CallContent(encoded: long.encoded) }
        let many = Array(repeating: Self.content("x"), count: CallContentBatch.maximumContents)
        #expect(try CallContentBatch(encoded: CallContentBatch(many).encoded).contents.count == many.count)
        #expect(throws: CodecError.self) {
            try CallContentBatch(encoded: CallContentBatch(many + [Self.content("x")]).encoded)
        }
    }
}
