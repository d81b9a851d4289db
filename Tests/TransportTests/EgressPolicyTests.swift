import Testing

@testable import Transport

@Suite("Egress policy")
struct EgressPolicyTests {
    /// Ends and middles of every special range, and every way to hide one in an IPv6 address.
    static let special = [
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255", "169.254.0.0", "169.254.169.254", "169.254.255.255", "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0", "192.0.0.255", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::127.0.0.1",
        "::8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1",
        "2001:0:7f00:1::", "2001:1ff:ffff::", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1",
        "2002:c0a8:101::",
        "3fff::1", "3fff:fff:ffff::", "5f00::1", "fc00::1", "fdff::1", "fd00:ec2::254", "fe80::1", "febf::1",
        "fec0::1", "ff02::1", "4000::1", "8000::", "::2",
    ]
    static let ordinary = [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255", "192.88.100.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
        "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2002:808:808::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2606:4700::1111",
        "2a00::1", "3ffe::1", "3fff:1000::",
    ]

    @Test("special addresses are refused, also hidden in others", arguments: special)
    func refusesSpecial(address: String) throws {
        let parsed = try #require(IPAddress(address))
        let refusal = EgressPolicy.publicInternetOnly.refusal(
            host: "api.example", address: parsed, port: 443, isSecure: true)
        #expect(refusal?.contains("not public") == true)
    }

    @Test("ordinary addresses next to them are allowed", arguments: ordinary)
    func allowsOrdinary(address: String) throws {
        let parsed = try #require(IPAddress(address))
        let policy = EgressPolicy.publicInternetOnly
        #expect(policy.refusal(host: "api.example", address: parsed, port: 443, isSecure: true) == nil)
        #expect(policy.refusal(host: "api.example", address: parsed, port: 443, isSecure: false) != nil)
        #expect(policy.refusal(host: "api.example", address: parsed, port: 8443, isSecure: true) != nil)
    }

    @Test(
        "entries open exactly what they say",
        arguments: [
            // entry, http, host, address, port, secure, allowed
            ("127.0.0.1:9100", true, "127.0.0.1", "127.0.0.1", 9100, false, true),
            ("127.0.0.1:9100", true, "anything.example", "127.0.0.1", 9100, false, true),
            ("127.0.0.1:9100", true, "127.0.0.1", "127.0.0.1", 9101, false, false),
            ("127.0.0.1:9100", true, "127.0.0.1", "127.0.0.2", 9100, false, false),
            ("127.0.0.1:9100", false, "127.0.0.1", "127.0.0.1", 9100, false, false),
            ("127.0.0.1:9100", false, "127.0.0.1", "127.0.0.1", 9100, true, true),
            ("127.0.0.1:9100", true, "127.0.0.1", "::ffff:127.0.0.1", 9100, false, true),
            ("[::1]:9100", true, "::1", "::1", 9100, false, true),
            ("10.0.0.0/8", false, "inside.example", "10.9.8.7", 8443, true, true),
            ("10.0.0.0/8", false, "inside.example", "10.9.8.7", 8080, false, false),
            ("10.0.0.0/8", true, "inside.example", "11.0.0.1", 443, false, false),
            ("10.0.0.0/8", true, "inside.example", "2002:a00:1::1", 443, true, false),
            ("ollama.internal:11434", true, "ollama.internal", "192.168.1.2", 11434, false, true),
            ("ollama.internal:11434", true, "Ollama.Internal", "192.168.1.2", 11434, false, true),
            ("ollama.internal:11434", true, "x.ollama.internal", "192.168.1.2", 11434, false, false),
            ("ollama.internal:11434", true, "ollama.internal", "192.168.1.2", 443, true, false),
            ("OLLAMA.internal", true, "ollama.internal", "fd00::1", 1, false, true),
            ("api.example:8443", false, "api.example", "8.8.8.8", 8443, true, true),
            ("fd00::/8", false, "x", "fd00::1", 443, true, true),
        ] as [(String, Bool, String, String, UInt16, Bool, Bool)])
    func entries(
        entry: String, http: Bool, host: String, address: String, port: UInt16, isSecure: Bool,
        isAllowed: Bool
    ) throws {
        let policy = try EgressPolicy.publicInternetOnly.allowing([entry], http: http)
        let refusal = policy.refusal(
            host: host, address: try #require(IPAddress(address)), port: port, isSecure: isSecure)
        #expect((refusal == nil) == isAllowed, "\(refusal ?? "")")
    }

    @Test("the rest of the Internet stays as it is when entries are added")
    func entriesAdd() throws {
        let policy = try EgressPolicy.publicInternetOnly.allowing(["10.0.0.0/8", "a.example"], http: true)
        let public443 = policy.refusal(
            host: "b.example", address: IPAddress("8.8.8.8")!, port: 443, isSecure: true)
        #expect(public443 == nil)
        #expect(
            policy.refusal(host: "b.example", address: IPAddress("::1")!, port: 443, isSecure: true) != nil)
        let anywhere = EgressPolicy.unrestricted
        #expect(anywhere.refusal(host: "x", address: IPAddress("::1")!, port: 1, isSecure: false) == nil)
    }

    @Test(
        "entries that mean nothing are refused with the entry in the text",
        arguments: [
            "", "http://x", "a b", "x:0", "x:99999", "10.0.0.1/8", "*.example", "x/8", ":80", "x:", "-x",
            "127.1",
            "x..y", "0x7f000001", "127.1:80", "user@x", "a:b:c",
        ])
    func refusesEntries(entry: String) {
        let error = #expect(throws: InvalidEgressEntry.self) {
            try EgressPolicy.publicInternetOnly.allowing([entry], http: true)
        }
        #expect(error?.description.contains("\"\(entry)\"") == true)
    }

    @Test(
        "host names that could be numbers or tricks are not host names",
        arguments: [
            ("api.example.com", true), ("API.Example", true), ("x", true), ("a-b.c_d", true),
            ("xn--bcher-kva.de", true),
            ("1password.com", true), ("example.com.", true), ("1.2.3.com", true),
            ("", false), (".", false), ("127.1", false), ("0x7f.1", false), ("1", false), ("a.0x1f", false),
            ("a..b", false), (".a", false), ("-a.b", false), ("a b", false), ("a/b", false), ("a@b", false),
            ("a:80", false), ("bücher.de", false), ("a\0b", false), ("a%00", false), ("1.2.3.4.", false),
            (String(repeating: "a", count: 64), false), (String(repeating: "a.", count: 127) + "a", false),
        ] as [(String, Bool)])
    func hostNames(text: String, isName: Bool) {
        #expect((HostName(text) != nil) == isName)
    }

    @Test(
        "through a proxy names are judged without their addresses, and addresses as ever",
        arguments: [
            ("api.example.com", 443, true, true), ("api.example.com", 443, false, false),
            ("api.example.com", 8443, true, false), ("10.0.0.1", 443, true, false),
            ("169.254.169.254", 80, false, false), ("93.184.216.34", 443, true, true),
            ("localhost", 443, true, false), ("metadata", 443, true, false),
            ("metadata.google.internal", 443, true, false), ("printer.local", 443, true, false),
            ("0x7f000001", 443, true, false), ("llm.corp.internal", 8080, false, true),
        ])
    func throughProxy(_ host: String, _ port: UInt16, _ isSecure: Bool, _ isAllowed: Bool) throws {
        let policy = try EgressPolicy.publicInternetOnly.allowing(["llm.corp.internal:8080"], http: true)
        let refusal = policy.refusal(throughProxy: host, port: port, isSecure: isSecure)
        #expect((refusal == nil) == isAllowed, "\(host): \(refusal ?? "allowed")")
    }
}
