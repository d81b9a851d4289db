import Cryptography
import Glibc
import Testing

@testable import Settings

@Suite("Secret settings")
struct SecretSettingTests {
    static let key = Setting.secret("master-key", minimumBytes: 4, help: "Seals what is stored.")
    static let schema = SettingsSchema(
        program: "p", summary: "s", version: "0", groups: [SettingGroup("All", [key])])

    private func secret(_ arguments: [String], _ environment: [String: String] = [:]) throws -> Secret {
        guard case .run(let values) = try Self.schema.parse(arguments: arguments, environment: environment)
        else {
            throw CancellationError()
        }
        return values[Self.key]
    }

    /// A file with these bytes that exists inside `body`.
    private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
        var template = Array("/tmp/eclusa-secret-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        try #require(descriptor >= 0)
        let path = String(decoding: template.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(path) }
        #expect(write(descriptor, bytes, bytes.count) == bytes.count)
        close(descriptor)
        return try body(path)
    }

    @Test("a secret comes from a file by flag or variable, or from the variable itself")
    func sources() throws {
        try withFile(Array("s3cr3t\n".utf8)) { path throws in
            let expected = Secret(utf8: "s3cr3t")
            #expect(try secret(["--master-key-file", path]) == expected)
            #expect(try secret(["--master-key-file=" + path]) == expected)
            #expect(try secret([], ["ECLUSA_MASTER_KEY_FILE": path]) == expected)
            #expect(try secret([], ["ECLUSA_MASTER_KEY": "file:" + path]) == expected)
            #expect(try secret([], ["ECLUSA_MASTER_KEY": "s3cr3t"]) == expected)
        }
    }

    @Test("one line end is taken off, and nothing else")
    func lineEnds() throws {
        let table: [(String, String)] = [
            ("abcd", "abcd"), ("abcd\n", "abcd"), ("abcd\r\n", "abcd"), ("abcd\n\n", "abcd\n"),
            (" abcd ", " abcd "),
        ]
        for (content, expected) in table {
            try withFile(Array(content.utf8)) { path throws in
                #expect(try secret(["--master-key-file", path]) == Secret(utf8: expected))
            }
        }
    }

    @Test("an empty, short, endless or missing file is refused")
    func badFiles() throws {
        for content in [[], [10], Array("abc".utf8), [UInt8](repeating: 65, count: 70_000)] {
            try withFile(content) { path throws in
                #expect(throws: SettingsError.self) { try secret(["--master-key-file", path]) }
            }
        }
        let error = #expect(throws: SettingsError.self) { try secret(["--master-key-file", "/nowhere/key"]) }
        #expect(error?.problems.first?.what.contains("cannot be opened: No such file") == true)
        let directory = #expect(throws: SettingsError.self) { try secret(["--master-key-file", "/tmp"]) }
        #expect(directory?.problems.first?.what.contains("cannot be read") == true)
    }

    @Test("a required secret that is missing names every way to give it, and never itself")
    func missing() {
        let error = #expect(throws: SettingsError.self) { try secret([]) }
        #expect(
            error?.problems.map(\.description) == [
                "--master-key-file is required; give --master-key-file or ECLUSA_MASTER_KEY"
            ])
        let shown = #expect(throws: SettingsError.self) { try secret(["--master-key", "hunter2"]) }
        #expect(shown?.description.contains("hunter2") == false)
    }
}

@Suite("Quantities and names")
struct QuantityTests {
    @Test(
        "time spans are read and shown in the largest unit that fits",
        arguments: [
            ("250ms", Duration.milliseconds(250)), ("30s", .seconds(30)), ("5m", .seconds(300)),
            ("24h", .seconds(86_400)), ("7d", .seconds(604_800)), ("90s", .seconds(90)),
        ])
    func durations(_ text: String, _ duration: Duration) {
        #expect(QuantityText.parseDuration(text) == duration)
        #expect(QuantityText.parseDuration(QuantityText.duration(duration)) == duration)
    }

    @Test(
        "texts that are no time span", arguments: ["", "s", "-5s", "1.5s", "5 s", "5w", "99999999999s", "٣s"])
    func badDurations(_ text: String) { #expect(QuantityText.parseDuration(text) == nil) }

    @Test("nothing is a time span too, and odd spans show in milliseconds")
    func edges() {
        #expect(QuantityText.parseDuration("0") == .zero)
        #expect(QuantityText.duration(.zero) == "0s")
        #expect(QuantityText.duration(.milliseconds(1_500)) == "1500ms")
        #expect(QuantityText.duration(.microseconds(1_500)) == "1ms")
        #expect(QuantityText.bytes(1_500) == "1500")
        #expect(QuantityText.bytes(0) == "0")
        #expect(QuantityText.parseBytes("12") == 12)
    }

    @Test("nanoseconds hold at the ends of Int64")
    func nanoseconds() {
        #expect(Duration.milliseconds(1_500).wholeNanoseconds == 1_500_000_000)
        #expect(Duration.seconds(Int64.max / 2).wholeNanoseconds == .max)
        #expect(Duration.seconds(Int64.min / 2).wholeNanoseconds == .min)
        #expect(Duration.nanoseconds(-5).wholeNanoseconds == -5)
    }

    @Test(
        "distances count insertions, deletions, replacements and swaps",
        arguments: [
            ("", "", 0), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abd", 1),
            ("a", "xyz", 3),
        ])
    func distances(_ left: String, _ right: String, _ expected: Int) {
        #expect(NearestName.distance(left, right) == expected)
        #expect(NearestName.distance(right, left) == expected)
    }

    @Test("a list of names reads as a sentence")
    func lists() {
        #expect(NearestName.listed([]) == "")
        #expect(NearestName.listed(["a"]) == "a")
        #expect(NearestName.listed(["a", "b", "c"]) == "a, b or c")
    }
}
