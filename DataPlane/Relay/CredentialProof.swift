import Cryptography
import Dialects
import Domain
import Feed
import HTTPCalling
import HTTPWire

/// How calls prove who they come from, where a line of the head that is always the same does not do.
enum CredentialProof {
    /// The credential stands in the prepared head.
    case inHead
    /// Every call is signed.
    case signature(AWSRequestSigner)
    /// A token that is exchanged for the credential.
    case token(TokenSource)
    /// Nothing can be made of the credential.
    case unusable

    init(
        _ credential: OpenedCredential, of provider: ProviderKind, _ options: [String: String],
        _ state: CredentialState, _ calling: UpstreamCalling, proxy: ProxyAddress?
    ) {
        switch provider {
        case .bedrock:
            guard let key = AWSAccessKey(credential.secret) else {
                self = .inHead
                return
            }
            self = .signature(
                AWSRequestSigner(key: key, region: options["region"] ?? "", service: "bedrock"))
        case .vertex:
            let source = state.tokens(of: credential.secret, calling, proxy: proxy)
            self = source.map { .token($0) } ?? .unusable
        default: self = .inHead
        }
    }
}

extension Upstream {
    /// The fields that prove a call with one of the credentials; none when the head has all it needs.
    func proof(
        of credential: Int, for call: OutgoingCall, at now: Timestamp
    ) async throws(CallFailure) -> [(name: StaticString, value: String)] {
        guard proofs.indices.contains(credential) else { return [] }
        switch proofs[credential] {
        case .inHead: return []
        case .signature(let signer): return sign(call, by: signer, at: now)
        case .token(let source):
            let token = try await source.token(at: now)
            return [("authorization", "Bearer " + token.withBytes { String(decoding: $0, as: UTF8.self) })]
        case .unusable: throw CallFailure(.providerCredentialsRejected)
        }
    }

    /// The provider refused a call of this credential.
    func forgetToken(of credential: Int) {
        guard proofs.indices.contains(credential), case .token(let source) = proofs[credential] else {
            return
        }
        source.forget()
    }

    private func sign(
        _ call: OutgoingCall, by signer: AWSRequestSigner, at now: Timestamp
    ) -> [(name: StaticString, value: String)] {
        var payload = SHA256Hasher()
        for index in 0..<call.body.count { payload.update(call.body[index]) }
        let date = now.basicDescription
        var fields: [(name: StaticString, value: String)] = [("x-amz-date", date)]
        if let token = signer.sessionToken { fields.append(("x-amz-security-token", token)) }
        let signed = fields.map { (name: "\($0.name)", value: $0.value) } + [(name: "host", value: authority)]
        let authorization = signer.authorization(
            method: "\(call.method)", target: call.target, fields: signed, payload: payload.finish(),
            date: date)
        return fields + [("authorization", authorization)]
    }
}
