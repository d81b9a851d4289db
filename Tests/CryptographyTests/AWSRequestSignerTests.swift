import Cryptography
import Glibc
import JSONText
import TestSupport
import Testing

@Suite("AWS request signatures")
struct AWSRequestSignerTests {
    /// Made by botocore, see Tests/EndToEnd/signature_table.py.
    private static func table() throws -> JSONValue {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try #require(fopen(root + "/Tests/Vectors/aws-signatures.json", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        return try JSONValue.parse(
            Array(bytes[..<count]), limits: JSONLimits(maximumBytes: 1 << 20, maximumValues: 100_000))
    }

    @Test("every signature of the table is botocore's")
    func table() throws {
        let table = try Self.table()
        let credential = try #require(table["credential"]?.string)
        let token = try #require(table["token"]?.string)
        let cases = try #require(table["cases"]?.array)
        #expect(cases.count == 396)
        for example in cases {
            func text(_ name: String) throws -> String { try #require(example[name]?.string) }
            let isLent = example["lent"]?.boolean == true
            let key = try #require(
                AWSAccessKey(Secret(utf8: isLent ? "\(credential):\(token)" : credential)))
            #expect(key.sessionToken == (isLent ? token : nil))
            let signer = AWSRequestSigner(
                key: key, region: try text("region"), service: try text("service"))
            let fields = (example["fields"]?.object?.members ?? []).map {
                (name: $0.name, value: $0.value.string ?? "")
            }
            let made = signer.authorization(
                method: try text("method"), target: try text("target"), fields: fields,
                payload: try #require(SHA256Digest(hexadecimal: try text("payload"))),
                date: try text("date"))
            #expect(try made == text("authorization"), "\(example.text)")
        }
    }

    @Test("a changed byte of anything that is signed changes the signature")
    func changes() throws {
        let key = try #require(AWSAccessKey(Secret(utf8: "AKID:secret")))
        func sign(
            _ method: String = "POST", _ target: String = "/model/m/converse?a=1", host: String = "h",
            body: String = "{}", date: String = "20260102T030405Z", region: String = "r"
        ) -> String {
            AWSRequestSigner(key: key, region: region, service: "bedrock").authorization(
                method: method, target: target, fields: [("host", host), ("x-amz-date", date)],
                payload: sha256(body), date: date)
        }
        let all = [
            sign(), sign("GET"), sign(target(0)), sign("POST", target(1)), sign(host: "i"),
            sign(body: "{ }"), sign(date: "20260102T030406Z"), sign(region: "s"),
        ]
        #expect(Set(all).count == all.count)
        func target(_ index: Int) -> String { ["PUT", "/model/m/converse?a=2"][index] }
    }

    @Test(
        "what is no access key is none",
        arguments: [
            "", "sk-key", ":secret", "ID:", "ID:secret:", "ID:secret:token:more", "I D:secret", "é:x",
        ])
    func malformed(_ text: String) { #expect(AWSAccessKey(Secret(utf8: text)) == nil) }
}
