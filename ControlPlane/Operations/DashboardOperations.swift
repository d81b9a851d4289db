package import Cryptography
package import Domain
import JSONText

/// Signs people of the platform in at Grafana: tokens of five minutes that its JWT sign-in takes, and the key
/// it checks them with. They count nowhere else: their audience and type are their own.
package struct DashboardTokens: Sendable {
    package static let lifetimeSeconds: Int64 = 300
    package static let issuer = "eclusa"
    package static let audience = "grafana"

    private let signer: JSONWebTokenSigner
    private let keyID: String
    private let publicKey: Ed25519PublicKey

    package init(keyID: String, key: Ed25519PrivateKey) {
        signer = JSONWebTokenSigner(
            keyID: keyID, privateKey: key, issuer: Self.issuer, audience: Self.audience, type: "JWT")
        self.keyID = keyID
        publicKey = key.publicKey
    }

    func issue(_ user: User, now: Timestamp) -> (token: String, expires: Timestamp) {
        let seconds = now.microseconds / 1_000_000
        var claims = JSONWebTokenClaims(
            subject: user.id.description, tokenID: Base64.encodeURL(randomBytes(12)), issuedAt: seconds,
            notBefore: seconds, expires: seconds + Self.lifetimeSeconds)
        claims.other["email"] = .string(user.email)
        claims.other["name"] = .string(user.name)
        claims.other["role"] = "Viewer"
        return (signer.token(claims), Timestamp(microseconds: claims.expires * 1_000_000))
    }

    /// What the tokens are checked with.
    var keys: [DashboardKey] { [DashboardKey(id: keyID, publicKey: Base64.encodeURL(publicKey.rawBytes))] }
}

/// A public Ed25519 key as a JSON Web Key has it.
package struct DashboardKey: Hashable, Sendable {
    package let id: String
    /// Base64url without padding.
    package let publicKey: String
}

/// How one person gets to the dashboards.
package struct DashboardAccess: Hashable, Sendable {
    /// Grafana's address, without a slash at its end.
    package let url: String
    package let token: String
    package let expires: Timestamp
}

/// The way from the console into Grafana.
package struct DashboardOperations {
    let environment: OperationEnvironment

    /// A token with which whoever asks is a viewer at Grafana. Throws `not_found` where the installation has
    /// none, `forbidden` for service accounts.
    package func access(by caller: Caller) async throws(OperationError) -> DashboardAccess {
        try caller.demand(.nodesRead, in: .platform)
        let me = try caller.person.user
        let user = try await environment.viewAcrossTenants { connection in
            try await UserOperations.profile(me, connection).user
        }
        guard let url = environment.grafanaURL else {
            throw OperationError(
                .notFound, detail: "There are no dashboards here: the setting --grafana-url names Grafana.")
        }
        let (token, expires) = environment.keys.dashboardTokens.issue(user, now: environment.clock.now())
        return DashboardAccess(url: url, token: token, expires: expires)
    }

    /// What Grafana checks the tokens with; public.
    package var keys: [DashboardKey] { environment.keys.dashboardTokens.keys }
}
