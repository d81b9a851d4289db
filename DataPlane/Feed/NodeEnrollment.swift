package import Contract
import Cryptography
package import Domain
package import EventLoops
package import LocalStore
package import Telemetry

/// How a node comes by its identity: from its data directory, or by joining once.
package enum NodeEnrollment {
    package enum Failure: Error, Sendable, CustomStringConvertible {
        /// A new node, and nothing to join with.
        case noBundle(directory: String)
        case identity(NodeIdentity.Failure)
        /// The control plane said no: a new join token is needed, or somebody's help.
        case refused(status: Int, code: String)
        case unusable(String)

        package var description: String {
            switch self {
            case .noBundle(let directory):
                "\(directory) holds no identity yet: make a join token "
                    + "(`eclusa nodes join-token`) and give it once"
            case .identity(let failure): failure.description
            case .refused(let status, let code):
                "the control plane refused to enroll this node: \(status) \(code); make a new join token"
            case .unusable(let reason): "this node cannot be enrolled: \(reason)"
            }
        }
    }

    /// The node's identity, enrolled. A new node joins with the bundle, however long the control plane is
    /// away; one that is enrolled already ignores the bundle.
    ///
    /// - Parameter resolver: looks up the control plane's name.
    package static func enroll(
        in directory: DataDirectory, bundle: JoinBundle?, softwareVersion: String, loop: EventLoop,
        resolver: BlockingPool, clock: WallClock, log: Log
    ) async throws(Failure) -> NodeIdentity {
        let known = try identityFile { () throws(NodeIdentity.Failure) in
            try NodeIdentity.load(from: directory)
        }
        if let known, known.enrolled != nil { return known }
        guard let bundle else { throw .noBundle(directory: directory.path) }
        // Keys of an attempt that was cut off stay only if they are for the same control plane.
        let isSame = known?.rootKey == bundle.rootKey && known?.controlURL == bundle.controlURL
        var identity = known.flatMap { isSame ? $0 : nil } ?? NodeIdentity(joining: bundle)
        // Before the request: if its answer is lost, the same keys ask again.
        try identityFile { () throws(NodeIdentity.Failure) in try identity.save(to: directory) }
        let credentials = try await join(
            identity, bundle, softwareVersion, loop: loop, resolver: resolver, log: log)
        try identityFile { () throws(NodeIdentity.Failure) in
            try identity.adopt(credentials, at: clock.now())
            try identity.save(to: directory)
        }
        // Not `identity.node`: the optimiser of Swift 6.3.1 stops at it with an ownership error.
        log.info("enrolled", ["node": LogValue("\(credentials.node)")])
        return identity
    }

    private static func identityFile<Value>(
        _ body: () throws(NodeIdentity.Failure) -> Value
    ) throws(Failure) -> Value {
        do throws(NodeIdentity.Failure) { return try body() } catch { throw .identity(error) }
    }

    private static func join(
        _ identity: NodeIdentity, _ bundle: JoinBundle, _ softwareVersion: String, loop: EventLoop,
        resolver: BlockingPool, log: Log
    ) async throws(Failure) -> NodeCredentials {
        let client: ControlPlaneClient
        do throws(ControlPlaneError) {
            client = try ControlPlaneClient(loop: loop, resolver: resolver, identity: identity)
        } catch { throw .unusable(error.description) }
        let request = JoinRequest(
            token: bundle.token, identity: identity.identityKey, sealingKey: identity.sealingKey.publicKey,
            softwareVersion: softwareVersion)
        var ceiling: Int64 = 500_000_000
        while true {
            do throws(ControlPlaneError) { return try await client.join(request) } catch {
                switch error {
                case .refused(let status, let code, _) where status < 500 && status != 429:
                    throw .refused(status: status, code: code)
                case .unusable(let reason): throw .unusable(reason)
                default: log.warning("cannot join yet", ["reason": LogValue(error)])
                }
            }
            await loop.sleep(nanoseconds: Int64.random(in: 0...ceiling))
            ceiling = min(ceiling * 2, 10_000_000_000)
        }
    }
}
