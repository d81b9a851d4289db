import Testing

@testable import HTTPWire

struct EventStreamCase: Sendable, CustomTestStringConvertible {
    let name: String
    let stream: [UInt8]
    /// "name|data" for each event.
    let events: [String]
    var endsBetweenEvents = true
    var testDescription: String { name }

    init(_ name: String, _ stream: String, _ events: [String], cut: Bool = false) {
        self.name = name
        self.stream = bytes(stream)
        self.events = events
        endsBetweenEvents = !cut
    }

    static let all: [EventStreamCase] = [
        EventStreamCase("nothing", "", []),
        EventStreamCase("one", "data: a\n\n", ["|a"]),
        EventStreamCase("returns and line feeds", "data: a\r\n\r\ndata: b\r\n\r\n", ["|a", "|b"]),
        EventStreamCase("returns alone", "data: a\r\rdata: b\r\r", ["|a", "|b"]),
        EventStreamCase("mixed line ends", "data: a\r\ndata: b\rdata: c\n\r\n", ["|a\nb\nc"]),
        EventStreamCase("byte order mark", "\u{feff}data: a\n\n", ["|a"]),
        EventStreamCase("byte order mark later", "data: a\n\n\u{feff}data: b\n\n", ["|a"]),
        EventStreamCase("named", "event: ping\ndata: {}\n\n", ["ping|{}"]),
        EventStreamCase("name after the data", "data: x\nevent: e\n\n", ["e|x"]),
        EventStreamCase("last name counts", "event: a\nevent: b\ndata: x\n\n", ["b|x"]),
        EventStreamCase("name is forgotten", "event: a\ndata: x\n\ndata: y\n\n", ["a|x", "|y"]),
        EventStreamCase("name without data", "event: a\n\ndata: y\n\n", ["|y"]),
        EventStreamCase("empty data", "data\n\n", ["|"]),
        EventStreamCase("empty data with colon", "data:\n\n", ["|"]),
        EventStreamCase("two empty lines of data", "data\ndata\n\n", ["|\n"]),
        EventStreamCase("one space is dropped", "data:  a\n\n", ["| a"]),
        EventStreamCase("no space", "data:a\n\n", ["|a"]),
        EventStreamCase("comments", ": hello\n\n:\n\ndata: a\n: between\ndata: b\n\n", ["|a\nb"]),
        EventStreamCase("unknown fields", "id: 7\nretry: 10\nfoo: bar\nDATA: x\ndata: a\n\n", ["|a"]),
        EventStreamCase("text beyond ASCII", "data: h\u{e9}\u{1f600}\n\n", ["|h\u{e9}\u{1f600}"]),
        EventStreamCase("blank lines between", "\n\n\r\n\rdata: a\n\n\n\n", ["|a"]),
        EventStreamCase("cut in a line", "data: a\n\ndata: b", ["|a"], cut: true),
        EventStreamCase("cut before the blank line", "data: a\n\ndata: b\n", ["|a"], cut: true),
        EventStreamCase("terminator", "data: {\"x\":1}\n\ndata: [DONE]\n\n", ["|{\"x\":1}", "|[DONE]"]),
        EventStreamCase(
            "long lines", "event: message_start\ndata: \("x".repeated(300))\ndata: \("y".repeated(300))\n\n",
            ["message_start|\("x".repeated(300))\n\("y".repeated(300))"]),
    ]
}

@Suite("event streams")
struct EventStreamTests {
    static func events(
        _ stream: [UInt8], cuts: [Int], maximum: Int = 1 << 20
    ) throws(EventStreamFault) -> (events: [String], isBetweenEvents: Bool) {
        var parser = EventStreamParser(maximumEventBytes: maximum)
        var found: [String] = []
        var position = 0
        for end in cuts + [stream.count] {
            let result = withExactCopy(stream[position..<end]) { view in
                Result { () throws(EventStreamFault) in
                    var input = view
                    while let event = try parser.next(&input) {
                        found.append("\(text(event.name) ?? "")|\(text(event.data) ?? "")")
                    }
                    #expect(input.isEmpty)
                }
            }
            try result.get()
            position = end
        }
        return (found, parser.isBetweenEvents)
    }

    @Test("events come out, cut in two anywhere", arguments: EventStreamCase.all)
    func splits(_ example: EventStreamCase) throws {
        for cut in 0...example.stream.count {
            let result = try Self.events(example.stream, cuts: [cut])
            #expect(result.events == example.events, "cut at \(cut)")
            #expect(result.isBetweenEvents == example.endsBetweenEvents, "cut at \(cut)")
        }
    }

    @Test("events come out, cut in three anywhere or byte by byte", arguments: EventStreamCase.all)
    func manySplits(_ example: EventStreamCase) throws {
        let count = example.stream.count
        #expect(try Self.events(example.stream, cuts: Array(0..<count)).events == example.events)
        guard count < 60 else { return }
        for first in 0...count {
            for second in first...count {
                #expect(try Self.events(example.stream, cuts: [first, second]).events == example.events)
            }
        }
    }

    @Test("an event in one piece is not copied")
    func zeroCopy() throws {
        let stream = bytes("event: e\ndata: abc\n\n")
        try stream.withUnsafeBytes { view in
            var parser = EventStreamParser()
            var input = view
            let event = try #require(try parser.next(&input))
            #expect(event.data.baseAddress == view.baseAddress! + 15)
            #expect(event.name.baseAddress == view.baseAddress! + 7)
        }
    }

    @Test(
        "an event beyond the limit ends the stream, however it is cut",
        arguments: [
            "data: \("x".repeated(200))\n\n", "data: \("x".repeated(200))", ": \("x".repeated(200))\n",
            "data: x\n".repeated(20), "event: \("x".repeated(200))\n\n",
        ])
    func tooLarge(_ stream: String) {
        let stream = bytes("data: a\n\n" + stream)
        for cuts in [[], [50], [stream.count / 2], Array(1..<stream.count)] {
            #expect(throws: EventStreamFault.eventTooLarge) {
                _ = try Self.events(stream, cuts: cuts, maximum: 100)
            }
        }
    }

    @Test("comments without end cost nothing")
    func comments() throws {
        let stream = bytes(": keep-alive\n".repeated(50) + "data: a\n\n")
        #expect(try Self.events(stream, cuts: [], maximum: 100).events == ["|a"])
    }

    @Test("what the writer writes the parser reads")
    func writer() throws {
        var writer = EventStreamWriter()
        withExactCopy(bytes("one\ntwo\r\nthree\rfour")) { writer.event(name: "delta", data: $0) }
        writer.keepAlive()
        withExactCopy(bytes("{}")) { writer.event(data: $0) }
        withExactCopy(bytes("")) { writer.event(data: $0) }
        withExactCopy(bytes("end\n")) { data in
            withExactCopy(bytes("stop")) { writer.event(name: $0, data: data) }
            withExactCopy(bytes("a\nb")) { writer.event(name: $0, data: data) }
        }
        let written = Array(writer.bytes)
        let result = try Self.events(written, cuts: [])
        #expect(result.events == ["delta|one\ntwo\nthree\nfour", "|{}", "|", "stop|end\n", "|end\n"])
        #expect(result.isBetweenEvents)
        writer.removeAll()
        #expect(writer.bytes.isEmpty)
    }
}
