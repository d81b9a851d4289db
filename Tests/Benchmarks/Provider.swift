import Glibc

/// A connection on which the load's own provider answers.
final class ProviderSide {
    enum Request { case incomplete, plain, stream }

    let descriptor: Int32
    var nextEvent = 0
    private var carried: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Whether the descriptor is still this connection's.
    func isAlive(in slots: [LoadEngine.Slot]) -> Bool {
        if case .provider(let side) = slots[Int(descriptor)] { return side === self }
        return false
    }

    /// Takes received bytes; says what is asked for once the whole request is there.
    func take(_ bytes: UnsafeRawBufferPointer) -> Request {
        if carried.isEmpty, let request = Self.read(bytes) { return request }
        carried.append(contentsOf: bytes)
        guard let request = carried.withUnsafeBytes(Self.read) else { return .incomplete }
        carried.removeAll(keepingCapacity: true)
        return request
    }

    private static func read(_ bytes: UnsafeRawBufferPointer) -> Request? {
        guard let end = AnswerCounter.headEnd(bytes) else { return nil }
        let head = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        guard bytes.count >= end + (AnswerCounter.contentLength(head) ?? 0) else { return nil }
        // The load's requests say so at the beginning.
        let marker: StaticString = "\"stream\":true"
        let last = min(bytes.count - marker.utf8CodeUnitCount, end + 128)
        for start in end..<max(end, last) where bytes[start] == UInt8(ascii: "\"") {
            if memcmp(bytes.baseAddress! + start, marker.utf8Start, marker.utf8CodeUnitCount) == 0 {
                return .stream
            }
        }
        return .plain
    }
}

/// What the provider says, as bytes made once: a chat answer of about 600 bytes, and a stream of 50 events
/// of about 200 bytes, 20 ms apart, in OpenAI's format.
struct ProviderScript {
    let plain: [UInt8]
    /// The pieces of a stream as they are sent: the head with the first event, the others, the end.
    let events: [[UInt8]]
    var gapNanoseconds: Int64 = 20_000_000

    static let eventCount = 50

    init(contentBytes: Int = 160) {
        let words = String(repeating: "The keeper opens the gate. ", count: contentBytes / 27 + 1)
        let text = words.utf8.prefix(contentBytes).map { Character(UnicodeScalar($0)) }
        let body =
            #"{"id":"chatcmpl-bench000000000000000000001","object":"chat.completion","created":1700000000,"#
            + #""model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":""#
            + String(text) + #"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":"#
            + #"{"prompt_tokens":212,"completion_tokens":34,"total_tokens":246,"prompt_tokens_details":"#
            + #"{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},"#
            + #""system_fingerprint":"fp_bench"}"#
        let fields = "x-request-id: req_bench0000000000000001\r\nopenai-processing-ms: 12\r\n"
        plain = Array(
            ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n"
                + fields + "\r\n" + body).utf8)
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\n"
            + "transfer-encoding: chunked\r\n" + fields + "\r\n"
        events = (0..<Self.eventCount).map { index in
            let event = Self.chunk("data: \(Self.payload(index))\n\n")
            if index == 0 { return Array((head + event).utf8) }
            if index < Self.eventCount - 1 { return Array(event.utf8) }
            return Array((event + Self.chunk("data: [DONE]\n\n") + "0\r\n\r\n").utf8)
        }
    }

    private static func chunk(_ text: String) -> String {
        "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
    }

    private static func payload(_ index: Int) -> String {
        let start =
            #"{"id":"chatcmpl-bench0001","object":"chat.completion.chunk","created":1700000000,"#
            + #""model":"bench","choices":"#
        switch index {
        case eventCount - 1:
            return start
                + #"[],"usage":{"prompt_tokens":212,"completion_tokens":48,"total_tokens":260}}"#
        case eventCount - 2:
            return start + #"[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
        default:
            return start
                + #"[{"index":0,"delta":{"content":" the levels are the same"},"finish_reason":null}]}"#
        }
    }
}
