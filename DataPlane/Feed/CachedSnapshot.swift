package import Contract
import Cryptography
import Domain
import EventLoops
import LocalStore
package import Policy

/// What a node runs from its own disk, with no control plane in sight. Verified as if it had just come.
/// Blocks.
struct CachedSnapshot: Sendable {
    let trust: TrustedKeys
    let verified: VerifiedManifest
    let serving: ServingSnapshot

    /// Where the chain of key sets is kept.
    static let trustName = "key-sets"
    private static let objectsAtOnce = 1024

    /// Why a part of the cache could not be used.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// How often the node may die over a snapshot it has not confirmed before it stays away from it.
    static let maximumDeaths: UInt64 = 3

    /// The newest snapshot of the cache that still stands: the active one, else the confirmed ones. One
    /// over which the node died time and again is passed over, as long as there is another; what it is about
    /// to try is marked, and the mark counts if it dies.
    ///
    /// - Parameters:
    ///   - unusable: told why a slot that is not empty was passed over.
    ///   - quarantined: told the version over which the node died, when there is another to run.
    static func load(
        from cache: NodeCache, pinned roots: [Ed25519PublicKey], fleetKey: FleetKey,
        unusable: (NodeCache.Slot, String) -> Void, quarantined: (SnapshotVersion) -> Void = { _ in }
    ) -> (trust: TrustedKeys?, snapshot: CachedSnapshot?) {
        guard let trust = loadTrust(from: cache, pinned: roots) else { return (nil, nil) }
        let attempt = (try? cache.attempt()) ?? nil
        var poisoned: NodeCache.StoredManifest?
        for slot in NodeCache.Slot.allCases {
            do {
                guard let stored = try cache.manifest(slot) else { continue }
                let died = attempt.map { $0.epoch == stored.epoch && $0.counter == stored.counter } ?? false
                let deaths = died ? (attempt?.deaths ?? 0) + 1 : 0
                if deaths > maximumDeaths {
                    poisoned = stored
                    throw Unusable("the node died over it \(deaths - 1) times")
                }
                // The mark stays with a poisoned one, or it would be tried again at the next start.
                if poisoned == nil {
                    try? cache.setAttempt(
                        NodeCache.Attempt(epoch: stored.epoch, counter: stored.counter, deaths: deaths))
                }
                let snapshot = try load(stored, from: cache, trust, fleetKey)
                if let poisoned {
                    quarantined(
                        SnapshotVersion(epoch: UInt32(clamping: poisoned.epoch), counter: poisoned.counter))
                }
                return (trust, snapshot)
            } catch {
                unusable(slot, "\(error)")
            }
        }
        // Better what may be poison than nothing at all.
        guard let poisoned else { return (trust, nil) }
        return (trust, try? load(poisoned, from: cache, trust, fleetKey))
    }

    /// Every object that the manifests of the cache name: what may not be dropped. A manifest that cannot be
    /// read names nothing.
    static func named(in cache: NodeCache) throws(NodeCache.Failure) -> Set<SHA256Digest> {
        var named: Set<SHA256Digest> = []
        for slot in NodeCache.Slot.allCases {
            guard let stored = try cache.manifest(slot),
                let envelope = try? SignedEnvelope(encoded: stored.envelope),
                let manifest = try? Manifest(encoded: envelope.payload)
            else { continue }
            named.formUnion(manifest.pages)
            for bytes in try cache.objects(manifest.pages).values {
                guard let page = try? ManifestPage(encoded: bytes) else { continue }
                named.formUnion(page.references.compactMap { $0?.address })
            }
        }
        return named
    }

    private static func load(
        _ stored: NodeCache.StoredManifest, from cache: NodeCache, _ trust: TrustedKeys, _ fleetKey: FleetKey
    ) throws -> CachedSnapshot {
        let envelope = try SignedEnvelope(encoded: stored.envelope)
        let verified = try VerifiedManifest.verify(cached: envelope, trusting: trust)
        var assembly = SnapshotAssembly(verified)
        while !assembly.isComplete {
            // In pieces: the statement's memory is all there is beside the snapshot itself.
            let wanted = Array(assembly.missing.prefix(Self.objectsAtOnce))
            let found = try cache.objects(wanted)
            guard found.count == wanted.count else {
                throw Unusable("\(wanted.count - found.count) of its objects are not in the cache")
            }
            for bytes in found.values { try assembly.add(SnapshotObject(bytes: bytes)) }
        }
        let compiled = try CompiledSnapshot(assembly, by: inParallel)
        return CachedSnapshot(
            trust: trust, verified: verified, serving: try ServingSnapshot(compiled, openingWith: fleetKey))
    }

    static func loadTrust(from cache: NodeCache, pinned roots: [Ed25519PublicKey]) -> TrustedKeys? {
        guard let stored = try? cache.value(trustName), let chain = try? decodeTrust(stored) else {
            return nil
        }
        return try? TrustedKeys(pinned: roots, chain: chain)
    }

    static func encodeTrust(_ chain: [SignedEnvelope]) -> [UInt8] {
        var writer = FieldWriter()
        writer.values(1, chain)
        return writer.bytes
    }

    static func decodeTrust(_ bytes: [UInt8]) throws(CodecError) -> [SignedEnvelope] {
        let chain = bytes.withUnsafeBytes { bytes in
            Result { () throws(CodecError) -> [SignedEnvelope] in
                var reader = FieldReader(bytes)
                var chain: [SignedEnvelope] = []
                while let field = try reader.next() {
                    guard field.tag == 1, chain.count < TrustedKeys.maximumChain else { continue }
                    chain.append(try SignedEnvelope(field))
                }
                return chain
            }
        }
        return try chain.get()
    }
}

/// A secret that the node's fleet key does not open: the whole snapshot is refused.
package struct SecretNotOpened: Error, CustomStringConvertible {
    package let description: String
}

extension ServingSnapshot {
    /// Opens every provider's credentials and every guardrail's secret; about a microsecond each.
    package convenience init(
        _ compiled: CompiledSnapshot, openingWith fleetKey: FleetKey
    ) throws(SecretNotOpened) {
        var credentials: [ProviderID: [OpenedCredential]] = [:]
        for provider in compiled.providers {
            do throws(CryptographyError) {
                for entry in provider.entry.credentials {
                    let secret = try entry.sealed.open(of: provider.id, with: fleetKey)
                    credentials[provider.id, default: []].append(
                        OpenedCredential(id: entry.id, weight: entry.weight, secret: secret))
                }
            } catch {
                throw SecretNotOpened(
                    description: "the credential of \(provider.id) does not open with \(fleetKey.id)")
            }
        }
        self.init(
            compiled, credentials: credentials,
            webhookSecrets: try Self.webhookSecrets(of: compiled, openingWith: fleetKey))
    }

    private static func webhookSecrets(
        of compiled: CompiledSnapshot, openingWith fleetKey: FleetKey
    ) throws(SecretNotOpened) -> [GuardrailID: [WebhookSecret]] {
        var secrets: [GuardrailID: [WebhookSecret]] = [:]
        for guardrail in compiled.tenants.flatMap(\.guardrails) {
            guard let sealed = guardrail.entry.secret else { continue }
            let opened: Secret
            do throws(CryptographyError) {
                opened = try sealed.open(of: .guardrail(guardrail.id), with: fleetKey)
            } catch {
                throw SecretNotOpened(
                    description: "the secret of \(guardrail.id) does not open with \(fleetKey.id)")
            }
            let texts = opened.withBytes { String(decoding: $0, as: UTF8.self) }.split(separator: " ")
            secrets[guardrail.id] = texts.compactMap { WebhookSecret(String($0)) }
        }
        return secrets
    }
}
