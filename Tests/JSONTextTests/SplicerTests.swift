import JSONText
import Testing

/// Small, fast, and the same on every run of one seed.
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite("JSON splicer")
struct SplicerTests {
    /// The text after editing: names in `removed` go, names in `replaced` get 0, `inserted` come first.
    private func edit(
        _ text: String, removed: Set<String> = [], replaced: Set<String> = [], inserted: [String] = []
    ) throws -> String {
        try Array(text.utf8).withUnsafeBytes { bytes in
            var splicer = JSONSplicer(bytes)
            var members = try JSONMembers(bytes)
            while let member = try members.next() {
                if removed.contains(member.name) { splicer.remove(member) }
                if replaced.contains(member.name) { splicer.replace(member.value, with: Array("0".utf8)) }
            }
            for name in inserted { splicer.insert(name, Array("true".utf8)) }
            #expect(splicer.isUnchanged == (removed.isEmpty && replaced.isEmpty && inserted.isEmpty))
            let result = splicer.result()
            #expect(splicer.byteCount() == result.count)
            return String(decoding: result, as: UTF8.self)
        }
    }

    @Test("a replaced value changes its own bytes and no other")
    func replacement() throws {
        let text = #" { "a" : 1.50 , "b":"x" ,"c":[1, 2] } "#
        #expect(try edit(text, replaced: ["a"]) == #" { "a" : 0 , "b":"x" ,"c":[1, 2] } "#)
        #expect(try edit(text, replaced: ["b", "c"]) == #" { "a" : 1.50 , "b":0 ,"c":0 } "#)
        #expect(try edit(text) == text)
    }

    @Test("a removed member takes the comma that belongs to it, first, last, in a row or all of them")
    func removal() throws {
        let text = #"{ "a":1 , "b":2 ,"c":3, "d":4 }"#
        let table: [(Set<String>, String)] = [
            (["a"], #"{ "b":2 ,"c":3, "d":4 }"#), (["b"], #"{ "a":1 , "c":3, "d":4 }"#),
            (["d"], #"{ "a":1 , "b":2 ,"c":3 }"#), (["c", "d"], #"{ "a":1 , "b":2 }"#),
            (["a", "b"], #"{ "c":3, "d":4 }"#), (["a", "c"], #"{ "b":2 ,"d":4 }"#),
            (["b", "d"], #"{ "a":1 , "c":3 }"#),
            (["a", "b", "c"], #"{ "d":4 }"#), (["a", "b", "c", "d"], "{  }"),
            (["b", "c", "d"], #"{ "a":1 }"#),
        ]
        for (removed, expected) in table {
            #expect(try edit(text, removed: removed) == expected, "\(removed)")
        }
        #expect(try edit(#"{"a":1}"#, removed: ["a"]) == "{}")
    }

    @Test("an inserted member comes first, with a comma only when a member follows")
    func insertion() throws {
        #expect(try edit("{}", inserted: ["n"]) == #"{"n":true}"#)
        #expect(try edit(" { } ", inserted: ["n"]) == #" {"n":true } "#)
        #expect(try edit(#"{ "a":1}"#, inserted: ["n"]) == #"{"n":true, "a":1}"#)
        #expect(try edit(#"{"a":1}"#, inserted: ["n", "m"]) == #"{"n":true,"m":true,"a":1}"#)
        #expect(try edit(#"{"a":1}"#, removed: ["a"], inserted: ["n"]) == #"{"n":true}"#)
        #expect(try edit(#"{"a":1,"b":2}"#, removed: ["a"], inserted: ["n"]) == #"{"n":true,"b":2}"#)
        #expect(
            try edit(#"{"a":1,"b":2}"#, removed: ["a", "b"], inserted: ["n\"", "m"])
                == #"{"n\"":true,"m":true}"#)
        #expect(try edit(#"{"a":1}"#, replaced: ["a"], inserted: ["n"]) == #"{"n":true,"a":0}"#)
    }

    @Test("nested objects are edited in the same pass")
    func nesting() throws {
        let text = #"{"o":{"x":1,"y":2},"list":[{"z":1}],"last":{"only":1}}"#
        let result = try Array(text.utf8).withUnsafeBytes { bytes in
            var splicer = JSONSplicer(bytes)
            var members = try JSONMembers(bytes)
            let outer = try #require(try members.next()).value
            var inner = try outer.members()
            let first = try #require(try inner.next())
            splicer.insert("new", Array("3".utf8), into: outer)
            splicer.remove(first)
            var list = try #require(try members.next()).value.elements()
            let element = try #require(try list.next())
            var elementMembers = try element.members()
            splicer.replace(try #require(try elementMembers.next()).value, withString: "q\"")
            let last = try #require(try members.next()).value
            var lastMembers = try last.members()
            splicer.remove(try #require(try lastMembers.next()))
            return String(decoding: splicer.result(), as: UTF8.self)
        }
        #expect(result == #"{"o":{"new":3,"y":2},"list":[{"z":"q\""}],"last":{}}"#)
    }

    @Test("edits inside a value that goes or is replaced go with it")
    func editsInsideEdits() throws {
        for removes in [true, false] {
            let result = try Array(#"{"o":{"x":1,"y":2},"z":3}"#.utf8).withUnsafeBytes { bytes in
                var splicer = JSONSplicer(bytes)
                var members = try JSONMembers(bytes)
                let outer = try #require(try members.next())
                var inner = try outer.value.members()
                splicer.remove(try #require(try inner.next()))
                splicer.replace(try #require(try inner.next()).value, withString: "lost")
                splicer.insert("new", Array("3".utf8), into: outer.value)
                if removes {
                    splicer.remove(outer)
                } else {
                    splicer.replace(outer.value, with: Array("null".utf8))
                }
                return String(decoding: splicer.result(), as: UTF8.self)
            }
            #expect(result == (removes ? #"{"z":3}"# : #"{"o":null,"z":3}"#))
        }
    }

    @Test("a splicer starts on another document and forgets the first, and pieces are never empty")
    func reuse() throws {
        let first = Array(#"{"a":1}"#.utf8)
        let second = Array(#"{"b":2}"#.utf8)
        try first.withUnsafeBytes { first in
            try second.withUnsafeBytes { second in
                var splicer = JSONSplicer(first)
                splicer.insert("x", Array("1".utf8))
                splicer.begin(second)
                #expect(splicer.isUnchanged)
                var members = try JSONMembers(second)
                splicer.replace(try #require(try members.next()).value, withString: "z")
                var pieces: [String] = []
                splicer.forEachPiece { pieces.append(String(decoding: $0, as: UTF8.self)) }
                #expect(pieces == [#"{"b":"#, #""z""#, "}"])
                #expect(throws: CancellationError.self) {
                    try splicer.forEachPiece { _ in throw CancellationError() }
                }
                var output = Array("> ".utf8)
                splicer.append(to: &output)
                #expect(String(decoding: output, as: UTF8.self) == #"> {"b":"z"}"#)
            }
        }
    }

    @Test("random edits of random objects give the same object as editing the tree", arguments: 0..<40)
    func againstTheTree(_ seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        for _ in 0..<50 {
            let spaces = ["", " ", "\n\t", "  "]
            func space() -> String { spaces.randomElement(using: &random) ?? "" }
            let count = Int.random(in: 0...6, using: &random)
            let values = ["1", "\"x,}\"", "[1, {\"a\":2}]", "{ }", "null", "{\"a\":{\"b\":[]},\"c\":1}"]
            var text = space() + "{" + space()
            for index in 0..<count {
                text +=
                    "\"k\(index)\"" + space() + ":" + space() + (values.randomElement(using: &random) ?? "1")
                    + space()
                if index + 1 < count { text += "," + space() }
            }
            text += "}" + space()
            let names = (0..<count).map { "k\($0)" }
            let removed = Set(names.filter { _ in Bool.random(using: &random) })
            let replaced = Set(names.filter { !removed.contains($0) && Bool.random(using: &random) })
            let inserted = ["n", "m"].filter { _ in Bool.random(using: &random) }
            var expected = JSONObject()
            for name in inserted { expected[name] = true }
            for member in try JSONValue.parse(text).object?.members ?? [] where !removed.contains(member.name)
            {
                expected[member.name] = replaced.contains(member.name) ? 0 : member.value
            }
            let result = try edit(text, removed: removed, replaced: replaced, inserted: inserted)
            #expect(
                try JSONValue.parse(result) == .object(expected),
                "seed \(seed): \(text) without \(removed), replaced \(replaced), inserted \(inserted)")
        }
    }
}
