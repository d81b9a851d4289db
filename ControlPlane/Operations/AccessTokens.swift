package import Cryptography
package import Domain
import JSONText

/// Access tokens: EdDSA JWTs of ten minutes that name a user and a session. What the user may do is not in
/// them; it is read at every request, so that disabling a user or taking a role away works at once.
package struct AccessTokens: Sendable {
    package static let lifetimeSeconds: Int64 = 600

    private static let issuer = "eclusa"
    private static let audience = "eclusa-admin-api"
    private static let type = "access+jwt"
    private static let sessionClaim = "sid"

    private static let unknown = OperationError.unauthenticated(
        "The access token is none of this installation's.")

    private let signer: JSONWebTokenSigner
    private let verifier: JSONWebTokenVerifier

    /// `signing` makes new tokens; `accepted` are all keys whose tokens still count, by key id.
    package init(signingKeyID: String, signing: Ed25519PrivateKey, accepted: [String: Ed25519PublicKey]) {
        signer = JSONWebTokenSigner(
            keyID: signingKeyID, privateKey: signing, issuer: Self.issuer, audience: Self.audience,
            type: Self.type)
        verifier = JSONWebTokenVerifier(
            keys: accepted, issuer: Self.issuer, audience: Self.audience, type: Self.type)
    }

    package func issue(user: UserID, session: SessionID, now: Timestamp) -> String {
        let seconds = now.microseconds / 1_000_000
        var claims = JSONWebTokenClaims(
            subject: user.description, tokenID: Base64.encodeURL(randomBytes(12)), issuedAt: seconds,
            // By a clock that is behind, another control plane's or this one's set right, it counts too.
            notBefore: 0, expires: seconds + Self.lifetimeSeconds)
        claims.other[Self.sessionClaim] = .string(session.description)
        return signer.token(claims)
    }

    /// Who a token says is calling.
    package struct Bearer: Sendable {
        package let user: UserID
        package let session: SessionID
        /// Seconds since 1970.
        let expires: Int64
    }

    /// Who a token says is calling. `token_expired` for a good token whose time is over, `unauthenticated`
    /// for all others.
    package func verify(_ token: String, now: Timestamp) throws(OperationError) -> Bearer {
        let claims: JSONWebTokenClaims
        do throws(JSONWebTokenError) {
            claims = try verifier.verify(token, nowSeconds: now.microseconds / 1_000_000)
        } catch {
            throw error == .expired ? OperationError(.tokenExpired) : Self.unknown
        }
        guard let user = UserID(claims.subject),
            let session = SessionID(claims.other[Self.sessionClaim]?.string ?? "")
        else {
            throw Self.unknown
        }
        return Bearer(user: user, session: session, expires: claims.expires)
    }
}

/// Tokens whose signature was found good, by their digest: checking one costs more than the rest of a small
/// request, and its result cannot change, as the keys of a running program do not. Whether the session holds
/// and what its user may do is not kept: that is read at every request. One a loop.
final class VerifiedTokens {
    static let capacity = 4096

    private var bearers: [SHA256Digest: AccessTokens.Bearer] = [:]

    /// As `AccessTokens.verify`.
    func bearer(
        of token: String, by tokens: AccessTokens, now: Timestamp
    ) throws(OperationError) -> AccessTokens.Bearer {
        let digest = sha256(token)
        if let known = bearers[digest] {
            if now.microseconds / 1_000_000 < known.expires { return known }
            bearers[digest] = nil
        }
        let bearer = try tokens.verify(token, now: now)
        if bearers.count >= Self.capacity { bearers.removeAll(keepingCapacity: true) }
        bearers[digest] = bearer
        return bearer
    }
}
