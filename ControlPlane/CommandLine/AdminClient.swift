import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
import Transport

/// The admin API as a signed-in user: sends JSON, reads JSON, renews the access token when it has run out.
final class AdminClient {
    private let http: HTTPClient
    private(set) var session: Session
    /// Called with each renewed session, since its refresh token replaces the old one for good.
    private let keep: (Session) throws(CommandFailure) -> Void

    static let timeoutNanoseconds: Int64 = 30_000_000_000
    static let largestAnswerBytes = 64 << 20

    init(http: HTTPClient, session: Session, keep: @escaping (Session) throws(CommandFailure) -> Void) {
        self.http = http
        self.session = session
        self.keep = keep
    }

    /// Signs in with a password, and with a code when the user has a second factor; the session is not stored
    /// yet.
    static func login(
        http: HTTPClient, url: String, email: String, password: String, code: () -> String? = { nil }
    ) async throws(CommandFailure) -> Session {
        var answer = try await send(
            http, .post, url + "/api/v1/sessions",
            body: ["email": .string(email), "password": .string(password)], token: nil)
        if answer["access_token"]?.string == nil, let challenge = answer["challenge"]?.string {
            guard let code = code() else {
                throw .usage("the account has a second factor; pass --code with a code of the app")
            }
            answer = try await send(
                http, .post, url + "/api/v1/sessions/second-step",
                body: ["challenge": .string(challenge), "code": .string(code)], token: nil)
        }
        return try Session(url: url, tokens: answer)
    }

    func get(_ path: String, _ query: [(String, String)] = []) async throws(CommandFailure) -> JSONValue {
        let text = query.map { "\($0.0)=\(Self.percentEncoded($0.1))" }.joined(separator: "&")
        return try await call(.get, text.isEmpty ? path : "\(path)?\(text)", body: nil)
    }

    func post(_ path: String, _ body: JSONValue = [:]) async throws(CommandFailure) -> JSONValue {
        try await call(.post, path, body: body)
    }

    func delete(_ path: String) async throws(CommandFailure) -> JSONValue {
        try await call(.delete, path, body: nil)
    }

    /// Sends one request and gives what it answered.
    func send(
        _ method: String, _ path: String, _ query: [(String, String)], _ fields: HeaderFields,
        _ body: JSONValue?
    ) async throws(CommandFailure) -> JSONValue {
        let text = query.map { "\($0.0)=\(Self.percentEncoded($0.1))" }.joined(separator: "&")
        return try await call(
            HTTPMethod(method) ?? .get, text.isEmpty ? path : "\(path)?\(text)", body: body, fields)
    }

    /// Hands an answer of any length to `part` as it comes.
    func download(
        _ path: String, _ query: [(String, String)], _ part: (UnsafeRawBufferPointer) -> Void
    ) async throws(CommandFailure) {
        // Renews the access token first if need be: a stream cannot begin twice.
        _ = try await get("/me")
        let text = query.map { "\($0.0)=\(Self.percentEncoded($0.1))" }.joined(separator: "&")
        let url = session.url + "/api/v1" + (text.isEmpty ? path : "\(path)?\(text)")
        let answer: Response
        do {
            answer = try await http.stream(
                .get, url, fields: ["authorization": "Bearer \(session.accessToken)"],
                tls: try Self.trust(for: url), part)
        } catch {
            throw .unavailable("\(url) did not answer to its end: \(error)")
        }
        if answer.status >= 300 { _ = try Self.read(answer, from: url) }
    }

    /// Every element of a list, page by page.
    func list(_ path: String, _ query: [(String, String)] = []) async throws(CommandFailure) -> [JSONValue] {
        var found: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try await get(
                path, query + [("limit", "200")] + (cursor.map { [("cursor", $0)] } ?? []))
            found += page["data"]?.array ?? []
            cursor = page["next_cursor"]?.string
        } while cursor != nil
        return found
    }

    private func call(
        _ method: HTTPMethod, _ path: String, body: JSONValue?, _ fields: HeaderFields = HeaderFields()
    ) async throws(CommandFailure) -> JSONValue {
        let url = session.url + "/api/v1" + path
        do {
            return try await Self.send(
                http, method, url, body: body, token: session.accessToken, fields)
        } catch .signedOut {
            // A token of a service account is all there is.
            guard !session.refreshToken.isEmpty else { throw .signedOut("the access token is not valid") }
            let answer = try await Self.send(
                http, .post, session.url + "/api/v1/sessions/refresh",
                body: ["refresh_token": .string(session.refreshToken)], token: nil)
            session = try Session(url: session.url, tokens: answer)
            try keep(session)
            return try await Self.send(
                http, method, url, body: body, token: session.accessToken, fields)
        }
    }

    private static func send(
        _ http: HTTPClient, _ method: HTTPMethod, _ url: String, body: JSONValue?, token: String?,
        _ extra: HeaderFields = HeaderFields()
    ) async throws(CommandFailure) -> JSONValue {
        var fields = extra
        fields.append("accept", "application/json")
        if let token { fields.append("authorization", "Bearer \(token)") }
        if body != nil { fields.append("content-type", "application/json") }
        let answer: Response
        do {
            answer = try await http.request(
                method, url, fields: fields, body: body?.bytes ?? [], tls: try trust(for: url),
                timeoutNanoseconds: timeoutNanoseconds, maximumBody: largestAnswerBytes)
        } catch {
            throw .unavailable(
                "no answer from \(url): \(error). Is the control plane running? 'make up' starts one")
        }
        return try read(answer, from: url)
    }

    /// The system's certificate authorities, for a control plane behind TLS.
    private static func trust(for url: String) throws(TLSError) -> TLSContext? {
        url.hasPrefix("https:") ? try TLSContext.client() : nil
    }

    private static func read(_ answer: Response, from url: String) throws(CommandFailure) -> JSONValue {
        let value = try? JSONValue.parse(
            answer.body, limits: JSONLimits(maximumBytes: largestAnswerBytes, maximumValues: 4_000_000))
        switch answer.status {
        case 200..<300:
            if answer.body.isEmpty { return .null }
            guard let value else { throw .software("\(url) answered something that is not JSON") }
            return value
        case 401:
            throw .signedOut(problem(value) ?? "not signed in")
        case 502...504:
            throw .unavailable(problem(value) ?? "the control plane is not ready (status \(answer.status))")
        default:
            throw .refused(problem(value) ?? "the control plane answered status \(answer.status)")
        }
    }

    /// The text of a problem document: what is wrong, then each field that is.
    static func problem(_ value: JSONValue?) -> String? {
        guard let value, let title = value["detail"]?.string ?? value["title"]?.string else { return nil }
        let fields = (value["errors"]?.array ?? []).map { error in
            "\n  \(error["pointer"]?.string ?? ""): \(error["message"]?.string ?? "")"
        }
        return title + fields.joined()
    }

    static func percentEncoded(_ text: String) -> String {
        var encoded = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                encoded += "%" + (hex.count == 1 ? "0" : "") + hex
            }
        }
        return encoded
    }
}

/// Where one is signed in, with the tokens: kept in a private file, never printed.
struct Session: Equatable {
    let url: String
    let accessToken: String
    let refreshToken: String

    init(url: String, accessToken: String, refreshToken: String) {
        (self.url, self.accessToken, self.refreshToken) = (url, accessToken, refreshToken)
    }

    init(url: String, tokens: JSONValue) throws(CommandFailure) {
        guard let access = tokens["access_token"]?.string, let refresh = tokens["refresh_token"]?.string
        else {
            throw .software("the control plane answered a sign-in without tokens")
        }
        self.init(url: url, accessToken: access, refreshToken: refresh)
    }

    /// Reads a session file; nil when there is none or it is not one.
    static func read(_ path: String) -> Session? {
        guard let bytes = try? StateDirectory.read(path, maximumBytes: 1 << 16),
            let value = try? JSONValue.parse(bytes), let url = value["url"]?.string,
            let access = value["access_token"]?.string, let refresh = value["refresh_token"]?.string
        else { return nil }
        return Session(url: url, accessToken: access, refreshToken: refresh)
    }

    func write(_ path: String) throws(CommandFailure) {
        let value: JSONValue = [
            "url": .string(url), "access_token": .string(accessToken), "refresh_token": .string(refreshToken),
        ]
        try StateDirectory.write(value.bytes, to: path)
    }

    /// Where the session of a profile is kept, or without one: in the state directory of `eclusa up` first,
    /// else in the user's own configuration.
    static func path(profile: String? = nil) -> String {
        if let profile { return "\(folder)/profiles/\(profile).json" }
        if let named = Stack.environment("ECLUSA_STATE_DIRECTORY") { return "\(named)/session.json" }
        let local = StateDirectory.absolute(".eclusa/session.json")
        if Session.read(local) != nil { return local }
        return "\(folder)/session.json"
    }

    private static var folder: String {
        let home = Stack.environment("HOME") ?? "."
        return (Stack.environment("XDG_CONFIG_HOME") ?? "\(home)/.config") + "/eclusa"
    }

    /// A name of a profile becomes a file's name: letters, digits, hyphens.
    static func isProfile(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                (97...122).contains($0) || (65...90).contains($0) || (48...57).contains($0) || $0 == 45
            }
    }
}
