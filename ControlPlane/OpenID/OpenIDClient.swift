package import Cryptography
package import EventLoops
import HTTPCalling
import HTTPWire
import JSONText
package import Transport

/// Why an identity provider could not be used. The text is for the log.
package struct OpenIDFailure: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// The provider refused what the person brought back (a used or foreign code), rather than being away.
    package var isRefusal = false
}

/// What a provider publishes about itself (OpenID Connect Discovery 1.0 §3).
package struct ProviderMetadata: Sendable {
    package let issuer: String
    package let authorizationEndpoint: String
    let tokenEndpoint: String
    let keysURL: String
    /// The client secret goes into the form, because the provider does not take it in a header.
    let takesSecretInForm: Bool
}

/// Speaks to identity providers from one loop, through the egress policy of its dialer; no redirects. What
/// they publish is kept for an hour, keys are fetched anew when a token names one that is not known. Loop
/// thread.
package final class OpenIDClient {
    static let keptNanoseconds: Int64 = 3_600_000_000_000
    /// An unknown key is asked for no more often than this.
    static let refetchNanoseconds: Int64 = 30_000_000_000
    static let timeoutNanoseconds: Int64 = 10_000_000_000
    static let maximumBytes = 1 << 18
    static let maximumIssuers = 200

    private struct Known {
        let metadata: ProviderMetadata
        let fetchedAt: Int64
        var keys: JSONWebKeySet?
        var keysFetchedAt: Int64 = 0
    }

    private let loop: EventLoop
    private let http: HTTPClient
    private let tls: TLSContext
    private var known: [String: Known] = [:]

    /// `dialer` holds the egress policy; `tls` verifies providers.
    package init(loop: EventLoop, dialer: Dialer, tls: TLSContext) {
        self.loop = loop
        self.tls = tls
        http = HTTPClient(loop: loop, dialer: dialer)
    }

    package func close() { http.closeIdle() }

    /// What the issuer publishes; it must say of itself that it is this issuer.
    package func metadata(of issuer: String) async throws(OpenIDFailure) -> ProviderMetadata {
        if let entry = known[issuer], loop.now - entry.fetchedAt < Self.keptNanoseconds {
            return entry.metadata
        }
        let base = issuer.last == "/" ? String(issuer.dropLast()) : issuer
        let json = try await json("\(base)/.well-known/openid-configuration")
        guard json["issuer"]?.string == issuer else {
            throw OpenIDFailure(description: "\(issuer) says it is another issuer")
        }
        guard let authorization = json["authorization_endpoint"]?.string, WebAddress(authorization) != nil,
            let token = json["token_endpoint"]?.string, WebAddress(token) != nil,
            let keys = json["jwks_uri"]?.string, WebAddress(keys) != nil
        else { throw OpenIDFailure(description: "\(issuer) publishes no usable endpoints") }
        let methods = json["token_endpoint_auth_methods_supported"]?.array?.compactMap(\.string)
        let takesBasic = methods?.contains("client_secret_basic") ?? true
        let metadata = ProviderMetadata(
            issuer: issuer, authorizationEndpoint: authorization, tokenEndpoint: token, keysURL: keys,
            takesSecretInForm: !takesBasic)
        if known.count >= Self.maximumIssuers { known.removeAll() }
        known[issuer] = Known(metadata: metadata, fetchedAt: loop.now)
        return metadata
    }

    /// Where to send a browser (authorisation code flow with PKCE, RFC 7636 S256).
    package func authorizationURL(
        _ metadata: ProviderMetadata, clientID: String, redirectURI: String, scopes: [String], state: String,
        nonce: String, verifier: String
    ) -> String {
        let challenge = Base64.encodeURL(sha256(verifier).bytes)
        let query = Form.encode([
            ("response_type", "code"), ("client_id", clientID), ("redirect_uri", redirectURI),
            ("scope", scopes.joined(separator: " ")), ("state", state), ("nonce", nonce),
            ("code_challenge", challenge), ("code_challenge_method", "S256"),
        ])
        let endpoint = metadata.authorizationEndpoint
        return endpoint + (endpoint.contains("?") ? "&" : "?") + query
    }

    /// What a code is traded with.
    package struct Exchange: Sendable {
        package let clientID: String
        package let clientSecret: Secret?
        package let redirectURI: String
        package let verifier: String

        package init(clientID: String, clientSecret: Secret?, redirectURI: String, verifier: String) {
            self.clientID = clientID
            self.clientSecret = clientSecret
            self.redirectURI = redirectURI
            self.verifier = verifier
        }
    }

    /// Trades a code for an ID token; still unverified.
    package func idToken(
        for code: String, _ metadata: ProviderMetadata, _ exchange: Exchange
    ) async throws(OpenIDFailure) -> String {
        var form = [
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", exchange.redirectURI),
            ("client_id", exchange.clientID), ("code_verifier", exchange.verifier),
        ]
        var fields: HeaderFields = [
            "content-type": "application/x-www-form-urlencoded", "accept": "application/json",
        ]
        if let secret = exchange.clientSecret {
            let text = secret.withBytes { String(decoding: $0, as: UTF8.self) }
            if metadata.takesSecretInForm {
                form.append(("client_secret", text))
            } else {
                // RFC 6749 §2.3.1: form-encoded before it becomes a user name and a password.
                let pair = Form.escape(exchange.clientID) + ":" + Form.escape(text)
                fields.append("authorization", "Basic " + Base64.encode(Array(pair.utf8)))
            }
        }
        let response = try await call(
            .post, metadata.tokenEndpoint, fields: fields, body: Array(Form.encode(form).utf8))
        guard response.status == 200 else {
            let reason = (try? JSONValue.parse(response.body))?["error"]?.string ?? ""
            var failure = OpenIDFailure(
                description: "\(metadata.issuer) refused the code: \(response.status) \(reason.prefix(100))")
            failure.isRefusal = (400..<500).contains(response.status)
            throw failure
        }
        guard let token = (try? JSONValue.parse(response.body))?["id_token"]?.string else {
            throw OpenIDFailure(description: "\(metadata.issuer) answered no ID token")
        }
        return token
    }

    /// Checks an ID token against the issuer's keys, fetching them anew when it names an unknown one.
    package func verify(
        _ text: String, _ metadata: ProviderMetadata, _ expected: IDToken.Expectations
    ) async throws(OpenIDFailure) -> IDToken {
        let keys = try await keys(of: metadata, unlessFetchedWithin: Self.keptNanoseconds)
        do throws(IDTokenError) {
            return try IDToken(verifying: text, keys: keys, expected)
        } catch {
            guard error == .unknownKey else { throw Self.refusal(metadata, error) }
        }
        let fresh = try await self.keys(of: metadata, unlessFetchedWithin: Self.refetchNanoseconds)
        do throws(IDTokenError) {
            return try IDToken(verifying: text, keys: fresh, expected)
        } catch { throw Self.refusal(metadata, error) }
    }

    private static func refusal(_ metadata: ProviderMetadata, _ error: IDTokenError) -> OpenIDFailure {
        OpenIDFailure(
            description: "an ID token of \(metadata.issuer) is refused: \(error.rawValue)", isRefusal: true)
    }

    private func keys(
        of metadata: ProviderMetadata, unlessFetchedWithin nanoseconds: Int64
    ) async throws(OpenIDFailure) -> JSONWebKeySet {
        if let entry = known[metadata.issuer], let keys = entry.keys,
            loop.now - entry.keysFetchedAt < nanoseconds
        {
            return keys
        }
        let response = try await call(.get, metadata.keysURL, fields: ["accept": "application/json"])
        guard response.status == 200, let keys = JSONWebKeySet(json: response.body) else {
            throw OpenIDFailure(description: "\(metadata.issuer) publishes no usable keys")
        }
        var entry = known[metadata.issuer] ?? Known(metadata: metadata, fetchedAt: loop.now)
        entry.keys = keys
        entry.keysFetchedAt = loop.now
        known[metadata.issuer] = entry
        return keys
    }

    private func json(_ url: String) async throws(OpenIDFailure) -> JSONValue {
        let response = try await call(.get, url, fields: ["accept": "application/json"])
        guard response.status == 200, let json = try? JSONValue.parse(response.body) else {
            throw OpenIDFailure(description: "\(url) answered \(response.status), or no JSON")
        }
        return json
    }

    private func call(
        _ method: HTTPMethod, _ url: String, fields: HeaderFields, body: [UInt8] = []
    ) async throws(OpenIDFailure) -> Response {
        do throws(CallError) {
            return try await http.request(
                method, url, fields: fields, body: body, tls: tls,
                timeoutNanoseconds: Self.timeoutNanoseconds, maximumBody: Self.maximumBytes)
        } catch {
            throw OpenIDFailure(description: "\(url): \(error)")
        }
    }
}

/// `application/x-www-form-urlencoded`.
enum Form {
    static func encode(_ pairs: [(String, String)]) -> String {
        pairs.map { "\($0.0)=\(escape($0.1))" }.joined(separator: "&")
    }

    static func escape(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: out.unicodeScalars.append(Unicode.Scalar(byte))
            default: out += "%" + Hexadecimal.encode([byte]).uppercased()
            }
        }
        return out
    }
}
