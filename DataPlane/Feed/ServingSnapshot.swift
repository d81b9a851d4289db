package import Contract
package import Cryptography
package import Domain
package import Policy

/// One immutable world of a call: what the control plane decided, and the credentials to act on it. Any
/// thread.
package final class ServingSnapshot: Sendable {
    package let compiled: CompiledSnapshot
    private let credentials: [ProviderID: Secret]

    package var version: SnapshotVersion { compiled.version }

    /// - Parameter credentials: opened, of the providers that want one.
    package init(_ compiled: CompiledSnapshot, credentials: [ProviderID: Secret]) {
        self.compiled = compiled
        self.credentials = credentials
    }

    /// What a provider wants to see; nil when it wants none.
    package func credential(of provider: ProviderID) -> Secret? { credentials[provider] }

    /// This world with what a newer manifest takes away, before its shards are here.
    func taking(away manifest: VerifiedManifest) -> ServingSnapshot {
        ServingSnapshot(compiled.taking(away: manifest), credentials: credentials)
    }
}
