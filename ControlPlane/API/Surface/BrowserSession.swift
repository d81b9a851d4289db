import Cryptography
import Domain
import HTTPServing
import HTTPWire
import JSONText
import Operations

/// The credentials of one request, and how a browser keeps them: in cookies no script can read. Whoever signs
/// in with `eclusa-session: cookie` gets the tokens as cookies instead of in the answer.
///
/// A cookie counts only for requests of our own pages (`Sec-Fetch-Site`), and for writes only beside the
/// text of the `eclusa_csrf` cookie in the field `eclusa-csrf`, which no other origin can read.
struct BrowserSession: Sendable {
    static let modeField = "eclusa-session"
    static let csrfField = "eclusa-csrf"
    private static let csrfCookie = "eclusa_csrf"

    /// A token of `Authorization: Bearer …`; nil: none was sent.
    private let bearer: String?
    private let hasAuthorization: Bool
    private let accessCookie: String?
    private let refreshCookie: String?
    private let csrf: String?
    private let isSecure: Bool
    private let isSameOrigin: Bool
    /// The tokens go into cookies.
    private let wantsCookies: Bool

    /// Reads the request's fields. `isSecure`: people reach us over TLS, so cookies stay on it.
    init(_ exchange: Exchange, isSecure: Bool) {
        self.isSecure = isSecure
        let field = exchange.fieldText(.authorization)
        hasAuthorization = field != nil
        // The scheme compares without case (RFC 6750 §2.1).
        let parts = field?.split(separator: " ", maxSplits: 1) ?? []
        bearer = parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : nil
        let site = exchange.fieldText(.secFetchSite)
        isSameOrigin = site == nil || site == "same-origin" || site == "none"
        csrf = exchange.fieldText("eclusa-csrf")
        wantsCookies = exchange.fieldText("eclusa-session") == "cookie" && isSameOrigin
        let cookies = Self.cookies(isSameOrigin ? exchange.fieldText(.cookie) : nil)
        accessCookie = cookies[Self.accessName(isSecure)]
        refreshCookie = cookies[Self.refreshName(isSecure)]
    }

    /// The access token of the request. A bearer token wins over cookies; `forbidden` for a write by cookie
    /// without its CSRF text.
    func accessToken(isWrite: Bool) throws(OperationError) -> String {
        if hasAuthorization {
            guard let bearer else {
                throw .unauthenticated("The Authorization field must be the word Bearer and a token.")
            }
            return bearer
        }
        guard let accessCookie else {
            throw .unauthenticated(
                "There is no credential: send Authorization: Bearer with an access or management token.")
        }
        if isWrite {
            let expected = Self.csrfText(of: accessCookie)
            guard let csrf, constantTimeEqual(Array(csrf.utf8), Array(expected.utf8)) else {
                throw OperationError(
                    .forbidden,
                    detail: "Send the text of the cookie \(Self.csrfCookie) in \(Self.csrfField).")
            }
        }
        return accessCookie
    }

    /// The refresh token of the cookie, for whoever asks for cookies.
    var refreshToken: String? { wantsCookies ? refreshCookie : nil }

    /// Whether the request came with cookies of ours and no other credential.
    var isByCookie: Bool { !hasAuthorization && (accessCookie != nil || refreshCookie != nil) }

    // MARK: Answers

    /// Moves the tokens of a sign-in into cookies, when those were asked for.
    func keeping(_ answer: Answer) -> Answer {
        guard wantsCookies, var object = answer.json?.object, let access = object["access_token"]?.string,
            let refresh = object["refresh_token"]?.string
        else { return answer }
        object["access_token"] = .null
        object["refresh_token"] = .null
        var kept = Answer.json(.object(object), status: answer.status)
        kept.cookies = cookies(
            access: access, refresh: refresh, csrf: Self.csrfText(of: access),
            SessionOperations.lifetimeSeconds)
        return kept
    }

    /// What makes the browser forget the session.
    var forgetting: [String] { cookies(access: "", refresh: "", csrf: "", 0) }

    private func cookies(access: String, refresh: String, csrf: String, _ seconds: Int64) -> [String] {
        let rest = "Max-Age=\(seconds); SameSite=Strict" + (isSecure ? "; Secure" : "")
        return [
            "\(Self.accessName(isSecure))=\(access); Path=/; HttpOnly; \(rest)",
            "\(Self.refreshName(isSecure))=\(refresh); Path=/api/v1/sessions; HttpOnly; \(rest)",
            "\(Self.csrfCookie)=\(csrf); Path=/; \(rest)",
        ]
    }

    // MARK: Names and texts

    /// The prefixes make browsers refuse such a cookie from anything but this host over TLS (RFC 6265bis).
    private static func accessName(_ isSecure: Bool) -> String {
        isSecure ? "__Host-eclusa_access" : "eclusa_access"
    }

    private static func refreshName(_ isSecure: Bool) -> String {
        isSecure ? "__Secure-eclusa_refresh" : "eclusa_refresh"
    }

    /// Whoever knows it has read our cookie or the access token itself.
    private static func csrfText(of accessToken: String) -> String {
        Base64.encodeURL(sha256("eclusa csrf \(accessToken)").bytes)
    }

    private static func cookies(_ field: String?) -> [String: String] {
        var cookies: [String: String] = [:]
        for pair in field?.split(separator: ";") ?? [] {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let name = String(parts[0].drop { $0 == " " })
            // The first counts: browsers send the most specific path first.
            if cookies[name] == nil { cookies[name] = String(parts[1]) }
        }
        return cookies
    }
}
