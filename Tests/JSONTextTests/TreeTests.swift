import JSONText
import Testing

@Suite("JSON trees")
struct TreeTests {
    @Test("a tree gives back what was written, members in order")
    func roundTrip() throws {
        let text = #"{"b":[1,2.50,"x\n",true,false,null,{},[]],"a":{"é":"😀\u0000"},"n":-1e-5}"#
        let value = try JSONValue.parse(text)
        #expect(value.text == text)
        #expect(try JSONValue.parse(value.bytes) == value)
        #expect(value.object?.names == ["b", "a", "n"])
        #expect(value["b"]?[0]?.exactInt64 == 1)
        #expect(value["b"]?[1]?.number?.text == "2.50")
        #expect(value["b"]?[2]?.string == "x\n")
        #expect(value["b"]?[3]?.boolean == true)
        #expect(value["b"]?[5]?.isNull == true)
        #expect(value["b"]?[8] == nil && value["b"]?[-1] == nil)
        #expect(value["a"]?["é"]?.string == "😀\0")
        #expect(value["zz"] == nil && value["b"]?["zz"] == nil && value["n"]?[0] == nil)
        #expect(value.string == nil && value.boolean == nil && value.number == nil && value.array == nil)
        #expect(value["n"]?.object == nil && !value.isNull && value.double == nil)
    }

    @Test("an error says where in the document and in which value")
    func locations() {
        let table: [(String, JSONError)] = [
            (#"{"a":{"b/c":[1,x]}}"#, JSONError(.unexpectedByte, offset: 15, pointer: "/a/b~1c/1")),
            (#"{"a~b":1,"c":[0,{"d":01}]}"#, JSONError(.unexpectedByte, offset: 22, pointer: "/c/1/d")),
            (#"[{"k":1,"k":2}]"#, JSONError(.duplicateName, offset: 8, pointer: "/0/k")),
            (#"{"~":"#, JSONError(.unexpectedEnd, offset: 5, pointer: "/~0")),
            (#"[[],[1,2"#, JSONError(.unexpectedEnd, offset: 8, pointer: "/1/2")),
            (#"{"a":1,2}"#, JSONError(.unexpectedByte, offset: 7, pointer: "/")),
            (#"{"a" 1}"#, JSONError(.unexpectedByte, offset: 5, pointer: "/a")),
            (#"{"a":1}}"#, JSONError(.trailingBytes, offset: 7)),
        ]
        for (text, error) in table { #expect(throws: error) { try JSONValue.parse(text) } }
    }

    @Test("documents beyond the limits are refused")
    func limits() {
        #expect(throws: JSONError(.tooLarge, offset: 3)) {
            try JSONValue.parse("[1,2]", limits: JSONLimits(maximumBytes: 3))
        }
        let limits = JSONLimits(maximumValues: 3)
        #expect(throws: Never.self) { try JSONValue.parse("[1,2]", limits: limits) }
        let error = #expect(throws: JSONError.self) { try JSONValue.parse("[1,2,[]]", limits: limits) }
        #expect(error?.reason == .tooManyValues)
        #expect(error?.pointer == "/2")
    }

    @Test("objects are edited by name, byte for byte")
    func objects() throws {
        var object = JSONObject()
        object["a"] = 1
        object["b"] = ["x", true, nil]
        object["a"] = "changed"
        object["missing"] = nil
        #expect(JSONValue.object(object).text == #"{"a":"changed","b":["x",true,null]}"#)
        object["a"] = nil
        #expect(object.names == ["b"] && !object.isEmpty)
        object["e\u{301}"] = 1
        object["\u{E9}"] = 2
        #expect(object.members.count == 3)
        #expect(object["\u{E9}"]?.exactInt64 == 2)
        #expect(object.names(notIn: ["b", "\u{E9}"]).map { Array($0.utf8) } == [Array("e\u{301}".utf8)])
        let literal: JSONValue = ["k": 1, "l": ["m": nil], "k": 2]
        #expect(literal.text == #"{"k":2,"l":{"m":null}}"#)
    }

    @Test("strings that need no escape come out as they are, all others escaped and the same again")
    func strings() throws {
        for scalar in (0...0x2FF).compactMap(Unicode.Scalar.init) + [
            "\u{2028}", "\u{FFFF}", "\u{10FFFF}", "😀",
        ] {
            let text = "a\(scalar)b"
            let written = JSONValue.string(text).text
            #expect(try JSONValue.parse(written).string == text)
            let needsEscape =
                scalar.value < 0x20 || "\"\\\u{85}\u{2028}\u{2029}".unicodeScalars.contains(scalar)
            #expect((written == "\"\(text)\"") != needsEscape)
        }
    }
}

@Suite("JSON writer")
struct WriterTests {
    @Test("commas and escapes are the writer's business")
    func shapes() {
        var writer = JSONWriter()
        writer.object { writer in
            writer.field("text", "a\"b")
            writer.field("count", 3)
            writer.field("big", UInt64.max)
            writer.field("ratio", 0.5)
            writer.field("yes", true)
            writer.field("tree", JSONValue.array([1, []]))
            writer.field("maybe", String?.none)
            writer.field("maybe2", String?.some("x"))
            writer.field("number", Int64?.none)
            writer.field("number2", Int64?.some(-1))
            writer.nullField("none")
            writer.objectField("object") { $0.field("a", 1) }
            writer.arrayField("array") { writer in
                writer.array { _ in }
                writer.object { _ in }
                writer.string("s")
                writer.integer(-5)
                writer.double(.infinity)
                writer.double(1e300)
                writer.boolean(false)
                writer.null()
                writer.raw(Array("[1]".utf8))
                Array("2".utf8).withUnsafeBytes { writer.raw($0) }
                ([0x61, 0xFF] as [UInt8]).withUnsafeBufferPointer {
                    writer.string(utf8: UnsafeRawBufferPointer($0))
                }
            }
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"text":"a\"b","count":3,"big":18446744073709551615,"#
                + #""ratio":0.5,"yes":true,"tree":[1,[]],"#
                + #""maybe":null,"maybe2":"x","number":null,"number2":-1,"none":null,"object":{"a":1},"#
                + #""array":[[],{},"s",-5,null,1e+300,false,null,[1],2,"a"# + "\u{FFFD}" + #""]}"#)
    }

    @Test("control characters take their short form or four digits")
    func escapes() {
        var writer = JSONWriter()
        writer.string("\u{0}\u{8}\t\n\u{B}\u{C}\r\u{1F}\\/\"\u{7F}")
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\\\\/\\\"\u{7F}\"")
    }

    @Test("a writer goes on after other bytes, and starts anew")
    func reuse() {
        var writer = JSONWriter(appendingTo: Array("data: ".utf8))
        writer.beginArray()
        writer.integer(1)
        writer.endArray()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "data: [1]")
        writer.removeAll()
        writer.beginObject()
        writer.endObject()
        #expect(String(decoding: writer.bytes, as: UTF8.self) == "{}")
    }
}
