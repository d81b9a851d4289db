import Contract
import Cryptography
import Domain
import LocalStore
import Policy

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

    /// The newest snapshot of the cache that still stands: the active one, else the confirmed one.
    ///
    /// - Parameter unusable: told why a slot that is not empty was passed over.
    static func load(
        from cache: NodeCache, pinned roots: [Ed25519PublicKey], fleetKey: FleetKey,
        unusable: (NodeCache.Slot, String) -> Void
    ) -> (trust: TrustedKeys?, snapshot: CachedSnapshot?) {
        guard let trust = loadTrust(from: cache, pinned: roots) else { return (nil, nil) }
        for slot in NodeCache.Slot.allCases {
            do {
                guard let stored = try cache.manifest(slot) else { continue }
                return (trust, try load(stored, from: cache, trust, fleetKey))
            } catch {
                unusable(slot, "\(error)")
            }
        }
        return (trust, nil)
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
        let compiled = try CompiledSnapshot(assembly)
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

/// A credential that the node's fleet key does not open: the whole snapshot is refused.
struct CredentialNotOpened: Error, CustomStringConvertible {
    let provider: ProviderID
    let description: String
}

extension ServingSnapshot {
    /// Opens every provider's credentials; about a microsecond each.
    convenience init(
        _ compiled: CompiledSnapshot, openingWith fleetKey: FleetKey
    ) throws(CredentialNotOpened) {
        var credentials: [ProviderID: [OpenedCredential]] = [:]
        for provider in compiled.providers {
            do throws(CryptographyError) {
                for entry in provider.entry.credentials {
                    let secret = try entry.sealed.open(of: provider.id, with: fleetKey)
                    credentials[provider.id, default: []].append(
                        OpenedCredential(id: entry.id, weight: entry.weight, secret: secret))
                }
            } catch {
                throw CredentialNotOpened(
                    provider: provider.id,
                    description: "the credential of \(provider.id) does not open with \(fleetKey.id)")
            }
        }
        self.init(compiled, credentials: credentials)
    }
}
