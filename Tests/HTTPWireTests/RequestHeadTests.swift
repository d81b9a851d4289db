import Testing

@testable import HTTPWire

@Suite("request heads")
struct RequestHeadTests {
    @Test("every request gets its verdict", arguments: RequestCase.all)
    func verdict(_ example: RequestCase) {
        #expect(requestVerdict(example.request) == example.expected)
    }

    @Test("no way to cut a request in two changes its verdict", arguments: RequestCase.all)
    func splits(_ example: RequestCase) {
        // Huge heads: every cut near the ends and near line ends, and a sample between.
        let count = example.request.count
        let cuts =
            count < 2000
            ? Array(1..<count)
            : Array(1..<40) + Array(stride(from: 40, to: count - 40, by: 997))
                + Array((count - 40)..<count) + [8191, 8192, 8193, 8194].filter { $0 < count }
        for cut in cuts {
            let verdict = requestVerdict(example.request, prefixes: [cut])
            #expect(verdict == example.expected, "cut at \(cut)")
        }
    }

    @Test("a request that arrives byte by byte gets the same verdict", arguments: RequestCase.all)
    func drip(_ example: RequestCase) {
        guard example.request.count < 20_000 else { return }
        let verdict = requestVerdict(example.request, prefixes: Array(1..<example.request.count))
        #expect(verdict == example.expected)
    }

    @Test("an accepted request is not complete one byte earlier")
    func incomplete() {
        for example in RequestCase.accepted {
            for prefix in 0..<example.request.count {
                #expect(requestVerdict(Array(example.request[..<prefix])) == .incomplete)
            }
        }
    }

    @Test("bytes of the next request are left alone")
    func pipelined() {
        let request = bytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(requestVerdict(request + request) == .complete(request.count))
        #expect(requestVerdict(request + [0, 1, 2]) == .complete(request.count))
    }

    @Test("every fault has a status a client can be told")
    func statuses() {
        for fault in RequestFault.allCases {
            #expect([400, 408, 413, 414, 417, 431, 501, 505].contains(fault.status))
            #expect(HTTPStatus.reason(fault.status).description != "Status")
        }
        #expect(RequestFault.requestLineTooLong.status == 414)
        #expect(RequestFault.tooManyFields.status == 431)
        #expect(RequestFault.unknownExpectation.status == 417)
        #expect(RequestFault.unknownTransferCoding.status == 501)
        #expect(RequestFault.unsupportedVersion.status == 505)
        #expect(RequestFault.bodyTooLarge.status == 413)
        #expect(RequestFault.requestTimedOut.status == 408)
        for fault in ChunkFault.allCases { #expect(RequestFault.chunk(fault).status == 400) }
    }

    @Test(
        "a connection stays open when version and options say so",
        arguments: [
            ("1.1", "", true), ("1.1", "close", false), ("1.1", "Close", false),
            ("1.1", "x, close , y", false),
            ("1.1", "keep-alive", true), ("1.0", "", false), ("1.0", "keep-alive", true),
            ("1.0", "Keep-Alive, x", true), ("1.0", "keep-alive, close", false), ("1.1", "closed", true),
        ])
    func keepAlive(_ version: String, _ connection: String, _ expected: Bool) {
        let field = connection.isEmpty ? "" : "Connection: \(connection)\r\n"
        var head = RequestHead()
        let verdict = withExactCopy(bytes("GET / HTTP/\(version)\r\nHost: a\r\n\(field)\r\n")) {
            head.parse($0)
        }
        #expect(verdict != .incomplete)
        #expect(head.keepAlive == expected)
    }

    @Test("two Connection fields count as one list")
    func connectionFields() {
        let request = bytes("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-private\r\nConnection: close\r\n\r\n")
        var head = RequestHead()
        withExactCopy(request) { view in
            _ = head.parse(view)
            #expect((head.keepAlive) == false)
            let base = view.baseAddress!
            #expect(withExactCopy(bytes("X-Private")) { head.fields.connectionNominates($0, in: base) })
            #expect(!withExactCopy(bytes("x-privat")) { head.fields.connectionNominates($0, in: base) })
        }
    }

    @Test(
        "framing follows the head",
        arguments: [
            ("", BodyFraming.length(0)), ("Content-Length: 12", .length(12)),
            ("Content-Length: 0", .length(0)),
            ("Transfer-Encoding: chunked", .chunked),
        ])
    func framing(_ field: String, _ expected: BodyFraming) {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let line = field.isEmpty ? "" : field + "\r\n"
            var head = RequestHead()
            _ = withExactCopy(bytes("\(method) / HTTP/1.1\r\nHost: a\r\n\(line)\r\n")) { head.parse($0) }
            #expect(head.framing == expected)
            #expect(head.method.description == method)
        }
    }

    @Test("an expectation without content is not waited for")
    func expectation() {
        var head = RequestHead()
        _ = withExactCopy(bytes("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")) {
            head.parse($0)
        }
        #expect((head.expectsContinue) == false)
        head.reset()
        let chunked =
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        _ = withExactCopy(bytes(chunked)) { head.parse($0) }
        #expect((head.expectsContinue) == true)
    }

    @Test(
        "the path is decoded once and its dot segments are resolved",
        arguments: [
            ("/", "/", nil), ("/a/b", "/a/b", nil), ("/a%2Fb", "/a/b", nil), ("/a/./b", "/a/b", nil),
            ("/a/../b", "/b", nil), ("/a/b/..", "/a/", nil), ("/a/.", "/a/", nil),
            ("/a/b/../../c", "/c", nil),
            ("/a/%2e%2E/b", "/b", nil), ("/%252e%252e/", "/%2e%2e/", nil), ("/a//b", "/a//b", nil),
            ("/a//..", "/a/", nil), ("/.a/..b/c.", "/.a/..b/c.", nil), ("/%c3%a9", "/\u{e9}", nil),
            ("/a?b=/../c", "/a", "b=/../c"), ("/a?", "/a", ""), ("/a?b?c", "/a", "b?c"),
            ("/...", "/...", nil), ("/a/..%2fb", "/b", nil),
            ("/v1/models/m:generate", "/v1/models/m:generate", nil),
            ("http://a?x=1", "/", "x=1"), ("http://a", "/", nil), ("HTTP://a/b", "/b", nil),
        ] as [(String, String, String?)])
    func paths(_ target: String, _ path: String, _ query: String?) {
        let request = bytes("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
        var head = RequestHead()
        withExactCopy(request) { view in
            #expect(head.parse(view) == .complete(request.count))
            let base = view.baseAddress!
            #expect(text(head.path(in: base)) == path)
            #expect(text(head.query(in: base)) == query)
            #expect(text(head.rawTarget(in: base)) == target)
        }
    }

    @Test("one head serves request after request")
    func reuse() {
        var head = RequestHead()
        let requests = [
            "POST /a/../b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
            "GET http://h/ HTTP/1.0\r\nHost: h\r\nX-Api-Key: k\r\n\r\n",
            "GET /z HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        let expected = [
            ("/b", false, BodyFraming.length(3)), ("/", false, .length(0)), ("/z", true, .length(0)),
        ]
        for (request, result) in zip(requests, expected) {
            head.reset()
            withExactCopy(bytes(request)) { view in
                #expect(head.parse(view) == .complete(request.utf8.count))
                #expect(text(head.path(in: view.baseAddress!)) == result.0)
            }
            #expect(head.keepAlive == result.1)
            #expect(head.framing == result.2)
        }
        #expect(head.fields.count == 1)
        #expect(!head.fields.present.has(.xAPIKey))
    }

    @Test("fields are found by what they are and by name")
    func fields() {
        let lines = "HoSt: h\r\nX-API-Key: one\r\nx-api-key: two\r\nX-Custom: \t v w \r\n"
        withExactCopy(bytes("GET / HTTP/1.1\r\n\(lines)\r\n")) { view in
            var head = RequestHead()
            _ = head.parse(view)
            let base = view.baseAddress!
            #expect(text(head.fields.value(.host, in: base)) == "h")
            #expect(text(head.fields.value(.xAPIKey, in: base)) == "one")
            #expect(head.fields.repeated.has(.xAPIKey))
            #expect(!head.fields.repeated.has(.host))
            #expect(text(head.fields.value("x-custom", in: base)) == "v w")
            #expect(head.fields.value("x-other", in: base) == nil)
            #expect(head.fields.value(.authorization, in: base) == nil)
            #expect(head.fields.count == 4)
            #expect(head.fields[3].known == .other)
            let all = HeaderFields(head.fields, in: base)
            #expect(all.values("X-API-KEY") == ["one", "two"])
            #expect(all["x-custom"] == "v w")
        }
    }

    @Test("all fields of a head are kept, many or few", arguments: [1, 23, 24, 25, 48, 99, 100])
    func manyFields(_ count: Int) {
        let lines = (0..<count).map { "x-field-\($0): value \($0)\r\n" }.joined()
        withExactCopy(bytes("GET / HTTP/1.1\r\n\(lines)\r\n")) { view in
            var head = RequestHead()
            // Twice: the second head finds the room of the first.
            for _ in 1...2 {
                _ = head.parse(view)
                let base = view.baseAddress!
                #expect(head.fields.count == count)
                for index in 0..<head.fields.count {
                    #expect(text(head.fields[index].name(in: base)) == "x-field-\(index)")
                    #expect(text(head.fields[index].value(in: base)) == "value \(index)")
                }
            }
        }
    }

    @Test("every known field is recognised in any case, and nothing else is", arguments: KnownField.allCases)
    func known(_ field: KnownField) {
        guard field != .other else { return }
        let name = field.name.description
        #expect(!name.isEmpty)
        #expect(KnownField(name: name) == field)
        #expect(KnownField(name: name.uppercased()) == field)
        #expect(KnownField(name: name + "x") == .other)
        #expect(KnownField(name: "_" + name.dropFirst()) == .other)
        #expect(FieldSet(field).has(field))
        #expect(!FieldSet(field).has(.other))
        #expect(field.rawValue < 64)
    }

    @Test("slow senders cost no more than fast ones")
    func linear() {
        // A head of 60 KB, a byte at a time: quadratic work would be two thousand million steps.
        let request = bytes("GET / HTTP/1.1\r\nHost: a\r\nX: \("y".repeated(60_000))\r\n\r\n")
        var head = RequestHead()
        request.withUnsafeBytes { view in
            for count in 1..<request.count {
                let verdict = head.parse(UnsafeRawBufferPointer(rebasing: view[..<count]))
                guard verdict == .incomplete else {
                    Issue.record("\(verdict) after \(count) bytes")
                    return
                }
            }
            #expect(head.parse(view) == .complete(request.count))
        }
    }

    @Test("random bytes never trap, and a cut never changes the verdict", arguments: 0..<32 as Range<UInt64>)
    func noise(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        for _ in 0..<200 {
            var request = RequestCase.all[Int(random.next() % UInt64(RequestCase.all.count))].request
            guard !request.isEmpty, request.count < 4000 else { continue }
            for _ in 0..<(1 + random.next() % 4) {
                let interesting: [UInt8] = [0, 9, 10, 13, 32, 37, 44, 46, 47, 58, 59, 0x7f, 0x80, 0xff]
                let byte = interesting[Int(random.next() % UInt64(interesting.count))]
                request[Int(random.next() % UInt64(request.count))] = byte
            }
            let whole = requestVerdict(request)
            let cut = 1 + Int(random.next() % UInt64(request.count))
            #expect(requestVerdict(request, prefixes: [min(cut, request.count)]) == whole, "seed \(seed)")
        }
    }
}

/// Seeded random numbers, so that a failing run can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
