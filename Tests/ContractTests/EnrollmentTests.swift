import Contract
import Cryptography
import Domain
import TestSupport
import Testing

@Suite("enrollment messages")
struct EnrollmentTests {
    static let identity = Ed25519PrivateKey()
    static let sealing = X25519KeyPair()

    static func pointers<Value>(_ body: () throws(MessageError) -> Value) -> [String] {
        do throws(MessageError) {
            _ = try body()
            return []
        } catch { return error.problems.map { "\($0.pointer) \($0.code.rawValue)" } }
    }

    static func replacing(_ json: [UInt8], _ old: String, _ new: String) -> [UInt8] {
        Array(String(decoding: json, as: UTF8.self).replacing(old, with: new).utf8)
    }

    @Test("a join token reads back, has a digest, and does not print")
    func tokens() throws {
        let token = JoinSecret()
        #expect(token.reveal().wholeMatch(of: /ejt_[A-Za-z0-9_-]{43}/) != nil)
        #expect(JoinSecret(token.reveal())?.digest == token.digest)
        #expect(token.digest == sha256(token.reveal()))
        #expect(JoinSecret().digest != token.digest)
        var dumped = ""
        dump(token, to: &dumped)
        #expect(!"\(token)\(String(reflecting: token))\(dumped)".contains(token.reveal().dropFirst(4)))
        for text in [
            "", "ejt_", "ejt_" + String(repeating: "a", count: 42), "ejx_" + token.reveal().dropFirst(4),
        ] {
            #expect(JoinSecret(text) == nil)
        }
        #expect(JoinSecret(token.reveal() + "A") == nil)
        #expect(JoinSecret(String(token.reveal().dropLast()) + "=") == nil)
    }

    @Test("a join bundle is one line that reads back")
    func bundles() throws {
        let bundle = JoinBundle(
            controlURL: "https://control.example.com:7071", token: JoinSecret(),
            authorityPEM: "-----BEGIN CERTIFICATE-----\nMC4=\n-----END CERTIFICATE-----\n",
            rootKey: Self.identity.publicKey)
        let text = bundle.reveal()
        #expect(text.wholeMatch(of: /eclusa-join:[A-Za-z0-9_-]+/) != nil)
        let read = try JoinBundle(text)
        #expect(read.controlURL == bundle.controlURL)
        #expect(read.token.digest == bundle.token.digest)
        #expect(read.authorityPEM == bundle.authorityPEM)
        #expect(read.rootKey == bundle.rootKey)
        for length in 0..<text.utf8.count {
            #expect(throws: MessageError.self) { try JoinBundle(String(text.prefix(length))) }
        }
    }

    @Test("a wrong bundle says what is wrong and not what the token is")
    func wrongBundles() {
        let bytes = Array(#"{"url":5,"token":"ejt_secret","authority":"","root_key":"AA","more":1}"#.utf8)
        let text = JoinBundle.prefix + Base64.encodeURL(bytes)
        #expect(
            Self.pointers { () throws(MessageError) in try JoinBundle(text) } == [
                "/url wrong_type", "/token invalid_format", "/root_key invalid_format", "/more unknown_field",
            ])
        #expect(Self.pointers { () throws(MessageError) in try JoinBundle("x") } == [" invalid_format"])
        do throws(MessageError) { _ = try JoinBundle(text) } catch {
            #expect(!error.description.contains("ejt_secret"))
        }
    }

    @Test("a join request reads back and proves its identity key")
    func joinRequest() throws {
        let request = JoinRequest(
            token: JoinSecret(), identity: Self.identity, sealingKey: Self.sealing.publicKey,
            softwareVersion: "1.0")
        let read = try JoinRequest(json: request.json)
        #expect(read.token.digest == request.token.digest)
        #expect(read.identityKey == Self.identity.publicKey)
        #expect(read.sealingKey == Self.sealing.publicKey)
        #expect(read.softwareVersion == "1.0")
        // The same request for somebody else's sealing key, identity or token does not pass.
        let other = Base64.encodeURL(X25519KeyPair().publicKey.rawBytes)
        let stolen = Self.replacing(request.json, Base64.encodeURL(Self.sealing.publicKey.rawBytes), other)
        #expect(
            Self.pointers { () throws(MessageError) in try JoinRequest(json: stolen) } == [
                "/proof not_allowed"
            ])
        let foreign = Self.replacing(
            request.json, Base64.encodeURL(Self.identity.publicKey.rawBytes),
            Base64.encodeURL(Ed25519PrivateKey().publicKey.rawBytes))
        #expect(
            Self.pointers { () throws(MessageError) in try JoinRequest(json: foreign) } == [
                "/proof not_allowed"
            ])
        let replayed = Self.replacing(request.json, request.token.reveal(), JoinSecret().reveal())
        #expect(
            Self.pointers { () throws(MessageError) in try JoinRequest(json: replayed) } == [
                "/proof not_allowed"
            ])
    }

    @Test(
        "requests are strict: every problem is named at once",
        arguments: [
            (
                "{}",
                ["/token", "/identity_key", "/sealing_key", "/software_version", "/proof"].map {
                    $0 + " required"
                }
            ),
            ("[]", [" wrong_type"]), ("", [" invalid_format"]), ("{", [" invalid_format"]),
            (#"{"token":"a","token":"b"}"#, [" invalid_format"]), ("null", [" wrong_type"]),
            (
                #"{"token":null,"identity_key":1,"sealing_key":"-","software_version":"LONG","proof":"","extra":{}}"#,
                [
                    "/token required", "/identity_key wrong_type", "/sealing_key invalid_format",
                    "/software_version too_long", "/proof invalid_format",
                    "/extra unknown_field",
                ]
            ),
        ])
    func strict(_ text: String, _ expected: [String]) {
        let json = Array(text.replacing("LONG", with: String(repeating: "x", count: 65)).utf8)
        let found = Self.pointers { () throws(MessageError) in try JoinRequest(json: json) }
        #expect(found == expected)
    }

    @Test("a message above 64 KiB is refused")
    func tooLarge() {
        let json = [UInt8](repeating: 0x20, count: 65 << 10) + Array("{}".utf8)
        #expect(
            Self.pointers { () throws(MessageError) in try JoinRequest(json: json) } == [" invalid_format"])
    }

    @Test("credentials read back, also with members of a later release")
    func credentials() throws {
        let key = FleetKey(id: FleetKeyID(high: 1, low: 1), key: SymmetricKey())
        let credentials = NodeCredentials(
            node: NodeID(high: 1, low: 2), name: "node-1", region: "sa-east", certificatePEM: "pem\n",
            certificateExpires: Timestamp(microseconds: 1_800_000_000_000_001), authorityPEM: "ca\n",
            fleetKey: try key.sealed(to: Self.sealing.publicKey))
        #expect(try NodeCredentials(json: credentials.json) == credentials)
        let later = Self.replacing(credentials.json, #"{"node""#, #"{"later":[1],"node""#)
        #expect(try NodeCredentials(json: later) == credentials)
        #expect(try credentials.fleetKey.open(with: Self.sealing) == key)
        let wrong = Self.replacing(credentials.json, "node_", "key_")
        #expect(
            Self.pointers { () throws(MessageError) in try NodeCredentials(json: wrong) } == [
                "/node invalid_format"
            ])
        #expect(
            Self.pointers { () throws(MessageError) in try NodeCredentials(json: Array("{}".utf8)) }.count
                == 8)
    }

    @Test("a renewal is proven by the registered identity key, within a day of the clock")
    func renewal() throws {
        let now = Timestamp(microseconds: 1_800_000_000_000_000)
        let request = RenewRequest(
            node: NodeID(high: 1, low: 2), identity: Self.identity, softwareVersion: "1.1", issuedAt: now)
        let read = try RenewRequest(json: request.json)
        #expect(read == request)
        #expect(read.isProven(by: Self.identity.publicKey, at: now))
        #expect(read.isProven(by: Self.identity.publicKey, at: now.advanced(bySeconds: 86_400)))
        #expect(read.isProven(by: Self.identity.publicKey, at: now.advanced(bySeconds: -86_400)))
        #expect(!read.isProven(by: Self.identity.publicKey, at: now.advanced(bySeconds: 86_401)))
        #expect(!read.isProven(by: Ed25519PrivateKey().publicKey, at: now))
        let other = Self.replacing(request.json, #""1.1""#, #""1.2""#)
        #expect(!(try RenewRequest(json: other)).isProven(by: Self.identity.publicKey, at: now))
        let extra = Self.replacing(request.json, #"{"node""#, #"{"x":1,"node""#)
        #expect(
            Self.pointers { () throws(MessageError) in try RenewRequest(json: extra) } == ["/x unknown_field"]
        )
        #expect(
            Self.pointers { () throws(MessageError) in try RenewRequest(json: Array("{}".utf8)) }.count == 4)
    }

    @Test("a status reads back, with and without a snapshot and a rejection")
    func status() throws {
        var status = NodeStatus(softwareVersion: "1", processNonce: "n", startedAt: .epoch)
        #expect(try NodeStatus(json: status.json) == status)
        status.running = SnapshotVersion(epoch: 1, counter: 7)
        status.runningIssuedAt = Sample.time
        status.callsInFlight = 3
        status.outboxEvents = 4
        status.outboxBytes = 1 << 40
        status.isDraining = true
        for version in [nil, SnapshotVersion(epoch: 1, counter: 8)] {
            for stage in NodeStatus.Stage.allCases {
                status.rejected = NodeStatus.Rejection(version: version, stage: stage, text: "why")
                #expect(try NodeStatus(json: status.json) == status)
            }
        }
        status.rejected = NodeStatus.Rejection(
            version: nil, stage: .verified, text: String(repeating: "é", count: 1000))
        #expect(try NodeStatus(json: status.json).rejected?.text.utf8.count ?? 0 <= 600)
    }

    @Test("a status with wrong members names them")
    func wrongStatus() {
        let json = #"""
            {"software_version":"1","process_nonce":"n","started_at":"yesterday","running":"x","later":1,
            "calls_in_flight":-1,"outbox_events":1.5,"draining":2,"rejected":{"stage":"dreamt","text":5}}
            """#
        #expect(
            Self.pointers { () throws(MessageError) in try NodeStatus(json: Array(json.utf8)) } == [
                "/started_at invalid_format", "/running invalid_format", "/calls_in_flight out_of_range",
                "/outbox_events out_of_range", "/outbox_bytes required", "/draining out_of_range",
                "/rejected/stage invalid_format", "/rejected/text wrong_type",
            ])
        let noObject = #"{"rejected":[]}"#
        let found = Self.pointers { () throws(MessageError) in try NodeStatus(json: Array(noObject.utf8)) }
        #expect(found.contains("/rejected wrong_type"))
    }
}
