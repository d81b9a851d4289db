import Cryptography
import Domain
import JSONText
import Testing

@testable import Dialects

@Suite("Amazon's event stream")
struct AmazonMessageTests {
    /// Made by botocore: messageStart with `{"role":"assistant"}`.
    static let start = Hexadecimal.decode(
        "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e"
            + "742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e74"
            + "7b22726f6c65223a22617373697374616e74227d6fa8c599"
    )

    static func message(
        _ name: String, _ payload: String, kind: String = "event", extra: [UInt8] = []
    ) -> [UInt8] {
        let type = kind == "error" ? "error-code" : "\(kind)-type"
        var headers = extra
        for (name, value) in [(":message-type", kind), (":\(type)", name)] {
            headers += [UInt8(name.utf8.count)] + Array(name.utf8) + [7, 0, UInt8(value.utf8.count)]
            headers += Array(value.utf8)
        }
        return framed(headers, Array(payload.utf8))
    }

    static func framed(_ headers: [UInt8], _ payload: [UInt8], total: Int? = nil) -> [UInt8] {
        func number(_ value: Int) -> [UInt8] {
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
        var bytes = number(total ?? 16 + headers.count + payload.count) + number(headers.count)
        bytes += number(Int(crc32(bytes)))
        bytes += headers + payload
        return bytes + number(Int(crc32(bytes)))
    }

    static func first(_ bytes: [UInt8]) throws(AmazonMessage.Fault) -> AmazonMessage? {
        try bytes.span.withUnsafeBytes { bytes throws(AmazonMessage.Fault) in
            try AmazonMessage.first(in: bytes)
        }
    }

    @Test("a real message is read; with a byte less it is not there yet")
    func real() throws {
        let bytes = try #require(Self.start)
        let message = try #require(try Self.first(bytes + [1, 2, 3]))
        #expect(message.kind == .event("messageStart") && message.byteCount == bytes.count)
        #expect(String(decoding: bytes[message.payload], as: UTF8.self) == #"{"role":"assistant"}"#)
        for count in 0..<bytes.count { #expect(try Self.first(Array(bytes[..<count])) == nil) }
    }

    @Test("one flipped bit anywhere is noticed")
    func damage() throws {
        let bytes = try #require(Self.start)
        for index in bytes.indices {
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                #expect(throws: AmazonMessage.Fault.checksum) { _ = try Self.first(damaged) }
            }
        }
    }

    @Test("headers of every kind are passed over, and torn ones refused")
    func headers() throws {
        let values: [[UInt8]] = [
            [0], [1], [2, 9], [3, 9, 9], [4, 9, 9, 9, 9], [5] + Array(repeating: 9, count: 8),
            [6, 0, 3, 9, 9, 9], [8] + Array(repeating: 9, count: 8), [9] + Array(repeating: 9, count: 16),
        ]
        let extra: [UInt8] = values.flatMap { value -> [UInt8] in [1, 0x78] + value }
        let message = try #require(try Self.first(Self.message("metadata", "{}", extra: extra)))
        #expect(message.kind == .event("metadata") && message.payload.count == 2)
        let failure = try #require(try Self.first(Self.message("Oops", "{}", kind: "error")))
        #expect(failure.kind == .failure("Oops"))
        let torn: [[UInt8]] = [
            [5, 0x78], [1, 0x78], [1, 0x78, 10], [1, 0x78, 7, 0, 9, 0x79], [1, 0x78, 4, 1], [],
            [1, 0x78, 6, 0xFF, 0xFF],
        ]
        for headers in torn {
            #expect(throws: AmazonMessage.Fault.headers) { _ = try Self.first(Self.framed(headers, [])) }
        }
    }

    @Test("lengths that cannot be are refused before anything is waited for")
    func lengths() throws {
        for total in [0, 15, AmazonMessage.maximumPayloadBytes + AmazonMessage.maximumHeaderBytes + 1] {
            let bytes = Self.framed([], [], total: total)
            #expect(throws: AmazonMessage.Fault.length) { _ = try Self.first(bytes) }
        }
    }

    static let stream: [UInt8] =
        message("messageStart", #"{"role":"assistant"}"#)
        + message("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"água "},"p":"ab"}"#)
        + message("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"viva"}}"#)
        + message("contentBlockStop", #"{"contentBlockIndex":0}"#)
        + message(
            "contentBlockStart",
            #"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"forecast"}}}"#)
        + message("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}"#)
        + message("contentBlockStop", #"{"contentBlockIndex":1}"#)
        + message("messageStop", #"{"stopReason":"tool_use"}"#)
        + message("metadata", #"{"usage":{"inputTokens":3,"outputTokens":5,"cacheReadInputTokens":4}}"#)

    static func translate(_ pieces: [ArraySlice<UInt8>]) -> (output: String, StreamTranslation) {
        let context = AnswerContext(id: "x", model: "m", created: 1, wantsUsage: true)
        var translation = StreamTranslation(from: .bedrock, to: .openAIChat, context)
        var output: [UInt8] = []
        for piece in pieces { piece.withUnsafeBytes { translation.take($0, to: &output) } }
        translation.takeEnd(to: &output)
        if translation.ending == .done { translation.finish(nanoseconds: 0, to: &output) }
        return (String(decoding: output, as: UTF8.self), translation)
    }

    @Test("a stream says the same wherever it is cut")
    func everySplit() throws {
        let (whole, translation) = Self.translate([Self.stream[...]])
        #expect(translation.ending == .done)
        #expect(whole.contains("água ") && whole.contains("forecast") && whole.hasSuffix("[DONE]\n\n"))
        let usage = try #require(translation.usage)
        #expect(usage.usage.input == 7 && usage.usage.cachedInput == 4 && usage.usage.output == 5)
        for place in 0...Self.stream.count {
            let (split, end) = Self.translate([Self.stream[..<place], Self.stream[place...]])
            #expect(split == whole && end.ending == .done)
        }
        let bytes = Self.translate(Self.stream.indices.map { Self.stream[$0...$0] })
        #expect(bytes.output == whole)
    }

    @Test("a stream that is cut, damaged or broken off never looks whole")
    func breaks() {
        let stop = Self.message("messageStop", #"{"stopReason":"end_turn"}"#)
        for place in 0..<(Self.stream.count - 1) {
            let (_, translation) = Self.translate([Self.stream[..<place]])
            // Whole without its last word on usage: nothing but the figures is missing.
            if translation.ending == .done {
                #expect(translation.usage == nil)
                continue
            }
            #expect(translation.ending == .open)
        }
        var damaged = Self.stream
        damaged[damaged.count / 2] ^= 1
        for bytes in [damaged, stop + [0, 0, 0]] {
            #expect(Self.translate([bytes[...]]).1.ending != .done)
        }
        let exception = Self.message(
            "throttlingException", #"{"message":"slow down"}"#, kind: "exception")
        guard case .failed(let complaint) = Self.translate([exception[...]]).1.ending else {
            Issue.record("an exception ends the stream")
            return
        }
        #expect(complaint.status == 429 && complaint.message == "slow down")
    }
}
