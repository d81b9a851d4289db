package import Contract
package import Cryptography
package import Domain
package import Policy

/// One of a provider's credentials, ready to be sent.
package struct OpenedCredential: Sendable {
    package let id: CredentialID
    /// Its share of the provider's calls.
    package let weight: Int32
    package let secret: Secret

    package init(id: CredentialID, weight: Int32 = 100, secret: Secret) {
        self.id = id
        self.weight = weight
        self.secret = secret
    }
}

/// One immutable world of a call: what the control plane decided, and the credentials to act on it. Any
/// thread.
package final class ServingSnapshot: Sendable {
    package let compiled: CompiledSnapshot
    private let credentials: [ProviderID: [OpenedCredential]]
    private let webhookSecrets: [GuardrailID: [WebhookSecret]]

    package var version: SnapshotVersion { compiled.version }

    /// - Parameters:
    ///   - credentials: opened, of the providers that want one.
    ///   - webhookSecrets: opened, of the guardrails that ask somebody: the one in force first.
    package init(
        _ compiled: CompiledSnapshot, credentials: [ProviderID: [OpenedCredential]],
        webhookSecrets: [GuardrailID: [WebhookSecret]] = [:]
    ) {
        self.compiled = compiled
        self.credentials = credentials
        self.webhookSecrets = webhookSecrets
    }

    /// With one credential for each provider that has any.
    package convenience init(_ compiled: CompiledSnapshot, credentials: [ProviderID: Secret]) {
        self.init(
            compiled,
            credentials: credentials.reduce(into: [:]) { all, one in
                all[one.key] = [
                    OpenedCredential(
                        id: CredentialID(high: one.key.high, low: one.key.low), secret: one.value)
                ]
            })
    }

    /// What a provider's calls may carry, each by its share; empty when it wants none.
    package func credentials(of provider: ProviderID) -> [OpenedCredential] { credentials[provider] ?? [] }

    /// What signs the questions of a guardrail: the secret in force and maybe the one before.
    package func webhookSecrets(of guardrail: GuardrailID) -> [WebhookSecret] {
        webhookSecrets[guardrail] ?? []
    }

    /// This world with what a newer manifest takes away, before its shards are here.
    package func taking(away manifest: VerifiedManifest) -> ServingSnapshot {
        ServingSnapshot(
            compiled.taking(away: manifest), credentials: credentials, webhookSecrets: webhookSecrets)
    }
}
