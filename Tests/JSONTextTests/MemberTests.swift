import JSONText
import Testing

@Suite("JSON members and fragments")
struct MemberTests {
    /// Every member's name and value text, or the error.
    private func walk(_ text: String) throws(JSONError) -> [String] {
        try Array(text.utf8).span.withUnsafeBytes { bytes throws(JSONError) in
            var members = try JSONMembers(bytes)
            var found: [String] = []
            while let member = try members.next() {
                found.append("\(member.name)=\(String(decoding: member.value.bytes, as: UTF8.self))")
            }
            return found
        }
    }

    private func withFragment<Result>(
        _ text: String, _ body: (JSONFragment) throws -> Result
    ) throws -> Result {
        try Array(text.utf8).withUnsafeBytes { bytes in try body(try JSONFragment(parsing: bytes)) }
    }

    @Test("members come in order with their exact bytes")
    func order() throws {
        let text = #" { "model" : "gpt" , "n":1.50,"messages":[ {"a":[]} ] ,"stream":true, "x":null } "#
        #expect(
            try walk(text) == [#"model="gpt""#, "n=1.50", #"messages=[ {"a":[]} ]"#, "stream=true", "x=null"])
        #expect(try walk(" {} ") == [])
    }

    @Test("a name that repeats is refused, also behind escapes, and canonically equal names are two")
    func duplicates() throws {
        for text in [
            #"{"a":1,"a":2}"#, #"{"a":1,"\u0061":2}"#, #"{"\u0061":1,"\u0061":1}"#, #"{"":1,"":2}"#,
            #"{"a\/b":1,"a/b":2}"#, #"{"😀":1,"\ud83d\ude00":2}"#, #"{"b":0,"a":{"z":1},"\u0062":1}"#,
        ] {
            let error = #expect(throws: JSONError.self) { try walk(text) }
            #expect(error?.reason == .duplicateName)
            #expect(throws: JSONError.self) { try JSONValue.parse(text) }
        }
        #expect(try walk("{\"\u{E9}\":1,\"e\u{301}\":2}").count == 2)
        #expect(try walk(#"{"a":1,"A":2,"a ":3,"a\u0000":4}"#).count == 4)
        // Nested objects that nobody reads may repeat; they are refused when they are walked.
        #expect(try walk(#"{"a":{"b":1,"b":2}}"#).count == 1)
    }

    @Test("repeats are found among any number of members", arguments: [1, 31, 32, 33, 34, 500])
    func manyMembers(_ count: Int) throws {
        let members = (0..<count).map { "\"k\($0)\":\($0)" }
        #expect(try walk("{" + members.joined(separator: ",") + "}").count == count)
        for repeated in [0, count / 2, count - 1] {
            let text = "{" + (members + ["\"\\u006b\(repeated)\":0"]).joined(separator: ",") + "}"
            #expect(throws: JSONError.self) { try walk(text) }
            #expect(throws: JSONError.self) { try JSONValue.parse(text) }
        }
    }

    @Test(
        "a document that is no object says so when it is JSON, and otherwise what is wrong with it",
        arguments: [
            ("[1]", JSONError(.notAnObject, offset: 0)), (" 7", JSONError(.notAnObject, offset: 1)),
            ("[1", JSONError(.unexpectedEnd, offset: 2)), ("", JSONError(.unexpectedEnd, offset: 0)),
            ("{} x", JSONError(.trailingBytes, offset: 3)),
            (#"{"a":1 "b":2}"#, JSONError(.unexpectedByte, offset: 7)),
            (#"{"a":1,}"#, JSONError(.unexpectedByte, offset: 7)),
            (#"{"a" 1}"#, JSONError(.unexpectedByte, offset: 5)),
            (#"{"a":"#, JSONError(.unexpectedEnd, offset: 5)),
            (#"{,"a":1}"#, JSONError(.unexpectedByte, offset: 1)),
            (#"{"\x":1}"#, JSONError(.invalidEscape, offset: 2)),
        ] as [(String, JSONError)])
    func faults(_ text: String, _ error: JSONError) {
        #expect(throws: error) { try walk(text) }
    }

    @Test("after the last member the walk stays ended")
    func ended() throws {
        try Array(#"{"a":1}"#.utf8).withUnsafeBytes { bytes in
            var members = try JSONMembers(bytes)
            _ = try members.next()
            #expect(try members.next() == nil)
            #expect(try members.next() == nil)
        }
    }

    @Test("a name is recognised without a copy, also behind escapes")
    func names() throws {
        try Array(#"{"mod\u0065l":1,"modelx":2,"mode":3,"a\nb":4}"#.utf8).withUnsafeBytes { bytes in
            var members = try JSONMembers(bytes)
            let first = try #require(try members.next())
            #expect(first.isNamed("model") && !first.isNamed("mod\\u0065l") && !first.isNamed("modelx"))
            #expect(first.nameHasEscapes && first.previousEnd == nil)
            let second = try #require(try members.next())
            #expect(!second.isNamed("model") && second.isNamed("modelx"))
            #expect(second.previousEnd == first.range.upperBound)
            let third = try #require(try members.next())
            #expect(!third.isNamed("model"))
            let fourth = try #require(try members.next())
            #expect(fourth.withName { String(decoding: $0, as: UTF8.self) } == "a\nb")
        }
    }

    @Test("scalars are read as what they are, and as nothing else")
    func scalars() throws {
        try withFragment(#""a\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00\u0000z""#) { fragment in
            #expect(fragment.string == "a\"\\/\u{8}\u{C}\n\r\tAé€😀\0z")
            #expect(fragment.kind == .string && fragment.hasEscapes)
            #expect(fragment.boolean == nil && fragment.exactInt64 == nil && fragment.double == nil)
            #expect(throws: JSONError(.notAnObject, offset: 0)) { _ = try fragment.members() }
            #expect(throws: JSONError(.notAnArray, offset: 0)) { try fragment.elements() }
        }
        try withFragment(#" "plain" "#) { fragment in
            #expect(fragment.string == "plain" && !fragment.hasEscapes)
            #expect(fragment.isString("plain") && !fragment.isString("plainer") && !fragment.isString("plai"))
            #expect(fragment.stringBytes.map { String(decoding: $0, as: UTF8.self) } == "plain")
            #expect(fragment.withStringText { $0.count } == 5)
        }
        try withFragment("true") { #expect($0.boolean == true && $0.string == nil && !$0.isString("true")) }
        try withFragment("false") { #expect($0.boolean == false && $0.stringBytes == nil) }
        try withFragment("null") {
            #expect($0.isNull && $0.boolean == nil && $0.withStringText { $0.count } == nil)
        }
        try withFragment("-1.5e1") { #expect($0.exactInt64 == -15 && $0.double == -15 && $0.kind == .number) }
        #expect(throws: JSONError(.trailingBytes, offset: 2)) { try withFragment("1 x") { _ in } }
        #expect(throws: JSONError(.unexpectedEnd, offset: 0)) { try withFragment("") { _ in } }
    }

    @Test("nested objects and arrays are walked in place, with offsets in the document")
    func nesting() throws {
        let text = #"{"o":{"x":1,"y":[ 1 , "two" ,[3],{} ]},"e":[],"d":{"k":1,"k":2}}"#
        let document = Array(text.utf8)
        try document.withUnsafeBytes { bytes in
            var members = try JSONMembers(bytes)
            let object = try #require(try members.next()).value
            var inner = try object.members()
            #expect(try inner.next()?.name == "x")
            let list = try #require(try inner.next()).value
            var elements = try list.elements()
            var texts: [String] = []
            while let element = try elements.next() {
                texts.append(String(decoding: element.bytes, as: UTF8.self))
                #expect(Array(document[element.range]) == Array(element.bytes))
            }
            #expect(texts == ["1", #""two""#, "[3]", "{}"])
            #expect(try elements.next() == nil)
            #expect(try inner.next() == nil)
            let empty = try #require(try members.next()).value
            var none = try empty.elements()
            #expect(try none.next() == nil)
            let repeating = try #require(try members.next()).value
            var walk = try repeating.members()
            _ = try walk.next()
            let error = #expect(throws: JSONError.self) { try walk.next() }
            #expect(error?.reason == .duplicateName)
            #expect(throws: JSONError.self) { try repeating.value() }
            #expect(try object.value() == JSONValue.parse(#"{"x":1,"y":[1,"two",[3],{}]}"#))
        }
    }
}

@Suite("JSON numbers")
struct NumberTests {
    /// Text and its value as Int64, nil when it is not a whole number inside the range.
    static let integers: [(String, Int64?)] = [
        ("0", 0), ("-0", 0), ("0.0", 0), ("0e5", 0), ("-0.000e-999999999999999999999", 0), ("7", 7),
        ("-7", -7),
        ("7.0", 7), ("70e-1", 7), ("0.7e1", 7), ("7.5", nil), ("75e-1", nil), ("1e3", 1_000), ("1E+3", 1_000),
        ("1.25e2", 125), ("1.255e2", nil), ("9223372036854775807", .max), ("9223372036854775808", nil),
        ("-9223372036854775808", .min), ("-9223372036854775809", nil), ("9223372036854775807.0", .max),
        ("9223372036854775807.5", nil), ("922337203685477580.7e1", .max), ("18446744073709551615", nil),
        ("18446744073709551616", nil), ("99999999999999999999999999", nil),
        ("1e18", 1_000_000_000_000_000_000),
        ("1e19", nil), ("1e308", nil), ("1e999999999999999999999999", nil), ("1e-1", nil),
        ("1e-999999999999", nil),
        ("100000000000000000000e-20", 1), ("0.00000000000000000000000001e26", 1), ("1.10", nil),
        ("10.10e1", 101),
        ("123456789012345678901234567890e-20", nil), ("0.1e1", 1), ("-1e0", -1),
    ]

    @Test("whole numbers are exact or nothing", arguments: integers)
    func exactIntegers(_ text: String, _ expected: Int64?) throws {
        let value = try JSONValue.parse(text)
        #expect(value.exactInt64 == expected)
        #expect(value.number?.text == text)
        let fragment = Array(text.utf8).withUnsafeBytes { try? JSONFragment(parsing: $0).exactInt64 }
        #expect(fragment == .some(expected))
    }

    @Test("a number with a million digits costs one pass and is refused as an integer")
    func endlessDigits() throws {
        let digits = String(repeating: "9", count: 1_000_000)
        let limits = JSONLimits(maximumBytes: 4_000_000)
        #expect(try JSONValue.parse(digits, limits: limits).exactInt64 == nil)
        #expect(try JSONValue.parse("0." + digits, limits: limits).exactInt64 == nil)
        #expect(try JSONValue.parse("1e" + digits, limits: limits).exactInt64 == nil)
        #expect(
            try JSONValue.parse("1" + digits.map { _ in "0" }.joined() + "e-1000000", limits: limits)
                .exactInt64 == 1)
    }

    @Test("doubles are the nearest, infinite beyond the range")
    func doubles() throws {
        #expect(try JSONValue.parse("0.1").double == 0.1)
        #expect(try JSONValue.parse("-1.5e300").double == -1.5e300)
        #expect(try JSONValue.parse("1e309").double == .infinity)
        #expect(try JSONValue.parse("-1e309").double == -.infinity)
        #expect(try JSONValue.parse("1e-400").double == 0)
        #expect(Array("1e309".utf8).withUnsafeBytes { try? JSONFragment(parsing: $0).double } == .infinity)
    }

    @Test("numbers can be made from integers and finite doubles")
    func making() {
        #expect(JSONNumber(Int64.min).exactInt64 == .min)
        #expect(JSONNumber(UInt64.max).exactInt64 == nil)
        #expect(JSONNumber(2.5)?.description == "2.5")
        #expect(JSONNumber(Double.infinity) == nil)
        #expect(JSONNumber(Double.nan) == nil)
    }
}
