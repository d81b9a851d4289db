package import Contract
package import Cryptography
package import Domain
package import LocalStore

/// Who this node is: its private keys, whom it trusts, and what the control plane last gave it. One file of
/// mode 0600.
package struct NodeIdentity: Sendable {
    /// The node listener of the control plane.
    package let controlURL: String
    /// The authority whose certificate the control plane must show.
    package internal(set) var authorityPEM: String
    /// Where trust in key sets begins.
    package let rootKey: Ed25519PublicKey
    package let identityKey: Ed25519PrivateKey
    package let sealingKey: X25519KeyPair
    /// nil: the node has keys and has not been enrolled with them yet.
    package internal(set) var enrolled: Enrolled?

    package struct Enrolled: Sendable {
        package let credentials: NodeCredentials
        /// By this node's clock; the certificate is renewed at half its life.
        package let receivedAt: Timestamp
        package let fleetKey: FleetKey
    }

    package enum Failure: Error, Sendable, CustomStringConvertible {
        case directory(DataDirectoryError)
        case damaged(path: String)
        /// Credentials this node cannot use.
        case unusable(String)

        package var description: String {
            switch self {
            case .directory(let error): error.description
            case .damaged(let path):
                "\(path) is damaged: restore it, or delete it and enroll the node anew with a join token"
            case .unusable(let reason): "the control plane's answer cannot be used: \(reason)"
            }
        }
    }

    static let fileName = "identity"

    /// New keys for the control plane that a join bundle names.
    package init(joining bundle: JoinBundle) {
        controlURL = bundle.controlURL
        authorityPEM = bundle.authorityPEM
        rootKey = bundle.rootKey
        identityKey = Ed25519PrivateKey()
        sealingKey = X25519KeyPair()
    }

    package var node: NodeID? { enrolled?.credentials.node }
    /// Where it stands, as its join token said.
    package var region: String? { enrolled?.credentials.region }

    /// Takes over what a join or a renewal brought, after proving that it is for this node.
    package mutating func adopt(_ credentials: NodeCredentials, at now: Timestamp) throws(Failure) {
        if let node, node != credentials.node { throw .unusable("it is for \(credentials.node)") }
        let certificate: Certificate
        let fleetKey: FleetKey
        do throws(CryptographyError) {
            certificate = try Certificate(pem: credentials.certificatePEM)
            fleetKey = try credentials.fleetKey.open(with: sealingKey)
        } catch {
            throw .unusable("\(error)")
        }
        guard certificate.publicKey == identityKey.publicKey else {
            throw .unusable("the certificate is for another key")
        }
        authorityPEM = credentials.authorityPEM
        enrolled = Enrolled(credentials: credentials, receivedAt: now, fleetKey: fleetKey)
    }

    // MARK: The file

    /// The identity of a data directory; nil when there is none yet.
    package static func load(from directory: DataDirectory) throws(Failure) -> NodeIdentity? {
        let path = directory.path(of: fileName)
        let bytes: [UInt8]?
        do throws(DataDirectoryError) { bytes = try directory.read(fileName) } catch {
            throw .directory(error)
        }
        guard var bytes else { return nil }
        defer { erase(&bytes) }
        guard let digest = SHA256Digest(Array(bytes.prefix(SHA256Digest.byteCount))),
            sha256(Array(bytes.dropFirst(SHA256Digest.byteCount))) == digest,
            let identity = try? NodeIdentity(encoded: Array(bytes.dropFirst(SHA256Digest.byteCount)))
        else { throw .damaged(path: path) }
        return identity
    }

    package func save(to directory: DataDirectory) throws(Failure) {
        var content = encoded
        var file = sha256(content).bytes + content
        defer {
            erase(&content)
            erase(&file)
        }
        do throws(DataDirectoryError) { try directory.write(Self.fileName, file) } catch {
            throw .directory(error)
        }
    }
}

extension NodeIdentity: BinaryRecord {
    package func encode(into writer: inout FieldWriter) {
        writer.text(1, controlURL)
        writer.text(2, authorityPEM)
        writer.bytes(3, rootKey.rawBytes)
        identityKey.seed.withBytes { writer.bytes(4, $0) }
        sealingKey.privateKey.withBytes { writer.bytes(5, $0) }
        guard let enrolled else { return }
        writer.bytes(6, enrolled.credentials.json)
        writer.time(7, enrolled.receivedAt)
    }

    package init(from reader: inout FieldReader) throws(CodecError) {
        var texts = ["", ""]
        var keys: [[UInt8]] = [[], [], []]
        var credentials: [UInt8]?
        var receivedAt: Timestamp?
        while let field = try reader.next() {
            switch field.tag {
            case 1, 2: texts[Int(field.tag) - 1] = try field.text(upTo: 64 << 10)
            case 3...5: keys[Int(field.tag) - 3] = try field.bytes(exactly: 32)
            case 6: credentials = try field.bytes(upTo: 128 << 10)
            case 7: receivedAt = try field.time()
            default: continue
            }
        }
        guard let rootKey = Ed25519PublicKey(rawBytes: keys[0]),
            let identityKey = Ed25519PrivateKey(seed: Secret(keys[1])),
            let sealingKey = X25519KeyPair(privateKey: Secret(keys[2]))
        else { throw .malformed("keys of a node") }
        controlURL = texts[0]
        authorityPEM = texts[1]
        self.rootKey = rootKey
        self.identityKey = identityKey
        self.sealingKey = sealingKey
        guard let credentials, let receivedAt else { return }
        guard let parsed = try? NodeCredentials(json: credentials),
            let fleetKey = try? parsed.fleetKey.open(with: sealingKey)
        else { throw .malformed("credentials of a node") }
        enrolled = Enrolled(credentials: parsed, receivedAt: receivedAt, fleetKey: fleetKey)
    }
}

extension NodeIdentity.Enrolled {
    /// When to ask for the next certificate: at half the life of this one, spread over a tenth of it, so that
    /// nodes made together do not renew together.
    package func renewal(spread: Double) -> Timestamp {
        let life = max(0, credentials.certificateExpires.microseconds(since: receivedAt))
        return receivedAt.advanced(byMicroseconds: life / 2 + Int64(Double(life / 10) * spread))
    }
}
