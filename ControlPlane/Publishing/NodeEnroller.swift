package import Contract
package import Cryptography
package import Domain
package import PostgresDriver
import Store
package import Telemetry

/// Gives nodes their certificates and the fleet key: once for a join token, and again to the holder of a
/// registered key. Loop thread.
package final class NodeEnroller {
    package static let certificateSeconds: Int64 = 86_400
    /// A node's clock may be behind by this much.
    private static let clockSlackSeconds: Int64 = 3_600

    package enum Refusal: Error, Sendable, Equatable {
        /// Unknown, used or expired token.
        case token
        case node(NodeRefusal)
        /// The signature is not the registered key's, or the stamp is too far from this clock.
        case proof
        /// A sealing key nothing can be sealed to.
        case sealingKey

        package var errorCode: ErrorCode {
            switch self {
            case .token: .joinTokenInvalid
            case .node(let refusal): refusal.errorCode
            case .proof: .nodeUnknown
            case .sealingKey: .invalidRequest
            }
        }
    }

    private let database: PostgresPool
    private let authority: CertificateAuthority
    private let fleetKey: (PostgresConnection) async throws -> FleetKey
    private let clock: WallClock
    private let log: Log

    /// - Parameter fleetKey: the current one, asked for every answer: another program may have rotated it.
    package init(
        database: PostgresPool, authority: CertificateAuthority, clock: WallClock, log: Log,
        fleetKey: @escaping (PostgresConnection) async throws -> FleetKey
    ) {
        self.database = database
        self.authority = authority
        self.fleetKey = fleetKey
        self.clock = clock
        self.log = log
    }

    /// Uses a join token up and registers the node. A request that comes again because its answer was lost
    /// gets the same node's credentials: it is signed by the registered key.
    package func join(_ request: JoinRequest) async throws(Refusal) -> NodeCredentials {
        let now = clock.now()
        let joining = NodeStore.Joining(
            id: NodeID(at: now), identityKey: request.identityKey.rawBytes,
            sealingKey: request.sealingKey.rawBytes, softwareVersion: request.softwareVersion)
        // Before the token is used up: a key nothing can be sealed to must not cost it.
        let fleetKey = try await look(fleetKey)
        guard (try? fleetKey.sealed(to: request.sealingKey)) != nil else { throw .sealingKey }
        let digest = request.token.digest
        let known = try await look { try await NodeStore.find(identityKey: joining.identityKey, $0) }
        if let known {
            guard known.sealingKey == joining.sealingKey else { throw .proof }
            return try credentials(of: try active(known), fleetKey, now)
        }
        let joined = try await look { try await NodeStore.join(joining, token: digest, at: now, $0) }
        guard let node = joined else { throw .token }
        log.info("a node joined", ["node": LogValue("\(node.id)"), "name": LogValue(node.name)])
        return try credentials(of: node, fleetKey, now)
    }

    /// A new certificate and the current fleet key for the holder of a registered key, however long it was
    /// away.
    package func renew(_ request: RenewRequest) async throws(Refusal) -> NodeCredentials {
        let now = clock.now()
        let id = request.node
        guard let node = try await look({ try await NodeStore.find(id, $0) }) else { throw .node(.unknown) }
        // The proof first: only the holder of the key learns that the node was revoked.
        guard let key = Ed25519PublicKey(rawBytes: node.identityKey), request.isProven(by: key, at: now)
        else {
            throw .proof
        }
        return try credentials(of: try active(node), try await look(fleetKey), now)
    }

    private func active(_ node: Node) throws(Refusal) -> Node {
        if node.status == .revoked { throw .node(.revoked) }
        return node
    }

    private func look<Value>(
        _ body: (PostgresConnection) async throws -> Value
    ) async throws(Refusal) -> Value {
        do { return try await database.withConnection(body) } catch {
            log.warning("the node registry cannot be asked", ["reason": LogValue(error)])
            throw .node(.unavailable)
        }
    }

    private func credentials(
        of node: Node, _ fleetKey: FleetKey, _ now: Timestamp
    ) throws(Refusal) -> NodeCredentials {
        let seconds = now.microseconds / 1_000_000
        do throws(CryptographyError) {
            guard let identityKey = Ed25519PublicKey(rawBytes: node.identityKey),
                let sealingKey = X25519PublicKey(rawBytes: node.sealingKey)
            else { throw .malformed("keys of a node") }
            let certificate = try authority.issueClientCertificate(
                publicKey: identityKey, commonName: node.id.description,
                validity: CertificateValidity(
                    notBefore: seconds - Self.clockSlackSeconds, notAfter: seconds + Self.certificateSeconds))
            return NodeCredentials(
                node: node.id, name: node.name, region: node.region, certificatePEM: certificate.pem,
                certificateExpires: now.advanced(bySeconds: Self.certificateSeconds),
                authorityPEM: authority.certificatePEM, fleetKey: try fleetKey.sealed(to: sealingKey))
        } catch {
            throw .sealingKey
        }
    }
}
