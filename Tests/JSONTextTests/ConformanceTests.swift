import JSONText
import TestSupport
import Testing

@Suite("JSON conformance")
struct ConformanceTests {
    /// What RFC 8259 leaves to the parser, decided once: numbers of any size are text and stay acceptable;
    /// everything that is not UTF-8, every lone surrogate, a byte order mark and nesting beyond 128 are
    /// refused.
    static let acceptedByChoice: Set<String> = [
        "i_number_double_huge_neg_exp.json", "i_number_huge_exp.json", "i_number_neg_int_huge_exp.json",
        "i_number_pos_double_huge_exp.json", "i_number_real_neg_overflow.json",
        "i_number_real_pos_overflow.json",
        "i_number_real_underflow.json", "i_number_too_big_neg_int.json", "i_number_too_big_pos_int.json",
        "i_number_very_big_negative_int.json",
    ]

    @Test(
        "every file of JSONTestSuite is judged as its name says, by the scanner, the tree and the member walk"
    )
    func everyFileIsJudgedAsItsNameSays() {
        let files = ConformanceVectors.files(in: "jsontestsuite/test_parsing")
        for (name, bytes) in files {
            let expected = name.hasPrefix("y_") || Self.acceptedByChoice.contains(name)
            #expect(accepts(bytes) == expected, "validateJSON on \(name)")
            let repeatsNames = name.contains("duplicated_key")
            #expect(builds(bytes) == (expected && !repeatsNames), "JSONValue.parse on \(name)")
            #expect(walks(bytes) == (expected && !repeatsNames), "JSONMembers on \(name)")
        }
        #expect(files.isEmpty || files.count == 318)
    }

    private func accepts(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in (try? validateJSON(bytes)) != nil }
    }

    private func builds(_ bytes: [UInt8]) -> Bool { (try? JSONValue.parse(bytes)) != nil }

    /// Walks an object or reports what the walk thinks of a document of another kind.
    private func walks(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { bytes in
            do throws(JSONError) {
                var members = try JSONMembers(bytes)
                while try members.next() != nil {}
                return true
            } catch {
                return error.reason == .notAnObject
            }
        }
    }
}
