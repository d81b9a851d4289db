import Dialects
import Testing

@Suite("server-sent event lines")
struct EventLinesTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let input: String
        /// The payload of each whole event; nil marks one whose payload is on several lines.
        let payloads: [String?]
        let rest: String
    }

    static let cases = [
        Case(
            testDescription: "line feeds", input: "data: {\"a\":1}\n\ndata: [DONE]\n\n",
            payloads: ["{\"a\":1}", "[DONE]"], rest: ""),
        Case(
            testDescription: "carriage returns and line feeds", input: "data: 1\r\n\r\ndata: 2\r\n\r\n",
            payloads: ["1", "2"], rest: ""),
        Case(
            testDescription: "lone carriage returns", input: "data: 1\r\rdata: 2\r\r",
            payloads: ["1", "2"], rest: ""),
        Case(
            testDescription: "no space, two spaces, empty and bare data",
            input: "data:1\n\ndata:  2\n\ndata:\n\ndata\n\n",
            payloads: ["1", " 2", "", ""], rest: ""),
        Case(
            testDescription: "comments and other fields",
            input: ": ping\n\nevent: x\nid: 7\ndata: 1\nretry: 3\n\n", payloads: ["", "1"], rest: ""),
        Case(
            testDescription: "several data lines", input: "data: {\ndata: }\n\n", payloads: [nil], rest: ""),
        Case(testDescription: "a byte order mark", input: "\u{FEFF}data: 1\n\n", payloads: ["1"], rest: ""),
        Case(
            testDescription: "an unfinished event", input: "data: 1\n\ndata: 2\n", payloads: ["1"],
            rest: "data: 2\n"),
        Case(
            testDescription: "a name that only begins like data", input: "database: 1\n\ndat: 2\n\n",
            payloads: ["", ""], rest: ""),
        Case(
            testDescription: "text with code points of several bytes", input: "data: žluťoučký 🐎\n\n",
            payloads: ["žluťoučký 🐎"], rest: ""),
    ]

    @Test("events are the same however the bytes arrive", arguments: cases)
    func everySplit(_ example: Case) {
        let bytes = Array(example.input.utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                let pieces = [bytes[..<first], bytes[first..<second], bytes[second...]]
                let read = Self.read(pieces, dropping: false)
                #expect(read.payloads == example.payloads, "split at \(first) and \(second)")
                #expect(read.rest == example.rest, "split at \(first) and \(second)")
                let dropped = Self.read(pieces, dropping: true)
                #expect(dropped.payloads == example.payloads, "split at \(first) and \(second), dropping")
                #expect(dropped.rest == example.rest, "split at \(first) and \(second), dropping")
            }
        }
    }

    /// Feeds pieces as a relay does: appends, takes whole events, and (when `dropping`) forgets what was
    /// taken.
    static func read(_ pieces: [ArraySlice<UInt8>], dropping: Bool) -> (payloads: [String?], rest: String) {
        var lines = EventLines()
        var window: [UInt8] = []
        var payloads: [String?] = []
        for piece in pieces {
            window += piece
            window.withUnsafeBytes { bytes in
                while let event = lines.next(in: bytes) {
                    payloads.append(
                        event.isSplit ? nil : String(decoding: bytes[event.data], as: UTF8.self))
                }
            }
            if dropping {
                let taken = lines.unfinished
                window.removeFirst(taken)
                lines.removeFirst(taken)
            }
        }
        return (payloads, String(decoding: window[lines.unfinished...], as: UTF8.self))
    }
}
