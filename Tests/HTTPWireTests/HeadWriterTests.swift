import Testing

@testable import HTTPWire

@Suite("head writer")
struct HeadWriterTests {
    @Test("a response head comes out as written")
    func response() {
        var writer = HeadWriter()
        writer.beginResponse(status: 404)
        writer.field("content-type", "text/plain")
        writer.field("content-length", number: 1_234_567_890)
        writer.field("x-text", "caf\u{e9}" as String)
        writer.field("authorization", "Bearer ", UnsafeRawBufferPointer(start: nil, count: 0))
        writer.fields(["x-one": "1", "x-two": ""])
        let expected =
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 1234567890\r\n"
            + "x-text: caf\u{e9}\r\nauthorization: Bearer \r\nx-one: 1\r\nx-two: \r\n\r\n"
        #expect(text(writer.finish()) == expected)
    }

    @Test("a request head comes out as written, and the writer starts over")
    func request() {
        var writer = HeadWriter()
        writer.beginResponse(status: 200)
        writer.beginRequest(.post, target: "/v1/x?y=z")
        writer.field("host", "a" as StaticString)
        #expect(text(writer.finish()) == "POST /v1/x?y=z HTTP/1.1\r\nhost: a\r\n\r\n")
    }

    @Test("every status line is one that we read ourselves", arguments: 100...599)
    func statuses(_ status: Int) {
        var writer = HeadWriter()
        writer.beginResponse(status: status)
        let head = writer.finish().map(Array.init) ?? []
        if status == 101 {
            #expect(responseVerdict(head) == .refused(.unexpectedStatus))
        } else {
            #expect(responseVerdict(head) == .complete(head.count))
        }
    }

    @Test(
        "a value that could end its line spoils the head",
        arguments: ["a\r\nb: c", "a\rb", "a\nb", "a\0b", "\u{7f}", "12345678\n", "a\u{1f}"])
    func splitting(_ value: String) {
        var writer = HeadWriter()
        writer.beginResponse(status: 200)
        writer.field("x", value)
        #expect(writer.finish() == nil)
        writer.beginResponse(status: 200)
        writer.field(name: "x", value)
        #expect(writer.finish() == nil)
        writer.beginResponse(status: 200)
        withExactCopy(bytes(value)) { writer.field("x", "Bearer ", $0) }
        #expect(writer.finish() == nil)
        #expect(PreparedFields(["x": value]) == nil)
        // And only this head.
        writer.beginResponse(status: 200)
        #expect(writer.finish() != nil)
    }

    @Test(
        "a name that is not a token spoils the head", arguments: ["", "a b", "a:", "a\r\n", "\u{e9}", "a\0"])
    func names(_ name: String) {
        var writer = HeadWriter()
        writer.beginResponse(status: 200)
        writer.field(name: name, "v")
        #expect(writer.finish() == nil)
    }

    @Test(
        "a target with anything but printable ASCII spoils the head",
        arguments: ["", "/a b", "/\r\n", "/\u{e9}"])
    func targets(_ target: String) {
        var writer = HeadWriter()
        writer.beginRequest(.get, target: target)
        #expect(writer.finish() == nil)
    }

    @Test("a status or number out of range spoils the head")
    func numbers() {
        var writer = HeadWriter()
        for status in [-1, 0, 99, 600, Int.max, Int.min] {
            writer.beginResponse(status: status)
            #expect(writer.finish() == nil)
        }
        writer.beginResponse(status: 200)
        writer.field("content-length", number: -1)
        #expect(writer.finish() == nil)
        for number in [0, 9, 10, 999, 1000, 999_999_999_999_999_999, 1_000_000_000_000_000_000, Int.max] {
            writer.beginResponse(status: 200)
            writer.field("n", number: number)
            #expect(text(writer.finish()) == "HTTP/1.1 200 OK\r\nn: \(number)\r\n\r\n")
        }
    }

    @Test("the buffer grows up to its limit and no further")
    func growth() {
        var writer = HeadWriter(capacity: 16)
        writer.beginResponse(status: 200)
        let value = "x".repeated(10_000)
        for _ in 0..<12 { writer.field("x", value) }
        #expect(writer.finish()?.count == 17 + 12 * 10_005 + 2)
        writer.beginResponse(status: 200)
        for _ in 0..<14 { writer.field("x", value) }
        #expect(writer.finish() == nil)
    }

    @Test("fields of a parsed head and prepared fields are copied as they are")
    func copies() throws {
        let prepared = try #require(PreparedFields(["authorization": "Bearer k", "x-extra": "1"]))
        withExactCopy(bytes("GET / HTTP/1.1\r\nHoSt: h\r\nX-Y:  z \r\n\r\n")) { view in
            var head = RequestHead()
            _ = head.parse(view)
            var writer = HeadWriter()
            writer.beginRequest(.get, target: "/")
            for index in 0..<head.fields.count { writer.copy(head.fields[index], in: view.baseAddress!) }
            writer.append(prepared)
            let expected =
                "GET / HTTP/1.1\r\nHoSt: h\r\nX-Y: z\r\nauthorization: Bearer k\r\nx-extra: 1\r\n\r\n"
            #expect(text(writer.finish()) == expected)
        }
    }
}

@Suite("header fields")
struct HeaderFieldsTests {
    @Test("names compare without case and order is kept")
    func list() {
        var fields: HeaderFields = ["A": "1", "b": "2", "a": "3"]
        #expect(fields["a"] == "1")
        #expect(fields.values("A") == ["1", "3"])
        #expect(fields.contains("B"))
        #expect(!fields.contains("c"))
        fields["a"] = "4"
        #expect(fields.all.map(\.value) == ["2", "4"])
        fields["b"] = nil
        #expect(fields.all.map(\.name) == ["a"])
        fields.remove("A")
        #expect(fields.isEmpty)
        #expect(HeaderFields().isEmpty)
    }
}
