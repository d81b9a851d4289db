import Testing

@testable import PostgresDriver

@Suite("database URLs")
struct PostgresURLTests {
    @Test("both of libpq's spellings are understood")
    func spellings() throws {
        let url = try PostgresURL("postgres://ana:secret@db.example:6432/eclusa?sslmode=verify-full")
        #expect(url.settings["host"] == "db.example")
        #expect(url.settings["sslmode"] == "verify-full")
        #expect(url.database == "eclusa")
        let pairs = try PostgresURL("host=/run/postgresql dbname=x")
        #expect(pairs.settings["host"] == "/run/postgresql")
        #expect(pairs.with(database: "y").database == "y")
    }

    @Test("its description never shows the password")
    func redaction() throws {
        let url = try PostgresURL("postgres://ana:hunter2secret@db.example/eclusa")
        #expect("\(url)" == "host=db.example dbname=eclusa user=ana")
        var dumped = ""
        dump([url], to: &dumped)
        #expect(
            !String(describing: [url]).contains("hunter2") && !String(reflecting: url).contains("hunter2"))
        #expect(!dumped.contains("hunter2"))
    }

    @Test(
        "what is not a connection string is refused with a reason",
        arguments: ["postgres://[::1/x", "nonsense=1", "host", "postgres://h/d?unknown=1", "host=a\0b"])
    func refused(_ text: String) {
        #expect {
            try PostgresURL(text)
        } throws: { error in
            guard let error = error as? PostgresError else { return false }
            return error.kind == .misuse && error.privateDetail.contains("database URL")
        }
    }

    @Test("timeouts and name of the purpose go to the server, settings of the URL stay")
    func settings() throws {
        let url = try PostgresURL("postgres://h/d?options=-c%20search_path%3Dx&application_name=mine")
        let settings = url.connectionSettings(purpose: "ingest", statementTimeoutMilliseconds: 1500)
        #expect(settings["options"]?.hasPrefix("-c search_path=x -c statement_timeout=1500") == true)
        #expect(settings["application_name"] == "mine")
        #expect(settings["gssencmode"] == "disable" && settings["tcp_user_timeout"] == "4000")
        let patient = try PostgresURL("host=h tcp_user_timeout=9").connectionSettings(
            purpose: "ingest", statementTimeoutMilliseconds: 1)
        #expect(patient["tcp_user_timeout"] == "9")
        let plain = try PostgresURL("dbname=d").connectionSettings(
            purpose: "ingest", statementTimeoutMilliseconds: 1)
        #expect(plain["application_name"] == "eclusa-ingest")
        #expect(plain["port"] != nil, "libpq's defaults are filled in, so that it asks nobody later")
    }

    @Test(
        "only names need a lookup",
        arguments: [
            ("localhost", true), ("127.0.0.1", false), ("::1", false), ("/tmp", false), ("@abstract", false),
            ("10.0.0.1,db", true), ("10.0.0.1,/tmp", false),
        ])
    func lookups(_ host: String, _ needed: Bool) {
        #expect(HostResolution.needsLookup(["host": host]) == needed)
        #expect(!HostResolution.needsLookup(["host": host, "hostaddr": "10.0.0.1"]))
    }

    @Test("a resolved name keeps its place, name and port beside its address")
    func resolution() throws {
        let settings = try HostResolution.resolve(["host": "/tmp,localhost,10.0.0.9", "port": "1,2,3"])
        let hosts = try #require(settings["host"]).split(separator: ",")
        let addresses = try #require(settings["hostaddr"]).split(
            separator: ",", omittingEmptySubsequences: false)
        let ports = try #require(settings["port"]).split(separator: ",")
        #expect(hosts.first == "/tmp" && addresses.first == "" && ports.first == "1")
        #expect(hosts.last == "10.0.0.9" && addresses.last == "10.0.0.9" && ports.last == "3")
        #expect(hosts.dropFirst().dropLast().allSatisfy { $0 == "localhost" })
        #expect(ports.dropFirst().dropLast().allSatisfy { $0 == "2" })
        #expect(addresses.contains("127.0.0.1") || addresses.contains("::1"))
    }

    @Test("a name without an address is an unavailable database")
    func unresolved() {
        #expect {
            try HostResolution.resolve(["host": "no-such-host.invalid"])
        } throws: { error in
            (error as? PostgresError)?.isUnavailable == true
        }
    }
}
